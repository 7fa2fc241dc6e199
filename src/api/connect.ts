// The page's line to one worker: starts it, notices when it is blocked, missing, crashed, stuck or closed, and then
// settles every call that waits. Comlink alone would let those calls hang for ever.
import { proxy, type Remote, releaseProxy, transfer, wrap } from 'comlink';
import { PiramidError, toPiramidError } from '../errors.ts';
import {
  awakeLockName,
  type CallId,
  type Engine,
  type EngineEvent,
  installErrorTransfer,
  lifeLockName,
  type Notice,
  type PageEvent,
  SHARD_ENDED,
} from '../protocol.ts';
import type { FindAsset } from './assets.ts';
import { describe, invalid } from './input.ts';

/** How long a worker may take to say hello, milliseconds. A blocked one says nothing, and browsers do not always tell. */
const START_TIMEOUT = 20_000;
/** How often a silent worker is asked for a sign of life before it is given up. */
const BEATS = 4;

/** How a page brings a worker of its own. */
export const SERVE_IT = "serve piramid/worker: open(name, { worker: () => new Worker(url, { type: 'module' }) })";
const FORBIDDEN = `if a Content-Security-Policy forbids blob: workers, ${SERVE_IT}`;

installErrorTransfer();

interface Starting {
  /** The worker is the one of this bundle. */
  isInlined: boolean;
  /** Milliseconds without a sign of life that are taken for death. */
  silence: number;
  findAsset: FindAsset;
}

export class Connection {
  readonly #makeWorker: () => Worker;
  readonly #worker: Worker;
  /** Workers that hold rows for it. They end with it. */
  readonly #shards = new Set<Worker>();
  readonly #engine: Remote<Engine>;
  readonly #silence: number;
  readonly #waiting = new Set<(reason: PiramidError) => void>();
  readonly #listeners = new Map<CallId, (event: EngineEvent) => void>();
  readonly #notices: Notice[] = [];
  #noticeListener: ((notice: Notice) => void) | undefined;
  readonly #ended = new AbortController();
  #lastCall = 0;
  #failure: PiramidError | undefined;
  #closing = false;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  /** Beats since the last sign of life. */
  #silentBeats = 0;

  readonly #findAsset: FindAsset;

  private constructor(makeWorker: () => Worker, worker: Worker, { isInlined, silence, findAsset }: Starting) {
    this.#findAsset = findAsset;
    this.#makeWorker = makeWorker;
    this.#worker = worker;
    this.#silence = silence;
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const why = isInlined ? FORBIDDEN : 'is it missing, or does a Content-Security-Policy forbid it?';
      const hint = event.message || `its script did not load; ${why}`;
      this.#fail(new PiramidError('WORKER_FAILED', `the worker failed: ${hint}`));
    });
    worker.addEventListener('messageerror', () =>
      this.#fail(new PiramidError('WORKER_FAILED', 'a message from the worker could not be read')),
    );
    this.#engine = wrap<Engine>(worker);
  }

  /** Starts a worker and waits for its hello. */
  static async start(makeWorker: () => Worker, starting: Starting): Promise<Connection> {
    const { isInlined } = starting;
    let worker: Worker;
    try {
      worker = makeWorker();
    } catch (error) {
      if (typeof Worker === 'undefined') throw new PiramidError('UNSUPPORTED', nowhere(), { cause: error });
      const why = isInlined ? ` (${FORBIDDEN})` : '';
      throw toPiramidError(error, 'WORKER_FAILED', `the worker could not be made${why}`);
    }
    if (typeof worker?.addEventListener !== 'function')
      throw invalid(`worker: expected a function that makes a Worker, and it made ${describe(worker)}`);
    const connection = new Connection(makeWorker, worker, starting);
    const timer = setTimeout(() => {
      connection.#fail(
        new PiramidError(
          'WORKER_FAILED',
          `the worker did not answer within ${START_TIMEOUT} ms${isInlined ? `; ${FORBIDDEN}` : ''}`,
        ),
      );
    }, START_TIMEOUT);
    try {
      const token = await connection.call((engine) => engine.hello());
      await connection.#holdAwake(token);
      connection.#watchLife(token);
    } catch (error) {
      connection.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return connection;
  }

  /**
   * One call: settles with the worker's answer, or rejects when the connection fails or the signal fires. `waits`: a
   * fired signal only asks the worker to stop, and the call settles as the worker says (writes: are they in or not?).
   */
  call<T>(
    run: (engine: Remote<Engine>, call: CallId) => Promise<T>,
    options: { signal?: AbortSignal | undefined; waits?: boolean; onEvent?: (event: EngineEvent) => void } = {},
  ): Promise<T> {
    const { signal, waits = false, onEvent } = Object.assign(Object.create(null), options) as typeof options;
    return new Promise<T>((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (this.#closing) return reject(closed());
      if (signal?.aborted) return reject(aborted(signal));
      const call = ++this.#lastCall;
      const onAbort = () => {
        this.#engine.cancel(call).catch(() => {});
        if (!waits) settle(() => reject(aborted(signal!)));
      };
      const onFailure = (reason: PiramidError) => settle(() => reject(reason));
      const settle = (finish: () => void) => {
        this.#waiting.delete(onFailure);
        this.#listeners.delete(call);
        signal?.removeEventListener('abort', onAbort);
        if (this.#waiting.size === 0) this.#stopHeartbeat();
        finish();
      };
      this.#waiting.add(onFailure);
      if (onEvent) this.#listeners.set(call, onEvent);
      signal?.addEventListener('abort', onAbort);
      this.#startHeartbeat();
      // What throws at once (an argument that cannot be cloned) is an answer like any other.
      const answer = (async () => run(this.#engine, call))().finally(() => {
        this.#silentBeats = 0;
      });
      answer.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(toPiramidError(error, 'WORKER_FAILED', 'the call failed'))),
      );
    });
  }

  /** The callback that the worker's events come in by. */
  events(): (event: PageEvent) => void {
    return proxy((event: PageEvent) => {
      this.#silentBeats = 0;
      if (event.type === 'shard') return this.#startShard(event);
      if (event.type === 'asset') {
        void answer(event, this.#findAsset);
        return;
      }
      if (event.type === 'notice') {
        this.#notices.push(event.notice);
        this.#deliver();
        return;
      }
      try {
        this.#listeners.get(event.call)?.(event);
      } catch (error) {
        reportError(error); // the user's own callback failed: shown where its author looks, not lost in the worker
      }
    });
  }

  /** Who hears what the engine tells all tabs; what was told before is heard first. */
  onNotice(listener: (notice: Notice) => void): void {
    this.#noticeListener = listener;
    this.#deliver();
  }

  #deliver(): void {
    if (!this.#noticeListener) return;
    for (const notice of this.#notices.splice(0)) this.#noticeListener(notice);
  }

  /** Another worker of the same script. Where there is none, the engine keeps all rows. */
  #startShard({ device, port }: Extract<PageEvent, { type: 'shard' }>): void {
    if (this.#failure) return;
    try {
      const shard = this.#makeWorker();
      this.#shards.add(shard);
      const drop = () => {
        shard.terminate(); // lets go of its life lock, and so the engine knows
        this.#shards.delete(shard);
      };
      shard.addEventListener('error', (event) => {
        event.preventDefault();
        drop();
      });
      shard.addEventListener('message', ({ data }) => data === SHARD_ENDED && drop());
      wrap<Engine>(shard)
        .becomeShard(device, transfer(port, [port]))
        .catch(drop);
    } catch {}
  }

  /** Lets the worker finish what it writes, then ends it. Calls still waiting, and later ones, reject with `CLOSED`. */
  async close(): Promise<void> {
    const finished = this.call((engine) => engine.close());
    this.#closing = true;
    await finished.catch(() => {}); // a worker that cannot finish is ended all the same
    this.end();
  }

  /** Ends the worker. */
  end(): void {
    this.#fail(closed());
  }

  #fail(reason: PiramidError): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#ended.abort();
    this.#stopHeartbeat();
    for (const reject of [...this.#waiting]) reject(reason);
    this.#engine[releaseProxy]();
    for (const worker of [this.#worker, ...this.#shards]) worker.terminate();
  }

  /**
   * Holds a lock while the page is not frozen (Page Lifecycle). The worker is frozen in the same moment as the page and can let go of nothing;
   * the page still can, and who finds its lock free takes the database from the worker.
   */
  async #holdAwake(token: string | null): Promise<void> {
    const locks = globalThis.navigator?.locks;
    if (token === null || !locks) return;
    let sleep = () => {};
    const wake = () => {
      const nap = new AbortController();
      sleep = () => nap.abort();
      return new Promise<void>((awake) => {
        locks
          .request(awakeLockName(token), { __proto__: null, signal: nap.signal } as LockOptions, () => {
            awake();
            return new Promise<void>((resolve) => {
              nap.signal.addEventListener('abort', () => resolve());
              if (nap.signal.aborted) resolve();
            });
          })
          .catch(() => awake());
      });
    };
    const { signal } = this.#ended;
    signal.addEventListener('abort', () => sleep());
    if (typeof document !== 'undefined') {
      const until = { __proto__: null, signal } as AddEventListenerOptions;
      document.addEventListener('freeze', () => sleep(), until);
      document.addEventListener('resume', () => void wake(), until);
    }
    await wake();
  }

  /** The worker holds a lock while it lives; getting it means that the worker is gone, however it went. */
  #watchLife(token: string | null): void {
    if (token === null || !globalThis.navigator?.locks) return;
    navigator.locks
      .request(lifeLockName(token), { __proto__: null, mode: 'shared' } as LockOptions, () =>
        this.#fail(new PiramidError('WORKER_FAILED', 'the worker ended unexpectedly')),
      )
      .catch(() => {});
  }

  // While calls wait, the worker is asked for a sign of life. An answer to anything counts. Silence is counted in beats:
  // while the page itself is blocked, asleep or slowed down in the background, time passes and the worker is not to blame.
  #startHeartbeat(): void {
    if (this.#heartbeat !== undefined) return;
    this.#silentBeats = 0;
    let asking = false;
    this.#heartbeat = setInterval(() => {
      if (++this.#silentBeats >= BEATS) {
        const reason = new PiramidError('TIMEOUT', `the worker gave no sign of life for ${this.#silence} ms`);
        for (const reject of [...this.#waiting]) reject(reason);
      } else if (!asking) {
        asking = true;
        this.#engine.ping().then(
          () => {
            asking = false;
            this.#silentBeats = 0;
          },
          () => {},
        );
      }
    }, this.#silence / BEATS);
  }

  #stopHeartbeat(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}

/** Tells where a file is. The worker waits, so it is told in any case. */
async function answer({ file, port }: Extract<PageEvent, { type: 'asset' }>, findAsset: FindAsset): Promise<void> {
  try {
    port.postMessage(await findAsset(file));
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
}

/** Where it can run, said where it cannot. */
function nowhere(): string {
  return 'ServiceWorkerGlobalScope' in globalThis
    ? 'a service worker cannot start workers; open it in a page (of an extension: an offscreen document or a side panel)'
    : 'there is no Worker here (Node.js?); Piramid runs in browser pages and their workers';
}

function closed(): PiramidError {
  return new PiramidError('CLOSED', 'the database has been closed');
}

function aborted(signal: AbortSignal): PiramidError {
  return new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
}

// A backend that always answers. A browser whose disk is full or failing may never say what became of a call; then the connection is
// dropped, the call made once more on a new one, and what became of it is read. Only time in which this worker ran counts:
// laptops sleep, tabs are frozen and throttled, and what they asked for waits with them.
import { PiramidError } from '../errors.ts';
import { type Backend, isTakenOver, type Place, type Write } from './backend.ts';

/** Calls `run` every so many milliseconds, as far as this worker runs, until the result is called. */
export type Every = (ms: number, run: () => void) => () => void;

/** What is waited for is looked at this often, milliseconds. */
const TICK_MS = 250;
/** Without an answer for so long, the storage is taken for dead, milliseconds; once it has been, sooner, until it answers. */
const PATIENCE_MS = 30_000;
const PATIENCE_WITH_THE_DEAD_MS = 2_000;
/** A disk that writes less is taken for dead, bytes a millisecond. */
const SLOWEST_DISK = 256;

/** Wraps `inner`, whose `connect` is awaited. */
export async function patient(
  inner: Backend,
  connect: () => Promise<unknown> = async () => {},
  every: Every = timer,
): Promise<Backend> {
  const patience = new Patience(every);
  const read = <T>(call: () => Promise<T>): Promise<T> =>
    patience.within('read', call()).catch((error) => {
      if (!isNoAnswer(error)) throw error;
      inner.drop();
      return patience.within('read', call());
    });
  const backend: Backend = {
    kind: inner.kind,
    read: (store, key) => read(() => inner.read(store, key)),
    readAll: (store, firstKey) => read(() => inner.readAll(store, firstKey)),
    keys: (store) => read(() => inner.keys(store)),
    async commit(changes: readonly Write[], vacant?: Place) {
      const bytes = changes.reduce((sum, change) => sum + ('value' in change ? change.value.byteLength : 0), 0);
      try {
        await patience.within('write', inner.commit(changes, vacant), bytes);
      } catch (error) {
        if (!isNoAnswer(error)) throw error;
        inner.drop();
        // What only deletes has no fence: made later, it could meet what another opener has written since.
        if (bytes === 0) throw error;
        // Whoever reads or writes now waits for what is still under way there.
        await patience.within('write', inner.commit(changes, vacant), bytes).catch(async (error) => {
          if (isNoAnswer(error)) inner.drop();
          if (isNoAnswer(error) || isTakenOver(error) || !(await hasArrived(backend, changes))) throw error;
        });
      }
    },
    drop: () => inner.drop(),
    release: () => inner.release(),
    close: () => inner.close(),
  };
  await read(connect);
  return backend;
}

/** Whether a commit has been made, by one of its values: all were written, or none. */
async function hasArrived(backend: Backend, changes: readonly Write[]): Promise<boolean> {
  const put = changes.findLast((change) => 'value' in change);
  if (!put) return false;
  const found = await backend.read(put.store, put.key).catch(() => undefined);
  if (found?.byteLength !== put.value.byteLength) return false;
  const bytes = new Uint8Array(found);
  return new Uint8Array(put.value).every((byte, i) => byte === bytes[i]);
}

const NO_ANSWER = "the browser's storage does not answer. Whether anything was written shows when it does.";

function isNoAnswer(error: unknown): boolean {
  return error instanceof PiramidError && error.message.endsWith(NO_ANSWER);
}

interface Waiting {
  kind: 'read' | 'write';
  /** Ticks left, and as many as it had at first. */
  left: number;
  patience: number;
  giveUp: () => void;
}

/** With calls: the answer to one shows that others of its kind may still come. */
class Patience {
  readonly #every: Every;
  readonly #waiting = new Set<Waiting>();
  #stop: (() => void) | null = null;
  #isDead = false;

  constructor(every: Every) {
    this.#every = every;
  }

  within<T>(kind: Waiting['kind'], answer: Promise<T>, bytes = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      const ms = (this.#isDead ? PATIENCE_WITH_THE_DEAD_MS : PATIENCE_MS) + bytes / SLOWEST_DISK;
      const patience = Math.ceil(ms / TICK_MS);
      const giveUp = () => {
        this.#isDead = true;
        this.#end(waiting);
        reject(new PiramidError('STORAGE_FAILED', NO_ANSWER));
      };
      const waiting: Waiting = { kind, left: patience, patience, giveUp };
      this.#waiting.add(waiting);
      this.#stop ??= this.#every(TICK_MS, () => this.#tick());
      const answered = () => {
        this.#isDead = false;
        this.#end(waiting);
        for (const other of this.#waiting) if (other.kind === kind) other.left = other.patience;
      };
      answer.then(answered, answered);
      answer.then(resolve, reject);
    });
  }

  #tick(): void {
    for (const waiting of this.#waiting) if (--waiting.left < 0) waiting.giveUp();
  }

  #end(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }
}

function timer(ms: number, run: () => void): () => void {
  const interval = setInterval(run, ms);
  return () => clearInterval(interval);
}

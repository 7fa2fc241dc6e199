// The page's side of the reader: starts it, gives it one document after the other, and ends it: when it has had nothing to do for a while,
// and when it does not come to an end. Only time in which this thread ran counts, see store/patience.ts.
import { PiramidError } from '../../errors.ts';
import type { Kind, Read } from './libraries.ts';
import type { Answer, Question } from './messages.ts';

/** Calls `run` every so many milliseconds, as far as this thread runs, until the result is called. */
export type Every = (ms: number, run: () => void) => () => void;

const TICK_MS = 250;
/** How long it may take to start, milliseconds. A blocked worker says nothing, and browsers do not always tell. */
const START_MS = 10_000;
/** A document may take so long, and this much more for each million characters, milliseconds. A slow machine needs a tenth of it. */
const DEADLINE_MS = 20_000;
const DEADLINE_PER_MILLION_MS = 20_000;
/** Without a document for so long it is ended, milliseconds. */
const IDLE_MS = 10_000;

export class Reader {
  readonly #makeWorker: () => Promise<Worker>;
  readonly #every: Every;
  #worker: Worker | null = null;
  #isMissing = false;
  /** Settles when the documents before have been read. */
  #turn: Promise<unknown> = Promise.resolve();
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(makeWorker: () => Promise<Worker>, every: Every = timer) {
    this.#makeWorker = makeWorker;
    this.#every = every;
  }

  /** Undefined where no worker can be had. Throws what the library throws, `TIMEOUT`, and `WORKER_FAILED` where the worker breaks down. */
  read<K extends Kind>(kind: K, source: string): Promise<Read<K> | undefined> {
    const answer = this.#turn.then(() => this.#read({ kind, source }));
    // Nothing of it is kept.
    const ended = () => {};
    this.#turn = answer.then(ended, ended);
    return answer as Promise<Read<K> | undefined>;
  }

  async #read(question: Question): Promise<unknown> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#isMissing ? null : await this.#start();
    if (!this.#worker) return undefined;
    const { length } = question.source;
    const patience = DEADLINE_MS + (length / 1e6) * DEADLINE_PER_MILLION_MS;
    const worker = this.#worker;
    const answer = this.#answer(worker, patience);
    try {
      worker.postMessage(question);
    } catch (error) {
      // No memory for the copy. Nobody waits for this worker any more.
      this.#end();
      throw error;
    }
    const found = await answer;
    if (typeof found === 'string') this.#end();
    else this.#idle = setTimeout(() => this.#end(), IDLE_MS);
    if (found === 'late') {
      const seconds = Math.round(patience / 1000);
      throw new PiramidError(
        'TIMEOUT',
        `the document of ${length} characters was not read within ${seconds} s, and was given up; read it as plain text, or in parts`,
      );
    }
    if (found === 'failed') throw new PiramidError('WORKER_FAILED', 'the worker that read the document broke down');
    if ('read' in found) return found.read;
    const { code, message } = (found as { error: { code?: PiramidError['code']; message: string } }).error;
    throw code ? new PiramidError(code, message) : new Error(message);
  }

  /** Null, from now on, where there is none. */
  async #start(): Promise<Worker | null> {
    let worker: Worker | null = null;
    try {
      worker = await this.#makeWorker();
      if (typeof (await this.#answer(worker, START_MS)) !== 'string') return worker;
    } catch {
      // A policy forbids it.
    }
    worker?.terminate();
    this.#isMissing = true;
    return null;
  }

  #end(): void {
    clearTimeout(this.#idle);
    this.#worker?.terminate();
    this.#worker = null;
  }

  /** The next message, or why there is none. */
  #answer(worker: Worker, patience: number): Promise<Answer | 'late' | 'failed'> {
    return new Promise((resolve) => {
      let left = Math.ceil(patience / TICK_MS);
      const stop = this.#every(TICK_MS, () => --left < 0 && settle('late'));
      const settle = (answer: Answer | 'late' | 'failed') => {
        stop();
        worker.onmessage = worker.onmessageerror = worker.onerror = null;
        resolve(answer);
      };
      worker.onmessage = ({ data }) => settle(data);
      worker.onmessageerror = () => settle('failed');
      worker.onerror = (event) => {
        event.preventDefault();
        settle('failed');
      };
    });
  }
}

function timer(ms: number, run: () => void): () => void {
  const interval = setInterval(run, ms);
  return () => clearInterval(interval);
}

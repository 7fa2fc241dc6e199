// Words of large writes in a worker of their own: while it cuts texts into words, the engine embeds them. It is a worker like
// those that hold rows (`shards`), started with the first large write and ended when none has come for a while.
import { createShardPool, type ShardPool, type ShardWorker } from '../kernels/shards/pool.ts';
import { type AnalysisId, ENGLISH } from '../text/analyzer.ts';
import { Queue } from './queue.ts';

/** UTF-16 units that are worth a message. */
const LENGTH_MIN = 50_000;
/** How long it stays without work, milliseconds. */
const IDLE_MS = 30_000;

/** The postings of a write's texts, as if its first row were row 0. */
export interface BuiltWords {
  analysis: AnalysisId;
  postings: Uint8Array<ArrayBuffer>;
}

export class WordBuilder {
  readonly #openWorker: (() => Promise<ShardWorker | null>) | null;
  readonly #count: number;
  readonly #asked = new Queue();
  #pool: ShardPool | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReady = false;

  /** `openWorker` is null where none can be had. `others`: cores besides this one; without there is nothing to gain. */
  constructor(
    openWorker: (() => Promise<ShardWorker | null>) | null,
    others = (globalThis.navigator?.hardwareConcurrency ?? 1) - 1,
  ) {
    this.#openWorker = openWorker;
    this.#count = Math.min(1, others);
  }

  /** Null where the caller is to build them: few texts, another language than English, no worker or none yet. */
  async build(texts: readonly (string | null)[], analysis: AnalysisId): Promise<BuiltWords | null> {
    if (!this.#openWorker || analysis !== ENGLISH) return null;
    if (texts.reduce((sum, text) => sum + (text?.length ?? 0), 0) < LENGTH_MIN) return null;
    this.#rest();
    this.#pool ??= createShardPool(this.#openWorker, { count: this.#count });
    const pool = this.#pool;
    const starting = pool.start();
    // Until it is there, waiting would take longer.
    if (!this.#isReady) {
      starting.then(() => {
        if (pool === this.#pool) this.#isReady = true;
      });
      return null;
    }
    const [worker] = await starting;
    if (!worker) return null;
    // One at a time: what waits here is not copied yet.
    const postings = await this.#asked.run(() => {
      clearTimeout(this.#timer);
      return worker.ask({ type: 'words', set: 0, texts, analysis }).catch(() => null);
    });
    this.#rest();
    return postings && { analysis, postings };
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), IDLE_MS);
  }

  /** The next large write starts another one. */
  close(): void {
    clearTimeout(this.#timer);
    this.#pool?.close();
    this.#pool = null;
    this.#isReady = false;
  }
}

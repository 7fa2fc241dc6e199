// Other workers that hold rows: starts them when rows are first given away, carries requests to them, and knows when one is
// gone. Each has its memory to itself, so that rows are scanned side by side, and beyond the 4 GB of one, without shared
// memory. Knows nothing of which rows are where.
import type { Doubt, DoubtSearch } from '../codes/doubt.ts';
import type { CanonicalHits, RowHits, RowSearch } from '../kernel.ts';
import type { PartOptions } from './part.ts';

/** A search of a part. A mask crosses as its words. */
export interface PartSearch<Wish> {
  wish: Wish;
  words: Uint32Array<ArrayBuffer> | null;
}

/** The best k of some rows, by their numbers at their place. */
export interface BestOf {
  query: Float32Array;
  among: ArrayLike<number> & Iterable<number>;
  k: number;
}

/** Beyond these, memory is what is waited for. Bounds the workers of a database, the engine's own included. */
const WORKERS_MAX = 4;
/** How long a worker may take to start, milliseconds. Without it, rows stay where they are. */
const START_TIMEOUT = 10_000;

/** A worker that serves rows (`host.ts`) on a port. */
export interface ShardWorker {
  port: MessagePort;
  /** Settles when the worker is gone, however it went. */
  lost: Promise<void>;
}

export type ShardRequest = { set: number } & (
  | ({ type: 'create' } & PartOptions)
  | { type: 'reserve'; rowCount: number }
  | { type: 'append'; vectors: Float32Array<ArrayBuffer>; records: Uint8Array<ArrayBuffer> | null }
  | { type: 'truncate'; rowCount: number }
  | { type: 'search'; searches: readonly PartSearch<Omit<RowSearch, 'mask'>>[] }
  | { type: 'doubts'; searches: readonly PartSearch<Omit<DoubtSearch, 'mask'>>[] }
  | { type: 'best'; wishes: readonly BestOf[] }
  | { type: 'vectors'; rows: Uint32Array<ArrayBuffer> }
  | { type: 'close' }
  | { type: 'words'; texts: readonly (string | null)[]; analysis: number }
);

export type ShardAnswer = { id: number; value: unknown } | { id: number; error: string };

/** What a type of request is answered with. */
export interface ShardValues {
  create: undefined;
  /** Bytes held. */
  reserve: number;
  append: undefined;
  truncate: undefined;
  search: RowHits[];
  doubts: Doubt[];
  best: CanonicalHits[];
  /** Shape: (rows, dimension). */
  vectors: Float32Array<ArrayBuffer>;
  close: undefined;
  /** A postings block whose first row is 0. */
  words: Uint8Array<ArrayBuffer>;
}

/** A worker that held rows is gone, and the rows with it: they are to be read from the store again. */
export class LostRows extends Error {
  override readonly name = 'LostRows';
}

export interface Shard {
  readonly isLost: boolean;
  /** Rejects with `LostRows` when the worker is gone or has failed. */
  ask<T extends ShardRequest['type']>(
    request: Extract<ShardRequest, { type: T }>,
    transfer?: Transferable[],
  ): Promise<ShardValues[T]>;
  /** As if its worker had ended: the part lacks something. */
  lose(reason: string): void;
  end(): void;
}

export interface ShardLayout {
  /** Rows of a block, a multiple of 32: small beside what makes sharding worth it. @default 8192 */
  blockRows?: number;
  /** Of what is scanned; up to here all rows stay. @default 32 MB, of codes 64 MB */
  localBytes?: number;
}

export interface ShardPool {
  readonly layout: ShardLayout;
  /** The workers, started now if they were not; none where they cannot be. */
  start(): Promise<readonly Shard[]>;
  /** Ends them. */
  close(): void;
}

export interface ShardPoolOptions {
  /** Workers besides this one. @default as many as the processor has threads for, up to 3 */
  count?: number;
  /** Tests make it small. */
  layout?: ShardLayout;
}

/** `openWorker` starts one. */
export function createShardPool(
  openWorker: () => Promise<ShardWorker | null>,
  {
    count = Math.min(WORKERS_MAX, globalThis.navigator?.hardwareConcurrency ?? 1) - 1,
    layout = {},
  }: ShardPoolOptions = {},
): ShardPool {
  let starting: Promise<readonly Shard[]> | undefined;
  let usable = true;

  async function startAll(): Promise<readonly Shard[]> {
    const workers = await Promise.all(Array.from({ length: count }, startOne));
    return workers
      .filter((worker) => worker !== null)
      .map((worker) =>
        createShard(worker, () => {
          // What ended one (no memory, most likely) would end the next.
          usable = false;
        }),
      );
  }

  function startOne(): Promise<ShardWorker | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, START_TIMEOUT, null);
    });
    return Promise.race([openWorker().catch(() => null), late]).finally(() => clearTimeout(timer));
  }

  return {
    layout,
    async start() {
      starting ??= startAll();
      const shards = await starting;
      return usable ? shards : [];
    },
    close() {
      usable = false;
      starting?.then((shards) => {
        for (const shard of shards) shard.end();
      });
    },
  };
}

function createShard({ port, lost }: ShardWorker, onLost: () => void): Shard {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: LostRows) => void }>();
  let lastId = 0;
  let isLost = false;

  function lose(reason: string): void {
    if (isLost) return;
    isLost = true;
    onLost();
    port.close();
    for (const { reject } of waiting.values()) reject(new LostRows(reason));
    waiting.clear();
  }

  lost.then(() => lose('a worker that held rows has ended'));
  port.onmessage = ({ data }: MessageEvent<ShardAnswer>) => {
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    // A part that failed once is not to be trusted with what comes after.
    if ('error' in data) {
      asked?.reject(new LostRows(data.error));
      lose(data.error);
    } else asked?.resolve(data.value as never);
  };
  return {
    get isLost() {
      return isLost;
    },
    ask(request, transfer = []) {
      return new Promise((resolve, reject) => {
        if (isLost) return reject(new LostRows('a worker that held rows has ended'));
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        try {
          port.postMessage({ id, request }, transfer);
        } catch (error) {
          // No memory for the message: without it, the part is not what it is taken for.
          lose(String(error));
        }
      });
    },
    lose,
    end() {
      port.postMessage('end');
      lose('the database has been closed');
    },
  };
}

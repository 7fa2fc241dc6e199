// Rows spread over this worker and others: which block of rows is where, and one search over all of them. Every part gives
// its best k with canonical scores, so the best of these are the best of all, the same bits as from one place.
import type { Bitset } from '../../structures/bitset.ts';
import { TopK } from '../../structures/top-k.ts';
import type { CpuRows, RowHits, RowSearch } from '../kernel.ts';
import { withMask } from './host.ts';
import { LostRows, type Shard, type ShardPool, type ShardSearch } from './pool.ts';

export interface ShardLayout {
  /** Rows of a block, a multiple of 32: small beside what makes sharding worth it. @default 8192 */
  blockRows?: number;
  /** Up to here all rows stay: a message there and back takes what a core needs for 5 to 10 MB. @default 32 MB */
  localBytes?: number;
}

export interface ShardedRows {
  readonly rowCount: number;
  /** Bytes held in all places. */
  readonly bytes: number;
  /** Workers that hold rows, this one included. */
  readonly workers: number;
  /** A worker is gone, and rows with it. Searches reject with `LostRows`. */
  readonly isLost: boolean;
  /** Must have resolved before rows up to there are appended. Throws `UNSUPPORTED` where there is no room. */
  reserve(rowCount: number): Promise<void>;
  /** See `CpuRows`. */
  append(vectors: Float32Array): void;
  truncate(rowCount: number): void;
  /** See `CpuRows`. Rejects with `LostRows` where a part is gone. */
  searchAll(searches: readonly RowSearch[]): Promise<RowHits[]>;
  /** Copies of rows as they were appended. Rejects like `searchAll`. */
  vectors(rows: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>[]>;
  close(): void;
}

let lastSet = 0;

/** `local` is empty, and this one's from now on. */
export function createShardedRows(local: CpuRows, pool: ShardPool, layout: ShardLayout = {}): ShardedRows {
  const { dimension, metric } = local;
  const { blockRows = 8192, localBytes = 32_000_000 } = layout;
  const localBlocks = Math.ceil(localBytes / (blockRows * dimension * 4));
  const set = ++lastSet;
  /** Where each block is: 0 is here, i the i-th other worker. */
  const owners: number[] = [];
  /** Which block of its owner's it is. */
  const places: number[] = [];
  /** Global numbers of each owner's blocks. */
  const blocksOf: number[][] = [[]];
  let shards: readonly Shard[] = [];
  const shardBytes: number[] = [];
  let rowCount = 0;

  async function reserve(end: number): Promise<void> {
    const blocks = Math.ceil(end / blockRows);
    if (blocks > localBlocks && blocksOf.length === 1 && owners.length <= localBlocks) await spread();
    while (owners.length < blocks) {
      let owner = 0;
      if (owners.length >= localBlocks)
        for (let i = 1; i < blocksOf.length; i++) if (blocksOf[i]!.length < blocksOf[owner]!.length) owner = i;
      places.push(blocksOf[owner]!.length);
      blocksOf[owner]!.push(owners.length);
      owners.push(owner);
    }
    local.reserve(rowsOf(0, end));
    await Promise.all(
      shards.map(async (shard, i) => {
        shardBytes[i] = await shard.ask({ set, type: 'reserve', rowCount: rowsOf(i + 1, end) });
      }),
    ).catch(ignoreLost);
  }

  async function spread(): Promise<void> {
    shards = await pool.start();
    await Promise.all(shards.map((shard) => shard.ask({ set, type: 'create', dimension, metric }))).catch(ignoreLost);
    for (const _ of shards) blocksOf.push([]);
  }

  /** How many of an owner's rows are before row `end`. */
  function rowsOf(owner: number, end: number): number {
    const blocks = blocksOf[owner]!;
    let whole = blocks.length;
    // Only the last blocks of all can be beyond the end.
    while (whole > 0 && (blocks[whole - 1]! + 1) * blockRows > end) whole--;
    const partial = whole < blocks.length ? Math.max(0, end - blocks[whole]! * blockRows) : 0;
    return whole * blockRows + partial;
  }

  function append(vectors: Float32Array): void {
    const end = rowCount + vectors.length / dimension;
    for (let from = 0; rowCount < end; ) {
      const block = Math.floor(rowCount / blockRows);
      const count = Math.min(end, (block + 1) * blockRows) - rowCount;
      const part = vectors.subarray(from * dimension, (from + count) * dimension);
      const owner = owners[block]!;
      if (owner === 0) local.append(part);
      else {
        const copy = part.slice();
        shards[owner - 1]!.ask({ set, type: 'append', vectors: copy }, [copy.buffer]).catch(ignoreLost);
      }
      rowCount += count;
      from += count;
    }
  }

  function truncate(end: number): void {
    rowCount = end;
    local.truncate(rowsOf(0, end));
    for (const [i, shard] of shards.entries())
      shard.ask({ set, type: 'truncate', rowCount: rowsOf(i + 1, end) }).catch(ignoreLost);
  }

  async function searchAll(searches: readonly RowSearch[]): Promise<RowHits[]> {
    const start = performance.now();
    const answers = shards.map((shard, i) => {
      const parts = searches.map((search) => partOf(search, i + 1));
      const masks = parts.flatMap(({ mask }) => (mask ? [mask.buffer] : []));
      return shard.ask({ set, type: 'search', searches: parts }, masks);
    });
    // The others work while this one does; a failure among them is seen below.
    for (const answer of answers) answer.catch(ignoreLost);
    const mine = local.searchAll(searches.map((search) => withMask(partOf(search, 0))));
    const parts = [mine, ...(await Promise.all(answers))];
    const scannedMs = performance.now() - start;
    return searches.map(({ k, rowCount: end }, i) => {
      const best = new TopK(Math.min(k, end));
      for (const [owner, hits] of parts.entries()) {
        const { rows, scores } = hits[i]!;
        for (const [j, row] of rows.entries()) best.push(globalRow(owner, row), scores[j]!);
      }
      const rescoreMs = Math.max(...parts.map((hits) => hits[i]!.rescoreMs));
      return { ...best.take(), scanMs: scannedMs - rescoreMs, rescoreMs };
    });
  }

  /** What an owner is asked for. */
  function partOf({ mask, ...search }: RowSearch, owner: number): ShardSearch {
    const count = rowsOf(owner, search.rowCount);
    return { ...search, rowCount: count, ...(mask && { mask: maskOf(mask, owner, count) }) };
  }

  /** An owner's part of a mask. */
  function maskOf({ words }: Bitset, owner: number, count: number): Uint32Array<ArrayBuffer> {
    const part = new Uint32Array((count + 31) >>> 5);
    const blockWords = blockRows / 32;
    for (const [place, block] of blocksOf[owner]!.entries()) {
      const at = place * blockWords;
      if (at >= part.length) break;
      const first = block * blockWords;
      part.set(words.subarray(first, first + Math.min(blockWords, part.length - at)), at);
    }
    // A bitset's bits end with its rows.
    if (count & 31) part[part.length - 1]! &= 0xffffffff >>> (32 - (count & 31));
    return part;
  }

  function globalRow(owner: number, row: number): number {
    return blocksOf[owner]![Math.floor(row / blockRows)]! * blockRows + (row % blockRows);
  }

  async function vectors(rows: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>[]> {
    const found = new Array<Float32Array<ArrayBuffer>>(rows.length);
    const asked = shards.map((): { positions: number[]; rows: number[] } => ({ positions: [], rows: [] }));
    for (let i = 0; i < rows.length; i++) {
      const block = Math.floor(rows[i]! / blockRows);
      const row = places[block]! * blockRows + (rows[i]! % blockRows);
      const owner = owners[block]!;
      if (owner > 0) {
        asked[owner - 1]!.positions.push(i);
        asked[owner - 1]!.rows.push(row);
        continue;
      }
      const offset = local.offset(row);
      found[i] = new Float32Array(local.values(row).subarray(offset, offset + dimension));
    }
    await Promise.all(
      asked.map(async ({ positions, rows: wanted }, i) => {
        if (wanted.length === 0) return;
        const all = await shards[i]!.ask({ set, type: 'vectors', rows: Uint32Array.from(wanted) });
        for (const [j, position] of positions.entries())
          found[position] = all.slice(j * dimension, (j + 1) * dimension);
      }),
    );
    return found;
  }

  return {
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return shardBytes.reduce((sum, bytes) => sum + bytes, local.bytes);
    },
    get workers() {
      return blocksOf.length;
    },
    get isLost() {
      return shards.some((shard) => shard.isLost);
    },
    reserve,
    append,
    truncate,
    searchAll,
    vectors,
    close() {
      local.close();
      for (const shard of shards) shard.ask({ set, type: 'close' }).catch(ignoreLost);
    },
  };
}

// Whoever needs the rows next is told.
function ignoreLost(error: unknown): void {
  if (!(error instanceof LostRows)) throw error;
}

// Rows spread over this worker and others: which block of rows is where, and one search over all of them. Every part gives
// its best k with canonical scores, or what its codes leave in doubt, so the best of these are the best of all, the same bits as
// from one place.
import type { Bitset } from '../../structures/bitset.ts';
import { TopK } from '../../structures/top-k.ts';
import { type Doubt, type DoubtSearch, doubtsOf } from '../codes/doubt.ts';
import type { CanonicalHits, RowHits, RowSearch } from '../kernel.ts';
import { withMask } from './host.ts';
import { appendToPart, bytesOf, closePart, type Part, reservePart, truncatePart } from './part.ts';
import { type BestOf, LostRows, type PartSearch, type Shard, type ShardPool } from './pool.ts';

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
  /** See `CpuRows`. `records`: those of the coder, where there are codes. */
  append(vectors: Float32Array, records: Uint8Array | null): void;
  truncate(rowCount: number): void;
  /** See `CpuRows`. Rejects with `LostRows` where a part is gone. */
  searchAll(searches: readonly RowSearch[]): Promise<RowHits[]>;
  /** What a scan of codes leaves in doubt, of each. Rejects like `searchAll`. */
  doubtsOfAll(searches: readonly DoubtSearch[]): Promise<Doubt[]>;
  /** See `CpuRows.best`, of each. Rejects like `searchAll`. */
  bestOfAll(wishes: readonly BestOf[]): Promise<CanonicalHits[]>;
  /** Copies of rows as they were appended. Rejects like `searchAll`. */
  vectors(rows: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>[]>;
  close(): void;
}

/** Up to here all rows stay: a message there and back takes what a core needs for 5 to 10 MB, and candidates take two. */
const LOCAL_BYTES = 32_000_000;
const LOCAL_CODE_BYTES = 64_000_000;

let lastSet = 0;

/** `local` is empty, and this one's from now on. */
export function createShardedRows(local: Part, pool: ShardPool): ShardedRows {
  const { dimension, metric } = local.rows;
  const coder = local.codes?.coder;
  const { recordBytes = 0 } = coder ?? {};
  const { blockRows = 8192, localBytes = coder ? LOCAL_CODE_BYTES : LOCAL_BYTES } = pool.layout;
  const localBlocks = Math.ceil(localBytes / (blockRows * (recordBytes || dimension * 4)));
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
    reservePart(local, rowsOf(0, end));
    await Promise.all(
      shards.map(async (shard, i) => {
        shardBytes[i] = await shard.ask({ set, type: 'reserve', rowCount: rowsOf(i + 1, end) });
      }),
    ).catch(ignoreLost);
  }

  async function spread(): Promise<void> {
    const started = await pool.start();
    const options = { dimension, metric, tier: coder?.tier ?? null };
    await Promise.all(started.map((shard) => shard.ask({ set, type: 'create', ...options }))).catch(ignoreLost);
    // In one go: searches go on meanwhile, and ask all places that there are.
    for (const _ of started) blocksOf.push([]);
    shards = started;
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

  function append(vectors: Float32Array, records: Uint8Array | null): void {
    const end = rowCount + vectors.length / dimension;
    for (let from = 0; rowCount < end; ) {
      const block = Math.floor(rowCount / blockRows);
      const count = Math.min(end, (block + 1) * blockRows) - rowCount;
      const part = vectors.subarray(from * dimension, (from + count) * dimension);
      const codes = records?.subarray(from * recordBytes, (from + count) * recordBytes) ?? null;
      const owner = owners[block]!;
      if (owner === 0) appendToPart(local, part, codes);
      else give(shards[owner - 1]!, part, codes);
      rowCount += count;
      from += count;
    }
  }

  /** Never fails, since the rows may be on disk already: a place that cannot have them is lost. */
  function give(shard: Shard, part: Float32Array, codes: Uint8Array | null): void {
    try {
      const copies = { vectors: part.slice(), records: codes?.slice() ?? null };
      const buffers = [copies.vectors.buffer, ...(copies.records ? [copies.records.buffer] : [])];
      shard.ask({ set, type: 'append', ...copies }, buffers).catch(ignoreLost);
    } catch (error) {
      shard.lose(String(error)); // no memory for the copies
    }
  }

  function truncate(end: number): void {
    rowCount = end;
    truncatePart(local, rowsOf(0, end));
    for (const [i, shard] of shards.entries())
      shard.ask({ set, type: 'truncate', rowCount: rowsOf(i + 1, end) }).catch(ignoreLost);
  }

  /** Asks all places at once: the others work while this one does. */
  async function everywhere<T>(there: (shard: Shard, owner: number) => Promise<T>, here: () => T): Promise<T[]> {
    const answers = shards.map((shard, i) => there(shard, i + 1));
    // A failure among them is seen below.
    for (const answer of answers) answer.catch(ignoreLost);
    const mine = here();
    return [mine, ...(await Promise.all(answers))];
  }

  async function searchAll(searches: readonly RowSearch[]): Promise<RowHits[]> {
    const start = performance.now();
    const found = await everywhere(
      (shard, owner) => {
        const parts = searches.map((search) => partOf(search, owner));
        return shard.ask({ set, type: 'search', searches: parts }, parts.flatMap(maskBuffers));
      },
      () => local.rows.searchAll(searches.map((search) => withMask(partOf(search, 0)))),
    );
    const scannedMs = performance.now() - start;
    return searches.map(({ k, rowCount: end }, i) => {
      const hits = found.map((part) => part[i]!);
      const rescoreMs = Math.max(...hits.map((part) => part.rescoreMs));
      return { ...bestOf(hits, Math.min(k, end)), scanMs: scannedMs - rescoreMs, rescoreMs };
    });
  }

  async function doubtsOfAll(searches: readonly DoubtSearch[]): Promise<Doubt[]> {
    const found = await everywhere(
      (shard, owner) => {
        const parts = searches.map((search) => partOf(search, owner));
        return shard.ask({ set, type: 'doubts', searches: parts }, parts.flatMap(maskBuffers));
      },
      () =>
        doubtsOf(
          local.codes!,
          searches.map((search) => withMask(partOf(search, 0))),
        ),
    );
    return searches.map((_, i) => inOne(found.map((part) => part[i]!)));
  }

  /** What the owners, in their order, have in doubt. */
  function inOne(parts: readonly Doubt[]): Doubt {
    const numbers = (of: (part: Doubt) => Float32Array) => Float32Array.from(parts.flatMap((part) => [...of(part)]));
    return {
      rows: Uint32Array.from(parts.flatMap(({ rows }, owner) => Array.from(rows, (row) => globalRow(owner, row)))),
      lower: numbers(({ lower }) => lower),
      upper: numbers(({ upper }) => upper),
      floor: Math.max(...parts.map(({ floor }) => floor)),
    };
  }

  async function bestOfAll(wishes: readonly BestOf[]): Promise<CanonicalHits[]> {
    const parts = wishes.map(({ among }) => {
      const rows = blocksOf.map((): number[] => []);
      for (const row of among) rows[owners[Math.floor(row / blockRows)]!]!.push(localRow(row));
      return rows;
    });
    const wishesOf = (owner: number) =>
      wishes.map(({ query, k }, i) => ({ query, among: Uint32Array.from(parts[i]![owner]!), k }));
    const found = await everywhere(
      (shard, owner) => shard.ask({ set, type: 'best', wishes: wishesOf(owner) }),
      () => wishesOf(0).map(({ query, among, k }) => local.rows.best(query, among, k)),
    );
    return wishes.map(({ k }, i) => {
      const hits = found.map((part) => part[i]!);
      return bestOf(hits, k);
    });
  }

  /** The best of what the owners, in their order, have found. */
  function bestOf(hits: readonly { rows: Uint32Array; scores: Float32Array }[], k: number): CanonicalHits {
    const best = new TopK(k);
    for (const [owner, { rows, scores }] of hits.entries()) {
      for (const [i, row] of rows.entries()) best.push(globalRow(owner, row), scores[i]!);
    }
    return best.take();
  }

  /** What an owner is asked for. */
  function partOf<Search extends { rowCount: number; mask?: Bitset }>(
    { mask, ...wish }: Search,
    owner: number,
  ): PartSearch<Omit<Search, 'mask'> & { rowCount: number }> {
    const count = rowsOf(owner, wish.rowCount);
    return { wish: { ...wish, rowCount: count }, words: mask ? maskOf(mask, owner, count) : null };
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

  function localRow(row: number): number {
    return places[Math.floor(row / blockRows)]! * blockRows + (row % blockRows);
  }

  async function vectors(rows: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>[]> {
    const found = new Array<Float32Array<ArrayBuffer>>(rows.length);
    const asked = shards.map((): { positions: number[]; rows: number[] } => ({ positions: [], rows: [] }));
    for (let i = 0; i < rows.length; i++) {
      const row = localRow(rows[i]!);
      const owner = owners[Math.floor(rows[i]! / blockRows)]!;
      if (owner > 0) {
        asked[owner - 1]!.positions.push(i);
        asked[owner - 1]!.rows.push(row);
        continue;
      }
      const offset = local.rows.offset(row);
      found[i] = new Float32Array(local.rows.values(row).subarray(offset, offset + dimension));
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
      return shardBytes.reduce((sum, bytes) => sum + bytes, bytesOf(local));
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
    doubtsOfAll,
    bestOfAll,
    vectors,
    close() {
      closePart(local);
      for (const shard of shards) shard.ask({ set, type: 'close' }).catch(ignoreLost);
    },
  };
}

function maskBuffers({ words }: PartSearch<unknown>): ArrayBuffer[] {
  return words ? [words.buffer] : [];
}

// Whoever needs the rows next is told.
function ignoreLost(error: unknown): void {
  if (!(error instanceof LostRows)) throw error;
}

// Coded rows in one WebAssembly.Memory, scanned by `codes.as.ts`. Owns the memory's layout: groups of 16 rows, each with its
// codes and then its factors, so that one stream of bytes is all that a scan reads.
import {
  type CodeHits,
  type CodeRows,
  type Coder,
  type CodeSearch,
  FLOAT32_MAX,
  similarityOf,
} from '../codes/coder.ts';
import { createInt8Coder } from '../codes/int8.ts';
import { Arena, CACHED_BYTES, copyMask } from './memory.ts';
import { loadModule } from './modules.ts';

type Scan = (
  groups: number,
  codeBytes: number,
  count: number,
  row: number,
  mask: number,
  query: number,
  constant: number,
  kept: number,
) => void;

interface CodesExports {
  begin(
    kept: number,
    capacity: number,
    wanted: number,
    threshold: number,
    factors: number,
    scale: number,
    weight1: number,
    weight2: number,
  ): void;
  finish(kept: number): number;
  scanInt8: Scan;
  scanBinary: Scan;
}

const BLOCK_BYTES = 1 << 20;
const GROUP_ROWS = 16;
/** int8: what of a row lies together. */
const PIECE_BYTES = 16;
const PIECE_WORDS = PIECE_BYTES / 4;
const ROWS_TOGETHER = 4;

/** Of what is kept, before the keys of 8 bytes. */
const KEPT_HEADER_BYTES = 288;
/** A place to begin with. */
const KEY_ENTRIES = 1024;

/** Where one of the queries that are answered together is, and what it keeps. */
interface Place {
  queryAt: number;
  keptAt: number;
  keyEntries: number;
}

/** One of two builds of the kernels. They give the same bits. */
export interface CodesModule {
  module: WebAssembly.Module;
  /** It has the instructions of relaxed SIMD, which save a third of the work. */
  relaxed: boolean;
}

let compiled: Promise<CodesModule | null> | undefined;

/** The fastest build that the browser takes, compiled once per worker; null where it has no WASM SIMD or forbids WASM. */
export function loadWasmCodes(): Promise<CodesModule | null> {
  compiled ??= compileCodes(true).then((build) => (build && multiplies(build) ? build : compileCodes(false)));
  return compiled;
}

/** V8's first relaxed SIMD (11.3, as in Node 20 behind a flag) multiplies wrongly until the code is optimised. */
function multiplies(build: CodesModule): boolean {
  const coder = createInt8Coder({ dimension: 32, metric: 'dot' });
  const row = Float32Array.from({ length: 32 }, (_, i) => i - 20);
  const record = coder.encode(row);
  const query = coder.encodeQuery(
    row.map((x) => 3 - x),
    1,
  );
  const codes = createWasmCodes(build, coder);
  codes.append(record);
  const { similarities } = codes.candidates(query, { rowCount: 1, wanted: 1 });
  return (
    similarities[0] ===
    similarityOf(
      coder,
      query,
      coder.integer(query, record, coder.factorCount * 4),
      new Float32Array(record.buffer, 0, coder.factorCount),
      0,
    )
  );
}

export async function compileCodes(relaxed: boolean): Promise<CodesModule | null> {
  const module = await loadModule(relaxed ? 'relaxed codes' : 'codes');
  return module && { module, relaxed };
}

export function createWasmCodes({ module, relaxed }: CodesModule, coder: Coder): CodeRows {
  const { codeBytes, factorCount, recordBytes, metric, tier } = coder;
  const arena = new Arena();
  const { memory } = arena;
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as CodesExports;
  const scan = tier === 'int8' ? exports.scanInt8 : exports.scanBinary;

  const factorsAt = GROUP_ROWS * codeBytes;
  const groupBytes = factorsAt + GROUP_ROWS * 4 * factorCount;
  // Whole pieces, of a multiple of 32 rows, so that each one's part of a mask begins with a whole word.
  const pieceRows = Math.max(32, Math.floor(CACHED_BYTES / groupBytes / 2) * 32);
  const blockRows = Math.max(1, Math.floor((BLOCK_BYTES * GROUP_ROWS) / groupBytes / pieceRows)) * pieceRows;
  const blockBytes = (blockRows / GROUP_ROWS) * groupBytes;
  const blocks: number[] = [];
  /** Where 128 was added to signed bytes. */
  const turned = relaxed ? 0 : 0x0080_0080;

  const maskAt = arena.allocate(blockRows / 8);
  /** As many as queries have been answered together. */
  const places = [createPlace()];
  let rowCount = 0;
  /** The whole memory. Growing detaches older views. */
  let cached = new Uint32Array(memory.buffer);

  function createPlace(): Place {
    const queryAt = arena.allocate(tier === 'int8' ? int8QueryBytes(codeBytes) : codeBytes * 32);
    return { queryAt, keptAt: arena.allocate(KEPT_HEADER_BYTES + KEY_ENTRIES * 8), keyEntries: KEY_ENTRIES };
  }

  function reserve(end: number): void {
    while (blocks.length * blockRows < end) blocks.push(arena.allocate(blockBytes));
  }

  function append(records: Uint8Array): void {
    const count = records.length / recordBytes;
    reserve(rowCount + count);
    const bytes = new Uint8Array(memory.buffer);
    for (let i = 0; i < count; i++, rowCount++) put(bytes, records, i * recordBytes, rowCount);
  }

  function groupOf(row: number): number {
    return blocks[Math.floor(row / blockRows)]! + Math.floor((row % blockRows) / GROUP_ROWS) * groupBytes;
  }

  function put(bytes: Uint8Array, records: Uint8Array, record: number, row: number): void {
    const lane = row % GROUP_ROWS;
    const group = groupOf(row);
    const codes = record + factorCount * 4;
    for (let factor = 0; factor < factorCount; factor++) {
      const at = group + factorsAt + factor * GROUP_ROWS * 4 + lane * 4;
      for (let byte = 0; byte < 4; byte++) bytes[at + byte] = records[record + factor * 4 + byte]!;
    }
    if (tier === 'int8') {
      const at = int8At(group, lane);
      for (let i = 0; i < codeBytes; i += PIECE_BYTES)
        bytes.set(records.subarray(codes + i, codes + i + PIECE_BYTES), at + i * ROWS_TOGETHER);
      // Adds 128 to signed bytes.
      if (!relaxed)
        for (let i = 0; i < codeBytes; i += 2)
          bytes[at + (i & -PIECE_BYTES) * ROWS_TOGETHER + (i % PIECE_BYTES)]! ^= 128;
    } else for (let i = 0; i < codeBytes; i++) bytes[group + i * GROUP_ROWS + lane] = records[codes + i]!;
  }

  /** Four rows lie together, a piece of each in turns. */
  function int8At(group: number, lane: number): number {
    return group + (lane & -ROWS_TOGETHER) * codeBytes + (lane % ROWS_TOGETHER) * PIECE_BYTES;
  }

  /** The way back from `put`. */
  function copyRecord(row: number, target: Uint32Array<ArrayBuffer>): void {
    const lane = row % GROUP_ROWS;
    const group = groupOf(row);
    if (cached.buffer !== memory.buffer) cached = new Uint32Array(memory.buffer);
    for (let factor = 0; factor < factorCount; factor++)
      target[factor] = cached[(group + factorsAt) / 4 + factor * GROUP_ROWS + lane]!;
    if (tier === 'int8') {
      const words = cached;
      let at = int8At(group, lane) / 4;
      for (let to = factorCount; to < recordBytes / 4; to += PIECE_WORDS, at += PIECE_WORDS * ROWS_TOGETHER)
        for (let i = 0; i < PIECE_WORDS; i++) target[to + i] = words[at + i]! ^ turned;
    } else {
      const bytes = new Uint8Array(memory.buffer);
      const record = new Uint8Array(target.buffer, target.byteOffset + factorCount * 4);
      for (let i = 0; i < codeBytes; i++) record[i] = bytes[group + i * GROUP_ROWS + lane]!;
    }
  }

  function candidatesOfAll(searches: readonly CodeSearch[]): CodeHits[] {
    const scans = searches.map(begin);
    const step = scans.length > 1 ? pieceRows : blockRows;
    const last = Math.max(...searches.map(({ rowCount: end }) => end));
    // The first of several brings a piece into the cache for the others.
    for (let first = 0; first < last; first += step) {
      const groups = groupOf(first);
      for (const [i, { mask, rowCount: end }] of searches.entries()) {
        const count = Math.min(step, end - first);
        if (count <= 0 || (mask && !copyMask(memory.buffer, maskAt, mask.words, first, count))) continue;
        const { queryAt, constant, keptAt } = scans[i]!;
        scan(groups, codeBytes, count, first, mask ? maskAt : 0, queryAt, constant, keptAt);
      }
    }
    return scans.map(finish);
  }

  /** Puts a query into the place of the `i`-th search. */
  function begin({ query, wanted, rowCount: end, least = -FLOAT32_MAX }: CodeSearch, i: number) {
    while (places.length <= i) places.push(createPlace());
    const place = places[i]!;
    const count = Math.max(1, Math.min(wanted, end));
    // As many again as are wanted: then each key is looked at a few times on average, however many are wanted.
    const entries = Math.max(count + 64, count * 2);
    if (entries > place.keyEntries) {
      // The smaller place is lost; doubling keeps the sum of them below the largest.
      place.keyEntries = Math.max(entries, place.keyEntries * 2);
      place.keptAt = arena.allocate(KEPT_HEADER_BYTES + place.keyEntries * 8);
    }
    const { queryAt, keptAt } = place;
    const { table, scale, weights } = query;
    const factor = metric === 'l2' ? scale : 1;
    exports.begin(keptAt, entries, count, Math.max(least, -FLOAT32_MAX), factorCount, factor, ...weights);
    let { constant } = query;
    if (table instanceof Uint8Array) new Uint8Array(memory.buffer, queryAt, table.length).set(table);
    else if (relaxed) constant = putRelaxedQuery(memory.buffer, queryAt, table);
    else putInt8Query(memory.buffer, queryAt, table);
    return { queryAt, keptAt, constant };
  }

  function finish({ keptAt }: Pick<Place, 'keptAt'>): CodeHits {
    const kept = exports.finish(keptAt);
    const rows = new Uint32Array(kept);
    const bits = new Uint32Array(kept);
    const keys = new Uint32Array(memory.buffer, keptAt + KEPT_HEADER_BYTES, kept * 2);
    for (let i = 0; i < kept; i++) {
      rows[i] = ~keys[i * 2]!;
      const order = keys[i * 2 + 1]!;
      bits[i] = order & 0x80000000 ? order & 0x7fffffff : ~order;
    }
    return { rows, similarities: new Float32Array(bits.buffer) };
  }

  return {
    device: 'wasm',
    coder,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return memory.buffer.byteLength;
    },
    reserve,
    append,
    truncate(count) {
      rowCount = count;
    },
    records(first, end) {
      const taken = new Uint8Array((end - first) * recordBytes);
      for (let row = first; row < end; row++)
        copyRecord(row, new Uint32Array(taken.buffer, (row - first) * recordBytes, recordBytes / 4));
      return taken;
    },
    copyRecord,
    candidates: (query, search) => candidatesOfAll([{ query, ...search }])[0]!,
    candidatesOfAll,
    close() {
      // Memory cannot shrink; it goes when this object does.
      blocks.length = 0;
    },
  };
}

/** What the kernel sums up before its 24 bits are full. */
const PIECE_CODES = 512;

function int8QueryBytes(codeBytes: number): number {
  return Math.ceil(codeBytes / PIECE_CODES) * 16 + codeBytes * 2;
}

/** Writes a query’s codes as `four` in `codes.as.ts` wants them. */
function putInt8Query(buffer: ArrayBuffer, at: number, codes: Int8Array): void {
  let to = at;
  for (let piece = 0; piece < codes.length; piece += PIECE_CODES) {
    const end = Math.min(piece + PIECE_CODES, codes.length);
    const start = new Int32Array(buffer, to, 4).fill(0);
    to += 16;
    for (let first = piece; first < end; first += 16, to += 32) {
      const target = new Int16Array(buffer, to, 16);
      for (let i = 0; i < 8; i++) {
        const even = codes[first + i * 2]!;
        const odd = codes[first + i * 2 + 1]!;
        target[i] = 256 * even - odd;
        target[8 + i] = odd;
        start[0]! -= 256 * 128 * even;
      }
    }
  }
}

/** Writes a query's codes as `relaxedFour` in `codes.as.ts` wants them, and returns its constant. */
function putRelaxedQuery(buffer: ArrayBuffer, at: number, codes: Int8Array): number {
  const target = new Int8Array(buffer, at, codes.length * 2);
  let constant = 0;
  for (const [i, code] of codes.entries()) {
    const to = (i & ~15) * 2 + (i & 15);
    target[to] = Math.abs(code);
    target[to + 16] = code < 0 ? -1 : 0;
    if (code < 0) constant -= code;
  }
  return constant;
}

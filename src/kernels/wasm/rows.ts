// Rows in one WebAssembly.Memory, scanned by `scan.as.ts`. Owns the memory's layout. Knows nothing of the GPU.
import { TopK } from '../../structures/top-k.ts';
import type { Metric } from '../../types.ts';
import { type Approximation, approximate, Norms } from '../bounds.ts';
import { type Candidates, candidateCount, certify, eligibleCount, scoreAll, withOdd } from '../candidates.ts';
import { scoreOfSum, vectorNorm } from '../js.ts';
import type { CanonicalHits, CpuRows, RowHits, RowSearch, RowsOptions } from '../kernel.ts';
import { Arena, CACHED_BYTES, copyMask } from './memory.ts';
import { loadModule } from './modules.ts';

/** Rows, where they are, and which of them to look at. */
type Rows = [rows: number, inverse: number, query: number, stride: number, count: number, row: number, list: number];
type Kernel = (...of: Rows) => void;
type Scan = (...args: [...Rows, heap: number]) => void;
type Sum = (list: number, count: number, query: number, stride: number, out: number) => void;

interface ScanExports {
  begin(heap: number, capacity: number): void;
  kept(heap: number): number;
  listRows(mask: number, count: number, list: number): number;
  scanCosine: Scan;
  scanDot: Scan;
  scanL2: Scan;
  scanL1: Scan;
  scanHamming: Scan;
  scanJaccard: Scan;
  collect(...args: [metric: number, ...Rows, least: number, out: number]): number;
  sumProducts: Sum;
  sumDifferences(...args: [metric: number, ...Parameters<Sum>]): void;
  sumBits(...args: [metric: number, ...Parameters<Sum>]): void;
}

/** As `scan.as.ts` numbers them. */
const METRIC_NUMBERS: Record<Metric, number> = { cosine: 0, dot: 1, l2: 2, l1: 3, hamming: 4, jaccard: 5 };

const BLOCK_BYTES = 4 << 20;
/** Of a heap, before its entries of 8 bytes. */
const HEAP_HEADER_BYTES = 16;
/** A place for candidates of k = 200, to begin with. */
const HEAP_ENTRIES = 256;
/** A range with more rows is searched like any other: canonical scores of all of them would take longer than a heap. */
const RANGE_ROWS_MAX = 50_000;
/** Rows that are scored canonically in one call of the kernel. */
const LIST_ROWS = 512;

/** Where one of the searches that are answered together has its query and its heap. */
interface Place {
  queryAt: number;
  heapAt: number;
  heapEntries: number;
}

/** A search, of which it is the `i`-th, that fills a heap. */
interface RowScan {
  i: number;
  request: RowSearch;
  approximation: Approximation;
}

let compiled: Promise<WebAssembly.Module | null> | undefined;

/** The kernels, compiled once per worker; null where the browser has no WASM SIMD or forbids WASM. */
export function loadWasm(): Promise<WebAssembly.Module | null> {
  compiled ??= loadModule('scan');
  return compiled;
}

export function createWasmRows(module: WebAssembly.Module, { dimension, metric }: RowsOptions): CpuRows {
  const arena = new Arena();
  const { memory } = arena;
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as ScanExports;
  const number = METRIC_NUMBERS[metric];
  const isOfBits = metric === 'hamming' || metric === 'jaccard';
  const scan = {
    cosine: exports.scanCosine,
    dot: exports.scanDot,
    l2: exports.scanL2,
    l1: exports.scanL1,
    hamming: exports.scanHamming,
    jaccard: exports.scanJaccard,
  }[metric];

  // A block: rows, shape (blockRows, strideFloats), zeros after `dimension`; then, for cosine, inverse norms, shape
  // (blockRows). Whole pieces, of a multiple of 32 rows, so that each one's part of a mask begins with a whole word.
  const strideFloats = (dimension + 3) & ~3;
  const strideBytes = strideFloats * 4;
  const pieceRows = Math.max(32, Math.floor(CACHED_BYTES / strideBytes / 32) * 32);
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / strideBytes / pieceRows)) * pieceRows;
  const inverseBytes = metric === 'cosine' ? blockRows * 4 : 0;
  const blocks: number[] = [];

  const maskAt = arena.allocate(blockRows / 8);
  const wideQueryAt = arena.allocate(strideBytes * 2);
  const listAt = arena.allocate(LIST_ROWS * 4);
  const sumsAt = arena.allocate(LIST_ROWS * 16);
  /** Rows of a block: those to look at, then those that were found. */
  const foundAt = arena.allocate(blockRows * 4);
  /** As many as searches have been answered together. */
  const places = [createPlace()];

  const norms = new Norms(metric);
  let rowCount = 0;
  let cached = new Float32Array(memory.buffer);

  /** The whole memory. Growing detaches older views. */
  function floats(): Float32Array {
    if (cached.buffer !== memory.buffer) cached = new Float32Array(memory.buffer);
    return cached;
  }

  function offset(row: number): number {
    return blocks[Math.floor(row / blockRows)]! / 4 + (row % blockRows) * strideFloats;
  }

  function reserve(end: number): void {
    while (blocks.length * blockRows < end) blocks.push(arena.allocate(blockRows * strideBytes + inverseBytes));
  }

  function append(vectors: Float32Array): void {
    const end = rowCount + vectors.length / dimension;
    reserve(end);
    const memoryFloats = floats();
    for (let from = 0; rowCount < end; rowCount++, from += dimension) {
      const inverse = norms.add(rowCount, vectorNorm(vectors, from, dimension));
      memoryFloats.set(vectors.subarray(from, from + dimension), offset(rowCount));
      if (inverseBytes > 0) memoryFloats[inverseAt(blocks[Math.floor(rowCount / blockRows)]!, rowCount)] = inverse;
    }
  }

  function inverseAt(block: number, row: number): number {
    return block / 4 + blockRows * strideFloats + (row % blockRows);
  }

  /** Runs a kernel over rows of one block, if any of them is eligible. */
  function over({ mask }: RowSearch, queryAt: number, first: number, count: number, kernel: Kernel): void {
    if (mask && !copyMask(memory.buffer, maskAt, mask.words, first, count)) return;
    const looked = mask ? exports.listRows(maskAt, count, foundAt) : count;
    const block = blocks[Math.floor(first / blockRows)]!;
    const row = first % blockRows;
    const inverse = block + blockRows * strideBytes + row * 4;
    kernel(block + row * strideBytes, inverse, queryAt, strideBytes, looked, first, mask ? foundAt : 0);
  }

  function createPlace(): Place {
    const queryAt = arena.allocate(strideBytes);
    return { queryAt, heapAt: arena.allocate(HEAP_HEADER_BYTES + HEAP_ENTRIES * 8), heapEntries: HEAP_ENTRIES };
  }

  /** Puts a query into the place of the `i`-th search, and empties its heap. */
  function begin(i: number, query: Float32Array, capacity: number): Place {
    while (places.length <= i) places.push(createPlace());
    const place = places[i]!;
    if (capacity > place.heapEntries) {
      // The smaller heap's place is lost; doubling keeps the sum of them below the largest.
      place.heapEntries = Math.max(capacity, place.heapEntries * 2);
      place.heapAt = arena.allocate(HEAP_HEADER_BYTES + place.heapEntries * 8);
    }
    floats().set(query, place.queryAt / 4);
    exports.begin(place.heapAt, capacity);
    return place;
  }

  function searchAll(requests: readonly RowSearch[]): RowHits[] {
    const answers: RowHits[] = [];
    const scans: RowScan[] = [];
    for (const [i, request] of requests.entries()) {
      const approximation = approximate(metric, request.query, vectorNorm(request.query, 0, dimension), norms);
      const hits = withoutHeap(request, approximation);
      if (hits) answers[i] = hits;
      else scans.push({ i, request, approximation: approximation! });
    }
    const start = performance.now();
    const used = scans.map(({ request, approximation }, n) => begin(n, approximation.query, candidateCount(request.k)));
    fillHeaps(scans, used);
    const scanMs = performance.now() - start;
    for (const [n, { i, request, approximation }] of scans.entries()) {
      const scanned = performance.now();
      const { hits, certain, least } = certify(rows, request, approximation, readHeap(used[n]!));
      const certainHits = certain ? hits : widen(request, used[n]!, least);
      answers[i] = { ...certainHits, scanMs, rescoreMs: performance.now() - scanned };
    }
    return answers;
  }

  /** The answer where it is found by looking at few rows; null where a heap is to be filled. */
  function withoutHeap(request: RowSearch, approximation: Approximation | null): RowHits | null {
    const start = performance.now();
    if (!approximation || eligibleCount(request) <= candidateCount(request.k)) {
      const hits = scoreAll(rows, request);
      return { ...hits, scanMs: 0, rescoreMs: performance.now() - start };
    }
    if (request.minScore === undefined) return null;
    const { queryAt } = begin(0, approximation.query, 0);
    const reaching = reachingRows(request, queryAt, approximation.reach(request.minScore), RANGE_ROWS_MAX);
    if (!reaching) return null;
    const scanned = performance.now();
    const hits = best(request.query, withOdd(rows, request, reaching), request.k);
    return { ...hits, scanMs: scanned - start, rescoreMs: performance.now() - scanned };
  }

  /** Several searches look at a piece of the rows in turns: the first brings it into the cache for the others. */
  function fillHeaps(scans: readonly RowScan[], used: readonly Place[]): void {
    const step = scans.length > 1 ? pieceRows : blockRows;
    const kernels = used.map(
      ({ heapAt }): Kernel =>
        (...of) =>
          scan(...of, heapAt),
    );
    const end = Math.max(...scans.map(({ request }) => request.rowCount));
    for (let first = 0; first < end; first += step)
      for (const [n, { request }] of scans.entries()) {
        const count = Math.min(step, request.rowCount - first);
        if (count > 0) over(request, used[n]!.queryAt, first, count, kernels[n]!);
      }
  }

  /** The heap's entries. Rows whose similarity is not finite may be missing: they are odd. */
  function readHeap({ heapAt }: Place): Candidates {
    const kept = exports.kept(heapAt);
    const found = new Uint32Array(kept);
    const entriesAt = heapAt + HEAP_HEADER_BYTES;
    const entries = new Uint32Array(memory.buffer, entriesAt, kept * 2);
    for (let i = 0; i < kept; i++) found[i] = entries[i * 2 + 1]!;
    return { rows: found, floor: kept > 0 ? floats()[entriesAt / 4]! : Number.NEGATIVE_INFINITY };
  }

  /** All rows that could reach the k-th score found, scored canonically. A second pass over the rows. */
  function widen(request: RowSearch, { queryAt }: Place, least: number): CanonicalHits {
    const reaching = reachingRows(request, queryAt, least, Number.POSITIVE_INFINITY)!;
    return best(request.query, withOdd(rows, request, reaching), request.k);
  }

  /** Rows whose similarity is not below `least`, odd ones perhaps missing; null if there are more than `most`. */
  function reachingRows(request: RowSearch, queryAt: number, least: number, most: number): Iterable<number> | null {
    const parts: Uint32Array[] = [];
    let total = 0;
    const collect: Kernel = (...of) => {
      const found = exports.collect(number, ...of, least, foundAt) >>> 0;
      parts.push(new Uint32Array(memory.buffer, foundAt, found).slice());
      total += found;
    };
    for (let first = 0; first < request.rowCount && total <= most; first += blockRows)
      over(request, queryAt, first, Math.min(blockRows, request.rowCount - first), collect);
    return total > most ? null : concatenated(parts);
  }

  function best(query: Float32Array, among: Iterable<number>, k: number): CanonicalHits {
    if (isOfBits) floats().set(query, wideQueryAt / 4);
    else new Float64Array(memory.buffer, wideQueryAt, dimension).set(query);
    const queryNorm = vectorNorm(query, 0, dimension);
    const list = new Uint32Array(memory.buffer, listAt, LIST_ROWS);
    const sums = new Float64Array(memory.buffer, sumsAt, LIST_ROWS * 2);
    const numbers = new Uint32Array(LIST_ROWS);
    const kept = new TopK(k);
    let count = 0;
    function score(): void {
      // The kernel takes four at a time.
      list.fill(list[0]!, count, (count + 3) & ~3);
      if (isOfBits) exports.sumBits(number, listAt, count, wideQueryAt, strideBytes, sumsAt);
      else if (metric === 'cosine' || metric === 'dot')
        exports.sumProducts(listAt, count, wideQueryAt, strideBytes, sumsAt);
      else exports.sumDifferences(number, listAt, count, wideQueryAt, strideBytes, sumsAt);
      for (let i = 0; i < count; i++) {
        const second = sums[i * 2 + 1]!;
        const over = metric === 'cosine' ? queryNorm * Math.sqrt(second) : second;
        kept.push(numbers[i]!, scoreOfSum(metric, sums[i * 2]!, over));
      }
      count = 0;
    }
    for (const row of among) {
      numbers[count] = row;
      list[count] = offset(row) * 4;
      if (++count === LIST_ROWS) score();
    }
    if (count > 0) score();
    return kept.take();
  }

  const rows: CpuRows = {
    device: 'wasm',
    dimension,
    metric,
    norms,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return memory.buffer.byteLength;
    },
    values: floats,
    offset,
    reserve,
    append,
    truncate(count) {
      rowCount = count;
      norms.truncate(count);
    },
    search: (request) => searchAll([request])[0]!,
    searchAll,
    best,
    close() {
      // Memory cannot shrink; it goes when this object does.
      blocks.length = 0;
    },
  };
  return rows;
}

function* concatenated(parts: readonly Uint32Array[]): Generator<number> {
  for (const part of parts) yield* part;
}

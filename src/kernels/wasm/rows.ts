// Rows in one WebAssembly.Memory, scanned by `scan.as.ts`. Owns the memory's layout. Knows nothing of the GPU.
import { TopK } from '../../structures/top-k.ts';
import type { Metric } from '../../types.ts';
import { approximate, Norms } from '../bounds.ts';
import { candidateCount, certify, eligibleCount, scoreAll, withOdd } from '../candidates.ts';
import { scoreOfSum, vectorNorm } from '../js.ts';
import type { CanonicalHits, CpuRows, RowHits, RowSearch, RowsOptions } from '../kernel.ts';
import { Arena, compileWasm, copyMask } from './memory.ts';
import base64 from './scan.as.ts?wasm';

type Scan = (
  rows: number,
  inverse: number,
  query: number,
  stride: number,
  count: number,
  row: number,
  mask: number,
) => void;
type Sum = (list: number, count: number, query: number, stride: number, out: number) => void;

interface ScanExports {
  begin(heap: number, entries: number): void;
  kept(): number;
  scanCosine: Scan;
  scanDot: Scan;
  scanL2: Scan;
  scanL1: Scan;
  scanHamming: Scan;
  scanJaccard: Scan;
  collect(...args: [metric: number, ...Parameters<Scan>, least: number, out: number]): number;
  sumProducts: Sum;
  sumDifferences(...args: [metric: number, ...Parameters<Sum>]): void;
  sumBits(...args: [metric: number, ...Parameters<Sum>]): void;
}

/** As `scan.as.ts` numbers them. */
const METRIC_NUMBERS: Record<Metric, number> = { cosine: 0, dot: 1, l2: 2, l1: 3, hamming: 4, jaccard: 5 };

const BLOCK_BYTES = 4 << 20;
/** A range with more rows is searched like any other: canonical scores of all of them would take longer than a heap. */
const RANGE_ROWS_MAX = 50_000;
/** Rows that are scored canonically in one call of the kernel. */
const LIST_ROWS = 512;

let compiled: Promise<WebAssembly.Module | null> | undefined;

/** The kernels, compiled once per worker; null where the browser has no WASM SIMD or forbids WASM. */
export function loadWasm(): Promise<WebAssembly.Module | null> {
  compiled ??= compileWasm(base64);
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
  // (blockRows). A multiple of 32 rows, so that each block's part of a mask begins with a whole word.
  const strideFloats = (dimension + 3) & ~3;
  const strideBytes = strideFloats * 4;
  const blockRows = Math.max(32, Math.floor(BLOCK_BYTES / strideBytes / 32) * 32);
  const inverseBytes = metric === 'cosine' ? blockRows * 4 : 0;
  const blocks: number[] = [];

  const queryAt = arena.allocate(strideBytes);
  const maskAt = arena.allocate(blockRows / 8);
  const wideQueryAt = arena.allocate(strideBytes * 2);
  const listAt = arena.allocate(LIST_ROWS * 4);
  const sumsAt = arena.allocate(LIST_ROWS * 16);
  const foundAt = arena.allocate(blockRows * 4);
  let heapEntries = 256;
  let heapAt = arena.allocate(heapEntries * 8);

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

  /** Calls `visit` for each block that has eligible rows, with its part of the mask in place. */
  function forEachBlock({ mask, rowCount: end }: RowSearch, visit: (...args: Parameters<Scan>) => void): void {
    for (let first = 0, i = 0; first < end; first += blockRows, i++) {
      const count = Math.min(blockRows, end - first);
      if (mask && !copyMask(memory.buffer, maskAt, mask.words, first, count)) continue;
      const block = blocks[i]!;
      visit(block, block + blockRows * strideBytes, queryAt, strideBytes, count, first, mask ? maskAt : 0);
    }
  }

  function placeHeap(entries: number): void {
    if (entries > heapEntries) {
      // The smaller heap's place is lost; doubling keeps the sum of them below the largest.
      heapEntries = Math.max(entries, heapEntries * 2);
      heapAt = arena.allocate(heapEntries * 8);
    }
    exports.begin(heapAt, entries);
  }

  function search(request: RowSearch): RowHits {
    const start = performance.now();
    const eligible = eligibleCount(request);
    const approximation = approximate(metric, request.query, vectorNorm(request.query, 0, dimension), norms);
    const wanted = candidateCount(request.k);
    if (!approximation || eligible <= wanted) {
      const hits = scoreAll(rows, request);
      return { ...hits, scanMs: 0, rescoreMs: performance.now() - start };
    }
    floats().set(approximation.query, queryAt / 4);
    if (request.minScore !== undefined) {
      const reaching = reachingRows(request, approximation.reach(request.minScore), RANGE_ROWS_MAX);
      const scanned = performance.now();
      if (reaching) {
        const hits = best(request.query, withOdd(rows, request, reaching), request.k);
        return { ...hits, scanMs: scanned - start, rescoreMs: performance.now() - scanned };
      }
    }
    placeHeap(wanted);
    forEachBlock(request, scan);
    const candidates = readHeap();
    const scanned = performance.now();
    const { hits, certain, least } = certify(rows, request, approximation, candidates);
    const certainHits = certain ? hits : widen(request, least);
    return { ...certainHits, scanMs: scanned - start, rescoreMs: performance.now() - scanned };
  }

  /** The heap's entries. Rows whose similarity is not finite may be missing: they are odd. */
  function readHeap(): { rows: Uint32Array; floor: number } {
    const kept = exports.kept();
    const found = new Uint32Array(kept);
    const entries = new Uint32Array(memory.buffer, heapAt, kept * 2);
    for (let i = 0; i < kept; i++) found[i] = entries[i * 2 + 1]!;
    return { rows: found, floor: kept > 0 ? floats()[heapAt / 4]! : Number.NEGATIVE_INFINITY };
  }

  /** All rows that could reach the k-th score found, scored canonically. A second pass over the rows. */
  function widen(request: RowSearch, least: number): CanonicalHits {
    const reaching = reachingRows(request, least, Number.POSITIVE_INFINITY)!;
    return best(request.query, withOdd(rows, request, reaching), request.k);
  }

  /** Rows whose similarity is not below `least`, odd ones perhaps missing; null if there are more than `most`. */
  function reachingRows(request: RowSearch, least: number, most: number): Iterable<number> | null {
    const parts: Uint32Array[] = [];
    let total = 0;
    forEachBlock(request, (...block) => {
      if (total > most) return;
      const found = exports.collect(number, ...block, least, foundAt) >>> 0;
      parts.push(new Uint32Array(memory.buffer, foundAt, found).slice());
      total += found;
    });
    return total > most ? null : concatenated(parts);
  }

  function best(query: Float32Array, among: Iterable<number>, k: number): CanonicalHits {
    if (isOfBits) floats().set(query, queryAt / 4);
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
      if (isOfBits) exports.sumBits(number, listAt, count, queryAt, strideBytes, sumsAt);
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
    search,
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

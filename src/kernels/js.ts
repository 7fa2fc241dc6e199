// The truth about scores: plain JavaScript, written for reading. Every device's candidates are scored here in the end,
// so that answers are the same bits everywhere; and this is a whole device of its own, for browsers without WASM SIMD.
import type { Bitset } from '../structures/bitset.ts';
import { TopK } from '../structures/top-k.ts';
import type { Metric } from '../types.ts';
import { Norms } from './bounds.ts';
import type { CanonicalHits, CpuRows, RowHits, RowSearch, RowsOptions } from './kernel.ts';

/**
 * The canonical score of one row, as `Match.score` defines it: sums in float64, first number to last, over the float32
 * originals, rounded to float32 at the end. A cosine with a zero vector is 0. Never NaN, never -0.
 */
export function canonicalScore(
  metric: Metric,
  query: Float32Array,
  queryNorm: number,
  values: Float32Array,
  offset: number,
): number {
  const dimension = query.length;
  let sum = 0;
  let over = metric === 'cosine' ? queryNorm * vectorNorm(values, offset, dimension) : 0;
  switch (metric) {
    case 'cosine':
    case 'dot':
      for (let i = 0; i < dimension; i++) sum += query[i]! * values[offset + i]!;
      break;
    case 'l2':
      for (let i = 0; i < dimension; i++) {
        const difference = query[i]! - values[offset + i]!;
        sum += difference * difference;
      }
      break;
    case 'l1':
      for (let i = 0; i < dimension; i++) sum += Math.abs(query[i]! - values[offset + i]!);
      break;
    case 'hamming':
      for (let i = 0; i < dimension; i++) sum += Number(query[i]! > 0 !== values[offset + i]! > 0);
      break;
    case 'jaccard':
      for (let i = 0; i < dimension; i++) {
        sum += Number(query[i]! > 0 && values[offset + i]! > 0);
        over += Number(query[i]! > 0 || values[offset + i]! > 0);
      }
  }
  return scoreOfSum(metric, sum, over);
}

/** The end of every canonical score. `over`: for cosine the product of the two lengths, for Jaccard the size of the union. */
export function scoreOfSum(metric: Metric, sum: number, over: number): number {
  switch (metric) {
    case 'cosine':
      return over === 0 ? 0 : Math.fround(Math.max(-1, Math.min(1, sum / over))) + 0;
    case 'dot':
      return Math.fround(sum) + 0;
    case 'l2':
      return Math.fround(-Math.sqrt(sum)) + 0;
    case 'jaccard':
      return over === 0 ? 1 : Math.fround(sum / over);
    default:
      return Math.fround(-sum) + 0;
  }
}

/** The Euclidean length in float64. No float32 overflows or underflows it. */
export function vectorNorm(values: Float32Array, offset: number, dimension: number): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) sum += values[offset + i]! * values[offset + i]!;
  return Math.sqrt(sum);
}

/** Rows 0 .. rowCount-1 that are in the mask, if there is one. */
export function* eligibleRows(rowCount: number, mask: Bitset | undefined): Generator<number> {
  if (!mask) {
    for (let row = 0; row < rowCount; row++) yield row;
    return;
  }
  for (const row of mask) {
    if (row >= rowCount) return;
    yield row;
  }
}

const BLOCK_BYTES = 256 << 10;

/** Rows in plain arrays, scored one by one. */
export function createJsRows({ dimension, metric }: RowsOptions): CpuRows {
  // Growth adds blocks, and never moves a row. Shape of each: (blockRows, dimension).
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / (dimension * 4)));
  const blocks: Float32Array[] = [];
  const norms = new Norms(metric);
  let rowCount = 0;

  const rows: CpuRows = {
    device: 'js',
    dimension,
    metric,
    norms,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return blocks.length * blockRows * dimension * 4;
    },
    values: (row) => blocks[Math.floor(row / blockRows)]!,
    offset: (row) => (row % blockRows) * dimension,

    reserve() {}, // plain arrays come one by one

    append(vectors) {
      const end = rowCount + vectors.length / dimension;
      for (let from = 0; rowCount < end; rowCount++, from += dimension) {
        if (rowCount === blocks.length * blockRows) blocks.push(new Float32Array(blockRows * dimension));
        norms.add(rowCount, vectorNorm(vectors, from, dimension));
        rows.values(rowCount).set(vectors.subarray(from, from + dimension), rows.offset(rowCount));
      }
    },

    truncate(count) {
      rowCount = count;
      norms.truncate(count);
    },

    best(query, among, k): CanonicalHits {
      const best = new TopK(k);
      const queryNorm = vectorNorm(query, 0, dimension);
      for (const row of among)
        best.push(row, canonicalScore(metric, query, queryNorm, rows.values(row), rows.offset(row)));
      return best.take();
    },

    search(search: RowSearch): RowHits {
      const start = performance.now();
      const k = Math.min(search.k, search.rowCount);
      const hits = rows.best(search.query, eligibleRows(search.rowCount, search.mask), k);
      return { ...hits, scanMs: performance.now() - start, rescoreMs: 0 };
    },

    searchAll: (searches) => searches.map(rows.search),

    close() {
      blocks.length = 0;
    },
  };
  return rows;
}

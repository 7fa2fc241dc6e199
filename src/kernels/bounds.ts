// How far a float32 kernel can be from the canonical score, so that a fast scan is a proof and not a guess. Owns the
// error analysis and the list of rows whose magnitude no float32 kernel can be trusted with. Knows nothing of devices.
import type { Metric } from '../types.ts';

// Within these lengths no sum of squares overflows float32, no inverse is infinite, and what underflows is negligible.
const NORM_MIN = 2 ** -60;
const NORM_MAX = 2 ** 60;
// The bound of every dot product grows with the longest row: one row of another order of magnitude would blur them all.
const OUTLIER_MEANS = 64;

/** What the bounds need to know of the rows: their lengths, at their extremes. */
export class Norms {
  /** The longest row that is not odd. */
  longest = 0;
  /** Rows that the kernels' scores say nothing about, ascending. They are always scored canonically. */
  readonly odd: number[] = [];
  readonly #oddSet = new Set<number>();
  readonly #metric: Metric;
  #count = 0;
  #sum = 0;

  constructor(metric: Metric) {
    this.#metric = metric;
  }

  /** Notes the next row. Returns what its dot product is multiplied with to make it a cosine, as a float32. */
  add(row: number, norm: number): number {
    if (this.#isOutOfRange(norm)) {
      this.odd.push(row);
      this.#oddSet.add(row);
      return 0;
    }
    if (norm > this.longest) this.longest = norm;
    return inverseOf(norm);
  }

  /** Forgets the odd rows from `rowCount` on. What they did to the bounds stays: it makes them wider, never wrong. */
  truncate(rowCount: number): void {
    while (this.odd.length > 0 && this.odd.at(-1)! >= rowCount) this.#oddSet.delete(this.odd.pop()!);
  }

  #isOutOfRange(norm: number): boolean {
    if (norm > NORM_MAX) return true;
    if (this.#metric === 'cosine') return norm < NORM_MIN && norm > 0;
    const mean = this.#sum / this.#count;
    this.#count++;
    this.#sum += norm;
    return this.#metric === 'dot' && norm > mean * OUTLIER_MEANS;
  }

  isOdd(row: number): boolean {
    return this.#oddSet.has(row);
  }
}

/** The float32 that stands for division by a row's length; 0 for a row without direction. */
export function inverseOf(norm: number): number {
  return norm === 0 ? 0 : Math.fround(1 / norm);
}

/**
 * A search in the terms of the float32 kernels. Their `similarity` of a row is, up to rounding:
 * cosine: query . x * inverseNorm(x); dot: query . x; l2: -sum((query - x) ** 2); l1: -sum(|query - x|); hamming, jaccard: the
 * score, without any.
 */
export interface Approximation {
  /** What the kernels scan with: unit length for cosine and dot (so that no product overflows), as given for l2. */
  query: Float32Array<ArrayBuffer>;
  /**
   * The similarity that every row reaches whose canonical score is `score` or better: what is below is worse for
   * certain. A float32. Odd rows excepted.
   */
  reach(score: number): number;
}

/** How a kernel computes, where that matters for its error. */
export interface Arithmetic {
  /** The most roundings that a number goes through on its way into a sum. */
  depth: number;
  /** Largest length of a row's rounding in storage, over the row's length. */
  stored: number;
  /** l2 is computed as 2 query . x - |x| ** 2, which orders rows in the same way. */
  expanded: boolean;
}

/** Of a kernel that adds 16 terms at a time to 4 sums: a term meets dimension / 16 additions, up to 3 pieces of tail. */
function partialSums(dimension: number): Arithmetic {
  return { depth: Math.ceil(dimension / 16), stored: 0, expanded: false };
}

/** Null where no float32 kernel can answer: score every row canonically. */
export function approximate(
  metric: Metric,
  query: Float32Array,
  norm: number,
  norms: Norms,
  arithmetic: Arithmetic = partialSums(query.length),
): Approximation | null {
  const isDistance = metric === 'l2' || metric === 'l1';
  if (isDistance && norm > NORM_MAX) return null;
  if (metric === 'hamming' || metric === 'jaccard') return { query: query.slice(), reach: (score) => score };
  const scale = isDistance || norm === 0 ? 1 : norm;
  const scaled = Float32Array.from(query, (x) => x / scale);

  // A sum of n rounded terms, in any order with at most `depth` roundings on a term's way, is off by at most
  // depth * unit * sum(|terms|), and sum(|q x|) <= |q| |x| (Higham 2002, 3.1 and 4.2). 16 more cover the tail, 5 additions
  // of 16 terms and across the sums, the product, the rounding of the scaled query, of the inverse norm and of their product, and the
  // square of l2's rounded difference. WGSL may round either way: its unit is 2 ** -23, and WASM's half of that.
  // A row's rounding in storage, e, moves the sum by |q . e| <= |q| |e|.
  const { depth, stored, expanded } = arithmetic;
  const relative = (depth + 16) * 2 ** -23 * 1.01 + stored * 1.01;
  // GPUs may flush subnormal numbers to zero: at most 2 ** -126 a term, a product and a sum.
  const flushed = query.length * 2 ** -120;

  function similarity(score: number): number {
    if (metric === 'l1') return least(score) * (1 + relative) - flushed;
    if (metric === 'dot') return least(score) / scale - relative * norms.longest - flushed;
    if (metric !== 'l2') return least(score) - relative - flushed / NORM_MIN;
    const squared = least(score) ** 2;
    if (!expanded) return -(squared * (1 + relative) + flushed);
    // 2 q.x = |q|^2 + |x|^2 - |q - x|^2, and |x|^2 and the difference are rounded once each.
    const size = norm + norms.longest;
    return norm * norm - squared - relative * 2 * norm * norms.longest - size * size * 2 ** -21 - flushed;
  }
  return { query: scaled, reach: (score) => floorFloat32(similarity(score)) };
}

/** A number not above any that rounds to `score` as a float32. */
export function least(score: number): number {
  if (score === Number.POSITIVE_INFINITY) return 3.4028235e38;
  return score - Math.abs(score) * 2 ** -23 - 2 ** -149;
}

/** A float32 not above `x`. */
export function floorFloat32(x: number): number {
  return Math.fround(x - Math.abs(x) * 2 ** -23 - 2 ** -149);
}

/** A float32 not below `x`. */
export function ceilFloat32(x: number): number {
  return -floorFloat32(-x);
}

// What int8 codes prove about scores, so that a scan of them finds the exact answer: the vectors that codes stand for are at a
// known distance from the vectors themselves (the VA-file of Weber, Schek and Blott 1998 bounds each number; one distance a row is
// enough). Owns the error analysis. A row x is x^ = factor[0] * codes and a rest of length factor[1] = r at most (of x / |x| for
// cosine), a query q is q^ = step * table and a rest of length `lost` = e at most (of q / |q| for cosine and dot):
//
//     q.x = q^.x^ + (q - q^).x^ + q.(x - x^) <= q^.x^ + e |x^| + |q| r
//
// Factors are such that x - x^ is at right angles to x^, but for the rounding of factor[0]. Then |x^| <= |x|, and with the exact q
// of a few rows the last term is q's part across x^ alone: |q.(x - x^)| <= |q| r sin(q, x^).
import { ceilFloat32, floorFloat32, least } from '../bounds.ts';
import { vectorNorm } from '../js.ts';
import type { ProductMetric } from '../kernel.ts';
import type { CodedQuery, Coder, Rounding } from './coder.ts';

/**
 * Covers what is rounded, as a share of |q| |x|: 6 float32 operations of a similarity (2 ** -24 each), a float32 factor (2 ** -24),
 * float64 sums of up to 65 536 terms (2 ** -37), in the canonical score and here.
 */
const ROUNDED = 2 ** -20;

export interface Proof {
  /** The similarity that every row reaches whose canonical score is `score` or better. A float32. Odd rows excepted. */
  reach(score: number): number;
  /** Puts two float32 numbers there between which the row's canonical score is; infinite ones where its factors say nothing. */
  bound(factors: Float32Array, codes: Int8Array, target: Interval): void;
}

export interface Interval {
  lower: number;
  upper: number;
}

/** Weights that make a similarity the bound above: for cosine and dot over `step`, for l2 twice it, less |x|^2 and e |q|. */
export function weightsOf(metric: ProductMetric, norm: number, { step, lost }: Rounding): [number, number] {
  const own = 1 + ROUNDED;
  if (metric === 'cosine') return [ceilFloat32(own / step), 0];
  if (metric === 'dot') return [ceilFloat32(own / step), ceilFloat32((own * (lost + 2 * ROUNDED)) / step)];
  // 2 e |x^| <= e |x^|^2 / |q| + e |q|. The share of e in |q| is below 0.75 at 65 536 numbers.
  const share = lost / norm + 2 * ROUNDED;
  return [ceilFloat32(2 * norm * own), ceilFloat32(own * share + 2 * ROUNDED - 1)];
}

/** `vector`: the query whose codes these are. */
export function createProof({ metric, codeBytes }: Coder, vector: Float32Array, { rounding }: CodedQuery): Proof {
  const { step, lost } = rounding!;
  const dimension = vector.length;
  const norm = vectorNorm(vector, 0, dimension);
  // Padded like codes.
  const numbers = new Float64Array(codeBytes);
  numbers.set(vector);
  const sumsRounded = (dimension + 16) * 2 ** -51;
  const tiny = Math.sqrt(dimension) * 2 ** -142; // |c| times what a subnormal factor is rounded by
  // What subnormal products and factors lose.
  const flushed = 2 ** -147 * (1 + 2 * step);

  function similarity(score: number): number {
    if (metric === 'cosine') return (least(score) - lost - 2 * ROUNDED) / step;
    if (metric === 'dot') return least(score) / norm / step;
    const distance = Math.min(0, least(score));
    return norm * (norm - lost - 2 * ROUNDED * norm) - distance * distance * (1 + ROUNDED);
  }

  function bound(factors: Float32Array, codes: Int8Array, target: Interval): void {
    // Four sums, so that none waits for the other.
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < codeBytes; i += 4) {
      a += numbers[i]! * codes[i]!;
      b += numbers[i + 1]! * codes[i + 1]!;
      c += numbers[i + 2]! * codes[i + 2]!;
      d += numbers[i + 3]! * codes[i + 3]!;
    }
    const scale = factors[0]!;
    const rest = factors[1]!;
    const product = scale * (a + b + c + d); // q.x^
    // |x^| or a little more: |x|^2 = |x^|^2 + r^2, but for the rounding of factors.
    const whole = metric === 'cosine' ? 1 : factors[2]! * (1 + 2 ** -21) + 2 ** -147;
    const part = whole * (1 + 2 ** -21 + 2 * sumsRounded) - rest * rest * (1 - 2 ** -20);
    const along = metric === 'dot' ? factors[2]! : Math.sqrt(Math.max(0, part));
    // Of so short a row too little may be left of the right angle.
    const cosine = scale > 2 ** -100 ? product / norm / along : 0;
    const across = Math.sqrt(Math.max(0, 1 - cosine * cosine) + sumsRounded);
    const error = norm * (rest * across + (along + rest) * (2 ** -23 + sumsRounded) + tiny);
    let lower = product - error;
    let upper = product + error;
    if (metric === 'cosine') {
      lower /= norm;
      upper /= norm;
    } else if (metric === 'l2') {
      // |q - x|^2 = |q|^2 + |x|^2 - 2 q.x, where |x|^2 was rounded down.
      const size = norm * norm + factors[2]!;
      const farthest = size * (1 + sumsRounded) + factors[2]! * 2 ** -21 + 2 ** -147 - 2 * lower;
      upper = -Math.sqrt(Math.max(0, size * (1 - sumsRounded) - 2 * upper));
      lower = -Math.sqrt(farthest);
    }
    const isKnown = lower <= upper;
    target.lower = isKnown ? Math.fround(lower) : Number.NEGATIVE_INFINITY;
    target.upper = isKnown ? Math.fround(upper) : Number.POSITIVE_INFINITY;
  }

  return { reach: (score) => floorFloat32(similarity(score) - flushed), bound };
}

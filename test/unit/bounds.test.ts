// The bound of the float32 kernels against the worst arithmetic that they may have: WGSL rounds either way, and flushes subnormal
// numbers to zero. No GPU that tests run on is that bad, so it is simulated here.
import { describe, expect, test } from 'vitest';
import { type Approximation, approximate, inverseOf, Norms } from '../../src/kernels/bounds.ts';
import { certify, withOdd } from '../../src/kernels/candidates.ts';
import { canonicalScore, createJsRows, vectorNorm } from '../../src/kernels/js.ts';
import { halfOf, numberOf } from '../../src/kernels/webgpu/half.ts';

/** What one rounding of WGSL changes at most, over the number. */
const UNIT = 2 ** -23;

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/** The float32 not above `x`, as good an answer of WGSL as the nearest. */
function down(x: number): number {
  float[0] = x;
  if (float[0] > x) bits[0]! += x > 0 ? -1 : 1;
  return float[0];
}

const up = (x: number) => -down(-x);

/** Rows of one number that is large and others whose products are a little less than what a sum can hold. */
const LENGTH = 256;
const large = (first: number) => Float32Array.from({ length: LENGTH }, (_, i) => (i === 0 ? first : 3.4e-4));

describe('one chain of sums, each rounded the worse way, reaches what the score demands', () => {
  const query = large(1);
  const row = large(1.0001);
  const arithmetic = { depth: LENGTH, stored: 0, expanded: false };

  test.each(['cosine', 'dot'] as const)('%s', (metric) => {
    const norms = new Norms(metric);
    const inverse = norms.add(0, vectorNorm(row, 0, LENGTH));
    const norm = vectorNorm(query, 0, LENGTH);
    const { query: scaled, reach } = approximate(metric, query, norm, norms, arithmetic)!;
    let sum = 0;
    for (let i = 0; i < LENGTH; i++) sum = down(sum + scaled[i]! * row[i]!);
    const similarity = metric === 'cosine' ? down(sum * inverse) : sum;
    const demanded = reach(canonicalScore(metric, query, norm, row, 0));
    expect(similarity).toBeGreaterThanOrEqual(demanded);
    // All but a fifth of it is needed.
    expect(similarity).toBeLessThan(demanded + LENGTH * UNIT * 0.2);
  });

  test('l2', () => {
    const norms = new Norms('l2');
    norms.add(0, vectorNorm(row, 0, LENGTH));
    const origin = new Float32Array(LENGTH);
    const { reach } = approximate('l2', origin, 0, norms, arithmetic)!;
    let sum = 0;
    for (const x of row) sum = up(sum + x * x);
    const demanded = reach(canonicalScore('l2', origin, 0, row, 0));
    expect(-sum).toBeGreaterThanOrEqual(demanded);
    // A hundred thousandth more than the squared distance is all that rounding can do.
    expect(demanded).toBeGreaterThan(-1.0003);
  });
});

/** The bound for rows of the number 1 and a query of the number `q`. */
function ofOne(metric: 'dot' | 'l2', q: number, arithmetic: { stored: number; expanded: boolean }): Approximation {
  const norms = new Norms(metric);
  norms.add(0, 1);
  return approximate(metric, Float32Array.of(q), q, norms, { depth: 0, ...arithmetic })!;
}

test('16 roundings at the ends of a sum are allowed for', () => {
  const { reach } = ofOne('dot', 1, { stored: 0, expanded: false });
  expect((1 - UNIT) ** 16).toBeGreaterThanOrEqual(reach(1));
});

test('so are those of the expanded l2, whose squares and difference are rounded, too', () => {
  const { reach } = ofOne('l2', 1, { stored: 0, expanded: true });
  const square = 1 + UNIT;
  expect((2 * (1 - UNIT) ** 16 - square) * (1 - UNIT)).toBeGreaterThanOrEqual(reach(0));
});

test('so is the rounding of float16 rows', () => {
  const x = 1 + 2 ** -12;
  const half = numberOf(halfOf(x));
  const norms = new Norms('dot');
  norms.add(0, x);
  const stored = Math.abs(x - half) / x;
  const { reach } = approximate('dot', Float32Array.of(1), 1, norms, { depth: 0, stored, expanded: false })!;
  expect(half).toBeGreaterThanOrEqual(reach(x));
});

test('so is that a GPU takes subnormal numbers for zero', () => {
  const query = new Float32Array(8).fill(1);
  const row = new Float32Array(8).fill(2 ** -127);
  const norms = new Norms('dot');
  norms.add(0, vectorNorm(row, 0, 8));
  const norm = vectorNorm(query, 0, 8);
  const { reach } = approximate('dot', query, norm, norms)!;
  expect(canonicalScore('dot', query, norm, row, 0)).toBeGreaterThan(0);
  expect(0).toBeGreaterThanOrEqual(reach(canonicalScore('dot', query, norm, row, 0)));
});

test('an inverse of a length is a float32, and none of no length', () => {
  expect([inverseOf(3), inverseOf(0)]).toEqual([Math.fround(1 / 3), 0]);
});

describe('rows that no kernel can be trusted with', () => {
  const norms = new Norms('cosine');
  for (const [row, norm] of [1, 2 ** 70, 1, 2 ** 70].entries()) norms.add(row, norm);

  test('are always looked at, as far as they were there when the search began', () => {
    expect([...withOdd({ norms }, { rowCount: 4 }, [0, 1])]).toEqual([0, 1, 3]);
    expect([...withOdd({ norms }, { rowCount: 3 }, [0])]).toEqual([0, 1]);
  });

  test('are forgotten when they are taken back', () => {
    norms.truncate(3);
    expect([norms.odd, norms.isOdd(1), norms.isOdd(3)]).toEqual([[1], true, false]);
  });
});

test('an answer is certain only where no row that was left out can be as good', () => {
  const rows = createJsRows({ dimension: 1, metric: 'dot' });
  rows.append(Float32Array.of(1, 2, 3));
  const search = { query: Float32Array.of(1), k: 1, rowCount: 3 };
  const approximation: Approximation = { query: search.query, reach: (score) => score };
  const isCertain = (k: number, found: number[], floor: number) =>
    certify(rows, { ...search, k }, approximation, { rows: Uint32Array.from(found), floor }).certain;
  expect(isCertain(1, [2], 2.5)).toBe(true);
  expect(isCertain(1, [2], 3)).toBe(false);
  expect(isCertain(2, [2], 0)).toBe(false);
  expect(isCertain(2, [2], Number.NEGATIVE_INFINITY)).toBe(true);
});

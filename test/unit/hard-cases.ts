// Cases for int8 codes: rows that are hard to tell apart, or to scan, and more of them than a first scan is asked for.
import type { ProductMetric } from '../../src/kernels/kernel.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import { type Case, METRICS, makeMask } from './kernels.oracle.ts';

/** The next float32 number away from 0, some steps on. */
function stepped(x: number, steps: number): number {
  const bits = Uint32Array.of(0);
  const floats = new Float32Array(bits.buffer);
  floats[0] = x;
  bits[0]! += steps;
  return floats[0]!;
}

type Draw = (random: SeededRandom, dimension: number) => (row: number) => number[];

export const HARD_ROWS: Record<string, Draw> = {
  'one ulp apart': (random, dimension) => {
    const base = Array.from({ length: dimension }, () => Math.fround(random.normal()));
    return () => base.map((x) => (random.below(dimension) === 0 ? stepped(x, random.below(3)) : x));
  },
  clustered: (random, dimension) => {
    const centres = Array.from({ length: 12 }, () => Array.from({ length: dimension }, () => random.normal()));
    return () => centres[random.below(12)]!.map((x) => x + 0.3 * random.normal());
  },
  'duplicates of a few': (random, dimension) => {
    const some = Array.from({ length: 3 }, () => Array.from({ length: dimension }, () => random.normal()));
    return () => some[random.below(3)]!;
  },
  'near duplicates, zeros among them': (random, dimension) => {
    const base = Array.from({ length: dimension }, () => 5 + random.normal());
    return (row) => base.map((x) => (row % 9 === 4 ? 0 : x * (1 + 1e-4 * random.normal())));
  },
  'one large number each': (random, dimension) => () =>
    Array.from({ length: dimension }, (_, i) => (i === 0 ? 200 : random.normal())),
  'lengths of all sizes': (random, dimension) => () => {
    const size = 10 ** (random.below(12) - 6);
    return Array.from({ length: dimension }, () => random.normal() * size);
  },
  'all positive': (random, dimension) => () => Array.from({ length: dimension }, () => 10 + random.next()),
};

/** The seed's case: all follows from it. */
export function hardCase(seed: number): Case<ProductMetric> {
  const random = seededRandom(seed);
  const metric = METRICS[seed % 3]!;
  const names = Object.keys(HARD_ROWS);
  const corpus = names[Math.floor(seed / 3) % names.length]!;
  const dimension = [2, 7, 16, 33, 64, 130][random.below(6)]!;
  const rowCount = 300 + random.below(1500);
  const draw = HARD_ROWS[corpus]!(random, dimension);
  const vectors = new Float32Array(rowCount * dimension);
  for (let row = 0; row < rowCount; row++) vectors.set(draw(row), row * dimension);
  const row = random.below(rowCount);
  const query = random.below(2) ? vectors.slice(row * dimension, (row + 1) * dimension) : Float32Array.from(draw(1));
  if (query.every((x) => x === 0)) query[0] = 1;
  const k = [1, 2, 10, 10, 40, 300, 3000][random.below(7)]!;
  const name = `hard seed ${seed}: ${metric}, ${corpus}, ${rowCount} x ${dimension}, k ${k}`;
  const plain = { name, metric, dimension, vectors, rowCount, query, k };
  return random.below(3) ? plain : { ...plain, mask: makeMask(random, rowCount, [0.9, 0.3][random.below(2)]!) };
}

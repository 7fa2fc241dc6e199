// The oracle: the definition of a score and of the order, written once more, apart from the code under test.

import type { ProductMetric } from '../../src/kernels/kernel.ts';
import { Bitset } from '../../src/structures/bitset.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import type { Metric } from '../../src/types.ts';

/** How many seeded cases of each kind: `ORACLE_CASES=10000 npx vitest run --project unit test/unit/kernels.test.ts`. */
export const CASES = Number(globalThis.process?.env.ORACLE_CASES ?? 1000);
/** For tests with that many, milliseconds. */
export const CASES_TIMEOUT = 10_000 + CASES * 20;

/** Those of codes and GPUs. */
export const METRICS: readonly ProductMetric[] = ['cosine', 'dot', 'l2'];
export const ALL_METRICS: readonly Metric[] = [...METRICS, 'l1', 'hamming', 'jaccard'];

export interface Case<M = Metric> {
  name: string;
  metric: M;
  dimension: number;
  /** Shape: (rowCount, dimension). */
  vectors: Float32Array;
  rowCount: number;
  query: Float32Array;
  k: number;
  mask?: Bitset;
}

export interface Found {
  rows: number[];
  /** The scores' bits, so that -0, 0 and NaN cannot pass for each other. */
  bits: number[];
}

export function found({ rows, scores }: { rows: Uint32Array; scores: Float32Array }): Found {
  return { rows: [...rows], bits: [...new Uint32Array(Float32Array.from(scores).buffer)] };
}

export function oracle({ metric, dimension, vectors, rowCount, query, k, mask }: Case): Found {
  const all: { row: number; score: number }[] = [];
  for (let row = 0; row < rowCount; row++) {
    if (mask && !mask.has(row)) continue;
    const x = vectors.subarray(row * dimension, (row + 1) * dimension);
    let dot = 0;
    let xx = 0;
    let qq = 0;
    let squares = 0;
    let differences = 0;
    const places = { both: 0, one: 0 };
    query.forEach((q, i) => {
      dot += q * x[i]!;
      xx += x[i]! * x[i]!;
      qq += q * q;
      squares += (q - x[i]!) ** 2;
      differences += Math.abs(q - x[i]!);
      if (q > 0 && x[i]! > 0) places.both++;
      else if (q > 0 || x[i]! > 0) places.one++;
    });
    let score = { cosine: 0, dot, l2: -Math.sqrt(squares), l1: -differences, hamming: -places.one, jaccard: 1 }[metric];
    if (metric === 'jaccard' && places.both + places.one > 0) score = places.both / (places.both + places.one);
    if (metric === 'cosine') {
      const norms = Math.sqrt(qq) * Math.sqrt(xx);
      score = norms === 0 ? 0 : Math.max(-1, Math.min(1, dot / norms));
    }
    score = Math.fround(score);
    all.push({ row, score: score === 0 ? 0 : score });
  }
  all.sort((a, b) => (a.score === b.score ? a.row - b.row : a.score < b.score ? 1 : -1));
  const best = all.slice(0, k);
  return found({
    rows: Uint32Array.from(best, (hit) => hit.row),
    scores: Float32Array.from(best, (hit) => hit.score),
  });
}

const CORPORA = {
  random: (random: SeededRandom) => () => random.normal(),
  'few values': (random: SeededRandom) => () => random.below(3) - 1,
  'with zero rows': (random: SeededRandom) => (i: number) => (i % 3 === 0 ? 0 : random.normal()),
  'all equal': () => (_row: number, i: number) => Math.fround(Math.sin(i + 1)),
  duplicates: () => (row: number, i: number) => Math.fround(Math.sin((row % 5) * 31 + i)),
  'nearly equal': (random: SeededRandom) => (_row: number, i: number) => Math.sin(i + 1) * (1 + 1e-7 * random.below(3)),
  huge: (random: SeededRandom) => () => random.normal() * 1e30,
  'some huge': (random: SeededRandom) => (row: number) =>
    row % 7 === 3 ? (random.below(2) - 0.5) * 6.8e38 : random.normal(),
  // Under a query of ones, sums of thousands of which only the last bits remain.
  cancelling: (random: SeededRandom) => (_row: number, i: number) => (1000 + random.below(5) * 1e-4) * (i % 2 ? -1 : 1),
  tiny: (random: SeededRandom) => () => random.normal() * 1e-30,
  subnormal: (random: SeededRandom) => () => random.normal() * 1e-43,
  'of all sizes': (random: SeededRandom) => (row: number) => random.normal() * 10 ** ((row % 70) - 38),
} satisfies Record<string, (random: SeededRandom) => (row: number, i: number) => number>;

export type Corpus = keyof typeof CORPORA;
export const CORPUS_NAMES = Object.keys(CORPORA) as Corpus[];

export function makeVectors(corpus: Corpus, random: SeededRandom, rowCount: number, dimension: number): Float32Array {
  const value = CORPORA[corpus](random);
  const vectors = new Float32Array(rowCount * dimension);
  for (let row = 0; row < rowCount; row++) {
    for (let i = 0; i < dimension; i++) {
      vectors[row * dimension + i] = Math.max(-3.4e38, Math.min(3.4e38, value(row, i)));
    }
  }
  return vectors;
}

export function makeMask(random: SeededRandom, rowCount: number, share: number): Bitset {
  const mask = new Bitset(rowCount);
  for (let row = 0; row < rowCount; row++) if (random.next() < share) mask.add(row);
  return mask;
}

/** The seed's case: metric, corpus, size, k and mask all follow from it. */
export function seededCase(seed: number, rowsMax: number): Case<ProductMetric>;
export function seededCase(seed: number, rowsMax: number, metrics: readonly Metric[]): Case;
export function seededCase(seed: number, rowsMax: number, metrics: readonly Metric[] = METRICS): Case {
  const random = seededRandom(seed);
  const metric = metrics[seed % metrics.length]!;
  const corpus = CORPUS_NAMES[Math.floor(seed / metrics.length) % CORPUS_NAMES.length]!;
  const dimension = [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 65][random.below(13)]!;
  const rowCount = random.below(rowsMax + 1);
  const k = 1 + random.below(random.below(4) === 0 ? rowsMax : 20);
  const vectors = makeVectors(corpus, random, rowCount, dimension);
  // A query that is one of the rows makes near ties of the best scores; one of ones makes sums cancel.
  const other = () => makeVectors(corpus, random, 1, dimension);
  const query = [
    () => (rowCount > 0 ? vectors.slice(0, dimension) : other()),
    other,
    () => new Float32Array(dimension).fill(1),
  ][random.below(3)]!();
  if (query.every((x) => x === 0)) query[0] = 1;
  const name = `seed ${seed}: ${metric}, ${corpus}, ${rowCount} x ${dimension}, k ${k}`;
  const plain: Case = { name, metric, dimension, vectors, rowCount, query, k };
  const share = [1, 0.5, 0.05, 0][random.below(4)]!;
  return random.below(2) === 0 ? plain : { ...plain, mask: makeMask(random, rowCount, share) };
}

/** Rows around k at the dimensions where a kernel's loops begin and end. */
export function edgeCases(ks?: readonly number[]): Case<ProductMetric>[];
export function edgeCases(ks: readonly number[], metrics: readonly Metric[]): Case[];
export function edgeCases(ks: readonly number[] = [1, 10, 100], metrics: readonly Metric[] = METRICS): Case[] {
  const cases: Case[] = [];
  for (const metric of metrics) {
    for (const dimension of [1, 3, 4, 5, 63, 64, 65, 384, 1536]) {
      for (const k of ks) {
        for (const rowCount of [0, 1, k - 1, k, k + 1, k * 3 + 70]) {
          const random = seededRandom(dimension * 1000 + rowCount);
          const vectors = makeVectors(k === 10 ? 'few values' : 'random', random, rowCount, dimension);
          const query = makeVectors('random', random, 1, dimension);
          cases.push({
            name: `${metric} ${rowCount} x ${dimension}, k ${k}`,
            metric,
            dimension,
            vectors,
            rowCount,
            query,
            k,
          });
        }
      }
    }
  }
  return cases;
}

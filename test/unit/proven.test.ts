// int8 answers are the oracle's to the bit, although they read few float32 numbers: what the codes prove must hold for any rows.
import { describe, expect, test } from 'vitest';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import { createShardedIndex } from '../../src/indexes/sharded.ts';
import { doubtOf } from '../../src/kernels/codes/doubt.ts';
import { createCoder, createJsCodes } from '../../src/kernels/codes/js.ts';
import { createProof } from '../../src/kernels/codes/proof.ts';
import { openDevices } from '../../src/kernels/devices.ts';
import { canonicalScore, createJsRows, vectorNorm } from '../../src/kernels/js.ts';
import { type Cpu, createPart } from '../../src/kernels/shards/part.ts';
import { createShardPool } from '../../src/kernels/shards/pool.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import {
  CASES,
  CASES_TIMEOUT,
  type Case,
  CORPUS_NAMES,
  edgeCases,
  found,
  METRICS,
  makeMask,
  makeVectors,
  oracle,
  seededCase,
} from './kernels.oracle.ts';
import { openShardHere } from './shard-worker.ts';

/** The next float32 number away from 0, some steps on. */
function stepped(x: number, steps: number): number {
  const bits = Uint32Array.of(0);
  const floats = new Float32Array(bits.buffer);
  floats[0] = x;
  bits[0]! += steps;
  return floats[0]!;
}

type Draw = (random: SeededRandom, dimension: number) => (row: number) => number[];

/** Rows that are hard to tell apart, or to scan. */
const HARD: Record<string, Draw> = {
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

function hardCase(seed: number): Case & { minScore?: number } {
  const random = seededRandom(seed);
  const metric = METRICS[seed % 3]!;
  const names = Object.keys(HARD);
  const corpus = names[Math.floor(seed / 3) % names.length]!;
  const dimension = [2, 7, 16, 33, 64, 130][random.below(6)]!;
  const rowCount = 300 + random.below(1500);
  const draw = HARD[corpus]!(random, dimension);
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

/** The oracle's answer as far as it reaches a score. */
function inRange(all: ReturnType<typeof oracle>, minScore: number) {
  const scores = new Float32Array(Uint32Array.from(all.bits).buffer);
  const below = scores.findIndex((score) => score < minScore);
  return below < 0 ? all : { rows: all.rows.slice(0, below), bits: all.bits.slice(0, below) };
}

test.each(['wasm', 'js'] as const)(
  `the int8 index on %s gives the oracle’s answers in ${CASES} seeded cases, hard ones, and ranges`,
  { timeout: CASES_TIMEOUT * 3 },
  async (device) => {
    const devices = await openDevices(device);
    const cases = device === 'js' ? CASES / 4 : CASES;
    const answered = { int8: 0, none: 0 };
    const examples = [...edgeCases([1, 10])];
    for (let seed = 0; seed < cases; seed++)
      examples.push(seed % 2 ? seededCase(seed, 700) : (hardCase(seed) as never));
    for (const [i, example] of examples.entries()) {
      const { name, dimension, metric, vectors, query, k, mask } = example;
      const index = createQuantizedIndex({ dimension, metric, tier: 'int8' }, devices);
      index.append(vectors);
      const search = { query, k, ...(mask && { mask }) };
      const hits = await index.search(search);
      const truth = oracle(example);
      expect(found(hits), name).toEqual(truth);
      if (hits.tier === 'int8' || hits.tier === 'none') answered[hits.tier]++;
      if (i % 3 === 0 && truth.rows.length > 0) {
        const scores = new Float32Array(Uint32Array.from(truth.bits).buffer);
        // The score of a row itself, so that it is just in the range.
        const minScore = scores[Math.floor(scores.length / 2)]!;
        const range = found(await index.search({ ...search, minScore }));
        expect(inRange(range, minScore), `${name}, range`).toEqual(inRange(truth, minScore));
      }
      index.close();
    }
    devices.close();
    // The codes prove it themselves in most cases.
    expect(answered.int8).toBeGreaterThan(answered.none * 3);
  },
);

test('rows in several places prove the oracle’s answers together, in hard cases', async () => {
  const devices = await openDevices('wasm');
  const cpu: Cpu = { createCpuRows: createJsRows, createCodeRows: createJsCodes };
  const ports: MessagePort[] = [];
  const openWorker = async () => {
    const worker = openShardHere((options) => createPart(options, cpu));
    ports.push(worker.port);
    return worker;
  };
  const pool = createShardPool(openWorker, { count: 2 });
  for (let seed = 0; seed < 150; seed++) {
    const example = hardCase(seed);
    const { name, dimension, metric, vectors, rowCount, query, k, mask } = example;
    const layout = { blockRows: 32, localBytes: 1000 * (seed % 3) };
    const index = createShardedIndex({ dimension, metric, tier: 'int8' }, devices, { ...pool, layout });
    await index.reserve(rowCount);
    index.append(vectors);
    const hits = await index.search({ query, k, ...(mask && { mask }) });
    expect(found(hits), name).toEqual(oracle(example));
    index.close();
  }
  for (const port of ports) port.close();
  devices.close();
});

describe('a bound holds for every row', () => {
  test.each(METRICS)('%s', (metric) => {
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(seed);
      const dimension = [1, 3, 20, 64, 384, 1500][random.below(6)]!;
      const corpus = CORPUS_NAMES[seed % CORPUS_NAMES.length]!;
      const names = Object.keys(HARD);
      const hard = HARD[names[seed % names.length]!]!(random, dimension);
      const rowCount = 60;
      const vectors =
        seed % 2
          ? makeVectors(corpus, random, rowCount, dimension)
          : Float32Array.from(Array.from({ length: rowCount }, (_, row) => hard(row)).flat());
      const query = random.below(2) ? vectors.slice(0, dimension) : makeVectors('random', random, 1, dimension);
      const norm = vectorNorm(query, 0, dimension);
      if (norm < 2 ** -60 || norm > 2 ** 60) continue;
      const coder = createCoder({ tier: 'int8', dimension, metric });
      const codes = createJsCodes(coder);
      codes.append(coder.encode(vectors));
      const coded = coder.encodeQuery(query, norm);
      const proof = createProof(coder, query, coded);
      const search = { vector: query, query: coded, k: rowCount, rowCount, wanted: rowCount };
      const hits = codes.candidates(coded, search);
      const { rows, lower, upper } = doubtOf(codes, { ...search, minScore: Number.NEGATIVE_INFINITY }, hits);
      const at = new Map(Array.from(rows, (row, i) => [row, i]));
      for (const [i, row] of hits.rows.entries()) {
        const length = vectorNorm(vectors, row * dimension, dimension);
        if (length > 2 ** 60) continue;
        const score = canonicalScore(metric, query, norm, vectors, row * dimension);
        const name = `seed ${seed}, row ${row} of ${dimension}, ${corpus}, score ${score}`;
        expect(hits.similarities[i]!, name).toBeGreaterThanOrEqual(proof.reach(score));
        expect(upper[at.get(row)!]!, name).toBeGreaterThanOrEqual(score);
        expect(lower[at.get(row)!]!, name).toBeLessThanOrEqual(score);
      }
    }
  });
});

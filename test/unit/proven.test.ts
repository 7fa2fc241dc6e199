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
import { seededRandom } from '../../src/structures/random.ts';
import { HARD_ROWS, hardCase } from './hard-cases.ts';
import {
  CASES,
  CASES_TIMEOUT,
  CORPUS_NAMES,
  edgeCases,
  found,
  METRICS,
  makeVectors,
  oracle,
  seededCase,
} from './kernels.oracle.ts';
import { openShardHere } from './shard-worker.ts';

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
    for (let seed = 0; seed < cases; seed++) examples.push(seed % 2 ? seededCase(seed, 700) : hardCase(seed));
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

test('codes of an older scheme are made again', async () => {
  const devices = await openDevices('wasm');
  const { dimension, metric, vectors, rowCount, query, k, name } = hardCase(4);
  const index = createQuantizedIndex({ dimension, metric, tier: 'int8' }, devices);
  const { scheme, records } = index.encode(vectors)!;
  index.append(vectors, { scheme: 1, records: new Uint8Array(records.length) });
  expect(scheme).toBeGreaterThan(2);
  const truth = oracle({ dimension, metric, vectors, rowCount, query, k, name });
  expect(found(await index.search({ query, k }))).toEqual(truth);
  devices.close();
});

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
      const names = Object.keys(HARD_ROWS);
      const hard = HARD_ROWS[names[seed % names.length]!]!(random, dimension);
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

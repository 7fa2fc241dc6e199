// A quantised index whose float32 numbers are elsewhere answers as one that has them in memory: the same rows, the same bits.
import { expect, test } from 'vitest';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { VectorIndex } from '../../src/indexes/vector-index.ts';
import { openDevices } from '../../src/kernels/devices.ts';
import { vectorNorm } from '../../src/kernels/js.ts';
import { Bitset } from '../../src/structures/bitset.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { found, makeMask, makeVectors } from './kernels.oracle.ts';

/** Two indexes of the same rows. */
function createBoth(
  options: Parameters<typeof createQuantizedIndex>[0],
  devices: Awaited<ReturnType<typeof openDevices>>,
) {
  const { dimension } = options;
  const rows: Float32Array[] = [];
  const damaged = new Set<number>();
  const inMemory = createQuantizedIndex(options, devices);
  const inFile = createQuantizedIndex(options, devices, async (wanted, target) => {
    const places: number[] = [];
    const chosen = Array.from(wanted);
    await Promise.resolve();
    for (const [place, row] of chosen.entries()) {
      if (damaged.has(row)) places.push(place);
      else target.set(rows[row]!, place * dimension);
    }
    return places;
  });
  const append = (vectors: Float32Array, restored: boolean) => {
    for (let at = 0; at < vectors.length; at += dimension) rows.push(vectors.slice(at, at + dimension));
    inMemory.append(vectors);
    if (!restored) return inFile.append(vectors);
    const norms = Float64Array.from({ length: vectors.length / dimension }, (_, i) =>
      vectorNorm(vectors, i * dimension, dimension),
    );
    expect(inFile.areEnough!(inMemory.encode(vectors)!, norms.length)).toBe(true);
    inFile.restore!(inMemory.encode(vectors)!, norms);
  };
  const truncate = (rowCount: number) => {
    rows.length = rowCount;
    for (const index of [inMemory, inFile]) index.truncate(rowCount);
  };
  return { inMemory, inFile, append, truncate, damaged };
}

test.each(['wasm', 'js'] as const)('answers are the same on %s, whatever is asked', async (device) => {
  const devices = await openDevices(device);
  const random = seededRandom(21);
  for (let round = 0; round < 24; round++) {
    const metric = (['cosine', 'dot', 'l2'] as const)[round % 3]!;
    const tier = round % 2 ? 'int8' : 'binary';
    const dimension = [3, 40, 96, 700][random.below(4)]!;
    const { inMemory, inFile, append, truncate } = createBoth({ dimension, metric, tier }, devices);
    for (let part = 0; part < 4; part++) {
      const vectors = makeVectors('random', random, 1 + random.below(500), dimension);
      // Rows that no float32 kernel can be trusted with, rows of zeros, and rows that tie.
      if (part === 1) vectors.subarray(0, dimension).fill(2 ** 70);
      if (part === 2) vectors.subarray(0, dimension).fill(0);
      vectors.copyWithin(0, vectors.length - dimension);
      append(vectors, part % 2 === 0);
    }
    append(makeVectors('random', random, 9, dimension), false);
    truncate(inMemory.rowCount - 9);
    const searches = Array.from({ length: 8 }, (_, i) => ({
      query: i === 5 ? new Float32Array(dimension) : makeVectors('random', random, 1, dimension),
      k: 1 + random.below(i % 4 ? 20 : 900),
      exact: i % 3 === 0,
      ...(i % 2 && { mask: makeMask(random, inMemory.rowCount, 0.4) }),
      ...(i === 6 && { minScore: Math.fround(0.1) }),
    }));
    const answersOf = (index: VectorIndex) => Promise.all(searches.map((search) => index.search(search)));
    const [expected, given] = [await answersOf(inMemory), await answersOf(inFile)];
    for (const [i, { k, minScore = Number.NEGATIVE_INFINITY }] of searches.entries()) {
      const reaching = ({ rows, scores }: (typeof given)[number]) => {
        const count = scores.filter((score) => score >= minScore).length;
        return found({ rows: rows.subarray(0, count), scores: scores.subarray(0, count) });
      };
      expect(reaching(given[i]!), `round ${round}, search ${i}, k ${k}`).toEqual(reaching(expected[i]!));
    }
    const wanted = [3, 0, 3, inMemory.rowCount - 1];
    expect(await inFile.vectors(wanted)).toEqual(await inMemory.vectors(wanted));
    expect(inFile.originals).toBe('file');
    expect(inMemory.originals).toBe('memory');
    for (const index of [inMemory, inFile]) index.close();
  }
  devices.close();
});

test('a row that is damaged is left out of every answer', async () => {
  const devices = await openDevices('wasm');
  const random = seededRandom(4);
  const { inFile, append, damaged } = createBoth({ dimension: 16, metric: 'cosine', tier: 'int8' }, devices);
  append(makeVectors('random', random, 500, 16), false);
  for (let row = 0; row < 500; row += 7) damaged.add(row);
  for (const exact of [false, true]) {
    const { rows } = await inFile.search({ query: makeVectors('random', random, 1, 16), k: 500, exact });
    expect(rows).toHaveLength(500 - damaged.size);
    expect([...rows].filter((row) => damaged.has(row))).toEqual([]);
  }
  expect((await inFile.search({ query: new Float32Array(16).fill(1), k: 9, mask: new Bitset(500) })).rows).toHaveLength(
    0,
  );
  devices.close();
});

test('codes of another way of coding are not taken for rows', async () => {
  const devices = await openDevices('wasm');
  const { inFile, inMemory } = createBoth({ dimension: 16, metric: 'cosine', tier: 'int8' }, devices);
  const { scheme, records } = inMemory.encode(new Float32Array(160).fill(1))!;
  expect(inFile.areEnough!({ scheme, records }, 10)).toBe(true);
  expect(inFile.areEnough!({ scheme: scheme + 100, records }, 10)).toBe(false);
  expect(inFile.areEnough!({ scheme, records: records.slice(4) }, 10)).toBe(false);
  expect(inMemory.areEnough).toBeUndefined();
  devices.close();
});

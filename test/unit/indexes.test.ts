import { expect, test } from 'vitest';
import { createFlatIndex } from '../../src/indexes/flat.ts';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import { gathered } from '../../src/indexes/together.ts';
import { openDevices } from '../../src/kernels/devices.ts';
import { Bitset } from '../../src/structures/bitset.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { found, makeMask, makeVectors, oracle, seededCase } from './kernels.oracle.ts';

test.each(['auto', 'wasm', 'js'] as const)('the flat index on %s gives the oracle’s answer', async (wanted) => {
  const devices = await openDevices(wanted);
  for (let seed = 0; seed < 50; seed++) {
    const { dimension, metric, vectors, query, k, mask, ...rest } = seededCase(seed, 200);
    const index = createFlatIndex({ dimension, metric }, devices);
    index.append(vectors);
    const hits = await index.search(mask ? { query, k, mask } : { query, k });
    expect(found(hits), rest.name).toEqual(
      oracle({ dimension, metric, vectors, query, k, ...(mask && { mask }), ...rest }),
    );
    expect(hits.device).toBe(wanted === 'js' ? 'js' : 'wasm');
    index.close();
  }
  devices.close();
});

test.each(['none', 'int8', 'binary'] as const)(
  'searches that begin in one turn are answered as one by one, tier %s',
  async (tier) => {
    const devices = await openDevices('wasm');
    const random = seededRandom(7);
    const [rowCount, dimension] = [9000, 48];
    const options = { dimension, metric: 'cosine' } as const;
    const index =
      tier === 'none' ? createFlatIndex(options, devices) : createQuantizedIndex({ ...options, tier }, devices);
    index.append(makeVectors('random', random, rowCount, dimension));
    const searches = Array.from({ length: 9 }, (_, i) => ({
      query: makeVectors('random', random, 1, dimension),
      k: 1 + random.below(60),
      exact: i === 4,
      rowCount: rowCount - i * 100,
      ...(i % 2 && { mask: makeMask(random, rowCount, 0.3) }),
    }));
    const alone = [];
    for (const search of searches) alone.push(await index.search(search));
    const together = await Promise.all(searches.map((search) => index.search(search)));
    expect(together.map(found)).toEqual(alone.map(found));
    expect(together.map((hits) => hits.tier)).toEqual(alone.map((hits) => hits.tier));
    // They were: the scan was of all.
    expect(new Set(together.filter((hits) => hits.tier === 'none').map(({ scanMs }) => scanMs)).size).toBe(1);
    devices.close();
  },
);

test('however many searches begin in one turn, so many at a time are answered together, and fail together', async () => {
  const sizes: number[] = [];
  const double = gathered(async (searches: number[]) => {
    sizes.push(searches.length);
    if (searches.includes(40)) throw new Error('no memory');
    return searches.map((search) => search * 2);
  });
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => double(i)));
  expect(sizes).toEqual([32, 32, 32, 4]);
  for (const [i, outcome] of outcomes.entries())
    expect(outcome).toMatchObject(i >= 32 && i < 64 ? { status: 'rejected' } : { value: i * 2 });
});

test('the more rows, the fewer searches hold the thread at a time', async () => {
  const devices = await openDevices('wasm');
  const index = createFlatIndex({ dimension: 4096, metric: 'dot' }, devices);
  expect(index.together(64)).toBe(32);
  index.append(new Float32Array(4096 * 1000));
  expect(index.together(64)).toBe(12);
  index.append(new Float32Array(4096 * 9000));
  expect(index.together(64)).toBe(4);
  devices.close();
});

test('an empty index and an all-false mask give no hits', async () => {
  const index = createFlatIndex({ dimension: 3, metric: 'cosine' }, await openDevices('wasm'));
  const query = Float32Array.of(1, 0, 0);
  expect((await index.search({ query, k: 5 })).rows).toHaveLength(0);
  index.append(new Float32Array(300).fill(1));
  expect((await index.search({ query, k: 5, mask: new Bitset(100) })).rows).toHaveLength(0);
  expect((await index.search({ query, k: 5 })).rows).toHaveLength(5);
});

test('vectors gives back what was appended', async () => {
  const index = createFlatIndex({ dimension: 3, metric: 'cosine' }, await openDevices('auto'));
  index.append(Float32Array.of(1, 2, 3, 4, 5, 6));
  const [copy] = await index.vectors([1]);
  expect(copy).toEqual(Float32Array.of(4, 5, 6));
  copy![0] = 9;
  expect(await index.vectors([1, 0])).toEqual([Float32Array.of(4, 5, 6), Float32Array.of(1, 2, 3)]);
  expect(index.bytes.memory).toBeGreaterThan(24);
  expect(index.bytes.gpu).toBe(0);
});

test('a search in flight is answered after close, and a later one is refused', async () => {
  const index = createFlatIndex({ dimension: 1, metric: 'dot' }, await openDevices('js'));
  index.append(Float32Array.of(1, 3, 2));
  const answer = index.search({ query: Float32Array.of(1), k: 1 });
  index.close();
  expect([...(await answer).rows]).toEqual([1]);
  await expect(index.search({ query: Float32Array.of(1), k: 1 })).rejects.toMatchObject({ code: 'CLOSED' });
  expect(() => index.append(Float32Array.of(1))).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});

test('rows of the wrong length are refused', async () => {
  const index = createFlatIndex({ dimension: 3, metric: 'dot' }, await openDevices('js'));
  expect(() => index.append(Float32Array.of(1, 2))).toThrow(expect.objectContaining({ code: 'DIMENSION_MISMATCH' }));
});

test('a GPU asked for by name where there is none is UNSUPPORTED', async () => {
  await expect(openDevices('webgpu')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

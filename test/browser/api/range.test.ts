// Metrics beyond dot products, and searches by distance instead of by number, through the public API.
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/structures/random.ts';
import { codeOf, openFresh } from './databases.ts';

const DIMENSION = 24;

/** By definition; not as the library computes it. */
const SCORES: Record<'l1' | 'hamming' | 'jaccard', (a: readonly number[], b: readonly number[]) => number> = {
  l1: (a, b) => -a.reduce((sum, x, i) => sum + Math.abs(x - b[i]!), 0),
  hamming: (a, b) => -a.filter((x, i) => x > 0 !== b[i]! > 0).length,
  jaccard(a, b) {
    const either = a.filter((x, i) => x > 0 || b[i]! > 0).length;
    return either === 0 ? 1 : a.filter((x, i) => x > 0 && b[i]! > 0).length / either;
  },
};

test.each(['wasm', 'js', 'webgpu'] as const)(
  'l1, hamming and jaccard score as they are defined, on %s',
  async (device) => {
    const random = seededRandom(3);
    await using db = await openFresh({ storage: 'memory', device });
    for (const metric of ['l1', 'hamming', 'jaccard'] as const) {
      const c = await db.collection(metric, { dimension: DIMENSION, metric });
      const bit = () => (metric === 'l1' ? random.normal() : random.below(3) - 1);
      const vector = () => Array.from({ length: DIMENSION }, () => Math.fround(bit()));
      const rows = Array.from({ length: 400 }, (_, id) => ({ id, vector: id === 7 ? vector().fill(0) : vector() }));
      await c.upsert(rows);
      for (const query of [vector(), rows[5]!.vector, vector().fill(0)]) {
        const found = await c.query({ vector: query, k: 30, select: [] });
        const truth = rows
          .map(({ id, vector: x }) => ({ id, score: Math.fround(SCORES[metric](query, x)) + 0 }))
          .sort((a, b) => b.score - a.score || a.id - b.id)
          .slice(0, 30);
        expect([...found], metric).toEqual(truth);
        expect(found.exact).toBe(true);
      }
    }
  },
);

test('minScore and maxDistance bound what is found, exactly, with k or without', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const cosine = await db.collection('cosine', { dimension: 2 });
  const line = await db.collection('line', { dimension: 1, metric: 'l2' });
  const angle = (i: number) => [Math.cos(i / 100), Math.sin(i / 100)];
  await cosine.upsert(
    Array.from({ length: 300 }, (_, i) => ({ id: i, vector: angle(i), text: i === 250 ? 'gold' : 'x' })),
  );
  await line.upsert(
    Array.from({ length: 30_000 }, (_, i) => ({ id: i, vector: [i], metadata: { even: i % 2 === 0 } })),
  );

  const near = await cosine.query({ vector: [1, 0], minScore: Math.cos(0.2), select: [] });
  expect(near.map(({ id }) => id)).toEqual(Array.from({ length: 21 }, (_, i) => i));
  expect(await cosine.query({ vector: [1, 0], minScore: 1.5 })).toHaveLength(0);
  expect(await cosine.query({ vector: [1, 0], minScore: -1 })).toHaveLength(300);
  // A record that says the words is found by them.
  const leg = { values: [1, 0], minScore: 0.999 };
  const said = await cosine.query({ vector: leg, keywords: 'gold', k: 50, select: [] });
  expect(said.map(({ id }) => id).sort()).toEqual([0, 1, 2, 250, 3, 4].sort());
  expect((await cosine.query({ vector: leg, select: [], minScore: -1 })).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
  // The fused score, whichever leg it comes from; of words alone, BM25.
  const fused = await cosine.query({ vector: [1, 0], keywords: 'gold', k: 300 });
  const { score } = fused[30]!;
  const best = await cosine.query({ vector: [1, 0], keywords: 'gold', minScore: score });
  expect(best.map(({ id }) => id)).toEqual(fused.slice(0, 31).map(({ id }) => id));
  expect(best.complete).toBe(true);
  const [gold] = await cosine.query({ keywords: 'gold' });
  expect(await cosine.query({ keywords: 'gold', minScore: gold!.score })).toHaveLength(1);
  expect(await cosine.query({ keywords: 'gold', minScore: gold!.score + 0.01 })).toHaveLength(0);

  const ids = async (query: object) => (await line.query({ vector: [1000], select: [], ...query })).map(({ id }) => id);
  expect((await ids({ maxDistance: 3 })).sort()).toEqual([1000, 1001, 1002, 1003, 997, 998, 999].sort());
  expect(await ids({ maxDistance: 3, k: 2 })).toEqual([1000, 999]);
  expect(await ids({ maxDistance: 3, offset: 5 })).toEqual([997, 1003]);
  expect(await ids({ maxDistance: 3, where: { even: true } })).toEqual([1000, 998, 1002]);
  expect(await ids({ minScore: -1 })).toEqual([1000, 999, 1001]);
  expect(await ids({ maxDistance: 0 })).toEqual([1000]);
  // No more than 10 000 come back.
  expect(await ids({ maxDistance: 1e6 })).toHaveLength(10_000);

  const small = await db.collection('small', { dimension: 1, metric: 'l2', quantization: 'int8' });
  await small.upsert(Array.from({ length: 1000 }, (_, i) => ({ id: i, vector: [i - 500] })));
  const found = await small.query({ vector: [0.2], maxDistance: 2 });
  expect(found.map(({ id }) => id)).toEqual([500, 501, 499, 502]);
  expect([found.exact, found.complete]).toEqual([true, true]);
});

test('bounds and metrics that mean nothing are refused', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const cosine = await db.collection('cosine', { dimension: 2 });
  const line = await db.collection('line', { dimension: 2, metric: 'l2' });
  const vector = [1, 0];
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, '1' as never])
    expect(await codeOf(line.query({ vector, minScore: bad }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(line.query({ vector, maxDistance: -1 }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(line.query({ vector, maxDistance: 1, minScore: -1 }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(cosine.query({ vector, maxDistance: 1 }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(cosine.query({ vector: { minScore: 0.5 } }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(cosine.query({ vector: { minScore: 0.5 }, keywords: 'gold' }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(cosine.query({ vector: { values: vector, least: 1 } as never }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(cosine.query({ vector: { values: vector, maxDistance: 1 } }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(line.query({ vector, maxDistance: 1, keywords: 'gold' }))).toBe('INVALID_ARGUMENT');
  expect(await line.query({ vector: { values: vector, maxDistance: 1 }, keywords: 'gold' })).toHaveLength(0);
  for (const metric of ['l1', 'hamming', 'jaccard'] as const)
    for (const quantization of ['int8', 'binary'] as const)
      await expect(db.collection('x', { dimension: 2, metric, quantization })).rejects.toThrow(
        new RegExp(`^.*'${quantization}'.*'${metric}'`),
      );
  expect(await codeOf(db.collection('x', { dimension: 2, metric: 'l3' as never }))).toBe('INVALID_ARGUMENT');
});

import { expect, test } from 'vitest';
import { openFresh } from './databases.ts';

test('queries are answered while a write of 500 records is under way, each before it or behind it', async () => {
  await using db = await openFresh();
  const collection = await db.collection<{ n: number }>('c', { dimension: 384 });
  const batch = (first: number) =>
    Array.from({ length: 500 }, (_, i) => ({
      id: first + i,
      vector: Float32Array.from({ length: 384 }, (_, j) => Math.cos(first + i * j)),
      text: Array.from({ length: 100 }, (_, j) => `word${(first + i * j) % 3000}`).join(' '),
      metadata: { n: first + i },
    }));
  const first = batch(0);
  await collection.upsert(first);
  await collection.facets({ field: 'n' }); // columns are kept from now on
  const second = batch(500);
  let isDone = false;
  const writing = collection.upsert(second).finally(() => {
    isDone = true;
  });
  const counts: number[] = [];
  while (!isDone) {
    const [inAll, behind, matches] = await Promise.all([
      collection.count({ n: { $gte: 0 } }),
      collection.count({ n: { $gte: 500 } }),
      collection.query({ vector: first[3]!.vector, keywords: 'word3', k: 1, select: [] }),
    ]);
    expect(matches).toHaveLength(1);
    expect([0, 500]).toContain(behind);
    counts.push(inAll);
  }
  await writing;
  expect(counts.filter((count) => count === 500).length).toBeGreaterThan(3);
  expect(new Set([...counts, 500, 1000])).toEqual(new Set([500, 1000]));
  expect(await collection.count()).toBe(1000);
});

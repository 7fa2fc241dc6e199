// A range says whether all of it is there, and can be read to its end; recall is measured where no record lies, too.
import { type Collection, type Matches, open, type Query } from 'piramid';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import { codeOf, freshName } from '../browser/api/databases.ts';

const ROWS = 30_000;

async function line(device: 'wasm' | 'js' | 'webgpu', quantization: 'none' | 'int8' | 'binary' = 'none') {
  const db = await open(freshName(), { storage: 'memory', device });
  const c = await db.collection('line', { dimension: 1, metric: 'l2', quantization });
  await c.upsert(Array.from({ length: ROWS }, (_, id) => ({ id, vector: [id], text: id % 3 ? 'odd' : 'even word' })));
  return { db, c };
}

/** All pages of a query, as a user reads them. */
async function pages(c: Collection, query: Query): Promise<{ ids: unknown[]; last: Matches }> {
  const ids: unknown[] = [];
  for (;;) {
    const page = await c.query({ ...query, offset: ids.length, select: [] });
    ids.push(...page.map(({ id }) => id));
    if (page.complete || page.length === 0) return { ids, last: page };
  }
}

test.each(['wasm', 'js', 'webgpu'] as const)('a range can be read to its end, on %s', async (device) => {
  const { db, c } = await line(device);
  const whole = await pages(c, { vector: [-1], maxDistance: 1e6 });
  expect(whole.ids).toEqual(Array.from({ length: ROWS }, (_, id) => id));
  expect(whole.last.complete).toBe(true);
  const part = await pages(c, { vector: [100], minScore: -25_000, k: 7000 });
  expect(new Set(part.ids).size).toBe(25_101);
  await db.close();
});

test('complete says whether all are there', async () => {
  const { db, c } = await line('wasm');
  const complete = async (query: Query) => (await c.query({ select: [], ...query })).complete;
  const vector = [100];
  expect(await complete({ vector, maxDistance: 1e6 })).toBe(false);
  expect(await complete({ vector, maxDistance: 5 })).toBe(true);
  expect(await complete({ vector, maxDistance: 5, k: 11 })).toBe(true);
  expect(await complete({ vector, maxDistance: 5, k: 10 })).toBe(false);
  expect(await complete({ vector, maxDistance: 5, k: 10, offset: 1 })).toBe(true);
  expect(await complete({ vector, maxDistance: 5, offset: 500 })).toBe(true);
  expect(await complete({ vector: [-100], maxDistance: 5 })).toBe(true);
  expect(await complete({ vector: [5000], maxDistance: 5000, offset: 1 })).toBe(true); // 10 001 in all
  expect(await complete({ vector: [5000], maxDistance: 5000 })).toBe(false);
  expect(await complete({ vector })).toBe(false);
  expect(await complete({ keywords: 'word' })).toBe(false);
  expect(await complete({ keywords: 'word', k: 10_000 })).toBe(true); // every third
  expect(await complete({ keywords: 'word', k: 9999 })).toBe(false);
  expect(await complete({ keywords: 'nothing' })).toBe(true);
  expect(await complete({ vector: { values: vector, maxDistance: 5 }, keywords: 'word', k: 10_000 })).toBe(false);
  await c.delete(Array.from({ length: ROWS - 50 }, (_, i) => i + 50));
  expect(await complete({ vector: [0], k: 50 })).toBe(true);
  expect(await complete({ vector: [0], k: 49 })).toBe(false);
  expect(await complete({ vector: [0], keywords: 'word', k: 50 })).toBe(true);
  expect(await complete({ vector: [0], keywords: 'word', k: 20 })).toBe(false);
  expect(
    (
      await c.queryBatch([
        { vector, k: 50 },
        { vector, k: 1 },
      ])
    ).map((matches) => matches.complete),
  ).toEqual([true, false]);
  // An offset as far as that is for ranges alone.
  expect(await codeOf(c.query({ vector, offset: 10_001 }))).toBe('INVALID_ARGUMENT');
  expect(await c.query({ vector, maxDistance: 1, offset: 4_000_000_000 })).toHaveLength(0);
  await db.close();
});

test('a range of an int8 collection is whole', async () => {
  const { db, c } = await line('js', 'int8');
  const found = await c.query({ vector: [100], maxDistance: 5, k: 100, select: [] });
  expect([found.exact, found.complete, found.length]).toEqual([true, true, 11]);
  await db.close();
});

test('of a binary collection a range is not said to be whole where codes may have missed a record', async () => {
  const { db, c } = await line('js', 'binary');
  const found = await c.query({ vector: [100], maxDistance: 5, k: 100, select: [] });
  expect([found.exact, found.complete]).toEqual([false, false]);
  const exact = await c.query({ vector: [100], maxDistance: 5, select: [], exact: true });
  expect([exact.exact, exact.complete, exact.length]).toEqual([true, true, 11]);
  await db.close();
});

test('recall between records is measured apart from recall at them, which flatters', async () => {
  const random = seededRandom(13);
  const factors = Array.from({ length: 24 }, () => Array.from({ length: 32 }, () => random.normal()));
  const vector = () => {
    const weights = factors.map(() => random.normal());
    return factors[0]!.map((_, i) =>
      factors.reduce((sum, factor, j) => sum + factor[i]! * weights[j]!, random.normal()),
    );
  };
  await using db = await open(freshName(), { storage: 'memory', device: 'wasm' });
  const c = await db.collection('c', { dimension: 32, quantization: 'binary' });
  // Each with near relatives, as passages of one document are.
  const rows = Array.from({ length: 600 }, vector).flatMap((centre) =>
    Array.from({ length: 20 }, () => centre.map((x) => x + random.normal())),
  );
  await c.upsert(rows.map((row, id) => ({ id, vector: row })));
  const check = await c.recallCheck({ sample: 60 });
  expect(check.atRecords).toBeGreaterThan(0.97);
  expect(check.betweenRecords).toBeLessThan(check.atRecords);
  expect(check.recall).toBeGreaterThan(check.betweenRecords);
  expect(check.recall).toBeLessThan(check.atRecords);
  const { atRecords, betweenRecords } = check;
  expect(await c.recallCheck({ sample: 60 })).toMatchObject({ atRecords, betweenRecords });
  // What unrelated queries find is nearer to the one between.
  let found = 0;
  for (const query of Array.from({ length: 60 }, vector)) {
    const truth = (await c.query({ vector: query, exact: true, select: [] })).map(({ id }) => id);
    const ids = (await c.query({ vector: query, select: [] })).map(({ id }) => id);
    found += truth.filter((id) => ids.includes(id)).length;
  }
  const unrelated = found / 600;
  console.log(`recall at records ${atRecords}, between ${betweenRecords}, of unrelated queries ${unrelated}`);
  expect(Math.abs(betweenRecords - unrelated)).toBeLessThan(Math.abs(atRecords - unrelated));
  const exact = await db.collection('exact', { dimension: 32 });
  await exact.upsert(rows.slice(0, 100).map((row, id) => ({ id, vector: row })));
  expect(await exact.recallCheck()).toMatchObject({ recall: 1, atRecords: 1, betweenRecords: 1 });
});

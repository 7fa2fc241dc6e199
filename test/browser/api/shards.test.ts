// Rows spread over several workers, in a real browser: the answers of one, whoever ends.
import { type Database, type Match, type OpenOptions, open } from 'piramid';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/structures/random.ts';
import { freshName } from './databases.ts';

const DIMENSION = 1024;
const ROWS = 18_000; // 74 MB: three blocks of 8192 rows

const random = seededRandom(1);
const vectors = new Float32Array(ROWS * DIMENSION).map(() => random.next() - 0.5);
const vectorOf = (row: number) => vectors.slice(row * DIMENSION, (row + 1) * DIMENSION);

function opener(options: OpenOptions = {}) {
  const made: Worker[] = [];
  const worker = () => {
    const one = new Worker(new URL('../../../src/worker/worker.ts', import.meta.url), { type: 'module' });
    made.push(one);
    return one;
  };
  const name = freshName();
  return { made, open: () => open(name, { device: 'wasm', worker, ...options }) };
}

async function fill(db: Database) {
  const c = await db.collection<{ even: boolean | string }>('c', { dimension: DIMENSION });
  for (let row = 0; row < ROWS; row += 3000) {
    await c.upsert(
      Array.from({ length: 3000 }, (_, i) => ({
        id: row + i,
        vector: vectorOf(row + i),
        metadata: { even: i % 2 === 0 },
      })),
    );
  }
  return c;
}

/** Ids by a plain loop. */
function nearest(query: Float32Array, rows: Iterable<number>, k: number): number[] {
  const scored = Array.from(rows, (row) => {
    let dot = 0;
    let norm = 0;
    for (let i = 0; i < DIMENSION; i++) {
      const x = vectors[row * DIMENSION + i]!;
      dot += x * query[i]!;
      norm += x * x;
    }
    return { row, score: dot / Math.sqrt(norm) };
  });
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
    .map(({ row }) => row);
}

test('rows are spread over workers, and answers, vectors and writes are those of one; they outlive the loss of one', async () => {
  const { made, open } = opener();
  const queries = Array.from({ length: 3 }, () => Float32Array.from({ length: DIMENSION }, () => random.next() - 0.5));
  const all = Array.from({ length: ROWS }, (_, row) => row);
  {
    await using db = await open();
    const c = await fill(db);
    expect(made.length).toBeGreaterThan(1);
    for (const vector of queries) {
      const found = await c.query({ vector, select: [], explain: true });
      expect(found.plan).toMatchObject({ device: 'wasm', workers: made.length });
      expect(found.map(({ id }) => id)).toEqual(nearest(vector, all, 10));
      const even = await c.query({ vector, where: { even: true }, select: [] });
      expect(even.map(({ id }) => id)).toEqual(
        nearest(
          vector,
          all.filter((row) => row % 2 === 0),
          10,
        ),
      );
    }
    const rows = [0, 8191, 8192, 17_999];
    expect((await c.get(rows)).map(({ vector }) => vector)).toEqual(rows.map(vectorOf));
    // Its record is written again, with the vector that another worker holds.
    await c.update({ ids: [9000] }, { set: { even: 'neither' } });
    expect((await c.query({ vector: vectorOf(9000), k: 1 }))[0]).toMatchObject({
      id: 9000,
      metadata: { even: 'neither' },
    });
    const before = await c.queryBatch(queries.map((vector) => ({ vector, k: 100, select: [] })));

    // In the middle of queries, writes and reads.
    const answers = Promise.all(queries.map((vector) => c.query({ vector, k: 100, select: [] })));
    const read = c.get([9000], { select: ['vector'] });
    const update = c.update({ ids: [9001] }, { set: { even: 'neither' } });
    made[1]!.terminate();
    const scored = (matches: readonly Match[]) => matches.map(({ id, score }) => [id, score]);
    expect((await answers).map(scored)).toEqual(before.map(scored));
    expect(await read).toEqual([{ id: 9000, vector: vectorOf(9000) }]);
    expect(await update).toBe(1);
    const after = await c.query({ vector: queries[0]!, select: [], explain: true });
    expect(after.plan!.workers).toBe(1);
    expect(after.map(({ id }) => id)).toEqual(nearest(queries[0]!, all, 10));
  }
  // Opened again, they are spread as they are read.
  await using db = await open();
  const c = await db.collection('c');
  const found = await c.query({ vector: queries[0]!, select: [], explain: true });
  expect(found.plan!.workers).toBeGreaterThan(1);
  expect(found.map(({ id }) => id)).toEqual(nearest(queries[0]!, all, 10));
});

test('codes are spread over workers, and answers are those of one: they outlive the loss of one', async () => {
  const { made, open } = opener({ storage: 'memory' });
  await using db = await open();
  const c = await db.collection('c', { dimension: DIMENSION, quantization: 'int8' });
  // 73 MB of codes: each vector as it is, upside down, and with every other number or two of three upside down.
  const rows = 4 * ROWS;
  const versions = [
    (x: number) => x,
    (x: number) => -x,
    (x: number, i: number) => (i % 2 ? -x : x),
    (x: number, i: number) => (i % 3 ? -x : x),
  ];
  const codedVector = (row: number) => vectorOf(row % ROWS).map(versions[Math.floor(row / ROWS)]!);
  for (let row = 0; row < rows; row += 3000) {
    await c.upsert(Array.from({ length: 3000 }, (_, i) => ({ id: row + i, vector: codedVector(row + i) })));
  }
  expect(made.length).toBeGreaterThan(1);
  const queries = Array.from({ length: 5 }, () => ({
    vector: Float32Array.from({ length: DIMENSION }, () => random.next() - 0.5),
    k: 20,
    select: [] as const,
    explain: true,
  }));
  const scored = (matches: readonly Match[]) => matches.map(({ id, score }) => [id, score]);
  const before = [];
  for (const query of queries) {
    const found = await c.query(query);
    expect(found.plan).toMatchObject({ device: 'wasm', tier: 'int8', workers: made.length });
    expect([found.exact, found.plan!.candidates! < 80]).toEqual([true, true]);
    expect(scored(found)).toEqual(scored(await c.query({ ...query, exact: true })));
    before.push(scored(found));
  }
  expect((await c.queryBatch(queries)).map(scored)).toEqual(before);
  expect((await c.get([0, rows - 1])).map(({ vector }) => vector)).toEqual([vectorOf(0), codedVector(rows - 1)]);

  const opposite = queries[0]!.vector.map((x) => -x);
  const answers = Promise.all(queries.map((query) => c.query(query)));
  const written = [c.upsert({ id: 'new', vector: opposite }), c.delete({ ids: [rows - 1] })];
  made[1]!.terminate();
  expect((await answers).map(scored)).toEqual(before);
  await Promise.all(written);
  const after = await c.query(queries[0]!);
  expect(after.plan!.workers).toBe(1);
  expect(scored(after)).toEqual(before[0]);
  expect(scored(await c.query({ vector: opposite, k: 1 }))).toEqual([['new', 1]]);
});

test('no other worker is started for a small collection', async () => {
  const { made, open } = opener();
  await using db = await open();
  const c = await db.collection('c', { dimension: 3 });
  await c.upsert({ id: 1, vector: [1, 2, 3] });
  const found = await c.query({ vector: [1, 2, 3], explain: true });
  expect(found.plan!.workers).toBe(1);
  expect(made).toHaveLength(1);
});

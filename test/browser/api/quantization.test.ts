import { type Collection, type Database, open, type VectorRecord } from 'piramid';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/structures/random.ts';
import { codeOf, freshName, openFresh } from './databases.ts';

const DIMENSION = 96;
/** More than 2 MiB: a segment of its own. */
const ROWS = 5600;
const random = seededRandom(5);
const centres = Array.from({ length: 40 }, () => Array.from({ length: DIMENSION }, () => random.normal()));

/** Records around 40 centres, as embeddings lie. */
function clustered(count: number, first = 0): Required<Omit<VectorRecord<{ even: boolean }>, 'text' | 'context'>>[] {
  return Array.from({ length: count }, (_, i) => {
    const centre = centres[random.below(centres.length)]!;
    return {
      id: first + i,
      vector: Float32Array.from(centre, (x) => x + 0.9 * random.normal()),
      metadata: { even: i % 2 === 0 },
    };
  });
}

/** What its queries find, which must be all where they say so. */
async function recall(collection: Collection<{ even: boolean }>, options: { oversample?: number } = {}) {
  let hits = 0;
  for (let i = 0; i < 20; i++) {
    const vector = Float32Array.from(centres[i]!, (x) => x + 0.9 * random.normal());
    const where = i % 2 ? { even: true } : undefined;
    const query = { vector, k: 10, select: [], ...(where && { where }) } as const;
    const truth = await collection.query({ ...query, exact: true });
    const found = await collection.query({ ...query, ...options });
    expect(truth.exact).toBe(true);
    if (found.exact) expect([...found]).toEqual([...truth]);
    const scores = new Map(truth.map((match) => [match.id, match.score]));
    for (const match of found) {
      if (!scores.has(match.id)) continue;
      expect(match.score).toBe(scores.get(match.id));
      hits++;
    }
    expect(found.length).toBe(truth.length);
  }
  return hits / 200;
}

/** What is on disk of each kind: key and value. */
async function chunksOfKind(name: string, kind: number): Promise<[IDBValidKey, ArrayBuffer][]> {
  const db = await done(indexedDB.open(`piramid:${name}`));
  const store = db.transaction('chunks').objectStore('chunks');
  const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
  db.close();
  return keys
    .map((key, i) => [key, values[i]] as [IDBValidKey, ArrayBuffer])
    .filter(([, value]) => new Uint8Array(value)[5] === kind);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

describe.each(['int8', 'binary'] as const)('%s', (quantization) => {
  test.each(['wasm', 'js'] as const)(
    'finds nearly all on %s, for every metric, as records come and go',
    async (device) => {
      for (const metric of ['cosine', 'dot', 'l2'] as const) {
        await using db = await openFresh({ storage: 'memory', device });
        const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, metric, quantization });
        await c.upsert(clustered(3000));
        expect(await recall(c), metric).toBeGreaterThanOrEqual(quantization === 'int8' ? 1 : 0.97);
        await c.upsert(clustered(300, 1000));
        await c.delete({ ids: Array.from({ length: 500 }, (_, i) => i * 2) });
        for (let i = 0; i < 5; i++) await c.upsert(clustered(1, 5000 + i));
        expect(await recall(c), metric).toBeGreaterThanOrEqual(0.97);
        const [mine] = await c.get([5003]);
        const found = await c.query({ vector: mine!.vector!, k: 1 });
        expect(found[0]!.id).toBe(5003);
        expect(found.exact).toBe(quantization === 'int8');
        await c.delete({ ids: [5003] });
        expect((await c.query({ vector: mine!.vector!, k: 10 })).map((match) => match.id)).not.toContain(5003);
      }
    },
  );

  test('answers after reopening as before, from codes that are on disk', async () => {
    const name = freshName();
    const queries = clustered(10).map(({ vector }) => ({ vector, k: 20, select: [] as const }));
    const answers = async (db: Database) => {
      const c = await db.collection('c', { dimension: DIMENSION, quantization });
      return (await c.queryBatch(queries)).map((matches) => [...matches]);
    };
    let before: Awaited<ReturnType<typeof answers>>;
    {
      await using db = await open(name, { device: 'wasm' });
      const c = await db.collection('c', { dimension: DIMENSION, quantization });
      await c.upsert(clustered(ROWS)); // a segment
      await c.upsert(clustered(200, ROWS - 100)); // a log entry, partly over it
      await c.delete({ ids: [7, 8, 9] });
      before = await answers(db);
    }
    const codes = await chunksOfKind(name, 9);
    expect(codes.length).toBe((await chunksOfKind(name, 4)).length);
    {
      await using db = await open(name, { device: 'wasm' });
      expect(await answers(db)).toEqual(before);
    }
    // Damaged codes are made anew: nothing is lost with them.
    const db = await done(indexedDB.open(`piramid:${name}`));
    const [key, value] = codes[0]!;
    new Uint8Array(value)[100]! ^= 255;
    await done(db.transaction('chunks', 'readwrite').objectStore('chunks').put(value, key));
    db.close();
    {
      await using again = await open(name, { device: 'js' });
      expect(await answers(again)).toEqual(before);
    }
  });

  test('measures its recall on its own records', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization });
    expect(await c.recallCheck()).toEqual({
      recall: 1,
      atRecords: 1,
      betweenRecords: 1,
      k: 10,
      sample: 0,
      exactMs: 0,
      approximateMs: 0,
    });
    await c.upsert(clustered(3000));
    const check = await c.recallCheck({ sample: 50 });
    expect(check).toMatchObject({ k: 10, sample: 50 });
    expect(check.recall).toBeGreaterThan(0.97);
    expect(check.recall).toBeLessThanOrEqual(1);
    expect(check.exactMs).toBeGreaterThanOrEqual(0);
    expect(check.approximateMs).toBeGreaterThanOrEqual(0);
    expect((await c.recallCheck({ sample: 50 })).recall).toBe(check.recall);
    expect(await codeOf(c.recallCheck({ sample: 1000, signal: AbortSignal.timeout(1) }))).toBe('ABORTED');
    expect(await codeOf(c.recallCheck({ sample: 0 }))).toBe('INVALID_ARGUMENT');
  });
});

test.each(['none', 'int8', 'binary'] as const)(
  '%s: a batch on the GPU is answered as one by one on the CPU',
  async (quantization) => {
    const records = clustered(2000);
    const queries = clustered(20).map(({ vector }, i) => ({
      vector,
      k: 5 + i,
      select: [] as const,
      explain: true,
      ...(i % 3 === 0 && { where: { even: true } }),
    }));
    const [onGpu, onCpu] = await Promise.all(
      (['webgpu', 'wasm'] as const).map(async (device) => {
        await using db = await openFresh({ storage: 'memory', device });
        const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization });
        await c.upsert(records);
        await c.delete({ ids: [1, 2, 3] });
        // The first finds the GPU without the rows.
        await c.query(queries[0]!);
        const answers = await c.queryBatch(queries);
        const { bytes } = (await db.stats()).collections[0]!;
        return {
          matches: answers.map((matches) => [...matches]),
          devices: answers.map(({ plan }) => plan!.device),
          bytes,
        };
      }),
    );
    expect(onGpu!.matches).toEqual(onCpu!.matches);
    expect(new Set(onGpu!.devices)).toEqual(new Set(['webgpu']));
    expect(onGpu!.bytes.gpu).toBeGreaterThan(0);
    expect(onCpu!.bytes.gpu).toBe(0);
  },
);

test('recall is measured, not assumed: fewer candidates find less', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization: 'binary' });
  await c.upsert(clustered(5000));
  const few = await recall(c, { oversample: 0.04 });
  const many = await recall(c, { oversample: 10 });
  expect(few).toBeLessThan(0.9);
  expect(many).toBe(1);
});

test('an int8 answer is exact on every device, and reads few records in full', async () => {
  const [written, queries] = [clustered(3000), clustered(12)];
  for (const device of ['webgpu', 'wasm', 'js'] as const) {
    await using db = await openFresh({ storage: 'memory', device });
    const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization: 'int8' });
    await c.upsert(written);
    await c.upsert(written.slice(0, 40).map((record, i) => ({ ...record, id: `twin ${i}` }))); // they tie
    for (const [i, { vector }] of [...queries, ...written.slice(0, 4)].entries()) {
      const k = [1, 10, 100, 700][i % 4]!;
      const query = { vector, k, select: [], ...(i % 3 === 0 && { where: { even: true } }) } as const;
      const truth = await c.query({ ...query, exact: true });
      const found = await c.query(query);
      expect([found.exact, [...found]], `${device} ${i}`).toEqual([true, [...truth]]);
      const { plan } = await c.query({ ...query, explain: true });
      expect(plan).toMatchObject({ device, tier: 'int8' });
      if (k <= 10) expect(plan!.candidates).toBeLessThan(64);
      const minScore = truth[truth.length >> 1]!.score;
      const range = await c.query({ ...query, k: 10_000, minScore });
      expect([range.exact, range.complete]).toEqual([true, true]);
      expect([...range], `${device} ${i}`).toEqual([
        ...(await c.query({ ...query, k: 10_000, minScore, exact: true })),
      ]);
    }
  }
});

test('a query says what was scanned, and how many candidates were scored', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization: 'int8' });
  const written = clustered(1000);
  await c.upsert(written.map((record) => ({ ...record, text: 'gold' })));
  const { vector } = written[0]!;
  const plan = async (query: object) => (await c.query({ vector, explain: true, ...query })).plan;
  // Those in doubt, whatever `oversample` says.
  const usual = await plan({});
  expect(usual).toMatchObject({ device: 'wasm', tier: 'int8' });
  expect(usual!.candidates).toBeGreaterThanOrEqual(10);
  expect(usual!.candidates).toBeLessThan(64);
  expect((await plan({ oversample: 2 }))!.candidates).toBe(usual!.candidates);
  expect((await plan({ k: 50 }))!.candidates).toBeGreaterThanOrEqual(50);
  expect(await plan({ where: { even: true }, k: 600 })).toMatchObject({ candidates: 500 });
  expect(await plan({ exact: true })).toMatchObject({ tier: 'none' });
  expect((await plan({ exact: true }))!.candidates).toBeUndefined();
  expect((await c.query({ keywords: 'gold' })).exact).toBe(true);
  expect((await c.query({ vector, keywords: 'gold' })).exact).toBe(true);
  expect((await db.stats()).collections[0]).toMatchObject({ quantization: 'int8' });
  expect((await db.listCollections())[0]).toMatchObject({ quantization: 'int8' });
});

test("'auto' scans vectors while they fit into the budget, then int8, then binary codes, and says why", async () => {
  const name = freshName();
  const scanBudget = 500 * DIMENSION * 4;
  const plan = async (c: Collection<{ even: boolean }>) => {
    const { tier, why, candidates } = (await c.query({ vector: centres[0]!, select: [], explain: true })).plan!;
    return { tier, why, candidates };
  };
  {
    await using db = await open(name, { device: 'wasm', scanBudget });
    const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization: 'auto' });
    await c.upsert(clustered(500));
    expect(await plan(c)).toEqual({ tier: 'none', why: '192000 bytes of float32 numbers, scanBudget 192000' });
    await c.upsert(clustered(500, 500));
    await expect.poll(() => plan(c)).toMatchObject({ tier: 'int8' });
    expect(await recall(c)).toBe(1);
    await c.upsert(clustered(2000, 1000));
    // Twice those of a collection that is binary by its options.
    await expect.poll(() => plan(c)).toMatchObject({ tier: 'binary', candidates: 600 });
    expect(await recall(c)).toBeGreaterThanOrEqual(0.97);
    expect((await c.recallCheck()).recall).toBeGreaterThanOrEqual(0.97);
    expect(c.quantization).toBe('auto');
    expect((await db.stats()).collections[0]).toMatchObject({ quantization: 'auto', tier: 'binary' });
    expect(await codeOf(db.collection('c', { quantization: 'binary' }))).toBe('CONFIG_MISMATCH');
  }
  {
    await using db = await open(name, { device: 'wasm', scanBudget });
    const c = await db.collection<{ even: boolean }>('c');
    expect(await plan(c)).toMatchObject({ tier: 'binary' });
    expect(await recall(c)).toBeGreaterThanOrEqual(0.97);
  }
  await using db = await open(name, { device: 'wasm' });
  const c = await db.collection<{ even: boolean }>('c', { quantization: 'auto' });
  expect(await plan(c)).toMatchObject({ tier: 'none' });
  expect((await c.query({ vector: centres[0]!, oversample: 2 })).exact).toBe(true);
  const exact = await db.collection('l1', { dimension: 3, metric: 'l1', quantization: 'auto' });
  await exact.upsert([{ id: 1, vector: [1, 2, 3] }]);
  expect((await exact.stats()).why).toBe("metric 'l1' is scanned over float32 numbers");
  expect(await codeOf(open(freshName(), { scanBudget: 0 }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(open(freshName(), { memory: 0.5 }))).toBe('INVALID_ARGUMENT');
});

test('f16 is exact: scanned on a GPU, and without one the float32 numbers are', async () => {
  const answers = [];
  for (const device of ['webgpu', 'wasm'] as const) {
    await using db = await openFresh({ storage: 'memory', device });
    const c = await db.collection<{ even: boolean }>('c', { dimension: DIMENSION, quantization: 'f16' });
    const data = seededRandom(11);
    const vectors = Array.from({ length: 500 }, () => Float32Array.from({ length: DIMENSION }, () => data.normal()));
    await c.upsert(vectors.map((vector, id) => ({ id, vector })));
    const found = await c.query({ vector: vectors[3]!, k: 40, select: [], explain: true });
    expect(found.exact).toBe(true);
    expect(found.plan).toMatchObject(device === 'webgpu' ? { device, tier: 'f16' } : { device, tier: 'none' });
    answers.push([...found]);
    expect(await codeOf(c.query({ vector: vectors[3]!, oversample: 2 }))).toBe('INVALID_ARGUMENT');
    expect((await db.stats()).collections[0]).toMatchObject({ quantization: 'f16' });
  }
  expect(answers[0]).toEqual(answers[1]);
});

test('options that cannot be followed are refused', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const plain = await db.collection('plain', { dimension: 3 });
  const small = await db.collection('small', { dimension: 3, quantization: 'binary' });
  const vector = [1, 0, 0];
  expect(plain.quantization).toBe('none');
  expect(small.quantization).toBe('binary');
  expect(await codeOf(plain.query({ vector, oversample: 2 }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(small.query({ vector, oversample: 2, exact: true }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(small.query({ keywords: 'gold', oversample: 2 }))).toBe('INVALID_ARGUMENT');
  for (const oversample of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '2' as never])
    expect(await codeOf(small.query({ vector, oversample }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(small.query({ vector, exact: 1 as never }))).toBe('INVALID_ARGUMENT');
  expect((await plain.query({ vector, exact: true })).exact).toBe(true);
  expect(await codeOf(db.collection('c', { dimension: 3, quantization: 'int4' as never }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(db.collection('c', { quantization: 'int8' }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(db.collection('small', { quantization: 'int8' }))).toBe('CONFIG_MISMATCH');
  expect(await codeOf(db.collection('small', { quantization: 'none' }))).toBe('CONFIG_MISMATCH');
  expect(await codeOf(db.collection('plain', { quantization: 'int8' }))).toBe('CONFIG_MISMATCH');
  expect((await db.collection('plain', { quantization: 'none' })).quantization).toBe('none');
  expect((await db.collection('small')).quantization).toBe('binary');
});

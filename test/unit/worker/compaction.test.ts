// Compaction while a collection is used: whatever is asked at whatever moment, the answers are those of a plain list.
import { describe, expect, test } from 'vitest';
import { createSharedLoads } from '../../../src/models/shared-loads.ts';
import type { EngineEvent, EngineQuery, NoticeEvent } from '../../../src/protocol.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import type { Progress, Quantization, RecordId } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';

const DIMENSION = 8;
let call = 0;

async function openEngine(onEvent: (event: EngineEvent | NoticeEvent) => void = () => {}): Promise<LocalEngine> {
  const engine = createEngine(() => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: () => createSharedLoads(async () => {}).close(),
  }));
  const options = { name: 'x', storage: 'memory', device: 'auto', durability: 'strict', models: {} } as const;
  // With 'auto': float32 up to 300 rows, int8 up to 1200.
  await engine.open({ ...options, scanBudget: 300 * DIMENSION * 4 }, onEvent);
  return engine;
}

async function openCollection(engine: LocalEngine, quantization: Quantization = 'none'): Promise<number> {
  const request = { dimension: DIMENSION, metric: 'dot', quantization, embedder: null, mustExist: false } as const;
  return (await engine.openCollection('c', request, ++call)).id;
}

interface ModelRecord {
  vector: Float32Array;
  text: string;
  metadata: { n: number; tag: string };
}

/** In order of writing, as a Map is once what is replaced is taken out first. */
type Model = Map<RecordId, ModelRecord>;

function query(changes: Partial<EngineQuery>): EngineQuery {
  return {
    vector: null,
    embed: null,
    words: null,
    k: 10,
    offset: 0,
    minScore: null,
    where: null,
    fusion: { rrf: {} },
    select: ['text', 'metadata', 'vector'],
    exact: false,
    oversample: 1000,
    explain: false,
    ...changes,
  };
}

function nearest(model: Model, vector: Float32Array, k: number, where: (record: ModelRecord) => boolean) {
  const scored = [...model]
    .filter(([, record]) => where(record))
    .map(([id, record]) => ({
      id,
      score: Math.fround(record.vector.reduce((sum, x, i) => sum + x * vector[i]!, 0)),
      ...record,
    }));
  return scored.sort((a, b) => b.score - a.score).slice(0, k);
}

describe.each(['none', 'int8', 'binary', 'auto'] as const)('quantization %s', (quantization) => {
  test('answers are those of a plain list before, while and after rows are renumbered', async () => {
    const random = seededRandom(quantization.length);
    const engine = await openEngine();
    const id = await openCollection(engine, quantization);
    const model: Model = new Map();
    let written = 0;

    const write = async () => {
      const n = random.below(8) === 0 ? 400 : 1 + random.below(30);
      const ids = Array.from({ length: n }, (_, i) =>
        random.below(3) === 0 ? random.below(written + 1) : written + i,
      );
      const unique = [...new Set(ids)];
      const records = unique.map((rid): ModelRecord => {
        const n = written++;
        return {
          // Whole numbers, so that scores tie often and are exact.
          vector: Float32Array.from({ length: DIMENSION }, () => random.below(5) - 2),
          // Of its own word a record is the only holder: among fifty of a word that many have, it need not be.
          text: `kind${n % 7} word${rid} ${n % 50 === 0 ? 'long '.repeat(4000) : ''}`,
          metadata: { n, tag: `t${n % 3}` },
        };
      });
      await engine.upsert(
        id,
        {
          ids: unique,
          vectors: Float32Array.from(records.flatMap(({ vector }) => [...vector])),
          sources: null,
          texts: records.map(({ text }) => text),
          metadata: records.map(({ metadata }) => JSON.stringify(metadata)),
        },
        'upsert',
        ++call,
      );
      for (const [i, rid] of unique.entries()) {
        model.delete(rid);
        model.set(rid, records[i]!);
      }
    };
    const remove = async () => {
      const ids = [...model.keys()].filter(() => random.below(4) === 0);
      expect(await engine.delete(id, { ids }, ++call)).toBe(ids.length);
      for (const rid of ids) model.delete(rid);
    };
    const ask = async () => {
      const vector = Float32Array.from({ length: DIMENSION }, () => random.below(5) - 2);
      const filtered = random.below(2) === 0;
      const [answer] = await engine.query(
        id,
        [query({ vector, k: 20, where: filtered ? { tag: 't1' } : null })],
        ++call,
      );
      const expected = nearest(model, vector, 20, ({ metadata }) => !filtered || metadata.tag === 't1');
      expect(answer!.ids).toEqual(expected.map((record) => record.id));
      expect([...answer!.scores]).toEqual(expected.map(({ score }) => score + 0));
      expect(answer!.rows.texts).toEqual(expected.map(({ text }) => text));
      expect(answer!.rows.metadata).toEqual(expected.map(({ metadata }) => metadata));
      expect(answer!.rows.vectors).toEqual(expected.map((record) => record.vector));
      const [rid] = expected[0] ? [expected[0].id] : [null];
      if (rid === null) return;
      const [words] = await engine.query(id, [query({ words: `word${rid}`, k: 50, select: [] })], ++call);
      expect(words!.ids).toContain(rid);
      for (const found of words!.ids) expect(model.has(found)).toBe(true);
    };

    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 6; i++) await (random.below(3) === 0 ? remove() : write());
      let compacting = true;
      const compacted = engine.compact(id, ++call).finally(() => {
        compacting = false;
      });
      for (let i = 0; compacting || i < 3; i++) {
        await ask();
        await new Promise((resolve) => setImmediate(resolve)); // in memory, nothing else lets other tasks run
        if (i < 3) await (random.below(2) === 0 ? write() : remove());
      }
      const { rows, bytesBefore, bytesAfter } = await compacted;
      if (rows > 100) expect(bytesAfter).toBeLessThan(bytesBefore + 2_000_000);
      await ask();
      expect(await engine.count(id, null)).toBe(model.size);
    }
    await engine.compact(id, ++call);
    const stats = await engine.collectionStats(id);
    expect(stats.rows).toBe(stats.count);
    await ask();
  });
});

test('pages go on where they were, through compactions', async () => {
  const engine = await openEngine();
  const id = await openCollection(engine);
  const ids = Array.from({ length: 500 }, (_, i) => i);
  const vectors = new Float32Array(500 * DIMENSION).fill(1);
  await engine.upsert(id, { ids, vectors, sources: null, texts: null, metadata: null }, 'insert', ++call);
  const seen: RecordId[] = [];
  const page = async (cursor: string | null) => {
    const { ids: found, next } = await engine.scroll(id, { where: null, limit: 50, cursor, select: [] });
    seen.push(...found);
    return next;
  };
  let cursor = await page(null);
  while (cursor !== null) {
    // Some that were seen, and some that were not.
    const gone = [seen.length - 5, seen.length + 10, seen.length + 11].filter((row) => row < 500);
    await engine.delete(id, { ids: gone }, ++call);
    expect((await engine.compact(id, ++call)).rows).toBe(gone.length);
    cursor = await page(cursor);
  }
  const left = new Set((await engine.scroll(id, { where: null, limit: 1000, cursor: null, select: [] })).ids);
  expect(seen).toEqual([...new Set(seen)]);
  for (const row of left) expect(seen).toContain(row);
  await expect(engine.scroll(id, { where: null, limit: 1, cursor: '99.0.0', select: [] })).rejects.toThrow(
    /start again/,
  );
});

test('a compaction that is cancelled leaves everything as it was', async () => {
  const steps: Progress[] = [];
  const engine = await openEngine((event) => {
    if (event.type !== 'step') return;
    steps.push(event.progress);
    engine.cancel(event.call);
  });
  const id = await openCollection(engine);
  const n = 2000;
  const texts = Array.from({ length: n }, (_, i) => `text ${i} ${'x'.repeat(20_000)}`);
  const vectors = new Float32Array(n * DIMENSION).fill(1);
  await engine.upsert(id, { ids: [...texts.keys()], vectors, sources: null, texts, metadata: null }, 'insert', ++call);
  await engine.delete(id, { ids: [...texts.keys()].filter((i) => i % 5 === 0) }, ++call);
  const { bytes } = await engine.collectionStats(id);
  await expect(engine.compact(id, ++call)).rejects.toMatchObject({ code: 'ABORTED' });
  expect(steps).toHaveLength(1);
  expect(steps[0]!.total).toBe(n);
  expect(steps[0]!.done).toBeLessThan(n);
  const stats = await engine.collectionStats(id);
  expect([stats.rows, stats.count]).toEqual([n, n - n / 5]);
  expect(Math.abs(stats.bytes.disk - bytes.disk)).toBeLessThan(10_000);
  expect((await engine.get(id, [1999], ['text'])).rows.texts).toEqual([texts[1999]]);
});

test('a collection with many deleted rows is compacted unasked', async () => {
  const engine = await openEngine();
  const id = await openCollection(engine);
  const ids = Array.from({ length: 4000 }, (_, i) => i);
  const vectors = new Float32Array(4000 * DIMENSION).fill(1);
  await engine.upsert(id, { ids, vectors, sources: null, texts: null, metadata: null }, 'insert', ++call);
  await engine.delete(id, { ids: ids.filter((i) => i % 3 === 0) }, ++call);
  while ((await engine.collectionStats(id)).rows > 3000) await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await engine.collectionStats(id)).rows).toBe(await engine.count(id, null));
});

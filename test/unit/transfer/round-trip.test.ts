// What an export writes, an import brings back: all of it, and nothing that was deleted.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EngineQuery, PackedRecords } from '../../../src/protocol.ts';
import { SEGMENT_BYTES_MIN } from '../../../src/store/schema.ts';
import type { LocalEngine } from '../../../src/worker/engine.ts';
import { contents, exported, idsIn, imported, joined, newCall, openEngine, records, request } from './files.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

const word = fc.constantFrom('pyramid', 'desert', 'Nile', 'œuvre', 'stone', '石', 'running', 'ran', '');
const text = fc.option(fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')));
const number = fc.oneof(fc.constantFrom(-0, 0, 1, 1e-45, 3e38, -1), fc.float({ noNaN: true, noDefaultInfinity: true }));
const metadata = fc.option(
  fc.constantFrom(
    '{}',
    '{"a":1,"when":{"$date":"2024-02-29T12:00:00.000Z"}}',
    '{"__proto__":{"polluted":true},"constructor":null}',
    '{"tags":["x","\\ud800"],"nested":{"deep":[{"$date":"-000001-01-01T00:00:00.000Z"}]}}',
  ),
);
const id = fc.oneof(fc.integer({ min: -5, max: 40 }), fc.constantFrom('a', '1', 'ü', '𝔘', 'x'.repeat(300)));

interface Written {
  id: number | string;
  numbers: number[];
  source: number;
  text: string | null;
  metadata: string | null;
}

const DIMENSION = 5;
const configs = fc.constantFrom(
  request({ dimension: DIMENSION }),
  request({ dimension: DIMENSION, metric: 'l2', quantization: 'int8' }),
  request({ dimension: DIMENSION, metric: 'dot', quantization: 'binary' }),
  request({ dimension: DIMENSION, metric: 'jaccard' }),
  request({ embedder: { fingerprint: 'mine', dimension: DIMENSION } }),
  request({}),
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('upsert' as const),
      rows: fc.uniqueArray(
        fc.record<Written>({
          id,
          numbers: fc.array(number, { minLength: DIMENSION, maxLength: DIMENSION }),
          source: fc.constantFrom(0, 0, 2),
          text,
          metadata,
        }),
        { selector: (row) => row.id, minLength: 1, maxLength: 12 },
      ),
      // Of the first text: enough for a chunk, or a segment, of its own.
      weight: fc.constantFrom(0, 0, 0, 0, 0, 80_000, SEGMENT_BYTES_MIN),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('delete' as const), ids: fc.array(id, { maxLength: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
);

function packed(rows: readonly Written[], hasVectors: boolean, metric: string | null, weight: number): PackedRecords {
  const texts = rows.map((row, i) => row.text && row.text + 'd'.repeat(i === 0 ? weight : 0));
  const vectors = new Float32Array(rows.length * DIMENSION);
  const sources = new Uint8Array(rows.length);
  for (const [i, row] of rows.entries()) {
    const isZero = metric === null && row.numbers.every((x) => Math.fround(x) === 0);
    sources[i] = isZero ? 2 : row.source;
    if (sources[i] === 0) vectors.set(row.numbers, i * DIMENSION);
  }
  return records({
    ids: rows.map((row) => row.id),
    ...(hasVectors && { vectors, sources }),
    texts: texts.some((value) => value !== null) ? texts : null,
    metadata: rows.map((row) => row.metadata),
  });
}

const query = (changes: Partial<EngineQuery>): EngineQuery => ({
  vector: null,
  embed: null,
  words: null,
  k: 100,
  offset: 0,
  minScore: null,
  where: null,
  fusion: { rrf: {} },
  select: [],
  exact: false,
  oversample: 1,
  explain: false,
  ...changes,
});

/** Answers to a few questions, scores by their bits. */
async function answers(engine: LocalEngine) {
  const all = [];
  for (const { name, dimension } of await engine.listCollections()) {
    const { id: collection } = await engine.openCollection(name, request({ mustExist: true }), newCall());
    const vector = Float32Array.of(0.5, -1, 2, 0.25, 1);
    const queries = ['pyramid', 'desert stone', 'sand running'].map((words) => query({ words }));
    if (dimension) queries.push(query({ vector }), query({ vector, exact: true }), query({ vector, words: 'nile' }));
    for (const { ids, scores } of await engine.query(collection, queries, newCall()))
      all.push({ ids, scores: [...new Uint32Array(scores.slice().buffer)] });
  }
  return all;
}

test('a round trip gives the same records in the same order, and the same answers to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ config: configs, steps: fc.array(step, { maxLength: 5 }) }), { maxLength: 3 }),
      fc.integer({ min: 1, max: 100_000 }),
      async (collections, pieceBytes) => {
        await turn();
        const source = await openEngine();
        for (const [i, { config, steps }] of collections.entries()) {
          const opened = await source.openCollection(`collection ${i}`, config, newCall());
          for (const action of steps) {
            if (action.do === 'upsert') {
              const rows = packed(action.rows, opened.dimension !== null, config.metric, action.weight);
              await source.upsert(opened.id, rows, 'upsert', newCall());
            } else if (action.do === 'delete') await source.delete(opened.id, { ids: action.ids }, newCall());
            else await source.compact(opened.id, newCall());
          }
        }
        const file = joined(await exported(source));
        const target = await openEngine();
        await imported(target, file, Math.max(pieceBytes, file.length >>> 8));
        expect(await contents(target)).toEqual(await contents(source));
        expect(await answers(target)).toEqual(await answers(source));
        await Promise.all([source.close(), target.close()]);
      },
    ),
    { numRuns: 30 },
  );
}, 100_000);

async function filled(rowCount = 3000) {
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({ dimension: 64, metric: 'dot' }), newCall());
  const ids = Array.from({ length: rowCount }, (_, i) => i);
  const vectors = new Float32Array(rowCount * 64).map((_, i) => i % 97);
  const texts = ids.map((i) => `text of record ${i} ${'sand '.repeat(i % 200)}`);
  await engine.upsert(id, records({ ids, vectors, texts }), 'upsert', newCall());
  return { engine, id, ids, vectors };
}

describe('an export', () => {
  test('is what the database held when it began, whatever happens meanwhile', async () => {
    const { engine, id, vectors, ids } = await filled();
    await engine.upsert(id, records({ ids: ['late'], vectors: new Float32Array(64) }), 'upsert', newCall());
    await engine.delete(id, { ids: [7, 2999] }, newCall());
    const { records: before } = (await contents(engine))[0]!;
    const blocks = await exported(engine, {
      async between(number) {
        // Its head is written; no row has been read yet.
        const later = records({ ids: ['later'], vectors: new Float32Array(64) });
        if (number === 1) await engine.upsert(id, later, 'upsert', newCall());
        if (number === 1) await engine.delete(id, { ids: ids.slice(0, 1500) }, newCall());
        if (number === 2) await engine.compact(id, newCall());
        if (number === 2) await engine.upsert(id, records({ ids, vectors: vectors.slice() }), 'upsert', newCall());
        if (number === 3) await engine.deleteCollection('c', newCall());
        if (number === 3) await engine.openCollection('other', request({}), newCall());
      },
    });
    expect(blocks.length).toBeGreaterThan(4);
    const target = await openEngine();
    await imported(target, joined(blocks));
    expect((await contents(target))[0]!.records).toEqual(before);
  });

  test('holds nothing of deleted and replaced records, not even where compaction has not been', async () => {
    const { engine, id } = await filled(500);
    await engine.upsert(
      id,
      records({ ids: [3], vectors: new Float32Array(64), texts: ['the new secret'] }),
      'upsert',
      newCall(),
    );
    await engine.delete(id, { ids: [4] }, newCall());
    const blocks = await exported(engine, {
      between: async (number) => void (number === 1 && (await engine.delete(id, { ids: [5] }, newCall()))),
    });
    const file = new TextDecoder('latin1').decode(joined(blocks));
    expect(file).toContain('text of record 5 ');
    expect(file).toContain('the new secret');
    expect(file).not.toContain('text of record 3 ');
    expect(file).not.toContain('text of record 4 ');
    expect(idsIn(blocks, 64)).toHaveLength(499);
  });

  test('of some collections has them alone, in the order they are asked for; an unknown one is NOT_FOUND', async () => {
    const engine = await openEngine();
    for (const name of ['a', 'b', 'c']) await engine.openCollection(name, request({}), newCall());
    const target = await openEngine();
    await imported(target, joined(await exported(engine, { collections: ['c', 'a'] })));
    expect((await target.listCollections()).map(({ name }) => name)).toEqual(['c', 'a']);
    await expect(exported(engine, { collections: ['d'] })).rejects.toThrow(/^.*"d"/);
  });

  test('that is cancelled, or asked of an engine that knows nothing of it, fails and is forgotten', async () => {
    const { engine } = await filled();
    const call = newCall();
    const run = engine.runExport('mine', null, call);
    expect((await engine.exportBlock('mine', 0)).block).not.toBeNull();
    await expect(engine.exportBlock('mine', 0)).rejects.toThrow(/^the export/);
    await expect(engine.exportBlock('yours', 0)).rejects.toThrow(/^the export/);
    engine.cancel(call);
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(engine.exportBlock('mine', 1)).rejects.toThrow(/^the export/);
    // The next engine is sent the long call again, but none of its blocks twice.
    const next = (await filled()).engine;
    const again = next.runExport('mine', null, newCall());
    again.catch(() => {});
    await expect(next.exportBlock('mine', 1)).rejects.toThrow(/^the export/);
    await next.close();
    await expect(again).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('of a record that is longer than a block gives it a block of its own', async () => {
    const engine = await openEngine();
    const { id } = await engine.openCollection('c', request({}), newCall());
    const texts = ['a', 'b'.repeat(5 << 20), 'c'];
    await engine.upsert(id, records({ ids: [1, 2, 3], texts }), 'upsert', newCall());
    const blocks = await exported(engine);
    expect(blocks.map((block) => block.length > 1 << 20)).toEqual([false, false, true, false, false]);
    const target = await openEngine();
    await imported(target, joined(blocks));
    expect((await contents(target))[0]!.records.map(({ text }) => text)).toEqual(texts);
  });
});

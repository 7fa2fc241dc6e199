import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/structures/random.ts';
import { matchRanges } from '../../../src/text/highlight.ts';
import type { Query } from '../../../src/types.ts';
import { codeOf, openFresh, records } from './databases.ts';

describe('a vector query', () => {
  test('finds exactly what a plain loop finds, filtered or not, after inserts, replacements and deletes', async () => {
    for (const metric of ['cosine', 'dot', 'l2'] as const) {
      await using db = await openFresh({ storage: 'memory' });
      const c = await db.collection<{ group: number }>('c', { dimension: 19, metric });
      const random = seededRandom(7);
      const vector = () => Array.from({ length: 19 }, () => Math.fround(random.normal()));
      const live = new Map<string, { vector: number[]; group: number; row: number }>();
      let row = 0;
      const write = async (ids: string[]) => {
        const batch = ids.map((id) => ({ id, vector: vector(), metadata: { group: random.below(10) } }));
        for (const record of batch)
          live.set(record.id, { vector: record.vector, group: record.metadata.group, row: row++ });
        await c.upsert(batch);
      };
      await write(Array.from({ length: 300 }, (_, i) => `a${i}`));
      await write(Array.from({ length: 50 }, (_, i) => `a${i * 3}`));
      const gone = Array.from({ length: 40 }, (_, i) => `a${i * 5}`);
      await c.delete({ ids: gone });
      for (const id of gone) live.delete(id);

      for (let round = 0; round < 20; round++) {
        const query = vector();
        const group = round % 2 ? random.below(10) : undefined;
        const found = await c.query({
          vector: query,
          k: 12,
          ...(group !== undefined && { where: { group } }),
          select: [],
        });
        const oracle = [...live]
          .filter(([, record]) => group === undefined || record.group === group)
          .map(([id, record]) => ({ id, row: record.row, score: Math.fround(score(metric, query, record.vector)) }))
          .sort((a, b) => b.score - a.score || a.row - b.row)
          .slice(0, 12);
        expect(found.map((match) => match.id)).toEqual(oracle.map((match) => match.id));
        for (const [i, match] of found.entries()) expect(match.score).toBeCloseTo(oracle[i]!.score, 5);
        expect(found.exact).toBe(true);
      }
    }
  });

  test('returns what is selected, and nothing else', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(3));
    const query = { vector: [1, 0, 0], k: 1 };
    expect([...(await c.query(query))]).toEqual([
      { id: 'r0', score: 1, text: 'record number 0', metadata: { n: 0, even: true } },
    ]);
    expect([...(await c.query({ ...query, select: [] }))]).toEqual([{ id: 'r0', score: 1 }]);
    expect([...(await c.query({ ...query, select: ['vector'] }))]).toEqual([
      { id: 'r0', score: 1, vector: Float32Array.of(1, 0, 0) },
    ]);
  });

  test('skips the first matches with an offset, and explains itself', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(20));
    const all = await c.query({ vector: [1, 0, 0], k: 20, select: [] });
    const rest = await c.query({
      vector: [1, 0, 0],
      k: 5,
      offset: 3,
      select: [],
      explain: true,
      where: { n: { $gte: 0 } },
    });
    expect(rest.map((match) => match.id)).toEqual(all.slice(3, 8).map((match) => match.id));
    expect(rest[0]!.legs).toEqual({ vector: { rank: 4, score: rest[0]!.score } });
    expect(rest.plan).toMatchObject({ device: 'wasm', filtered: { matched: 20, of: 20 } });
    expect(rest.plan!.phases.map((phase) => phase.name)).toEqual(['filter', 'scan', 'rescore']);
  });

  test('answers in a batch as it answers singly', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(30));
    const queries = [
      { vector: [1, 0, 0], k: 3 },
      { vector: [0, 1, 0], where: { even: false } },
      { keywords: 'number 7', k: 2 },
    ];
    const batch = await c.queryBatch(queries);
    for (const [i, query] of queries.entries()) expect([...batch[i]!]).toEqual([...(await c.query(query))]);
    expect(await c.queryBatch([])).toEqual([]);
  });

  test('over nothing finds nothing', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    expect([...(await c.query({ vector: [1, 0, 0] }))]).toEqual([]);
    expect([...(await c.query({ keywords: 'anything' }))]).toEqual([]);
    await c.upsert([]);
    await c.upsert(records(3));
    expect([...(await c.query({ vector: [1, 0, 0], where: { n: 99 } }))]).toEqual([]);
  });
});

describe('a word query', () => {
  test('finds words in any form, by BM25', async () => {
    await using db = await openFresh();
    const c = await db.collection('words', {});
    await c.upsert([
      { id: 'a', text: 'The notes of the Government are redeemed in gold.' },
      { id: 'b', text: 'Gold, gold and nothing but gold!' },
      { id: 'c', text: 'A kitten sleeps in the sun.' },
    ]);
    expect((await c.query({ keywords: 'GOLD' })).map((match) => match.id)).toEqual(['b', 'a']);
    expect((await c.query({ keywords: 'redeeming government' })).map((match) => match.id)).toEqual(['a']);
    expect((await c.query({ text: 'sleeping kittens' })).map((match) => match.id)).toEqual(['c']);
    expect([...(await c.query({ keywords: 'zebra' }))]).toEqual([]);
  });

  test('finds words that are still being typed, also with errors, and says as what', async () => {
    await using db = await openFresh();
    const c = await db.collection('words', {});
    await c.upsert([
      { id: 'a', text: 'A bakery in the harbour.' },
      { id: 'b', text: 'Two bakeries.' },
      { id: 'c', text: 'Banks.' },
    ]);
    const ids = async (query: Query) => (await c.query({ select: [], ...query })).map(({ id }) => id);
    expect(await ids({ keywords: 'bak' })).toEqual([]);
    expect(await ids({ keywords: 'bak', prefix: true })).toEqual(['b', 'a']);
    expect(await ids({ text: 'bakry', fuzzy: true })).toEqual(['b', 'a']);
    expect(await ids({ keywords: 'bakry', prefix: true, fuzzy: false })).toEqual([]);
    const { plan } = await c.query({ keywords: 'harbor ba', prefix: true, fuzzy: true, explain: true });
    expect(plan!.notes).toEqual([
      '"harbor" was looked for as harbour',
      '"ba" was looked for as bakeries, bakery, banks',
    ]);
    await c.upsert([{ id: 'd', text: 'Bakers' }]);
    await c.delete({ ids: ['a', 'b'] });
    expect(await ids({ keywords: 'bak', prefix: true })).toEqual(['d']);
    expect(matchRanges('A bakery', 'bak', { prefix: true })).toEqual([[2, 8]]);
    for (const name of ['prefix', 'fuzzy'] as const) {
      await expect(c.query({ vector: [1], [name]: true })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(c.query({ keywords: 'a', [name]: 1 as never })).rejects.toThrow(
        `${name}: expected a boolean, got 1`,
      );
    }
  });

  test('is fused with a vector query, and each leg is told', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 2 });
    await c.upsert([
      { id: 'near', vector: [1, 0], text: 'nothing of note' },
      { id: 'both', vector: [1, 0.1], text: 'silver and gold' },
      { id: 'says', vector: [-1, 0], text: 'gold' },
    ]);
    const found = await c.query({ vector: [1, 0], keywords: 'gold', explain: true });
    // What means and says it comes before what only means it, or only says it.
    expect(found.map((match) => match.id)).toEqual(['both', 'near', 'says']);
    expect(found[1]!.score).toBeCloseTo(0.5, 6);
    expect(found[0]!.legs).toMatchObject({ vector: { rank: 2 }, words: { rank: 2 } });
    expect(found[1]!.legs!.words).toBeUndefined();
    const ranked = await c.query({ vector: [1, 0], keywords: 'gold', fusion: { rrf: {} } });
    expect(ranked.map((match) => match.id)).toEqual(['says', 'both', 'near']);
    expect(ranked[0]!.score).toBeCloseTo(1 / 63 + 1 / 61, 6);
    const none = await c.query({ vector: [1, 0], keywords: 'zebra' });
    expect(none.map((match) => match.id)).toEqual(['near', 'both', 'says']);
    const weighted = await c.query({ vector: [1, 0], keywords: 'gold', fusion: { weighted: { vector: 1, words: 0 } } });
    expect(weighted.map((match) => match.id)).toEqual(['near', 'both', 'says']);
    const nothing = { weighted: { vector: 0, words: 0 } };
    await expect(c.query({ vector: [1, 0], keywords: 'gold', fusion: nothing })).rejects.toThrow(/^fusion.weighted/);
  });

  test('sees writes at once and after a reload alike', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    for (let i = 0; i < 60; i++) await c.upsert(records(1, i)); // many small postings blocks
    expect((await c.query({ keywords: 'number 42', k: 1 }))[0]!.id).toBe('r42');
    await c.upsert({ id: 'r42', vector: [1, 0, 0], text: 'another text' });
    expect((await c.query({ keywords: '42' })).length).toBe(0);
    expect((await c.query({ keywords: 'another' })).map((match) => match.id)).toEqual(['r42']);
  });
});

test('what is asked is taken as it stands at the call, and may be in the proxies that frameworks wrap state in', async () => {
  const proxied = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key);
        return typeof value === 'object' && value !== null && !(value instanceof Date) ? proxied(value) : value;
      },
    });
  await using db = await openFresh({ storage: 'memory' });
  const embedder = {
    dimension: 3,
    fingerprint: 'own',
    embed: async (texts: readonly string[]) => texts.map(() => Float32Array.of(1, 0, 0)),
  };
  const c = await db.collection('c', { embedder });
  await c.upsert(
    proxied(records(10).map((record) => ({ ...record, metadata: { ...record.metadata, at: new Date(0) } }))),
  );
  const where = { n: { $in: [3, 4] }, at: new Date(0) };
  expect(await c.count(proxied(where))).toBe(2);
  expect(await c.update(proxied({ where }), proxied({ set: { tags: ['a'] }, unset: ['even'] }))).toBe(2);
  expect((await c.get(proxied(['r3']), proxied({ select: ['metadata'] as const })))[0]!.metadata).toEqual({
    n: 3,
    at: new Date(0),
    tags: ['a'],
  });
  const query = c.query(proxied({ text: 'record', where, fusion: { rrf: { rrfConstant: 1 } }, select: [] as const }));
  where.n = { $in: [] }; // while the page's embedder is at work
  expect(await query).toHaveLength(2);
});

test('text without an embedder is refused with the way out', async () => {
  await using db = await openFresh();
  const c = await db.collection('c', { dimension: 3 });
  expect(await codeOf(c.query({ text: 'gold' }))).toBe('INVALID_ARGUMENT');
  await expect(c.query({ text: 'gold' })).rejects.toThrow(/use keywords/);
});

function score(metric: 'cosine' | 'dot' | 'l2', a: readonly number[], b: readonly number[]): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
    squares += (a[i]! - b[i]!) ** 2;
  }
  if (metric === 'dot') return dot;
  return metric === 'l2' ? -Math.sqrt(squares) : dot / Math.sqrt(aa * bb);
}

describe('a query for neither vectors nor words', () => {
  test('gives what the filter lets through, in the order that is asked for, page by page', async () => {
    await using db = await openFresh();
    const c = await db.collection<{ year?: number; title: string; tags?: string[] }>('c', { dimension: 2 });
    const years = [1950, 1900, undefined, 1950, 2001, 1800];
    await c.upsert(
      years.map((year, i) => ({
        ...{ id: `r${i}`, vector: [i + 1, 1] },
        metadata: { title: `t${5 - i}`, ...(year && { year }), ...(i < 2 && { tags: [`z${i}`, 'a'] }) },
      })),
    );
    const ids = async (query: Parameters<typeof c.query>[0]) => (await c.query(query)).map(({ id }) => id);
    expect(await ids({ where: { year: { $lt: 2000 } } })).toEqual(['r0', 'r1', 'r3', 'r5']);
    expect(await ids({ orderBy: 'year' })).toEqual(['r5', 'r1', 'r0', 'r3', 'r4', 'r2']);
    expect(await ids({ orderBy: { field: 'year', direction: 'descending' } })).toEqual([
      'r4',
      'r0',
      'r3',
      'r1',
      'r5',
      'r2',
    ]);
    const both = [{ field: 'year', direction: 'descending' }, 'title'] as const;
    expect(await ids({ where: { year: { $gte: 1900 } }, orderBy: both })).toEqual(['r4', 'r3', 'r0', 'r1']);
    expect(await ids({ orderBy: 'tags', k: 2 })).toEqual(['r0', 'r1']);
    expect(await ids({ where: {}, offset: 4 })).toEqual(['r4', 'r5']);

    const page = await c.query({ orderBy: 'year', k: 2, offset: 1, select: ['metadata'], explain: true });
    expect([...page]).toEqual([
      { id: 'r1', score: 0, metadata: { title: 't4', year: 1900, tags: ['z1', 'a'] }, legs: {} },
      { id: 'r0', score: 0, metadata: { title: 't5', year: 1950, tags: ['z0', 'a'] }, legs: {} },
    ]);
    expect(page).toMatchObject({ exact: true, complete: false });
    expect(page.plan!.phases.map(({ name }) => name)).toEqual(['order', 'payload']);
    expect((await c.query({ orderBy: 'year' })).complete).toBe(true);
    await c.update('r5', { set: { year: 1999 } });
    expect(await ids({ orderBy: 'year', k: 3 })).toEqual(['r1', 'r0', 'r3']);

    const [sorted, near] = await c.queryBatch([
      { orderBy: 'title', k: 1 },
      { vector: [1, 1], k: 1 },
    ]);
    expect([sorted![0]!.id, near![0]!.id]).toEqual(['r5', 'r0']);
    await using words = await openFresh();
    const texts = await words.collection('texts', {});
    await texts.upsert([
      { id: 1, text: 'one', metadata: { n: 2 } },
      { id: 2, text: 'two', metadata: { n: 1 } },
    ]);
    expect((await texts.query({ orderBy: 'n' })).map(({ id }) => id)).toEqual([2, 1]);
  });

  test('refuses what it cannot do by name', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 2 });
    const refused = (query: object) => c.query(query as Query).then(String, (error: Error) => error.message);
    expect(await refused({ k: 3 })).toMatch(/expected a vector, a text or keywords, or where and orderBy alone/);
    expect(await refused({ vector: [1, 1], orderBy: 'year' })).toMatch(/^orderBy: only for queries of a filter alone/);
    expect(await refused({ orderBy: 'year', minScore: 0.5 })).toMatch(/^minScore: only for queries that search/);
    expect(await refused({ where: { a: 1 }, exact: true })).toMatch(/^exact: only for/);
    expect(await refused({ orderBy: [] })).toMatch(/^orderBy: expected a field/);
    expect(await refused({ orderBy: [{ field: 'a' }, { field: 'b', direction: 'up' }] })).toMatch(
      /^orderBy\[1\]\.direction/,
    );
    expect(await refused({ orderBy: 5 })).toMatch(/^orderBy/);
    expect(await refused({ orderBy: '$a' })).toMatch(/\$a/);
  });
});

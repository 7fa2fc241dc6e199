// Reranking: by a tiny cross-encoder through transformers.js (test/tiny-models.ts), and by a reranker of the page.
import { type Database, type ModelProgress, type OpenOptions, open, type Query, type Reranker } from 'piramid';
import { ask, ingest, retrieve, type Source } from 'piramid/rag';
import { describe, expect, test } from 'vitest';
import { codeOf, freshName, openFresh } from './databases.ts';

const MODEL = 'tiny/cross-encoder';
const models = { path: '/tiny-models/', runtime: '/node_modules/onnxruntime-web/dist/', remote: false };
const openRag = (options: OpenOptions = {}, name = freshName()): Promise<Database> =>
  open(name, {
    device: 'wasm',
    storage: 'memory',
    models,
    worker: () => new Worker(new URL('../../../src/worker/rag-worker.ts', import.meta.url), { type: 'module' }),
    ...options,
  });

/** What the tiny model gives: one per word in common, less 2. */
const scoreOf = (common: number) => 1 / (1 + Math.exp(2 - common));

/** Longest first, and remembers what it was asked. */
class ByLength implements Reranker {
  asked: { query: string; texts: readonly string[] }[] = [];
  async rerank(query: string, texts: readonly string[]): Promise<number[]> {
    this.asked.push({ query, texts });
    return texts.map(({ length }) => length);
  }
}

const SHIPS = [
  { id: 'a', text: 'whale whale whale whale', vector: [1, 0, 0] },
  { id: 'b', text: 'the whale and the captain', vector: [0.9, 0.1, 0] },
  { id: 'c', text: 'a ship, its captain, and the whale', vector: [0.8, 0.2, 0] },
  { id: 'd', vector: [0.7, 0.3, 0] },
];

async function ships(db: Database) {
  const c = await db.collection('ships', { dimension: 3 });
  await c.upsert(SHIPS);
  return c;
}

describe('a cross-encoder in the rag worker', () => {
  test('scores texts, says its progress, and is loaded once', async () => {
    await using db = await openRag();
    const seen: ModelProgress[] = [];
    const texts = ['gold and silver', 'the silver moon', 'gold, silver, bread, and the moon', 'nothing of it'];
    const scores = await db.rerank('gold silver bread', texts, {
      model: MODEL,
      onProgress: (event) => seen.push(event),
    });
    for (const [i, common] of [2, 1, 3, 0].entries()) expect(scores[i]).toBeCloseTo(scoreOf(common), 5);
    expect(seen.some(({ model, file }) => model === MODEL && file === 'onnx/model_quantized.onnx')).toBe(true);
    const before = seen.length;
    expect(await db.rerank('moon', ['moon'], { model: MODEL, onProgress: (event) => seen.push(event) })).toHaveLength(
      1,
    );
    expect(seen.length).toBe(before);
    expect(await db.loadModel('rerank', MODEL)).toMatchObject({ name: MODEL, task: 'rerank', device: 'wasm' });
    expect(await db.rerank('moon', [], { model: MODEL })).toEqual([]);
  });

  test('of two labels, the second says that a text is relevant; more are refused, and so is what fails its self-test', async () => {
    await using db = await openRag();
    const [score] = await db.rerank('gold silver', ['silver gold'], { model: 'tiny/two-labels' });
    expect(score).toBeCloseTo(scoreOf(2), 5);
    const rerank = (model: string) => db.rerank('gold', ['gold'], { model });
    await expect(rerank('tiny/three-labels')).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('it has 3 labels'),
    });
    await expect(rerank('tiny/contrary')).rejects.toThrow(/"tiny\/contrary": its self-test failed/);
    await expect(rerank('tiny/no-such')).rejects.toThrow(/"tiny\/no-such": a file was not found at .*tiny-models/);
    await expect(db.rerank('poison', ['poison'], { model: MODEL })).rejects.toThrow('not finite');
  });

  test('reads the beginning of a long text and all of the query', async () => {
    await using db = await openRag();
    const long = (word: string, at: number) => [...Array(at).fill('dough'), word, ...Array(90).fill('dough')].join(' ');
    const [early, late, short] = await db.rerank('gold silver moon', [long('moon', 10), long('moon', 60), 'moon'], {
      model: MODEL,
    });
    expect(early).toBeCloseTo(scoreOf(1), 5);
    expect(late).toBeCloseTo(scoreOf(0), 5);
    expect(short).toBe(early);
    // A query that is longer than half of the room leaves half of it to the text.
    const [asked] = await db.rerank(long('moon', 60), [`${Array(5).fill('gold').join(' ')} dough`], { model: MODEL });
    expect(asked).toBeGreaterThan(scoreOf(9));
  });

  test('takes special tokens in a text for text', async () => {
    await using db = await openRag();
    const [plain, marked] = await db.rerank('gold', ['gold SEP gold', 'gold [SEP] gold'], { model: MODEL });
    expect(plain).toBeCloseTo(scoreOf(2), 5);
    expect(marked).toBe(plain);
    // Taken for the token, it would be one more in common with the one that ends the text.
    const [split] = await db.rerank('gold [SEP] silver', ['silver'], { model: MODEL });
    expect(split).toBeCloseTo(scoreOf(1), 5);
  });

  test('orders a query’s matches, and says what it did', async () => {
    await using db = await openRag();
    const c = await ships(db);
    const query = { keywords: 'whale captain ship', vector: [1, 0, 0], k: 2, explain: true } satisfies Query;
    const plain = await c.query({ ...query, keywords: 'whale', k: 3 });
    const found = await c.query({ ...query, rerank: MODEL });
    expect(plain[0]!.id).toBe('a');
    expect(found.map(({ id, score }) => [id, Number(score.toFixed(5))])).toEqual([
      ['a', Number(scoreOf(4).toFixed(5))],
      ['c', Number(scoreOf(3).toFixed(5))],
    ]);
    expect(found[1]!.before).toEqual({ rank: expect.any(Number), score: expect.any(Number) });
    expect(found[1]!.before!.score).not.toBe(found[1]!.score);
    expect(found.plan!.phases.at(-1)).toMatchObject({ name: 'rerank', ms: expect.any(Number) });
    expect(found.took).toBeGreaterThanOrEqual(found.plan!.phases.at(-1)!.ms);
    const phases = plain.plan!.phases.map(({ name }) => name);
    expect(phases).not.toContain('rerank');
    expect(plain[0]).not.toHaveProperty('before');
  });

  test('does not hold up queries of others, and stops at its signal', async () => {
    await using db = await openRag();
    const c = await ships(db);
    await db.loadModel('rerank', MODEL);
    const many = Array.from({ length: 3000 }, (_, i) => `text ${i} of the whale`);
    const stop = new AbortController();
    const order: string[] = [];
    const reranking = db.rerank('whale', many, { model: MODEL, signal: stop.signal }).then(
      () => order.push('reranked'),
      (error) => order.push(error.code),
    );
    await c.query({ vector: [1, 0, 0] });
    order.push('query');
    stop.abort();
    await reranking;
    expect(order).toEqual(['query', 'ABORTED']);
    // The worker has stopped, too: the next one is not behind 3000 texts.
    const begin = performance.now();
    await db.rerank('whale', ['whale'], { model: MODEL });
    const one = performance.now() - begin;
    const whole = performance.now();
    await db.rerank('whale', many.slice(0, 600), { model: MODEL });
    expect(one).toBeLessThan(performance.now() - whole);
  });

  test('runs in the tab that asks, whoever leads', async () => {
    const name = freshName();
    await using leader = await open(name, { device: 'wasm' }); // its worker has no runtime for models
    await ships(leader);
    await using follower = await openRag({ storage: 'indexeddb' }, name);
    expect((await follower.stats()).role).toBe('follower');
    const c = await follower.collection('ships');
    const found = await c.query({ keywords: 'captain ship', rerank: MODEL });
    expect(found[0]!.id).toBe('c');
    expect(found[0]!.score).toBeCloseTo(scoreOf(2), 5);
  });

  test('orders the passages of a question', async () => {
    await using db = await openRag();
    const c = await db.collection('documents', {});
    await ingest(c, [
      { id: 'first', text: 'A harpoon, and a harpoon.' },
      { id: 'second', text: 'After a long day they saw it: the whale.' },
    ]);
    const question = 'Which harpoon, which whale?';
    const ids = (sources: Source[]) => sources.map(({ documentId }) => documentId);
    expect(ids(await retrieve(c, question))).toEqual(['first', 'second']);
    const found = await retrieve(c, question, { rerank: { model: MODEL } });
    expect(ids(found)).toEqual(['second', 'first']);
    expect(found[0]!.score).toBeCloseTo(scoreOf(1), 5);
    expect(ids((await ask(c, question, { rerank: MODEL })).sources)).toEqual(['second', 'first']);
  });

  test('is UNSUPPORTED in the plain worker, with the way out', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await ships(db);
    const refusal = { code: 'UNSUPPORTED', message: expect.stringContaining('piramid/rag-worker') };
    await expect(c.query({ keywords: 'whale', rerank: MODEL })).rejects.toMatchObject(refusal);
    await expect(db.loadModel('rerank', MODEL)).rejects.toMatchObject(refusal);
    // Nothing to read, and so no model is needed.
    expect(await c.query({ keywords: 'unheard', rerank: MODEL })).toHaveLength(0);
  });
});

describe('a reranker of the page', () => {
  test('reads the query and the texts behind their contexts', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await db.collection('c', {});
    await c.upsert([
      { id: 1, text: 'gold', context: 'Of metals' },
      { id: 2, text: 'gold coins' },
    ]);
    const model = new ByLength();
    const found = await c.query({ keywords: 'gold', rerank: model });
    expect(model.asked).toEqual([
      { query: 'gold', texts: expect.arrayContaining(['Of metals\n\ngold', 'gold coins']) },
    ]);
    expect(found.map(({ id, score, text, context }) => [id, score, text, context])).toEqual([
      [1, 15, 'gold', undefined],
      [2, 10, 'gold coins', undefined],
    ]);
    const bare = await c.query({ keywords: 'gold', rerank: { model }, select: ['context'] });
    expect(bare.map(({ text, context }) => [text, context])).toEqual([
      [undefined, 'Of metals'],
      [undefined, undefined],
    ]);
    expect(await db.rerank('gold', ['a', 'bc'], { model })).toEqual([1, 2]);
  });

  test('is given a signal where there is one, and no empty key', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const given: unknown[] = [];
    const model: Reranker = {
      rerank: async (_, texts, options) => {
        given.push(options);
        return texts.map(() => 1);
      },
    };
    const { signal } = new AbortController();
    await db.rerank('gold', ['a'], { model });
    await db.rerank('gold', ['a'], { model, signal });
    expect(given.map((options) => Object.keys(options as object))).toEqual([[], ['signal']]);
  });

  test('looks at the best candidates, at least as many as are asked for, and pages agree', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(
      Array.from({ length: 80 }, (_, i) => ({ id: i, vector: [1, i / 100, 0], text: `word ${'x'.repeat(i)}` })),
    );
    const model = new ByLength();
    const query = { vector: [1, 0, 0], text: 'word', k: 5, fusion: { weighted: { words: 0 } } };
    const ids = async (more: Partial<Query>) => (await c.query({ ...query, ...more })).map(({ id }) => id);
    expect(await ids({ rerank: model })).toEqual([49, 48, 47, 46, 45]);
    expect(model.asked[0]!.texts).toHaveLength(50);
    expect(await ids({ rerank: { model, candidates: 7 } })).toEqual([6, 5, 4, 3, 2]);
    expect(await ids({ rerank: model, offset: 5 })).toEqual([44, 43, 42, 41, 40]);
    expect(await ids({ rerank: model, offset: 45 })).toEqual([4, 3, 2, 1, 0]);
    expect(await ids({ rerank: { model, candidates: 7 }, offset: 8 })).toEqual([4, 3, 2, 1, 0]);
    const all = await c.query({ ...query, k: 80, rerank: { model, candidates: 1 } });
    expect([all.length, all.complete, all.exact]).toEqual([80, true, true]);
    expect((await c.query({ ...query, rerank: model })).complete).toBe(false);
    expect((await c.query({ ...query, k: 50, rerank: model })).complete).toBe(false);
    // A range is a range of what is reranked; without `k` it is ten matches.
    const near = await c.query({ vector: [1, 0, 0], text: 'word', minScore: 0.3, rerank: model });
    expect(near).toHaveLength(10);
  });

  test('equal scores keep their order, and what has no text comes last', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await ships(db);
    const model: Reranker = { rerank: async (_, texts) => texts.map(() => -1e9) };
    const found = await c.query({
      vector: [1, 0, 0],
      text: 'captain',
      fusion: { rrf: {} },
      rerank: model,
      explain: true,
    });
    expect(found.map(({ before }) => before!.rank).slice(0, 3)).toEqual(
      found
        .slice(0, 3)
        .map(({ before }) => before!.rank)
        .toSorted((a, b) => a - b),
    );
    expect(found.at(-1)).toMatchObject({ id: 'd', score: Number.NEGATIVE_INFINITY });
  });

  test('serves each query of a batch that names it', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await ships(db);
    const [plain, reranked] = await c.queryBatch([
      { keywords: 'whale', k: 1 },
      { keywords: 'whale', k: 1, rerank: new ByLength() },
    ]);
    expect([plain![0]!.id, reranked![0]!.id]).toEqual(['a', 'c']);
  });

  test('is held to one finite number per text', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await ships(db);
    const answers: [unknown, string][] = [
      [[1], 'the reranker was given 3 texts, and gave an array of 1'],
      [undefined, 'the reranker was given 3 texts, and gave undefined'],
      [new Float32Array(3), 'the reranker was given 3 texts, and gave a Float32Array of 3'],
      [[1, Number.NaN, 2], 'the reranker gave text 1 the score NaN, expected a finite number'],
      [[1, 2, '3'], "the reranker gave text 2 the score '3', expected a finite number"],
    ];
    for (const [answer, message] of answers) {
      const model = { rerank: async () => answer } as unknown as Reranker;
      await expect(c.query({ keywords: 'whale', rerank: model })).rejects.toMatchObject({
        code: 'MODEL_FAILED',
        message,
      });
    }
    const broken: Reranker = { rerank: () => Promise.reject(new Error('no luck')) };
    await expect(c.query({ keywords: 'whale', rerank: broken })).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: 'the reranker failed: no luck',
    });
    const stop = new AbortController();
    const endless: Reranker = { rerank: () => new Promise(() => stop.abort()) };
    expect(await codeOf(c.query({ keywords: 'whale', rerank: endless, signal: stop.signal }))).toBe('ABORTED');
  });

  test('wrong options are refused before anything is asked', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await ships(db);
    const model = new ByLength();
    const query = { keywords: 'whale' };
    const refused: [object, string][] = [
      [{ vector: [1, 0, 0], rerank: model }, 'rerank: needs `text` or `keywords` to score texts against'],
      [{ ...query, rerank: 5 }, 'rerank: expected an object, got 5'],
      [{ ...query, rerank: null }, 'rerank: expected an object, got null'],
      [{ ...query, rerank: {} }, 'rerank: model: expected a name'],
      [{ ...query, rerank: { model: {} } }, 'rerank: model: expected a name'],
      [{ ...query, rerank: '' }, 'rerank: model: expected a name'],
      [{ ...query, rerank: { model, depth: 5 } }, 'unknown option "depth"'],
      [{ ...query, rerank: { model, candidates: 0 } }, 'rerank: candidates: expected an integer from 1 to 1000'],
      [{ ...query, rerank: { model, onProgress: 5 } }, 'onProgress: expected a function'],
      [
        { ...query, k: 900, offset: 200, rerank: model },
        'rerank: offset + k: expected an integer from 1 to 1000, got 1100',
      ],
    ];
    for (const [wrong, message] of refused) {
      await expect(c.query(wrong as Query)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(message),
      });
    }
    expect(model.asked).toEqual([]);
    const loose = db.rerank.bind(db) as (...args: unknown[]) => Promise<unknown>;
    for (const args of [
      ['a', ['b']],
      ['a', 'b', { model }],
      [5, ['b'], { model }],
      ['a', [5], { model }],
    ])
      expect(await codeOf(loose(...args))).toBe('INVALID_ARGUMENT');
  });
});

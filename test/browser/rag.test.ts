// Documents and questions on the real engine: ingest, retrieve and ask with the built-in embedder; and, with the models of
// ../shared/models, with a transformer embedder and a language model in the rag worker.
import { type Database, open } from 'piramid';
import { ask, chunk, deleteDocument, ingest, listDocuments, NOT_FOUND, readDocument, retrieve } from 'piramid/rag';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import formatPage from '../../docs/FORMAT.md?raw';
import { freshName, openFresh } from './api/databases.ts';

const LINCOLN =
  'On the first day of January the Emancipation Proclamation declared that all persons held as slaves within the rebellious States are free. ' +
  'The army crossed the river in the spring, and the wheat harvest was good. '.repeat(30) +
  'I shall not attempt to retract or modify that proclamation, nor shall I return to slavery any person who is free by its terms.';
const MCKINLEY =
  'The single gold standard has been established, and the notes of the Government are maintained at parity with gold. ' +
  'The postal service carried more letters than in any year before, and its deficit was smaller. '.repeat(25);
const DOCUMENTS = [
  { id: 'lincoln-1864', title: 'Abraham Lincoln, 1864', text: LINCOLN, metadata: { year: 1864 } },
  { id: 'mckinley-1899', title: 'William McKinley, 1899', text: MCKINLEY, metadata: { year: 1899 } },
  { id: 'format', title: 'The stored format', text: formatPage, format: 'markdown' as const },
];
const models = { path: '/models/', remote: false };

async function textOf(answer: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of answer) text += piece;
  return text;
}

describe('documents', () => {
  test('are cut into passages, found, read back exactly, skipped when unchanged, replaced when changed, deleted', async () => {
    const name = freshName();
    const seen: number[] = [];
    {
      await using db = await open(name, { device: 'wasm', models });
      const c = await db.collection('documents', { embedder: 'static-en' });
      const result = await ingest(c, DOCUMENTS, { onProgress: (progress) => seen.push(progress.done) });
      expect(result).toMatchObject({ added: ['lincoln-1864', 'mckinley-1899', 'format'], failed: [] });
    }
    expect(seen.at(-1)).toBe(3);
    await using db = await open(name, { device: 'wasm', models });
    const c = await db.collection('documents', { embedder: 'static-en' });
    for (const { id, text } of DOCUMENTS) expect((await readDocument(c, id))!.text).toBe(text);
    const again = await ingest(c, DOCUMENTS);
    expect(again).toMatchObject({ added: [], updated: [], skipped: DOCUMENTS.map((document) => document.id) });

    const shorter = { ...DOCUMENTS[2]!, text: '# Only this\n\nThe zebra has stripes.' };
    expect(await ingest(c, [shorter])).toMatchObject({ updated: ['format'] });
    expect((await readDocument(c, 'format'))!.text).toBe(shorter.text);
    expect((await retrieve(c, 'zebra stripes', { k: 1 }))[0]).toMatchObject({ documentId: 'format' });
    expect((await c.query({ keywords: 'tombstones' })).length).toBe(0);

    await deleteDocument(c, 'format');
    expect((await listDocuments(c)).map((document) => document.id).sort()).toEqual(['lincoln-1864', 'mckinley-1899']);
    expect(await readDocument(c, 'format')).toBeUndefined();
  });

  test('an ingest that is cancelled keeps what is in, and goes on from there', async () => {
    await using db = await openFresh({ models, storage: 'memory' });
    const c = await db.collection('documents', { embedder: 'static-en' });
    const controller = new AbortController();
    const many = Array.from({ length: 40 }, (_, i) => ({ id: `d${i}`, text: `Document ${i}. ${MCKINLEY}` }));
    await expect(
      ingest(c, many, {
        signal: controller.signal,
        batchSize: 16,
        onProgress: ({ done }) => done >= 8 && controller.abort(),
      }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    const kept = (await listDocuments(c)).length;
    expect(kept).toBeGreaterThanOrEqual(8);
    expect(kept).toBeLessThan(40);
    const result = await ingest(c, many);
    expect(result.skipped).toHaveLength(kept);
    expect(result.added).toHaveLength(40 - kept);
  });
});

describe('a question', () => {
  let db: Database;
  beforeAll(async () => {
    db = await openFresh({ models, storage: 'memory' });
    await ingest(await db.collection('documents', { embedder: 'static-en' }), DOCUMENTS);
  });
  afterAll(() => db.close());

  test('is answered by quotations, each a range of its document', async () => {
    const c = await db.collection('documents');
    const { answer, citations, sources, support, author } = await ask(c, 'What did Lincoln say about slavery?');
    expect({ support, author }).toEqual({ support: 'yes', author: 'quotations' });
    expect(sources[0]!.documentId).toBe('lincoln-1864');
    expect(await textOf(answer)).toMatch(/slave/);
    const cited = await citations;
    expect(cited.length).toBeGreaterThan(0);
    for (const citation of cited) {
      if (!citation.supported) throw new Error('a quotation without support');
      expect(citation.documentId).toBe('lincoln-1864');
      expect(LINCOLN.slice(citation.start, citation.end)).toBe(citation.quote);
      expect(citation.quote).toMatch(/free/);
    }
  });

  test('about what is not there is not answered', async () => {
    const c = await db.collection('documents');
    const { answer, support, citations } = await ask(c, 'Which football club won the cup in Liverpool?');
    expect(support).toBe('no');
    expect(await textOf(answer)).toContain(NOT_FOUND);
    expect(await citations).toEqual([]);
  });

  test('keeps to its filter', async () => {
    const c = await db.collection('documents');
    const { sources } = await ask(c, 'gold standard', { where: { year: { $gte: 1890, $lte: 1900 } } });
    expect(new Set(sources.map((source) => source.documentId))).toEqual(new Set(['mckinley-1899']));
  });

  test('can be put to a generator of one’s own, whose unsupported sentences are told', async () => {
    const c = await db.collection('documents');
    const generator = {
      name: 'parrot',
      async *generate() {
        yield 'The single gold standard has been established. ';
        yield 'The moon is made of green cheese.';
      },
    };
    const { answer, citations, author } = await ask(c, 'Is there a gold standard?', { generator });
    expect(author).toBe('parrot');
    expect(await textOf(answer)).toContain('green cheese');
    expect((await citations).map((citation) => citation.supported)).toEqual([true, false]);
  });
});

test('passages tile a text', async () => {
  const passages = await chunk(formatPage, { format: 'markdown', maxWords: 50 });
  expect(passages.map((passage) => formatPage.slice(passage.start, passage.end)).join('')).toBe(formatPage);
});

const sharedModels = inject('sharedModels');
describe.skipIf(sharedModels === '')('with real models in the rag worker', () => {
  test('a transformer finds and a language model answers, streaming, with citations', async () => {
    await using db = await open(freshName(), {
      storage: 'memory',
      worker: () => new Worker(new URL('../../src/worker/rag-worker.ts', import.meta.url), { type: 'module' }),
      models: { path: `/@fs${sharedModels}/`, runtime: '/node_modules/onnxruntime-web/dist/', remote: false },
    });
    const c = await db.collection('documents', { embedder: 'all-MiniLM-L6-v2' });
    expect(c.dimension).toBe(384);
    await ingest(c, [
      {
        id: 'moby',
        title: 'Moby-Dick',
        text: 'The ship is called the Pequod. Her captain is Ahab, who lost a leg to a white whale.',
      },
      {
        id: 'bread',
        title: 'Baking',
        text: 'Knead the dough for ten minutes and let it rise for an hour in a warm place.',
      },
    ]);
    expect((await retrieve(c, 'sea voyage', { k: 1 }))[0]!.documentId).toBe('moby');
    const { answer, author, citations, support } = await ask(c, 'What is the ship called?', {
      model: 'smollm2-135m-instruct',
      maxTokens: 24,
    });
    expect({ author, support }).toEqual({ author: 'smollm2-135m-instruct', support: 'yes' });
    const pieces: string[] = [];
    for await (const piece of answer) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toContain('Pequod');
    expect((await citations)[0]).toMatchObject({ documentId: 'moby', supported: true });
  }, 120_000);
});

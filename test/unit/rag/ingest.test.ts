import { describe, expect, test, vi } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import { ask } from '../../../src/rag/ask.ts';
import { deleteDocument, listDocuments, readDocument } from '../../../src/rag/documents.ts';
import { type DocumentInput, type IngestOptions, type IngestProgress, ingest } from '../../../src/rag/ingest.ts';
import { retrieve } from '../../../src/rag/retrieve.ts';
import { FakeCollection } from './fake-collection.ts';

const text = (sentences: number, name: string) =>
  Array.from({ length: sentences }, (_, i) => `The ${name} says number ${i} here. `).join('');
const small: DocumentInput[] = ['a', 'b', 'c'].map((id) => ({ id, text: text(2, id), metadata: { shelf: id } }));
const cutting: IngestOptions = { chunk: { maxWords: 20, minWords: 5 } };
const ids = (collection: FakeCollection) => [...collection.records.keys()].sort();

describe('ingest', () => {
  test('each passage is a record that knows its place in its document', async () => {
    const collection = new FakeCollection();
    const long = text(10, 'whale');
    const result = await ingest(
      collection.typed,
      [{ id: 'w', title: 'Whale', text: long, metadata: { year: 1851 } }],
      cutting,
    );
    expect(result).toEqual({ added: ['w'], updated: [], skipped: [], failed: [] });
    const records = [...collection.records.values()];
    expect(records.map(({ id }) => id)).toEqual(records.map((_, i) => `w#${i}`));
    expect(records.length).toBeGreaterThan(2);
    for (const [i, { text: passage, metadata }] of records.entries()) {
      expect(metadata).toEqual({
        year: 1851,
        passage: i,
        start: expect.any(Number),
        end: expect.any(Number),
        document: {
          id: 'w',
          title: 'Whale',
          hash: expect.stringMatching(/^[\da-f]{32}$/),
          passages: records.length,
          bytes: long.length,
          addedAt: expect.any(Date),
        },
      });
      expect(long.slice(metadata!.start as number, metadata!.end as number)).toBe(passage);
    }
  });

  test('many small documents share a write, and a large one is one write', async () => {
    const collection = new FakeCollection();
    await ingest(
      collection.typed,
      [...small, { id: 'large', text: text(40, 'x') }, ...small.map((d) => ({ ...d, id: `${d.id}2` }))],
      {
        ...cutting,
        batchSize: 4,
      },
    );
    expect(collection.log).toEqual(['upsert 17', 'upsert 3']);
    expect(await listDocuments(collection.typed)).toHaveLength(7);
  });

  test('unchanged documents are skipped; another text, title, metadata or cutting is a change', async () => {
    const collection = new FakeCollection();
    await ingest(collection.typed, small, cutting);
    collection.log.length = 0;
    expect((await ingest(collection.typed, small, cutting)).skipped).toEqual(['a', 'b', 'c']);
    expect(collection.log).toEqual([]);
    for (const change of [{ text: 'Other words.' }, { title: 'T' }, { metadata: { shelf: 'z' } }]) {
      expect(
        (await ingest(collection.typed, [{ ...small[0]!, ...change }], cutting)).updated,
        JSON.stringify(change),
      ).toEqual(['a']);
    }
    expect((await ingest(collection.typed, small, { chunk: { maxWords: 10 } })).updated).toEqual(['a', 'b', 'c']);
  });

  test('a shorter version replaces all passages of a longer one, and of no other document', async () => {
    const collection = new FakeCollection();
    await ingest(
      collection.typed,
      [
        { id: 'a', text: text(20, 'old') },
        { id: 'a#1', text: text(20, 'other') },
      ],
      cutting,
    );
    const others = ids(collection).filter((id) => String(id).startsWith('a#1#'));
    const result = await ingest(collection.typed, [{ id: 'a', text: text(3, 'new') }], cutting);
    expect(result.updated).toEqual(['a']);
    expect(ids(collection)).toEqual(['a#0', ...others].sort());
    expect((await readDocument(collection.typed, 'a'))!.text).toBe(text(3, 'new'));
  });

  test('what an interrupted update left behind is tidied up by the next call', async () => {
    const collection = new FakeCollection();
    await ingest(collection.typed, [{ id: 'a', text: text(20, 'old') }], cutting);
    collection.failure = (what) => (what === 'delete' ? new PiramidError('WORKER_FAILED', 'crash') : undefined);
    const shorter = [{ id: 'a', text: text(3, 'new') }];
    await expect(ingest(collection.typed, shorter, cutting)).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    expect(collection.records.size).toBeGreaterThan(1);
    collection.failure = () => undefined;
    expect((await ingest(collection.typed, shorter, cutting)).updated).toEqual(['a']);
    expect(ids(collection)).toEqual(['a#0']);
    expect((await ingest(collection.typed, shorter, cutting)).skipped).toEqual(['a']);
  });

  test('a document that fails is reported and does not stop the others', async () => {
    const collection = new FakeCollection();
    collection.failure = (records) =>
      records !== 'delete' && records.some(({ id }) => id === 'b#0')
        ? new PiramidError('INVALID_ARGUMENT', 'bad metadata')
        : undefined;
    const result = await ingest(collection.typed, [
      ...small,
      { id: 'empty', text: ' \n' },
      { id: 'a', text: 'twice' },
      { id: 'clash', text: 'x', metadata: { passage: 1 } },
      { id: 'none' } as DocumentInput,
      new File(['x'], 'book.pdf'),
    ]);
    expect(result.added).toEqual(['a', 'c']);
    expect(result.failed.map(({ id, error }) => [id, error.code])).toEqual([
      ['empty', 'INVALID_ARGUMENT'],
      ['a', 'INVALID_ARGUMENT'],
      ['clash', 'INVALID_ARGUMENT'],
      ['none', 'INVALID_ARGUMENT'],
      ['book.pdf', 'UNSUPPORTED'],
      ['b', 'INVALID_ARGUMENT'],
    ]);
    expect(ids(collection)).toEqual(['a#0', 'c#0']);
  });

  test('an error of the database ends the call', async () => {
    const collection = new FakeCollection();
    collection.failure = () => new PiramidError('QUOTA_EXCEEDED', 'full');
    await expect(ingest(collection.typed, small)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });

  test('cancelling keeps what is in, and the next call goes on', async () => {
    const collection = new FakeCollection();
    const stop = new AbortController();
    const documents = [...'abcdefgh'].map((id) => ({ id, text: `text ${id}` }));
    const first = ingest(collection.typed, documents, {
      batchSize: 1,
      signal: stop.signal,
      onProgress: ({ done }) => done === 2 && stop.abort(),
    });
    await expect(first).rejects.toMatchObject({ code: 'ABORTED' });
    const written = collection.log.length;
    const { skipped, added } = await ingest(collection.typed, documents, { batchSize: 1 });
    expect([...skipped, ...added]).toEqual([...'abcdefgh']);
    // Nothing went on behind the end of the first call; besides what it told, two writes were under way.
    expect(collection.log.length - written).toBe(added.length);
    expect(skipped.length).toBeGreaterThanOrEqual(2);
    expect(skipped.length).toBeLessThanOrEqual(4);
  });

  test('the next documents are read while a write is under way; two are at most', async () => {
    const collection = new FakeCollection();
    const upsert = collection.typed.upsert.bind(collection);
    let underWay = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    collection.typed.upsert = async (...given) => {
      most = Math.max(most, ++underWay);
      await new Promise<void>((resolve) => waiting.push(resolve));
      await upsert(...given);
      underWay--;
    };
    const documents = [...'abcdef'].map((id) => ({ id, text: `text ${id}` }));
    const told: string[] = [];
    const done = ingest(collection.typed, documents, { batchSize: 1, onProgress: ({ id }) => told.push(id) });
    // The later of two ends first; what is told keeps the documents' order.
    for (let left = 6; left > 0; left -= 2) {
      await vi.waitFor(() => expect(waiting).toHaveLength(2));
      for (const end of waiting.splice(0).reverse()) end();
    }
    expect((await done).added).toEqual([...'abcdef']);
    expect(told).toEqual([...'abcdef']);
    expect(most).toBe(2);
  });

  test('a write that fails ends the call, whichever it is, after those under way', async () => {
    for (const bad of 'abcde') {
      const collection = new FakeCollection();
      const upsert = collection.typed.upsert.bind(collection);
      let underWay = 0;
      collection.typed.upsert = async (records, ...rest) => {
        underWay++;
        await new Promise((resolve) => setTimeout(resolve, 1));
        underWay--;
        if ((records as { id: string }[])[0]!.id === `${bad}#0`) throw new PiramidError('STORAGE_FULL', 'full');
        return upsert(records, ...rest);
      };
      const documents = [...'abcde'].map((id) => ({ id, text: `text ${id}` }));
      await expect(ingest(collection.typed, documents, { batchSize: 1 })).rejects.toThrow('full');
      expect(underWay).toBe(0);
    }
  });

  test('progress counts every input, to the end', async () => {
    const collection = new FakeCollection();
    const seen: IngestProgress[] = [];
    await ingest(collection.typed, [...small, { id: 'empty', text: '' }], {
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.map(({ done, total, documents, passages, id }) => [done, total, documents, passages, id])).toEqual([
      [1, 4, 0, 0, 'empty'],
      [2, 4, 1, 1, 'a'],
      [3, 4, 2, 2, 'b'],
      [4, 4, 3, 3, 'c'],
    ]);
    expect(seen.at(-1)).toMatchObject({ secondsLeft: 0, passagesPerSecond: expect.any(Number) });
  });

  test('files go by their path, in their format', async () => {
    const collection = new FakeCollection();
    await ingest(collection.typed, [
      new File(['# Head\n\nWords.'], 'note.md'),
      new File(['<title>Page</title><p>Text'], 'page.html'),
    ]);
    expect((await listDocuments(collection.typed)).map(({ id, title }) => [id, title])).toEqual([
      ['note.md', 'Head'],
      ['page.html', 'Page'],
    ]);
  });

  test('what is no collection, no list and no question is refused with a code', async () => {
    const collection = new FakeCollection().typed;
    const bad = (value: unknown) => value as never;
    for (const call of [
      () => ingest(bad(undefined), []),
      () => ingest(collection, bad({ id: 'a', text: 'b' })),
      () => ingest(collection, bad(null)),
      () => ask(bad({}), 'who?'),
      () => ask(collection, bad(undefined)),
      () => ask(collection, 'who?', { generator: bad({}) }),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const { failed } = await ingest(collection, [bad({ id: 'a', text: 'x', tags: ['y'] })]);
    expect(failed[0]!.error.message).toContain('unknown field "tags"');
  });

  test('wrong options are refused before anything is written', async () => {
    const collection = new FakeCollection();
    await expect(ingest(collection.typed, small, { batchSize: 0 })).rejects.toThrow('batchSize');
    await expect(ingest(collection.typed, small, { chunk: { maxWords: 0 } })).rejects.toThrow('chunk.maxWords');
    await expect(ingest(collection.typed, [{ text: 'x' } as DocumentInput])).rejects.toThrow('expected an id');
    expect(collection.log).toEqual([]);
  });
});

describe('documents', () => {
  test('a document is read back as it was, over many pages', async () => {
    const collection = new FakeCollection();
    const long = `  ${text(60, 'è')}\n\n`;
    await ingest(collection.typed, [{ id: 'x', text: long, metadata: { a: [1] } }, ...small], cutting);
    const document = await readDocument(collection.typed, 'x');
    expect(document!.text).toBe(long);
    expect(document!.metadata).toEqual({ a: [1] });
    expect(document!.spans).toHaveLength(document!.passages);
    expect(await readDocument(collection.typed, 'nobody')).toBeUndefined();
  });

  test('documents are listed once each, and deleted whole', async () => {
    const collection = new FakeCollection();
    await ingest(collection.typed, [...small, { id: 'x', text: text(60, 'x') }], cutting);
    expect((await listDocuments(collection.typed)).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'x']);
    expect((await listDocuments(collection.typed, { where: { shelf: 'b' } })).map(({ id }) => id)).toEqual(['b']);
    expect(await deleteDocument(collection.typed, 'x')).toBe(true);
    expect(await deleteDocument(collection.typed, 'x')).toBe(false);
    expect(ids(collection)).toEqual(['a#0', 'b#0', 'c#0']);
  });

  test('a question that names a title is looked up under it first, in whatever words its passages are', async () => {
    const collection = new FakeCollection();
    const presidents = [
      'George Washington',
      'Abraham Lincoln',
      'Ulysses S. Grant',
      'Grover Cleveland',
      'Benjamin Harrison',
    ];
    await ingest(
      collection.typed,
      presidents.flatMap((name, i) => [
        {
          id: `${name} on slaves`,
          title: `${name}, ${1789 + i}`,
          text: `Slavery, slaves and slavery: ${'slavery '.repeat(i === 1 ? 1 : 9)}`,
        },
        { id: `${name} on ships`, title: `${name}, ${1800 + i}`, text: 'The ships of Lincoln county carried wheat.' },
      ]),
    );
    const first = async (question: string) => (await retrieve(collection.typed, question, { k: 3 }))[0]!.documentId;
    expect(await first('What did Lincoln say about slavery?')).toBe('Abraham Lincoln on slaves');
    expect(await first('What did the president say of slavery in 1791?')).toBe('Ulysses S. Grant on slaves');
    expect(await first('What did Benjamin Harrison say?')).toMatch(/^Benjamin Harrison/);
    // A name that is part of what is asked about does not speak: nothing under it says so.
    await ingest(collection.typed, [
      {
        id: 'doctrine',
        title: 'Theodore Roosevelt, 1901',
        text: 'The Cleveland doctrine, the Cleveland doctrine of tariffs.',
      },
    ]);
    expect(await first('What is the Cleveland doctrine of tariffs?')).toBe('doctrine');
    // Without a name all documents are equal: the one that says it most wins.
    expect(await first('slavery')).not.toBe('Abraham Lincoln on slaves');
    const filtered = await retrieve(collection.typed, 'What did Lincoln say about slavery?', {
      where: { 'document.title': 'George Washington, 1789' },
    });
    expect(filtered.map(({ documentId }) => documentId)).toEqual(['George Washington on slaves']);
  });

  test('retrieved passages know their place, also those that did not come by ingest', async () => {
    const collection = new FakeCollection();
    await ingest(collection.typed, [{ id: 'x', text: `${text(9, 'x')}A whale.` }], cutting);
    await collection.upsert([{ id: 7, text: 'A whale too' }]);
    const found = await retrieve(collection.typed, 'whale');
    expect(found.map(({ documentId, start, end, text: t }) => [documentId, t.length === end - start])).toEqual([
      ['7', true],
      ['x', true],
    ]);
    expect(await retrieve(collection.typed, 'whale', { k: 1, where: { 'document.id': 'x' } })).toHaveLength(1);
    await expect(retrieve(collection.typed, ' ')).rejects.toThrow('question');
  });
});

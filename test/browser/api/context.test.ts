// The context of a text: embedded and indexed in front of it, and returned to whoever asks for it.
import { type Embedder, open } from 'piramid';
import { exportJsonl, importJsonl } from 'piramid/import';
import { ingest } from 'piramid/rag';
import { expect, test } from 'vitest';
import { codeOf, freshName, openFresh } from './databases.ts';

const seen: string[] = [];
const counting: Embedder = {
  dimension: 2,
  fingerprint: 'counting',
  embed: async (texts) => {
    seen.push(...texts);
    return texts.map((text) => Float32Array.of(text.length, 1));
  },
};

test('a record is found by the words of its context, which is not in its text', async () => {
  const name = freshName();
  const all = ['text', 'context', 'metadata', 'vector'] as const;
  {
    await using db = await open(name, { device: 'wasm' });
    const c = await db.collection('c', { embedder: counting });
    await c.upsert([
      { id: 'a', text: 'It takes two years.', context: 'Phone\nWarranty' },
      { id: 'b', text: 'It takes two days.', context: '' },
      { id: 'c', text: 'It takes two hours.' },
    ]);
    expect(seen).toEqual(['Phone\nWarranty\n\nIt takes two years.', 'It takes two days.', 'It takes two hours.']);
  }
  await using db = await open(name, { device: 'wasm' });
  const c = await db.collection('c', { embedder: counting });
  const found = await c.query({ keywords: 'warranty phones' });
  expect(found.map(({ id, text, ...rest }) => [id, text, 'context' in rest])).toEqual([
    ['a', 'It takes two years.', false],
  ]);
  expect((await c.query({ keywords: 'warranty', select: ['context'] }))[0]).toMatchObject({
    context: 'Phone\nWarranty',
  });
  expect(await c.get('a', { select: ['text', 'context'] })).toEqual({
    id: 'a',
    text: 'It takes two years.',
    context: 'Phone\nWarranty',
  });
  expect(await c.get('b', { select: ['text', 'context'] })).toEqual({ id: 'b', text: 'It takes two days.' });
  await c.upsert({ id: 'empty', text: '', vector: [1, 1] });
  expect(await c.get('empty', { select: [...all] })).not.toHaveProperty('context');
  await c.delete('empty');
  // Compaction, a metadata update and a JSONL copy keep it.
  await c.update('a', { set: { year: 2 } });
  await c.delete('c');
  await c.compact();
  const copy = await db.collection('copy', { embedder: counting });
  await importJsonl(copy, await new Response(exportJsonl(c, { select: undefined } as object)).blob());
  for (const each of [c, copy]) {
    expect((await each.query({ keywords: 'warranty' })).map(({ id }) => id)).toEqual(['a']);
    expect(await each.get('a', { select: all })).toMatchObject({ context: 'Phone\nWarranty', metadata: { year: 2 } });
  }
  // A new text has the context that comes with it, or none.
  await c.update('a', { text: 'Three.', context: 'Guarantee' });
  expect(seen.at(-1)).toBe('Guarantee\n\nThree.');
  expect((await c.query({ keywords: 'guarantee' })).map(({ text }) => text)).toEqual(['Three.']);
  await c.update('a', { text: 'Four.' });
  expect(await c.query({ keywords: 'guarantee' })).toHaveLength(0);
  expect(await c.get('a', { select: ['context'] })).toEqual({ id: 'a' });
});

test('a copy of the database, and what is indexed again, keep contexts', async () => {
  await using db = await openFresh();
  const c = await db.collection('c', {});
  await c.upsert({ id: 1, text: 'Two years.', context: 'Warranty 🎉' });
  // Russian: the collection's words are made again, each by its script.
  await c.upsert({ id: 2, text: 'Книги', context: 'Библиотека' });
  await db.import(await new Response(db.export()).blob(), { rename: { c: 'd' } });
  for (const name of ['c', 'd']) {
    const each = await db.collection(name);
    expect((await each.query({ keywords: 'warranty' })).map(({ id, text }) => [id, text])).toEqual([[1, 'Two years.']]);
    expect((await each.query({ keywords: 'библиотека' })).map(({ id }) => id)).toEqual([2]);
  }
});

test('bad contexts are refused by name', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const c = await db.collection('c', { dimension: 2 });
  await expect(c.upsert({ id: 1, vector: [1, 0], context: 'x' })).rejects.toThrow('a context, but no text');
  await expect(c.upsert({ id: 1, vector: [1, 0], text: 'a', context: 5 as never })).rejects.toThrow('1: context');
  await expect(c.upsert({ id: 1, vector: [1, 0], text: 'a', context: 'a\ud800' })).rejects.toThrow('surrogate');
  await expect(c.update({ all: true }, { context: 'x' })).rejects.toThrow('belongs to its text');
  expect(await codeOf(c.get([1], { select: ['contexts' as 'context'] }))).toBe('INVALID_ARGUMENT');
  expect(await c.count()).toBe(0);
});

test('passages of documents have their title and headings as context', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const c = await db.collection('c', {});
  const page = `# Phone\n\nIntro.\n\n## Warranty\n\n${'It takes two years. '.repeat(120)}\n\n## Price\n\nCheap.\n`;
  await ingest(c, [{ id: 'phone.md', title: 'The Phone', text: page, format: 'markdown' }], {
    chunk: { maxWords: 100, minWords: 20 },
  });
  const found = await c.query({ keywords: 'warranty', select: ['text', 'context'], k: 20 });
  expect(found.length).toBeGreaterThan(3);
  for (const { text, context } of found)
    expect(context).toBe(text!.startsWith('# Phone') ? 'The Phone' : 'The Phone\nPhone\nWarranty');
  // A title that is the id says nothing.
  await ingest(c, [{ id: 'plain', text: 'Nothing above.' }]);
  expect(await c.get('plain#0', { select: ['context'] })).toEqual({ id: 'plain#0' });
});

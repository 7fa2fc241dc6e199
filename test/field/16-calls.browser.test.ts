// Calls that do what people mean by them: one id, whether there is something, and updates of text and vector.
import { type Embedder, open } from 'piramid';
import { expect, test } from 'vitest';
import { codeOf, freshName, openFresh } from '../browser/api/databases.ts';

test('one id gets a record or undefined, several get those that exist', async () => {
  await using db = await openFresh({ storage: 'memory' });
  expect([await db.exists('c'), await codeOf(db.exists(5 as never))]).toEqual([false, 'INVALID_ARGUMENT']);
  const c = await db.collection('c', {});
  expect(await db.exists('c')).toBe(true);
  await c.upsert([1, 2, 'a'].map((id) => ({ id, text: `text ${id}` })));
  expect(await c.get('a')).toEqual({ id: 'a', text: 'text a' });
  expect(await c.get('b')).toBeUndefined();
  expect((await c.get(['b', 'a', 1])).map(({ id }) => id)).toEqual(['a', 1]);
  expect([await c.exists('a'), await c.exists('1'), await c.exists(1)]).toEqual([true, false, true]);
  for (const bad of [null, undefined, {}, new Set(['a']), true])
    await expect(c.get(bad as never), String(bad)).rejects.toThrow('get: expected an id or an array of ids, got');
  expect(await c.delete('a')).toBe(1);
  expect(await c.delete([1, 'nobody'])).toBe(1);
  expect(await codeOf(c.delete({ where: {} }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(c.update({ where: {} }, { set: { a: 1 } }))).toBe('INVALID_ARGUMENT');
  expect(await c.update(2, { set: { a: 1 } })).toBe(1);
  expect(await c.delete({ all: true })).toBe(1);
  await expect(db.collection('x', { embedder: null as never })).rejects.toThrow('got null');
});

const letters: Embedder = {
  dimension: 2,
  fingerprint: 'letters',
  embed: async (texts) =>
    texts.map((text) => (text === '' ? null : Float32Array.of(text.split('a').length, text.split('b').length))),
};

test('update writes text and vector, and embeds a text where the collection does', async () => {
  await using db = await open(freshName(), { storage: 'memory', device: 'js' });
  const plain = await db.collection('plain', { dimension: 2, metric: 'l2' });
  const mine = await db.collection('mine', { embedder: letters, metric: 'l2' });
  const texts = await db.collection('texts', {});
  await plain.upsert([1, 2, 3].map((id) => ({ id, vector: [id, 0], text: 'old words', metadata: { id } })));

  expect(await plain.update([1, 2], { text: 'new words', set: { changed: true } })).toBe(2);
  expect(await plain.get(1)).toEqual({
    id: 1,
    vector: Float32Array.of(1, 0),
    text: 'new words',
    metadata: { id: 1, changed: true },
  });
  expect((await plain.query({ keywords: 'new' })).map(({ id }) => id)).toEqual([1, 2]);
  expect((await plain.query({ keywords: 'old' })).map(({ id }) => id)).toEqual([3]);
  await plain.update({ where: { id: 3 } }, { vector: [9, 9] });
  expect((await plain.query({ vector: [9, 9], k: 1 }))[0]).toMatchObject({ id: 3, score: 0, text: 'old words' });
  expect(await codeOf(plain.update(3, { vector: [1] }))).toBe('DIMENSION_MISMATCH');
  expect(await codeOf(plain.update(3, { vector: [1, Number.NaN] }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(texts.update(3, { vector: [1, 2] }))).toBe('INVALID_ARGUMENT');

  await mine.upsert({ id: 1, text: 'a' });
  await mine.update(1, { text: 'bbb' });
  expect(await mine.get(1)).toEqual({ id: 1, text: 'bbb', vector: Float32Array.of(1, 4) });
  await mine.update(1, { text: 'aaa', vector: [7, 7] });
  expect((await mine.get(1))!.vector).toEqual(Float32Array.of(7, 7));
  await mine.update(1, { text: '' });
  expect(await mine.get(1)).toEqual({ id: 1, text: '' });
  // In the order of the calls, though the first one waits for its vector.
  const writes = [mine.update(1, { text: 'first' }), mine.upsert({ id: 1, vector: [0, 1], text: 'second' })];
  await Promise.all(writes);
  expect((await mine.get(1))!.text).toBe('second');

  await texts.upsert({ id: 1, text: 'old' });
  await texts.update(1, { text: 'new' });
  expect(await texts.get(1)).toEqual({ id: 1, text: 'new' });
});

test('a text that is written by update is embedded by the worker, and a text without direction has no vector', async () => {
  await using db = await open(freshName(), { storage: 'memory', models: { path: '/models/', remote: false } });
  const c = await db.collection('c', { embedder: 'static-en' });
  await c.upsert([
    { id: 1, text: 'A kitten sleeps in the sun.', metadata: { n: 1 } },
    { id: 2, text: 'The army crossed the river at night.' },
  ]);
  expect((await c.query({ text: 'soldiers fighting', k: 1 }))[0]!.id).toBe(2);
  expect(await c.update([1, 'nobody'], { text: 'The regiment attacked the fort with soldiers.' })).toBe(1);
  expect((await c.query({ text: 'soldiers fighting', k: 1 }))[0]).toMatchObject({ id: 1, metadata: { n: 1 } });
  const [vector] = await db.embed(['The regiment attacked the fort with soldiers.']);
  expect((await c.get(1))!.vector).toEqual(vector);
  await c.update(1, { text: '日本語のテキスト' });
  expect((await c.get(1))!.vector).toBeUndefined();
  expect((await c.query({ text: '日本語', explain: true })).plan!.notes).toEqual([
    expect.stringContaining('no direction'),
  ]);
  await c.update({ all: true }, { set: { seen: true } });
  expect((await c.get(1))!.vector).toBeUndefined();
  expect(await c.count({ seen: true })).toBe(2);
});

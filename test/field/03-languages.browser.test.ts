// Item 3, as an app uses it: stemmers come from where `assets` says, and words are refused where they do not.
import { expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { stemmers, stopWords } from '../../src/text/stemmers.ts';
import type { OpenOptions } from '../../src/types.ts';
import { INFLECTED } from './inflected.ts';

const memory = (assets?: OpenOptions['assets']): OpenOptions => ({
  storage: 'memory',
  ...(assets !== undefined && { assets }),
});

test('are found beside the library', async () => {
  await using db = await open('languages', memory());
  const c = await db.collection('notes', { language: 'ru' });
  await c.upsert(INFLECTED.ru!.map(([text], id) => ({ id, text })));
  for (const [i, [, keywords]] of INFLECTED.ru!.entries())
    expect((await c.query({ keywords })).map(({ id }) => id)).toEqual([i]);
});

test('a folder without them: words are refused by name, and the collection is not made', async () => {
  await using db = await open('languages', memory('/nothing/here/'));
  await expect(db.collection('notes', { language: 'de' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  const c = await db.collection('notes', {});
  await c.upsert([{ id: 1, text: 'Я читаю книгу' }]);
  expect(await c.query({ keywords: 'книгу' })).toHaveLength(1);
});

test('a function gives them, as bytes', async () => {
  expect(Object.keys(stemmers).length).toBeGreaterThan(20);
  expect(stopWords.de).toContain('und');
  const asked: string[] = [];
  // Not Snowball's, but told from it: it takes the last letter off.
  const source = `export const stemmers = { ru: (word) => word.slice(0, -1) }; export const stopWords = {}; export const release = 'stemmers.js ${PIRAMID_BUILD}';`;
  const assets = async (file: string) => {
    asked.push(file);
    return new TextEncoder().encode(source);
  };
  await using db = await open('languages', memory(assets));
  const c = await db.collection('notes', { language: 'ru' });
  await c.upsert([{ id: 1, text: 'абвгд' }]);
  expect(await c.query({ keywords: 'абвгж' })).toHaveLength(1);
  expect(asked).toEqual(['stemmers.js']);
});

test('what is no place, and what is no script, is said', async () => {
  await expect(open('languages', memory(5 as never))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  for (const given of [
    null,
    new Response('', { status: 404 }),
    'http://',
    new Blob(['not a script (']),
    new Blob(['']),
  ]) {
    await using db = await open(
      'languages',
      memory(async () => given as never),
    );
    await expect(db.collection('notes', { language: 'de' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  }
});

// Item 3: a text field has a language, whose endings are taken off words; a script tells it where nobody does.
import { describe, expect, test } from 'vitest';
import type { EngineQuery } from '../../src/protocol.ts';
import { MemoryBackend } from '../../src/store/memory.ts';
import type { Language, RecordId } from '../../src/types.ts';
import { createEngine, type Environment, type LocalEngine } from '../../src/worker/engine.ts';
import { Disk } from '../faults/disk.ts';
import { INFLECTED } from './inflected.ts';

let call = 0;

async function openEngine(environment: Environment): Promise<LocalEngine> {
  const none = () => Promise.reject(new Error('none'));
  const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
    openBackend: async () => new MemoryBackend(),
    ...environment,
  });
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
  return engine;
}

/** How often stemmers were asked for. */
let loads = 0;
const withStemmers = {
  importAsset: async (file: string) => {
    expect(file).toBe('stemmers.js');
    loads++;
    return import('../../src/text/stemmers.ts');
  },
};

async function openNotes(engine: LocalEngine, language?: Language): Promise<number> {
  const request = { dimension: null, metric: null, quantization: null, embedder: null, mustExist: false, language };
  return (await engine.openCollection('notes', request, ++call)).id;
}

async function write(engine: LocalEngine, id: number, texts: readonly string[], first = 0): Promise<void> {
  const ids = texts.map((_, i) => first + i);
  await engine.upsert(id, { ids, vectors: null, sources: null, texts: [...texts], metadata: null }, 'upsert', ++call);
}

async function find(engine: LocalEngine, id: number, words: string): Promise<RecordId[]> {
  const none = { vector: null, embed: null, offset: 0, minScore: null, where: null, exact: false, oversample: 1 };
  const query: EngineQuery = { ...none, words, k: 100, fusion: { rrf: {} }, select: [], explain: false };
  const [answer] = await engine.query(id, [query], ++call);
  return answer!.ids;
}

describe('before anything has loaded stemmers', () => {
  // Stemmers stay with their worker, and all tests of this file share one: this one comes first.
  test('a collection without its stemmers refuses words by name, and nothing else', async () => {
    const backend = new Disk();
    const engine = await openEngine({ openBackend: async () => backend });
    await expect(openNotes(engine, 'ru')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/stemmers\.js.*assets/),
    });
    expect(await engine.listCollections()).toEqual([]);
    const plain = await openNotes(engine, 'none');
    await write(engine, plain, ['читаю книгу']);
    expect(await find(engine, plain, 'книгу')).toEqual([0]);
    expect(await find(engine, plain, 'книга')).toEqual([]);
  });

  test('words of other scripts are indexed as they stand where stemmers cannot be had', async () => {
    const engine = await openEngine({});
    const id = await openNotes(engine);
    await write(engine, id, ['Я читаю книгу', 'whales']);
    expect(await find(engine, id, 'книгу')).toEqual([0]);
    expect(await find(engine, id, 'whale')).toEqual([1]);
  });

  test('English asks for none', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine);
    await write(engine, id, ['whales, Größe, 한국, リンゴ']);
    await openNotes(engine);
    expect(loads).toBe(0);
  });
});

describe('a told language', () => {
  test.each(Object.entries(INFLECTED))('%s: every query finds its text alone', async (language, pairs) => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine, language as Language);
    await write(
      engine,
      id,
      pairs.map(([text]) => text),
    );
    for (const [i, [, query]] of pairs.entries()) expect([query, await find(engine, id, query)]).toEqual([query, [i]]);
    expect((await engine.listCollections())[0]).toMatchObject({ language });
  });

  test('is kept, and another one is refused', async () => {
    const engine = await openEngine(withStemmers);
    await openNotes(engine, 'de');
    await openNotes(engine);
    await expect(openNotes(engine, 'fr')).rejects.toMatchObject({ code: 'CONFIG_MISMATCH' });
  });

  test('umlauts are found however they are written', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine, 'de');
    await write(engine, id, ['die Größe', 'die Groesse', 'die Grösse']);
    for (const query of ['Größe', 'groesse', 'Grösse']) expect(await find(engine, id, query)).toHaveLength(3);
  });

  test('its stop words are left out of queries', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine, 'de');
    await write(engine, id, ['der die und das', 'ein Hund']);
    expect(await find(engine, id, 'der Hund und die Katze')).toEqual([1]);
  });
});

describe('no told language', () => {
  test('the script tells it, in an empty collection from the first text on', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine);
    const pairs = [...INFLECTED.ru!, ...INFLECTED.ar!];
    await write(engine, id, [...pairs.map(([text]) => text), 'swimming whales']);
    for (const [i, [, query]] of pairs.entries()) expect([query, await find(engine, id, query)]).toEqual([query, [i]]);
    expect(await find(engine, id, 'whale')).toEqual([pairs.length]);
  });

  test('but not where it has been told', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine, 'en');
    await write(engine, id, ['Я читаю книгу']);
    expect(await find(engine, id, 'книгу')).toEqual([0]);
    expect(await find(engine, id, 'книгами')).toEqual([]);
  });

  test('a collection that has English texts is indexed again behind', async () => {
    const engine = await openEngine(withStemmers);
    const id = await openNotes(engine);
    await write(engine, id, ['swimming whales']);
    await write(engine, id, ['Я читаю книгу'], 1);
    expect(await find(engine, id, 'книгу')).toEqual([1]);
    while ((await find(engine, id, 'книгами')).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await find(engine, id, 'книги')).toEqual([1]);
    expect(await find(engine, id, 'whale')).toEqual([0]);
  });
});

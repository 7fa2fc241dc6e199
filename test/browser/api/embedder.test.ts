import { type Embedder, open } from 'piramid';
import { browserEmbedder } from 'piramid/rag';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { codeOf, freshName, openFresh } from './databases.ts';

const models = { path: '/models/', remote: false };

const TEXTS = [
  { id: 'gold', text: 'The notes of the Government are kept at parity with gold.' },
  { id: 'cat', text: 'A kitten sleeps in the sun.' },
  { id: 'war', text: 'The army crossed the river at night and attacked the fort.' },
  { id: 'japanese', text: '日本語のテキスト' },
];

describe('a collection with the built-in embedder', () => {
  test('finds texts by meaning and words, and without direction by words alone', async () => {
    const name = freshName();
    {
      await using db = await open(name, { device: 'wasm', models });
      const c = await db.collection('c', { embedder: 'static-en' });
      expect(c.dimension).toBe(256);
      await c.upsert(TEXTS);
    }
    await using db = await open(name, { device: 'wasm', models });
    const c = await db.collection('c', { embedder: 'static-en' });
    expect((await c.query({ text: 'soldiers fighting', k: 1 }))[0]!.id).toBe('war');
    expect((await c.query({ text: 'small cats', k: 1 }))[0]!.id).toBe('cat');
    expect((await c.query({ text: '日本語', k: 1 }))[0]!.id).toBe('japanese');
    expect((await c.get('japanese'))!.vector).toBeUndefined();
    expect((await c.get('cat'))!.vector).toHaveLength(256);
    const found = await c.query({ text: 'gold standard', explain: true });
    expect(found[0]!.id).toBe('gold');
    expect(found[0]!.legs).toMatchObject({ vector: { rank: 1 }, words: { rank: 1 } });
    expect(found.plan!.phases.map((phase) => phase.name)).toEqual([
      'embed',
      'words',
      'scan',
      'rescore',
      'fuse',
      'payload',
    ]);
    expect(found.map((match) => match.id)).not.toContain('japanese');
    // An update keeps the vector of the text.
    await c.update({ ids: ['cat', 'japanese'] }, { set: { seen: true } });
    expect((await c.query({ text: 'small cats', k: 1, where: { seen: true } }))[0]!.id).toBe('cat');
    expect((await c.get('japanese'))!.vector).toBeUndefined();
  });

  test('embeds texts for anyone who asks, in one space', async () => {
    await using db = await openFresh({ models, storage: 'memory' });
    const [a, b, none] = await db.embed(['gold coins', 'golden coin', '…']);
    expect(Math.hypot(...a!)).toBeCloseTo(1, 5);
    expect(a!.reduce((sum, x, i) => sum + x * b![i]!, 0)).toBeGreaterThan(0.5);
    expect(none === null || Math.abs(Math.hypot(...none!) - 1) < 1e-5).toBe(true);
    const c = await db.collection('c', { embedder: 'static-en' });
    await c.upsert(TEXTS);
    const [vector] = await db.embed(['soldiers fighting'], { kind: 'query' });
    expect((await c.query({ vector: vector!, k: 1 }))[0]!.id).toBe('war');
    // By the collection's own embedder too, which whoever opens it need not name.
    expect(await (await db.collection('c')).embed(['soldiers fighting'], { kind: 'query' })).toEqual([vector]);
    expect(await db.loadModel('embed', 'static-en')).toMatchObject({ name: 'static-en', task: 'embed' });
  });

  test('is read from the bytes that the page gives, whichever kind they are, and from the folder of `assets`', async () => {
    const file = async (path: string) => (await fetch(`/models/static-en/${path}`)).bytes();
    const bytes = {
      'static-en': {
        'raw/table.u4': new Blob([await file('raw/table.u4')]),
        'raw/scales.f32': await file('raw/scales.f32'),
        'tokenizer.json': (await file('tokenizer.json')).buffer,
      },
    };
    const [own, fetched, nowhere] = await Promise.all([
      openFresh({ storage: 'memory', models: { bytes, path: '/nowhere/' } }),
      openFresh({ storage: 'memory', assets: '/' }),
      openFresh({ storage: 'memory', assets: '/nowhere/' }),
    ]);
    expect(await own.embed(['gold coins'])).toEqual(await fetched.embed(['gold coins']));
    await expect(nowhere.embed(['gold coins'])).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringMatching(/\/nowhere\/models\/static-en\/raw\/table\.u4 .*\/nowhere\/.*tokenizer\.json/),
    });
    for (const db of [own, fetched, nowhere]) await db.close();
  });

  test('refuses another embedder, none, and models that its worker cannot run', async () => {
    const name = freshName();
    const own: Embedder = {
      dimension: 256,
      fingerprint: 'mine',
      embed: async (texts) => texts.map(() => new Float32Array(256).fill(1)),
    };
    await using db = await open(name, { device: 'wasm', models });
    await db.collection('c', { embedder: 'static-en' });
    expect(await codeOf(db.collection('c', { embedder: own }))).toBe('MODEL_MISMATCH');
    expect(await codeOf(db.collection('c', { embedder: 'Xenova/other' }))).toBe('MODEL_MISMATCH');
    expect(await codeOf(db.collection('c', { dimension: 128 }))).toBe('CONFIG_MISMATCH');
    expect(await codeOf(db.collection('d', { embedder: 'static-en', dimension: 128 }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(db.collection('d', { embedder: 'Xenova/other' }))).toBe('UNSUPPORTED');
    expect((await db.collection('c')).dimension).toBe(256);
  });
});

test('an embedder of the page makes the vectors of texts, and is held to its shape', async () => {
  const letters: Embedder = {
    dimension: 26,
    fingerprint: 'letters@1',
    async embed(texts) {
      return texts.map((text) => {
        const counts = new Float32Array(26);
        for (const letter of text.toLowerCase()) {
          const i = letter.charCodeAt(0) - 97;
          if (i >= 0 && i < 26) counts[i]!++;
        }
        return counts.some((count) => count > 0) ? counts : null;
      });
    },
  };
  await using db = await openFresh();
  const c = await db.collection('c', { embedder: letters });
  await c.upsert(TEXTS);
  expect((await c.query({ text: 'kitten sun sleeps', k: 1 }))[0]!.id).toBe('cat');
  expect((await c.get('japanese'))!.vector).toBeUndefined();
  expect(await c.embed(['abba', '…'])).toEqual([Float32Array.from({ length: 26 }, (_, i) => (i < 2 ? 2 : 0)), null]);
  expect(await codeOf(c.embed('abba' as unknown as string[]))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(c.embed(['a'], { kind: 'text' as 'query' }))).toBe('INVALID_ARGUMENT');
  expect(await codeOf((await db.collection('c')).embed(['a']))).toBe('INVALID_ARGUMENT');
  expect(await codeOf((await db.collection('words', {})).embed(['a']))).toBe('INVALID_ARGUMENT');
  const broken = await db.collection('broken', { embedder: { ...letters, embed: async () => [] } });
  expect(await codeOf(broken.upsert(TEXTS))).toBe('MODEL_FAILED');
  expect(await broken.count()).toBe(0);
});

describe('an embedder of the page', () => {
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const own = (embed: Embedder['embed']): { embedder: Embedder } => ({
    embedder: { dimension: 3, fingerprint: 'own', embed },
  });

  test('that is slow does not change the order of writes', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await db.collection(
      'c',
      own(async (texts) => {
        await sleep(texts[0] === 'slow' ? 200 : 1);
        if (texts[0] === 'fails') throw new Error('out of order');
        return texts.map(() => Float32Array.of(1, 2, 3));
      }),
    );
    const failing = c.upsert({ id: 3, text: 'fails' });
    const writes = [
      c.upsert([1, 2].map((id) => ({ id, text: 'slow' }))),
      c.upsert({ id: 1, text: 'quick' }),
      c.delete({ ids: [2] }),
    ];
    expect(await codeOf(failing)).toBe('MODEL_FAILED');
    expect(await Promise.all(writes)).toEqual([undefined, undefined, 1]);
    expect((await c.scroll()).records).toMatchObject([{ id: 1, text: 'quick' }]);
  });

  test('that never answers ends with the signal, and with the database', async () => {
    const db = await openFresh({ storage: 'memory' });
    const c = await db.collection(
      'c',
      own(() => new Promise(() => {})),
    );
    const signal = AbortSignal.timeout(50);
    const before = [c.query({ text: 'a', signal }), c.upsert({ id: 1, text: 'a' }, { signal })].map(codeOf);
    expect(await Promise.all(before)).toEqual(['ABORTED', 'ABORTED']);
    expect(await c.delete({ ids: [1] })).toBe(0);
    const waiting = [c.query({ text: 'a' }), c.upsert({ id: 1, text: 'a' }), c.delete({ ids: [1] })].map(codeOf);
    await db.close();
    expect(await Promise.all(waiting)).toEqual(['CLOSED', 'CLOSED', 'CLOSED']);
  });

  test('that gives anything but one vector a text is MODEL_FAILED, in queries too', async () => {
    await using db = await openFresh({ storage: 'memory' });
    for (const embed of [async () => undefined, async () => [], () => [], async () => [null, null]]) {
      const c = await db.collection('c', own(embed as never));
      expect(await codeOf(c.query({ text: 'a' }))).toBe('MODEL_FAILED');
      expect(await codeOf(c.upsert({ id: 1, text: 'a' }))).toBe('MODEL_FAILED');
    }
  });
});

describe('the browser’s own embedder', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** One number per letter, turned by `turn` letters: another model. `drift`: another driver. */
  function standIn(turn = 0, drift = 0) {
    const valuesOf = (text: string) => {
      const values = new Float32Array(32).fill(drift);
      for (const letter of text.toLowerCase()) values[(letter.charCodeAt(0) + turn) % 32]! += 1;
      return { values };
    };
    vi.stubGlobal('SemanticEmbedder', {
      availability: async () => 'available',
      create: async () => ({ embed: async (texts: string[]) => ({ embeddings: texts.map(valuesOf) }), destroy() {} }),
    });
  }

  test('finds again what it embedded, and is MODEL_MISMATCH once it embeds otherwise', async () => {
    const name = freshName();
    {
      standIn();
      await using db = await open(name, { device: 'wasm' });
      const c = await db.collection('c', { embedder: await browserEmbedder(db) });
      expect(c.dimension).toBe(32);
      await c.upsert(TEXTS);
    }
    standIn(0, 0.01);
    await using db = await open(name, { device: 'wasm' });
    const c = await db.collection('c', { embedder: await browserEmbedder(db) });
    expect((await c.query({ text: TEXTS[2]!.text, k: 1 }))[0]!.id).toBe(TEXTS[2]!.id);
    standIn(5);
    expect(await codeOf(db.collection('c', { embedder: await browserEmbedder(db) }))).toBe('MODEL_MISMATCH');
  });
});

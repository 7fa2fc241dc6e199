import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { createStaticLoader } from '../../src/models/loader.ts';
import { createWordPieces } from '../../src/models/word-pieces.ts';
import type { Embedder } from '../../src/types.ts';
import { loading, SOURCE, STATIC_FOLDER, serveModels } from './models.files.ts';

interface Reference {
  text: string;
  ids: number[];
  vector: number[];
}

const reference: Reference[] = JSON.parse(await readFile(`${STATIC_FOLDER}reference.json`, 'utf8'));
const tokenizerFile = JSON.parse(await readFile(`${STATIC_FOLDER}tokenizer.json`, 'utf8'));
const encode = createWordPieces(tokenizerFile);
const whole = new Tokenizer(tokenizerFile, {});
const wholeText = (text: string) => whole.encode(text, { add_special_tokens: false }).ids;

describe('the tokenizer', () => {
  test('gives the reference ids, the second time from memory', () => {
    for (let round = 0; round < 2; round++) {
      for (const { text, ids } of reference) expect([...encode(text)], text).toEqual(ids);
    }
  });

  // Spaces of every kind, things the normalizer removes, special tokens, accents, sigmas, surrogates alone and in pairs.
  const awkward = [
    ...' \t\n\r\v\f\0\u0085\u00a0\u00ad\u1680\u180e\u2000\u2001\u200a\u200b\u200d\u2028\u2029\u202f\u205f\u3000\ufeff\ufffd',
    ...'\u0301\u0345ΣσςΑİıßﬁÅ\u1fef\u037e日本한국가각กा',
    '\ud83c',
    '\udf89',
    '🎉',
    '[UNK]',
    '[PAD]',
    '[CLS]',
    '##',
    'the',
    'Lincoln',
    'internationalization',
    "don't",
    'a'.repeat(101),
    '12,345.67',
  ];
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc
      .array(fc.oneof(fc.constantFrom(...awkward), fc.string({ unit: 'grapheme', maxLength: 3 })), { maxLength: 40 })
      .map((parts) => parts.join('')),
  );

  test('gives what encoding the whole text gives', () => {
    fc.assert(
      fc.property(text, (text) => {
        expect([...encode(text)]).toEqual(wholeText(text));
      }),
      { seed: 20, numRuns: 3000 },
    );
  });

  test('gives all ids of a long text', () => {
    const long = 'all states of the internationalization committee '.repeat(1000);
    expect([...encode(long)]).toEqual(wholeText(long));
  });

  test('gives the same ids when it has forgotten a word', () => {
    const before = [...encode('Lincoln said so')];
    for (let i = 0; i < 40_000; i++) encode(`w${i}`);
    expect([...encode('Lincoln said so')]).toEqual(before);
  });
});

describe('the static embedder', () => {
  let embedder: Embedder;
  beforeAll(async () => {
    vi.stubGlobal('fetch', serveModels().serve);
    embedder = await createStaticLoader(SOURCE).embedder({ model: 'static-en' }, loading());
    vi.unstubAllGlobals();
  });
  const embed = (...texts: string[]) => embedder.embed(texts, { kind: 'document' });

  test('gives the reference vectors, and null where they are zero', async () => {
    const vectors = await embed(...reference.map(({ text }) => text));
    for (const [i, { text, vector: expected }] of reference.entries()) {
      const vector = vectors[i]!;
      if (expected.every((x) => x === 0)) {
        expect(vector, text).toBeNull();
        continue;
      }
      expect(cosine(vector!, expected), text).toBeGreaterThanOrEqual(0.999999);
      expect(Math.max(...expected.map((x, k) => Math.abs(x - vector![k]!))), text).toBeLessThanOrEqual(1e-5);
      expect(Math.hypot(...vector!), text).toBeCloseTo(1, 6);
    }
    expect(vectors.filter((vector) => vector === null)).toHaveLength(3);
  });

  test('names its vector space', () => {
    expect(embedder.fingerprint).toBe('static-en@1;d=256;mean;sha256=1e3b9086025c');
    expect(embedder.dimension).toBe(256);
  });

  test('gives the same bits whatever the order of the words, the batch and the kind', async () => {
    const words = 'the quick brown fox jumps over 13 lazy dogs and an internationalization committee'.split(' ');
    const [forward, backward] = await embed(words.join(' '), words.toReversed().join(' '));
    expect(backward).toEqual(forward);
    expect(await embedder.embed([words.join(' ')], { kind: 'query' })).toEqual([forward]);
  });

  test('gives a finite unit vector or null for any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 30 }), async (text) => {
        const [vector] = await embed(text);
        if (vector) expect(Math.abs(Math.hypot(...vector) - 1)).toBeLessThan(1e-5);
        else expect(wholeText(text).every((id) => id <= 1)).toBe(true);
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  test('finds a paraphrase nearer than another subject', async () => {
    const [question, answer, other] = await embed(
      'how do I undo a commit',
      'git revert makes a new commit',
      'a kitten sleeps',
    );
    expect(cosine(question!, answer!)).toBeGreaterThan(cosine(question!, other!) + 0.2);
  });

  test('lets other work in during a long batch, and stops at the signal', async () => {
    const texts = Array.from({ length: 20_000 }, (_, i) => `${reference[2]!.text} ${i}`);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    await expect(embedder.embed(texts, { kind: 'document', signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });

  test('two batches at once do not disturb each other', async () => {
    const texts = Array.from({ length: 3000 }, (_, i) => `${reference[i % 10]!.text} ${i}`);
    const [one, two] = await Promise.all([embed(...texts), embed(...texts.toReversed())]);
    const same = one!.map((vector, i) => cosine(vector!, two!.at(-1 - i)!));
    expect(Math.min(...same)).toBeGreaterThan(1 - 1e-12);
  });
});

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let k = 0; k < a.length; k++) {
    dot += a[k]! * b[k]!;
    aa += a[k]! ** 2;
    bb += b[k]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

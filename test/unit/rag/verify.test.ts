import { describe, expect, test } from 'vitest';
import { sentencesOf } from '../../../src/rag/citation.ts';
import { quote } from '../../../src/rag/quote.ts';
import type { Source } from '../../../src/rag/retrieve.ts';
import { verify } from '../../../src/rag/verify.ts';
import { contentTerms } from '../../../src/rag/words.ts';

const source = (text: string, title = 'A'): Source => ({
  id: text,
  documentId: title,
  title,
  text,
  start: 0,
  end: text.length,
  passage: 0,
  score: 1,
  legs: {},
  metadata: {},
});

describe('a sentence is supported', () => {
  const supported = (answer: string, ...texts: string[]) => {
    const sources = texts.map((text) => source(text));
    return verify(answer, sources, sentencesOf(sources)).map((citation) => citation.supported);
  };

  test('where most of it stands in one sentence, not by a few of its words', () => {
    const text = 'Bakers knead the dough for ten minutes, then let it rise in a warm kitchen.';
    expect(supported('Knead the dough for ten minutes.', text)).toEqual([true]);
    expect(supported('Knead the dough in a warm glacier.', text)).toEqual([false]);
  });

  test('by a long sentence only where nearly all of it stands there', () => {
    const things = Array.from({ length: 40 }, (_, i) => `thing${'abcdefghij'[i % 10]}${'klmn'[Math.floor(i / 10)]}`);
    const ten = things.slice(0, 10).join(', ');
    expect(supported(`Sold are ${ten} and dinosaurs.`, `Sold are ${things.join(', ')}.`)).toEqual([false]);
    expect(supported(`Sold are ${ten} and dinosaurs.`, `Sold are ${ten}.`)).toEqual([true]);
  });
});

test('quotations say each thing once', () => {
  const sources = [
    source('The old lighthouse was built in granite blocks by Douglass.', 'A'),
    source('The old lighthouse was built in granite blocks by James Douglass.', 'B'),
  ];
  const weights = new Map([...contentTerms('lighthouse built granite')].map((term) => [term, 1]));
  const question = { weights, pairs: new Set<string>(), isUnspaced: false };
  const { citations } = quote(sources, sentencesOf(sources), question, null);
  expect(citations).toHaveLength(1);
});

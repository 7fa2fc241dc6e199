// What of the sources a language model is given in place of whole passages.
import { expect, test } from 'vitest';
import { sentencesOf } from '../../../src/rag/citation.ts';
import { bestSentences } from '../../../src/rag/quote.ts';
import type { Source } from '../../../src/rag/retrieve.ts';
import { contentTerms } from '../../../src/rag/words.ts';

function source(text: string, more: Partial<Source> = {}): Source {
  const { repeats = 0 } = more;
  const place = { passage: 0, start: 0, end: text.length - repeats };
  return { id: 1, documentId: 'd', title: 'title', text, ...place, score: 1, legs: {}, metadata: {}, ...more };
}

function best(text: string, sources: Source[], budget = 256) {
  const weights = new Map([...contentTerms(text)].map((term) => [term, 1]));
  const question = { text, weights, pairs: new Set<string>(), exact: new Set<string>(), isUnspaced: false };
  return bestSentences(sources, sentencesOf(sources), question, null, budget);
}

test('the best come first, by source; those of one source in its order, and nothing twice', () => {
  const found = best('When do whales dive?', [
    source('Ships sail in summer. Some whales are grey, they say.'),
    source(
      'They come up to breathe. Whales dive at night, in cold water. Nothing else matters here. Whales dive at noon, too, and sleep.',
    ),
    source('Whales dive at night, in cold water.'),
  ]);
  expect(found.map(({ source }) => source)).toEqual([1, 0]);
  expect(found[0]!.text).toMatch(/Whales dive at night, in cold water.*Whales dive at noon, too, and sleep\.$/);
  expect(found.map(({ text }) => text).join()).not.toContain('Ships sail in summer. Nothing');
});

test('a clause that is too long to be quoted is given', () => {
  const clause = `The notice period of the agreement, ${'which the parties have settled between them at length, '.repeat(14)}is 73 days.`;
  const found = best('What is the notice period?', [source(`${clause} A notice is a letter, by the way.`)]);
  expect(found[0]!.text).toContain('is 73 days.');
});

test('a row comes with the head of its table, once, also where the head is repeated from another passage', () => {
  const rows = Array.from({ length: 9 }, (_, i) => `| Plan${i} costs | ${i}00 EUR a month |`);
  const head = '| Name | Price |';
  const whole = best('What does Plan7 cost?', [
    source(`Below is all of it.\n\n${head}\n|---|---|\n${rows.join('\n')}\n`),
  ]);
  expect(whole[0]!.text).toContain('| Plan7 costs | 700 EUR a month |');
  expect(whole[0]!.text.split(head)).toHaveLength(2);
  const repeated = `${head}\n|---|---|\n`;
  const part = best('What does Plan7 cost?', [source(repeated + rows.join('\n'), { repeats: repeated.length })]);
  expect(part[0]!.text.startsWith(head)).toBe(true);
  expect(best('What is Moby Dick?', [source('Moby Dick is a whale, of course.')])[0]!.text).not.toContain('|');
});

test('together they have the room that they are given; of a long title, what is written of it', () => {
  const sentences = Array.from(
    { length: 20 },
    (_, i) => `Whale number ${i} of ${i * 7} swims by ${'abcdefghijklmnopqrst'[i]!.repeat(9)}.`,
  );
  const sizes = [20, 60, 120, 240].map((budget) => {
    const length = best('whale', [source(sentences.join(' '))], budget).reduce((sum, { text }) => sum + text.length, 0);
    // The first is there in any case. Title and fence take their room, too.
    if (budget > 20) expect(length / 4 + 14).toBeLessThanOrEqual(budget);
    return length;
  });
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  expect(sizes[3]).toBeGreaterThan(sizes[0]! * 3);
  const first = source('A whale swims by the northern coast today.');
  const titled = source('Another whale sleeps under southern ice, they believe.', {
    title: 'very long title '.repeat(100),
  });
  expect(best('whale', [first, titled], 130)).toHaveLength(2);
});

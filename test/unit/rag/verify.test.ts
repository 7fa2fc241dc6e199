import { describe, expect, test } from 'vitest';
import { sentencesOf } from '../../../src/rag/citation.ts';
import { numbersIn } from '../../../src/rag/numbers.ts';
import { kindOf, offers } from '../../../src/rag/question-kind.ts';
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

  test.each([
    ['10.0.0.1', '10.0.0.2'],
    ['3,50', '9,90'],
    ['31.12.2025', '30.11.2024'],
    ['1.2.3', '1.4.7'],
    ['1.10', '1.1'],
    ['007', '7'],
    ['٣٥', '٩٠'],
    ['12345678901234567890', '12345678901234567891'],
  ])('by its own number, %s, and by no other, %s', (mine, other) => {
    const text = (number: string) => `The yearly fee of the server there is ${number} euros.`;
    expect(supported(text(mine), text(other))).toEqual([false]);
    expect(supported(text(mine), text(mine))).toEqual([true]);
  });

  test('where neither marks nor spaces make its source take long', () => {
    const fee = 'The annual fee is 35 euros';
    expect(supported(`${fee}.`, `${fee} not ${'éa'.repeat(40_000)}.`)).toHaveLength(1);
    const spaces = ' '.repeat(40_000);
    expect(numbersIn(`five${spaces}and${spaces}${'and '.repeat(40_000)}`)).toHaveLength(1);
  });

  test('by a long sentence only where nearly all of it stands there', () => {
    const things = Array.from({ length: 40 }, (_, i) => `thing${'abcdefghij'[i % 10]}${'klmn'[Math.floor(i / 10)]}`);
    const ten = things.slice(0, 10).join(', ');
    expect(supported(`Sold are ${ten} and dinosaurs.`, `Sold are ${things.join(', ')}.`)).toEqual([false]);
    expect(supported(`Sold are ${ten} and dinosaurs.`, `Sold are ${ten}.`)).toEqual([true]);
  });
});

describe('names, numbers and denials', () => {
  const sources = [
    source(
      'The bakery was opened in Uppsala by Elin Berg. It has nine ovens and two hundred and six seats. Points are not given for gift cards. She sold it after twenty-five years.',
      'Elin’s shop, 1998',
    ),
    source('Jonas Ek teaches the courses. Opened food can be returned within 14 days.', 'Courses'),
  ];
  const supported = (answer: string) => verify(answer, sources, sentencesOf(sources))[0]!.supported;

  test.each([
    ['Elin Berg sold the bakery after 25 years.', 'a name elsewhere in the passage'],
    ['The bakery has 9 ovens and 206 seats.', 'words as numbers'],
    ['In 1998 the bakery was opened in Uppsala by Elin Berg.', 'a number of the title'],
    ['Opened food can be returned within fourteen days.', 'numbers as words'],
    ['No points are given for gift cards.', 'the same denial in another place'],
  ])('%s is supported: %s', (answer) => expect(supported(answer)).toBe(true));

  test.each([
    ['Jonas Ek sold the bakery after 25 years.', 'a name of another passage'],
    ['The bakery has eight ovens and 206 seats.', 'another number'],
    ['The bakery has nine ovens and 207 seats.', 'another number'],
    ['Points are given for gift cards.', 'its denial'],
    ['Opened food cannot be returned within 14 days.', 'a denial'],
    ['Opened food can’t be returned within 14 days.', 'a denial'],
  ])('%s is not: %s', (answer) => expect(supported(answer)).toBe(false));
});

test.each([
  ['nine and eight', ['9', '8']],
  ['two hundred and sixty-six men, twenty years', ['266', '20']],
  ['5 million, three thousand two hundred and one', ['5000000', '3201']],
  ['the fourteenth of May, 1,234.5', ['14', '1234.5']],
  ['one of the hundred', ['100']],
  ['1862 and 1863, 3, 4', ['1862', '1863', '3', '4']],
])('the numbers of "%s"', (text, values) => {
  expect(numbersIn(text).map(({ value }) => value)).toEqual(values);
});

test.each([
  ['When did he die?', 'time'],
  ['In what year was it built?', 'time'],
  ['How many ships were there?', 'amount'],
  ['Who wrote it?', 'person'],
  ['Where do penguins live?', 'place'],
  ['Why is the sky blue?', 'reason'],
  ['What is it?', null],
])('%s asks for %s', (question, kind) => expect(kindOf(question)).toBe(kind));

test.each([
  ['time', 'It was built in 1854.', true],
  ['time', 'It was built of stone.', false],
  ['amount', 'Nine ships came.', true],
  ['amount', 'The 14 ships came.', false], // asked of
  ['amount', 'The ships came in 1854.', false],
  ['person', 'It was written by Melville.', true],
  ['person', 'It was written by Ahab.', false], // asked of
  ['place', 'They live in Patagonia.', true],
  ['place', 'They live on ice.', false],
  ['reason', 'Blue light is scattered, because it is short.', true],
  ['reason', 'Blue light is scattered.', false],
] as const)('a %s is in "%s": %s', (kind, sentence, has) => {
  expect(offers(kind, sentence, new Set(['14', 'ahab']))).toBe(has);
});

test('quotations say each thing once', () => {
  const sources = [
    source('The old lighthouse was built in granite blocks by Douglass.', 'A'),
    source('The old lighthouse was built in granite blocks by James Douglass.', 'B'),
  ];
  const weights = new Map([...contentTerms('lighthouse built granite')].map((term) => [term, 1]));
  const none = new Set<string>();
  const question = { text: 'lighthouse', weights, pairs: none, exact: none, isUnspaced: false };
  const { citations } = quote(sources, sentencesOf(sources), question, null);
  expect(citations).toHaveLength(1);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyzerOf, ENGLISH } from '../../../src/text/analyzer.ts';
import { locate } from '../../../src/text/english.ts';
import { matchRanges } from '../../../src/text/highlight.ts';

const { tokenize } = analyzerOf(ENGLISH);

test.each([
  ['words are lowercased and stemmed', 'The Whales were SWIMMING', ['the', 'whale', 'were', 'swim']],
  ['possessives and contractions lose their ending', "the whale's we'll don’t", ['the', 'whale', 'we', 'dont']],
  [
    'other apostrophes part words, which are found whole too',
    "l'amour O'Brien",
    ['l', 'amour', 'lamour', 'o', 'brien', 'obrien'],
  ],
  [
    'diacritics are folded, and spelt out',
    'Café NAÏVE Ångström Straße Łódź',
    ['cafe', 'naiv', 'angstrom', 'aangstroem', 'strass', 'lodz'],
  ],
  ['decomposed letters are the same as composed ones', 'cafe\u0301', ['cafe']],
  ['compatibility forms are plain letters', 'ﬁne ＡＢＣ １２ 𝔘𝔫𝔦', ['fine', 'abc', '12', 'uni']],
  ['soft hyphens do not part a word', 'co\u00adop', ['coop']],
  ['numbers keep their point and lose their thousands', '3.14 1,000.5 1,2 5th', ['3.14', '1000.5', '1', '2', '5th']],
  ['Greek sigmas and Cyrillic accents are folded', 'ὁδός ΟΔΟΣ Ёж', ['οδοσ', 'οδοσ', 'еж']],
  ['Hebrew and Arabic are found without vowel signs', 'שָׁלוֹם مُحَمَّد', ['שלום', 'محمد']],
  ['Hindi keeps its vowels', 'हिन्दी में', ['हिन्दी', 'में']],
  ['Chinese is cut into characters and pairs', '黑猫', ['黑', '猫', '黑猫']],
  ['Japanese in half width is the same as in full width', 'ｶﾞｽ', ['が', 'す', 'がす']],
  ['scripts in one word are parted', 'iPhone手机', ['iphon', 'i', 'phone', '手', '机', '手机']],
  ['letters beyond the basic plane stay whole', '𠮷野', ['𠮷', '野', '𠮷野']],
  ['signs and half surrogates are no words', '— … ™ \ud800 !?', []],
])('%s', (_, text, terms) => {
  expect(tokenize(text)).toEqual(terms);
  expect(tokenize(text)).toEqual(terms); // from the cache
});

const GRAMS =
  /\p{scx=Han}|\p{scx=Hiragana}|\p{scx=Katakana}|\p{scx=Hangul}|\p{scx=Thai}|\p{scx=Lao}|\p{scx=Khmer}|\p{scx=Myanmar}/u;

test('words are those of the expression that also marks them, whatever stands beside them', () => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'I',
      'dog',
      'Dog',
      'DOG',
      'getName',
      'U',
      'S',
      'v1',
      '7',
      '1,000',
      '2.5',
      'é',
      'ß',
      'привет',
      '😀',
      '𝔘',
      '’',
    ],
    ...[
      ' ',
      '  ',
      '.',
      '. ',
      ',',
      '-',
      '--',
      "'",
      '’s',
      "'s",
      '+',
      '++',
      '#',
      '*',
      '/',
      '@',
      '—',
      '…',
      '\n',
      '\u00ad',
      '\u200d',
      '_',
      '&',
      '\0',
    ],
    ...['internationalisation', 'x'.repeat(33), 'y'.repeat(70)],
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary' }),
  );
  const check = fc.property(text, (given) => {
    // Of scripts without spaces single characters are left out of what is marked.
    fc.pre(!GRAMS.test(given));
    expect(tokenize(given)).toEqual(Array.from(locate(given), ({ term }) => term));
  });
  fc.assert(check, { numRuns: 20_000, seed: 5 });
});

test('words at the same place of the cache are kept apart', () => {
  // "Aa" and "BB" have the same hash, and so have all words made of them.
  const words = ['AaAaAa', 'AaBBAa', 'BBAaAa', 'BBBBBB', 'AaAaBB'];
  const text = words.concat(words.toReversed()).join(' ');
  expect(tokenize(text)).toEqual(Array.from(locate(text), ({ term }) => term));
});

test('a very long word is cut and found by the same word', () => {
  const long = `${'ab1'.repeat(21)}𝒳yz`;
  const [term] = tokenize(long);
  expect(term!.length).toBe(64);
  expect(tokenize(long)).toEqual(tokenize(long));
  expect(tokenize('😀'.repeat(100))).toEqual(new Array(100).fill('😀'));
  expect(tokenize('𐐀'.repeat(100))[0]).toBe('𐐨'.repeat(32));
  expect(tokenize(`a${'𐐀'.repeat(100)}`)[0]).toBe(`a${'𐐨'.repeat(31)}`);
});

test('object property names are words like any other', () => {
  expect(tokenize('__proto__ constructor')).toEqual(['proto', 'constructor']);
  expect(tokenize('constructor hasOwnProperty toString')).toEqual([
    'constructor',
    'hasownproperti',
    'has',
    'own',
    'properti',
    'tostr',
    'to',
    'string',
  ]);
});

const marked = (text: string, query: string) => matchRanges(text, query).map(([start, end]) => text.slice(start, end));

test('the words of a query are marked in all their forms', () => {
  expect(marked('Whales — a whale’s tale; WHALING.', 'the whale')).toEqual(['Whales', 'whale’s', 'WHALING']);
  expect(matchRanges('a CAFE\u0301 b', 'café')).toEqual([[2, 7]]);
  expect(marked('nothing here', '')).toEqual([]);
});

test('in scripts without spaces pairs are marked, and single characters only if asked for', () => {
  expect(marked('東京タワーと京都', '東京')).toEqual(['東京']);
  expect(marked('黒猫と猫', '猫')).toEqual([]);
  expect(marked('我爱北京天安门', '北京天安门')).toEqual(['北京天安门']);
});

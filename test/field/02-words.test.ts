// Item 2: texts are brought into one spelling before they are cut into words, so a word is found however it was written.
// Item 4: stop words are left out of queries.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchRanges } from '../../src/text/highlight.ts';
import { normalize, normalizeWithOrigin } from '../../src/text/normalize.ts';
import { Notes } from './notes.ts';

/** Words that are written in two ways: each is found by the other. */
const ALIKE: [what: string, ...ways: string[]][] = [
  ['Korean in letters', '한국'.normalize('NFD'), '한국'],
  ['Korean, a sentence', '한국 신문'.normalize('NFD'), '신문'],
  ['Vietnamese, decomposed', 'tiếng Việt'.normalize('NFD'), 'tiếng Việt', 'tieng viet'],
  ['Hindi, decomposed', 'ज़रूर'.normalize('NFD'), 'ज़रूर'],
  ['hiragana and katakana', 'りんご', 'リンゴ', 'ﾘﾝｺﾞ'],
  ['kana with marks', 'ガラス', 'がらす', 'ｶﾞﾗｽ', 'ガラス'.normalize('NFD')],
  ['full width', 'ＡＢＣ１２', 'abc12', 'ABC12'],
  ['the okina', 'Hawaiʻi', 'hawaii', 'Hawai‘i', 'Hawaii'],
  ['transliterated Arabic', 'Qurʾān', 'Quran'],
  ['an apostrophe inside', "O'Brien", 'obrien', 'O’Brien'],
  ['Persian and Arabic kaf', 'کتاب', 'كتاب'],
  ['Persian and Arabic yeh', 'ایران', 'ايران'],
  ['alef maksura', 'مصطفى', 'مصطفي'],
  ['teh marbuta', 'مدرسة', 'مدرسه'],
  ['alef with hamza', 'أحمد', 'احمد', 'ٱحمد'],
  ['Arabic digits', '٢٠٢٤', '2024', '۲۰۲۴'],
  ['Devanagari and Bengali digits', '२०२४', '২০২৪', '2024'],
  ['full-width digits', '２０２４', '2024'],
  ['digits beyond the basic plane', '𝟐𝟎𝟐𝟒', '2024'],
  ['Arabic points', '٣٫١٤', '3.14'],
  ['umlauts and sharp s', 'groesse', 'Größe', 'Grösse'],
  ['umlauts, decomposed', 'Größe'.normalize('NFD'), 'groesse'],
  ['umlauts spelt out', 'Müller', 'Mueller'],
  ['Nordic letters', 'Aarhus', 'Århus'],
  ['versions', 'v1.2.3', '1.2.3', 'V1.2.3'],
  ['versions of two numbers', 'v2.0', '2.0'],
  ['a hyphen', 'e-mail', 'email', 'E-Mail', 'e‑mail'],
  ['a hyphen, elsewhere', 'on-line', 'online'],
  ['a hyphen and digits', 'covid-19', 'covid19'],
  ['acronyms', 'U.S.', 'US', 'U.S'],
  ['longer acronyms', 'U.S.A.', 'USA'],
  ['emoji and their skins', '👍', '👍🏽'],
  ['emoji and how they are drawn', '❤️', '❤'],
];

describe('found by every spelling', () => {
  test.each(ALIKE)('%s', async (_, ...ways) => {
    for (const written of ways) {
      const notes = await Notes.of('nothing of it', `before ${written} behind`);
      for (const query of ways) expect([query, written, notes.found(query)]).toEqual([query, written, [1]]);
    }
  });
});

describe('kept apart', () => {
  test('C, C++ and C#', async () => {
    const notes = await Notes.of('written in C', 'written in C++', 'written in C#', 'written in F#, C++ and C.');
    expect(notes.found('C')).toEqual([0, 3]);
    expect(notes.found('C++')).toEqual([1, 3]);
    expect(notes.found('c#')).toEqual([2]);
    expect(notes.found('F#')).toEqual([3]);
    expect(notes.found('C＋＋')).toEqual([1, 3]);
  });

  test('a sum, a number sign and a headline are no names of languages', async () => {
    const notes = await Notes.of('a+b and c#1', '# c');
    expect(notes.found('a')).toEqual([0]);
    expect(notes.found('c')).toEqual([0, 1]);
  });

  test('emoji are words of their own', async () => {
    const notes = await Notes.of('party 🎉', 'party 🎂🎉', 'party', '👨‍👩‍👧 here', 'flag 🇩🇪', 'flag 🇫🇷');
    expect(notes.found('🎉')).toEqual([0, 1]);
    expect(notes.found('🎂')).toEqual([1]);
    expect(notes.found('👨‍👩‍👧')).toEqual([3]);
    expect(notes.found('🇩🇪')).toEqual([4]);
  });

  test('a trademark is no part of the name', async () => {
    const notes = await Notes.of('Foo™ and Bar®');
    expect(notes.found('foo')).toEqual([0]);
    expect(notes.found('bar')).toEqual([0]);
  });
});

test('an identifier is found as written, and by its words', async () => {
  const notes = await Notes.of(
    'call getUserName()',
    'a user and a name',
    'XMLHttpRequest',
    'the McKinley tariff',
    'the URLs',
  );
  expect(notes.found('getUserName')[0]).toBe(0);
  expect(notes.search('getUserName')[0]![0]).toBe(0);
  expect(notes.found('user name')).toEqual([0, 1]);
  expect(notes.found('http request')).toEqual([2]);
  expect(notes.found('mc kinley')).toEqual([3]);
  expect(notes.found('url')).toEqual([4]);
});

const marked = (text: string, query: string) => matchRanges(text, query).map(([start, end]) => text.slice(start, end));

describe('offsets are those of the text as it is', () => {
  test.each([
    ['한국 신문을 읽다'.normalize('NFD'), '신문', ['신문'.normalize('NFD')]],
    ['In Hawaiʻi today', 'hawaii', ['Hawaiʻi']],
    ['ｶﾞﾗｽの靴', 'ガラス', ['ｶﾞﾗｽ']],
    ['Send an e-mail now', 'email', ['e-mail']],
    ['Send an e-mail now', 'mail', ['mail']],
    ['call getUserName()', 'user name', ['UserName']],
    ['the U.S. army', 'us army', ['U.S.', 'army']],
    ['I like C++ and C', 'c++', ['C++']],
    ['Ｃ＋＋ is old', 'C++', ['Ｃ＋＋']],
    [`${'x\u0301'.repeat(3)} Größe`.normalize('NFD'), 'groesse', ['Größe'.normalize('NFD')]],
    ['party 🎉!', '🎉', ['🎉']],
    ['The whale and the sea', 'the whale', ['whale']],
    ['The The', 'the', ['The', 'The']],
  ])('%s', (text, query, expected) => {
    expect(marked(text, query)).toEqual(expected);
  });

  test('on any text, marks begin and end where characters do', () => {
    const letters = fc.constantFrom(
      ...'aéｶﾞ한국각ᄒᆞᆫ',
      'e\u0301',
      '\u0301',
      ' ',
      '٣',
      'ﬁ',
      '🎉',
      '\u{1d7d0}',
      "'",
      '-',
      'q\u0323\u0307',
    );
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 30 }), (units) => {
        const text = units.join('');
        const { normalized, origin } = normalizeWithOrigin(text);
        expect(normalized).toBe(normalize(text));
        for (let i = 0; i < normalized.length; i++) {
          expect(origin(i)).toBeLessThanOrEqual(origin(i + 1));
          // What stands before a place comes from what stands before it in the text.
          if (/[\p{L}\p{N}\s]/u.test(normalized[i]!) && origin(i) < origin(i + 1))
            expect(normalized.startsWith(normalize(text.slice(0, origin(i))))).toBe(true);
        }
        expect(origin(normalized.length)).toBe(text.length);
      }),
      { numRuns: 2000, seed: Number(process.env.PIRAMID_SEED ?? 1) },
    );
  });
});

test('a letter under ever more marks takes linear time', async () => {
  const seconds = (n: number) => {
    const text = `a${'\u0301\u0323'.repeat(n / 2)} b`;
    const start = process.cpuUsage().user;
    normalize(text);
    matchRanges(text, 'b');
    return process.cpuUsage().user - start;
  };
  seconds(10_000);
  expect(marked(`a${'\u0301\u0323'.repeat(60_000)} b`, 'b')).toEqual(['b']);
  const least = (n: number) => Math.min(...Array.from({ length: 3 }, () => seconds(n)));
  expect(least(640_000) / Math.max(1000, least(160_000))).toBeLessThan(9); // 4 by the line, 16 by the square
});

describe('stop words of a query', () => {
  test('say nothing where there are others', async () => {
    const notes = await Notes.of('what is the of and what is it', 'the capital', 'to be or not to be', 'IT and us');
    expect(notes.found('what is the capital of it')).toEqual([1]);
    expect(notes.found('to be or not to be')).toContain(2);
    expect(notes.found('The')).toEqual([0, 1]);
    expect(notes.found('careers in IT')).toEqual([0, 3]);
    expect(notes.found('may will might')).toEqual([]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bitset } from '../../../src/structures/bitset.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { analyzerOf, ENGLISH } from '../../../src/text/analyzer.ts';
import { addForms } from '../../../src/text/expansion.ts';
import { forms } from '../../../src/text/forms.ts';
import { matchRanges } from '../../../src/text/highlight.ts';
import { buildPostings, Postings } from '../../../src/text/postings.ts';
import { wordsOf } from '../../../src/text/search.ts';
import { TypedWord } from '../../../src/text/typed-word.ts';
import { WordIndex } from '../../../src/text/word-index.ts';
import type { WordOptions } from '../../../src/types.ts';
import { naiveTypedSearch, naiveWorth } from './forms.oracle.ts';

const english = analyzerOf(ENGLISH);

/** The words and forms of texts, cut into blocks before the rows of `cuts`. */
class Texts {
  readonly words = new WordIndex();
  readonly forms = new WordIndex();
  readonly deleted: Bitset;

  constructor(texts: readonly string[], cuts: readonly number[] = []) {
    this.deleted = new Bitset(texts.length);
    const ends = [...new Set([...cuts.filter((cut) => cut < texts.length), texts.length])].sort((a, b) => a - b);
    let start = 0;
    for (const end of ends) {
      for (const [index, analyzer] of [
        [this.words, english],
        [this.forms, forms],
      ] as const)
        index.append(Postings.open(atOnce(buildPostings(texts.slice(start, end), start, analyzer))), this.deleted);
      start = end;
    }
  }

  remove(rows: readonly number[]): void {
    for (const row of rows) this.deleted.add(row);
    this.words.remove(rows);
    this.forms.remove(rows);
  }

  search(query: string, options: WordOptions): { row: number; score: number }[] {
    const words = wordsOf(english.queryTerms(query));
    this.notes(query, options, words);
    const live = Bitset.full(this.deleted.length).subtract(this.deleted);
    const { rows, scores } = this.words.search(words.values(), { k: 10, mask: live, deleted: this.deleted });
    return Array.from(rows, (row, i) => ({ row, score: scores[i]! }));
  }

  notes(query: string, options: WordOptions, words = wordsOf(english.queryTerms(query))): string[] {
    return addForms(words, query, options, { analyzer: english, blocks: this.forms.blocks, deleted: this.deleted })
      .notes;
  }

  found(query: string, options: WordOptions): number[] {
    return this.search(query, options).map(({ row }) => row);
  }
}

const prefix = { prefix: true };
const fuzzy = { fuzzy: true };
const both = { prefix: true, fuzzy: true };

describe('typed words', () => {
  const letter = fc.constantFrom('a', 'b', 'k', 'é', '𐐨');
  const word = fc.array(letter, { minLength: 1, maxLength: 9 }).map((letters) => letters.join(''));
  test('are worth what the whole table of errors says, whatever they were compared with before', () => {
    fc.assert(
      fc.property(
        word,
        fc.array(word, { maxLength: 9 }),
        fc.nat({ max: 2 }),
        fc.boolean(),
        (typed, others, n, begins) => {
          const compared = new TypedWord({ folded: typed, errorsMax: n, isBeginning: begins });
          for (const other of others) expect(compared.worthOf(other)).toBe(naiveWorth(typed, other, n, begins));
        },
      ),
      { numRuns: 2000, seed: 1 },
    );
  });

  test('may be as long as a term', () => {
    const long = 'ab'.repeat(32);
    const word = new TypedWord({ folded: long, errorsMax: 2, isBeginning: true });
    expect(word.worthOf(long)).toBe(1);
    expect(word.worthOf(long.slice(2))).toBe(0.25);
    expect(new TypedWord({ folded: 'a', errorsMax: 0, isBeginning: true }).worthOf(long)).toBe(0.8);
  });
});

describe('beginnings', () => {
  test('every beginning of a form finds it, also one that is longer than its stem, or that its stem does not have', () => {
    const bakers = new Texts(['a bakery', 'two bakeries', 'baking bread', 'banks', 'happiness', 'relational']);
    for (const [row, form] of ['bakery', 'bakeries', 'baking', 'banks', 'happiness', 'relational'].entries())
      for (let n = 2; n <= form.length; n++) expect(bakers.found(form.slice(0, n), prefix)).toContain(row);
    expect(bakers.found('bak', prefix)).toEqual([0, 1, 2]);
    expect(bakers.found('bakin', prefix)).toEqual([2]);
    expect(bakers.found('bakin', {})).toEqual([]);
  });

  test('the last word alone is one', () => {
    const texts = new Texts(['bakery', 'breadcrumbs']);
    expect(texts.found('bak bread', prefix)).toEqual([1]);
    expect(texts.found('bread bak', prefix)).toEqual([0]);
    expect(texts.found('bak', {})).toEqual([]);
  });

  test('of words with hyphens, accents, other scripts', () => {
    const texts = new Texts([
      'an e-mail',
      'Größe',
      'Ångström',
      'книги',
      '東京タワー',
      'getUserName',
      'C++ code',
      'v1.2.3',
    ]);
    for (const [query, row] of [
      ['ema', 0],
      ['e-ma', 0],
      ['GRÖ', 1],
      ['gro', 1],
      ['groe', 1],
      ['angst', 2],
      ['кни', 3],
      ['東', 4],
      ['getuse', 5],
      ['use', 5],
      ['nam', 5],
      ['c+', 6],
      ['1.2', 7],
    ] as const)
      expect([query, texts.found(query, prefix)]).toEqual([query, expect.arrayContaining([row])]);
  });

  test('stop words complete nothing, and may be the beginning of something', () => {
    const texts = new Texts(['what', 'whales', 'the thing', 'industry in', 'gold']);
    expect(texts.found('wha', prefix)).toEqual([1]);
    expect(texts.found('gold in', prefix)).toEqual([4, 3]);
    expect(texts.found('gold in', {})).toEqual([4]);
  });

  test('the most frequent 64 words are taken, and said', () => {
    const texts = Array.from(
      { length: 70 },
      (_, i) => `ba${String.fromCharCode(97 + Math.floor(i / 26), 97 + (i % 26))}`,
    );
    const found = new Texts([...texts, ...texts.slice(6)]);
    const [note] = found.notes('ba', prefix);
    expect(note).toMatch(/^"ba" was looked for as baag, baah, /);
    expect(note!.split(', ')).toHaveLength(64);
    expect(note).not.toMatch(/baaa|baaf/);
    expect(found.notes('xylophone', prefix)).toEqual(['"xylophone" was looked for as nothing']);
  });
});

describe('typing errors', () => {
  const texts = new Texts(['bakery', 'bakeries', 'government', 'receive 1984', 'bread and butter', 'cat']);
  test.each([
    ['bakry', [0, 1]],
    ['abkery', [0, 1]],
    ['pakery', [0, 1]],
    ['goverment', [2]],
    ['govrnmetn', [2]],
    ['recieve', [3]],
    ['beard', []],
    ['braed', [4]],
  ])('%s', (query, rows) => {
    expect(texts.found(query, fuzzy)).toEqual(rows);
  });

  test.each([
    ['short words', 'cet'],
    ['numbers', '1985'],
    ['two errors in a word of seven letters', 'rcieevx'],
  ])('not in %s', (_, query) => {
    expect(texts.found(query, fuzzy)).toEqual([]);
  });

  test('a beginning may have them', () => {
    expect(texts.found('govrn', both)).toEqual([2]);
    expect(texts.found('govrn', prefix)).toEqual([]);
    expect(texts.found('govrn', fuzzy)).toEqual([]);
  });

  test('the word itself comes before one that begins so, that one before an error, and a rare misspelling wins nothing', () => {
    const mixed = new Texts(['cartons', 'carton', 'cartonnage', 'cartoon', 'carrot', ...new Array(9).fill('cartoon')]);
    expect(mixed.found('carton', both).slice(0, 4)).toEqual([0, 1, 2, 3]);
    const misspelt = new Texts(['government', 'goverment', ...new Array(20).fill('government')]);
    const [first, second] = misspelt.search('government', fuzzy);
    expect(first!.row).toBe(0);
    expect(misspelt.search('government', fuzzy).find(({ row }) => row === 1)).toBeUndefined();
    expect(second!.score).toBe(first!.score);
  });
});

test('however rows are cut into blocks, and whatever was deleted, the answer is the oracle’s', () => {
  const word = fc.oneof(
    fc.array(fc.constantFrom('a', 'b', 'k', 'e'), { minLength: 1, maxLength: 9 }).map((letters) => letters.join('')),
    fc.constantFrom('bakery', 'bakeries', 'baking', 'what', 'be', 'b1'),
  );
  const text = fc.array(word, { maxLength: 9 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 40 }),
      fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(' ')),
      fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
      fc.nat(),
      fc.constantFrom(prefix, fuzzy, both),
      fc.boolean(),
      (list, query, cuts, seed, options, merges) => {
        const texts = new Texts(list, cuts);
        texts.remove([...list.keys()].filter((row) => (seed >>> (row % 31)) & 1));
        if (merges) for (const index of [texts.forms, texts.words]) atOnce(index.merge(Number.POSITIVE_INFINITY));
        const live = list.map((value, row) => (texts.deleted.has(row) ? undefined : value));
        expect(texts.search(query, options)).toEqual(naiveTypedSearch(live, query, options));
      },
    ),
    { numRuns: 2000, seed: 16 },
  );
});

const marked = (text: string, query: string, options?: WordOptions) =>
  matchRanges(text, query, options).map(([start, end]) => text.slice(start, end));

test('the words that are found are marked', () => {
  const text = 'What a bakery: bakeries, Baking, banks, and BAKERS of e-mail.';
  expect(marked(text, 'bak')).toEqual([]);
  expect(marked(text, 'bak', prefix)).toEqual(['bakery', 'bakeries', 'Baking', 'BAKERS']);
  expect(marked(text, 'bakry', fuzzy)).toEqual(['bakery']);
  expect(marked(text, 'bakry', prefix)).toEqual([]);
  expect(marked(text, 'wha', prefix)).toEqual([]);
  expect(marked(text, 'banks emai', both)).toEqual(['banks', 'e-mail']);
  expect(marked('東京タワー', '東', prefix)).toEqual(['東京']);
});

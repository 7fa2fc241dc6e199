import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import { Bitset } from '../../../src/structures/bitset.ts';
import { Renumbering } from '../../../src/structures/renumbering.ts';
import { forEachPosting, Postings } from '../../../src/text/postings.ts';
import type { WordHits } from '../../../src/text/search.ts';
import { mergedOf, naiveSearch, postingsOf, searchBlocks } from './oracle.ts';

const block = (texts: (string | undefined)[], firstRow = 0) => Postings.open(postingsOf(texts, firstRow));
const pairs = ({ rows, scores }: WordHits) => Array.from(rows, (row, i) => ({ row, score: scores[i]! }));
const search = (blocks: Postings[], query: string, k = 10, mask?: Bitset) =>
  pairs(searchBlocks(blocks, query, k, mask));

/** Every term of a block with its rows and counts. */
function contents(postings: Postings, terms: string[]): { [term: string]: [row: number, count: number][] } {
  return Object.fromEntries(
    terms.map((term) => {
      const found = postings.find(new TextEncoder().encode(term));
      const entries: [number, number][] = [];
      if (found) forEachPosting(postings.bytes, found.start, found.end, (row, count) => entries.push([row, count]));
      expect(entries.length).toBe(found?.rowCount ?? 0);
      return [term, entries];
    }),
  );
}

describe('blocks', () => {
  test('each term knows its rows and how often each has it', () => {
    const postings = block(['a b a', undefined, 'b', '', 'c c c'], 7);
    expect(contents(postings, ['a', 'b', 'c', 'd', ''])).toEqual({
      a: [[0, 2]],
      b: [
        [0, 1],
        [2, 1],
      ],
      c: [[4, 3]],
      d: [],
      '': [],
    });
    expect([postings.firstRow, postings.rowCount, postings.textCount, postings.length]).toEqual([7, 5, 3, 7]);
    expect([...postings.lengths]).toEqual([3, 0, 1, 0, 3]);
  });

  test('the bytes are a buffer of exactly their size, and the same in each run', () => {
    const bytes = postingsOf(['some words', 'more words'], 3);
    expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
    expect(bytes).toEqual(postingsOf(['some words', 'more words'], 3));
    const merged = mergedOf([Postings.open(bytes)]);
    expect(merged.byteLength).toBe(merged.buffer.byteLength);
  });

  test('every one of many terms is found, from any alignment', () => {
    // 1000 terms over many restart points, and letters whose UTF-16 order is not their UTF-8 order.
    const terms = Array.from({ length: 1000 }, (_, i) => `x${i}`).concat('𐐨', '﨎', 'ﹳ', '𐐩');
    const bytes = postingsOf(terms, 0);
    const unaligned = new Uint8Array(bytes.length + 3).subarray(3);
    unaligned.set(bytes);
    for (const postings of [Postings.open(bytes), Postings.open(unaligned)]) {
      for (const [row, term] of terms.entries()) expect(search([postings], term)[0]?.row, term).toBe(row);
      expect(search([postings], 'x1000 a zz')).toEqual([]);
    }
  });

  test('rows far apart and words said very often survive', () => {
    const texts: (string | undefined)[] = new Array(40_000).fill(undefined);
    texts[0] = 'rare '.repeat(20_000);
    texts[39_999] = 'rare';
    expect(contents(block(texts, 2 ** 31), ['rare'])).toEqual({
      rare: [
        [0, 20_000],
        [39_999, 1],
      ],
    });
  });

  test('a block without any text is a block', () => {
    for (const texts of [[], [undefined, '']]) {
      const postings = block(texts);
      expect(search([postings], 'word')).toEqual([]);
      expect(search([postings, block(['word'], 2)], 'word')).toHaveLength(1);
    }
    expect(search([], 'word')).toEqual([]);
    expect(Postings.open(mergedOf([])).rowCount).toBe(0);
  });

  test('merging drops the postings of rows that are taken out, and gives the others their new numbers', () => {
    const blocks = [block(['a b', 'b'], 3), block(['a', 'c', 'a'], 8)];
    const dropped = new Bitset(12);
    for (const row of [0, 4, 9]) dropped.add(row);
    const merged = Postings.open(mergedOf(blocks, new Renumbering(dropped)));
    expect(merged.bytes).toEqual(postingsOf(['a b', undefined, undefined, undefined, 'a', 'a'], 2));
  });

  test('a block can lie lower than its bytes say', () => {
    const lower = Postings.open(postingsOf(['a', 'b'], 10), 4);
    expect(lower.firstRow).toBe(6);
    expect(lower.shifted(2).firstRow).toBe(4);
    expect(mergedOf([lower])).toEqual(postingsOf(['a', 'b'], 6));
  });
});

describe('damaged bytes', () => {
  const good = postingsOf(['one two three', 'two'], 0);
  const refusal = (bytes: Uint8Array) => {
    try {
      Postings.open(bytes);
    } catch (error) {
      return (error as PiramidError).code;
    }
    return undefined;
  };
  const changed = (at: number, value: number) => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };

  test.each([
    ['nothing', new Uint8Array(0)],
    ['half a header', good.slice(0, 20)],
    ['another magic', changed(0, 0)],
    ['version 0', changed(4, 0)],
    ['a row too many', changed(12, 3)],
    ['more texts than rows', changed(16, 9)],
    ['17 terms more', changed(24, good[24]! + 17)],
    ['a longer dictionary', changed(28, good[28]! + 1)],
    ['one byte less', good.slice(0, -1)],
    ['one byte more', Uint8Array.of(...good, 0)],
    ['sizes near 4 GiB', changed(31, 255)],
  ])('%s is CORRUPT', (_, bytes) => {
    expect(refusal(bytes)).toBe('CORRUPT');
  });

  test('a newer version is NEWER_FORMAT', () => {
    expect(refusal(changed(4, 2))).toBe('NEWER_FORMAT');
  });

  test('any flipped bit ends in an answer or an error, never in a hang', () => {
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bytes = changed(bit >> 3, good[bit >> 3]! ^ (1 << (bit & 7)));
      try {
        search([Postings.open(bytes)], 'two zzz');
      } catch (error) {
        expect(error instanceof PiramidError || error instanceof RangeError).toBe(true);
      }
    }
  });
});

describe('search', () => {
  test('rare words weigh more than common ones, and long texts less than short ones', () => {
    const texts = ['old sea old sea', 'old whale', 'old whale and the long long story of its old sea', 'sea'];
    expect(search([block(texts)], 'old whale').map(({ row }) => row)).toEqual([1, 2, 0]);
  });

  test('equal scores come in order of rows, and k cuts', () => {
    const texts = ['b', 'a', 'a', 'b', 'a'];
    expect(search([block(texts)], 'a', 2).map(({ row }) => row)).toEqual([1, 2]);
    expect(search([block(texts)], 'a', 0)).toEqual([]);
  });

  test('a mask leaves rows out without changing the scores of others', () => {
    const blocks = [block(['a b', 'a', 'a c']), block(['a'], 3)];
    const mask = new Bitset(3);
    mask.add(0);
    mask.add(2);
    const all = search(blocks, 'a');
    expect(search(blocks, 'a', 10, mask)).toEqual(all.filter(({ row }) => row === 0 || row === 2));
  });

  const word = fc.constantFrom('a', 'b', 'c', 'd', 'whales', 'whale', 'é', '黑猫', '猫', '🐋');
  const text = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '));
  const texts = fc.array(fc.option(text, { nil: undefined, freq: 6 }), { minLength: 1, maxLength: 30 });
  const cuts = fc.array(fc.nat({ max: 30 }), { maxLength: 5 });

  test('any cutting of rows into blocks, and merging them, gives the answer of the naive oracle', () => {
    fc.assert(
      fc.property(texts, text, cuts, fc.integer({ min: 1, max: 12 }), (list, query, places, k) => {
        const ends = [...new Set([...places.map((place) => Math.min(place, list.length)), list.length])].sort(
          (a, b) => a - b,
        );
        let start = 0;
        const blocks = ends.map((end) => {
          const postings = block(list.slice(start, end), start);
          start = end;
          return postings;
        });
        const expected = naiveSearch(list, query, k);
        expect(search(blocks, query, k)).toEqual(expected);
        expect(search([block(list)], query, k)).toEqual(expected);
        expect(mergedOf(blocks)).toEqual(postingsOf(list, blocks[0]!.firstRow));
        const half = blocks.length >> 1;
        const partly = [Postings.open(mergedOf(blocks.slice(0, half))), ...blocks.slice(half)];
        expect(search(half > 0 ? partly : blocks, query, k)).toEqual(expected);
      }),
      { numRuns: 1500, seed: 5 },
    );
  });

  test('with rows deleted, merging gives the answer of the naive oracle over the others', () => {
    fc.assert(
      fc.property(texts, text, fc.nat(), (list, query, seed) => {
        const deleted = new Bitset(list.length);
        for (const row of list.keys()) if ((seed >>> (row % 31)) & 1) deleted.add(row);
        const kept = list.filter((_, row) => !deleted.has(row));
        const half = list.length >> 1;
        const merged = mergedOf([block(list.slice(0, half)), block(list.slice(half), half)], new Renumbering(deleted));
        expect(search([Postings.open(merged)], query)).toEqual(naiveSearch(kept, query, 10));
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});

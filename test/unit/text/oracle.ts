// BM25 read off its definition, text by text: what the postings are held to.
import { Bitset } from '../../../src/structures/bitset.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { analyzerOf, ENGLISH } from '../../../src/text/analyzer.ts';
import type { Postings } from '../../../src/text/postings.ts';
import { buildPostings, mergePostings } from '../../../src/text/postings.ts';
import { searchWords, type WordHits, wordsOf } from '../../../src/text/search.ts';

const english = analyzerOf(ENGLISH);

/** The postings of English texts. */
export const postingsOf = (texts: readonly (string | null | undefined)[], firstRow = 0) =>
  atOnce(
    buildPostings(
      texts.map((text) => text ?? null),
      firstRow,
      english,
    ),
  );

/** Blocks as one. */
export const mergedOf = (...args: Parameters<typeof mergePostings>) => atOnce(mergePostings(...args));

/** Searches blocks without a deleted row. */
export function searchBlocks(
  blocks: readonly Postings[],
  query: string,
  k: number,
  mask: Bitset | null = null,
): WordHits {
  const texts = blocks.reduce((sum, { textCount }) => sum + textCount, 0);
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const counted = blocks.map((postings) => ({ postings, deadTexts: 0 }));
  return searchWords(counted, wordsOf(english.queryTerms(query)).values(), {
    k,
    mask,
    deleted: new Bitset(0),
    texts,
    length,
  });
}

export function naiveSearch(
  texts: readonly (string | undefined)[],
  query: string,
  k: number,
  isAllowed: (row: number) => boolean = () => true,
): { row: number; score: number }[] {
  const documents = texts.map((text) => english.tokenize(text ?? ''));
  const real = documents.filter((terms) => terms.length > 0);
  const averageLength = real.reduce((sum, terms) => sum + terms.length, 0) / real.length;
  const sought = english.queryTerms(query);
  const distinct = [...new Set(sought)];
  const hits = documents.flatMap((terms, row) => {
    let score = 0;
    for (const term of distinct) {
      const tf = terms.filter((other) => other === term).length;
      if (tf === 0) continue;
      const df = real.filter((other) => other.includes(term)).length;
      const repeat = sought.filter((other) => other === term).length;
      const idf = Math.log(1 + (real.length - df + 0.5) / (df + 0.5));
      const norm = 1.2 * (1 - 0.75 + (0.75 * terms.length) / averageLength);
      score += (repeat * idf * tf * (1.2 + 1)) / (tf + norm);
    }
    return score > 0 && isAllowed(row) ? [{ row, score: Math.fround(score) }] : [];
  });
  return hits.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, k);
}

// Which rows say these words: BM25 (Robertson and Zaragoza 2009) over postings blocks, with the statistics of the live records.
import type { Bitset } from '../structures/bitset.ts';
import { TopK } from '../structures/top-k.ts';
import { forEachPosting, type Postings, type TermPostings } from './postings.ts';
import type { CountedBlock } from './word-index.ts';

/** How soon more of the same word stops to matter. */
export const K1 = 1.2;
/** How much long texts are held to their length: 0 not at all, 1 fully. */
export const B = 0.75;
/** Different words of a query that count, the first ones; a query that long is a document. */
export const QUERY_TERMS_MAX = 1024;

export interface WordHits {
  /** Best first; equal scores in order of rows. */
  rows: Uint32Array<ArrayBuffer>;
  scores: Float32Array<ArrayBuffer>;
}

/** Hits, and what else is known of the words. */
export interface ScoredWords extends WordHits {
  /** What a text would score at most: one that has every word, and nothing but them, for ever. */
  reach: number;
  /** The score of any row, found or not; 0 where it holds none of the words. Holds 8 bytes a row of the blocks that have one. */
  scoreOf(row: number): number;
}

/** What counts for a score. */
interface Scope {
  k: number;
  /** Rows that may be answered; null for all. It leaves deleted rows out. */
  mask: Bitset | null;
  /** Rows that count in no statistics. */
  deleted: Bitset;
  /** Live rows with a term, and the terms in their texts. */
  texts: number;
  length: number;
}

/** A word of a query. */
export interface QueryWord {
  /** How often the query has it. */
  repeat: number;
  /** The terms that stand for it, and what each is worth: 1 for the word itself, less for what it may have been meant as. */
  terms: Map<string, number>;
}

/** A word of the query, in every block. */
interface SoughtWord {
  /** idf times how often the query has it. */
  weight: number;
  terms: {
    worth: number;
    /** By block; undefined where no row has it. */
    postings: (TermPostings | undefined)[];
  }[];
}

/** The words of a query that has these terms, by term. */
export function wordsOf(terms: readonly string[]): Map<string, QueryWord> {
  const words = new Map<string, QueryWord>();
  for (const term of terms) {
    const word = words.get(term);
    if (word) word.repeat++;
    else if (words.size < QUERY_TERMS_MAX) words.set(term, { repeat: 1, terms: new Map([[term, 1]]) });
  }
  return words;
}

/**
 * The `k` best rows that hold one of a query's words. Scores are those of a collection that holds the live records alone, to the bit,
 * however rows are cut into blocks: counts and lengths are integers, and each score is a float64 sum in the order of the query's words.
 * Of the terms that stand for one word a row scores by the best that it has, as if all were as frequent as the most frequent of them: a rare
 * misspelling weighs no more than the word (as Lucene's BlendedTermQuery).
 */
export function searchWords(blocks: readonly CountedBlock[], words: Iterable<QueryWord>, scope: Scope): ScoredWords {
  const { k, mask, texts, length } = scope;
  const sought = Array.from(words, (word) => look(blocks, word, scope));
  const best = new TopK(k);
  const averageLength = length / texts;
  const scored: { firstRow: number; scores: Float64Array }[] = [];
  for (const [i, { postings: block }] of blocks.entries()) {
    if (!sought.some(({ terms }) => terms.some(({ postings }) => postings[i]))) continue;
    const scores = new Float64Array(block.rowCount);
    for (const { weight, terms } of sought) {
      const best = terms.length > 1 ? new Float64Array(block.rowCount) : null;
      for (const { worth, postings } of terms) {
        const found = postings[i];
        if (found) addScores(block, found, weight * worth, averageLength, best ?? scores, best !== null);
      }
      if (best) for (let row = 0; row < best.length; row++) scores[row]! += best[row]!;
    }
    scored.push({ firstRow: block.firstRow, scores });
    for (let row = 0; row < scores.length; row++) {
      const score = scores[row]!;
      if (score > 0 && (!mask || mask.has(block.firstRow + row))) best.push(block.firstRow + row, Math.fround(score));
    }
  }
  return {
    ...best.take(),
    reach: sought.reduce((sum, { weight }) => sum + weight * (K1 + 1), 0),
    scoreOf(row) {
      const block = scored.find(({ firstRow, scores }) => row >= firstRow && row < firstRow + scores.length);
      return Math.fround(block?.scores[row - block.firstRow] ?? 0);
    },
  };
}

function look(blocks: readonly CountedBlock[], word: QueryWord, { deleted, texts }: Scope): SoughtWord {
  const encoder = new TextEncoder();
  let rowCount = 0;
  const terms = Array.from(word.terms, ([term, worth]) => {
    const bytes = encoder.encode(term);
    const postings = blocks.map((block) => block.postings.find(bytes));
    let rows = 0;
    for (const [i, found] of postings.entries()) if (found) rows += liveRows(blocks[i]!, found, deleted);
    rowCount = Math.max(rowCount, rows);
    return { worth, postings };
  });
  // Lucene's: never negative, however common the word.
  return { weight: word.repeat * Math.log(1 + (texts - rowCount + 0.5) / (rowCount + 0.5)), terms };
}

/** Live rows that hold a term. Where rows of the block are deleted its postings are read for that: at most once more than for the scores. */
export function liveRows(
  { postings, deadTexts }: CountedBlock,
  { rowCount, start, end }: TermPostings,
  deleted: Bitset,
): number {
  if (deadTexts === 0) return rowCount;
  let live = 0;
  forEachPosting(postings.bytes, start, end, (row) => {
    if (!deleted.has(postings.firstRow + row)) live++;
  });
  return live;
}

/** Adds one term's part to the scores of the rows that hold it; with `isBest`, takes it where it is more. `scores`: (rowCount of the block). */
function addScores(
  { bytes, lengths }: Postings,
  { start, end }: TermPostings,
  weight: number,
  averageLength: number,
  scores: Float64Array,
  isBest: boolean,
): void {
  let at = start;
  let row = 0;
  while (at < end) {
    // The varints are read here and not by a reader: this loop is the query.
    let byte = bytes[at++]!;
    let code = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = bytes[at++]!;
      code += (byte & 0x7f) * scale;
    }
    row += Math.floor(code / 2);
    let count = 1;
    if (code % 2 === 1) {
      byte = bytes[at++]!;
      count = byte & 0x7f;
      for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
        byte = bytes[at++]!;
        count += (byte & 0x7f) * scale;
      }
    }
    const norm = K1 * (1 - B + (B * lengths[row]!) / averageLength);
    const score = (weight * count * (K1 + 1)) / (count + norm);
    scores[row] = isBest ? Math.max(scores[row]!, score) : scores[row]! + score;
    row++;
  }
}

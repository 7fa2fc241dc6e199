// Which rows say these words: BM25 (Robertson and Zaragoza 2009) over postings blocks, with the statistics of the live records.
import type { Bitset } from '../structures/bitset.ts';
import { TopK } from '../structures/top-k.ts';
import { forEachPosting, type TermPostings } from './postings.ts';
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

/** A word of the query, in every block. */
interface SoughtTerm {
  /** idf times how often the query has it. */
  weight: number;
  /** By block; undefined where no row has it. */
  postings: (TermPostings | undefined)[];
}

/**
 * The `k` best rows that hold one of a query's `terms`. Scores are those of a collection that holds the live records alone, to the bit,
 * however rows are cut into blocks: counts and lengths are integers, and each score is a float64 sum in the order of the query's words.
 */
export function searchWords(blocks: readonly CountedBlock[], terms: readonly string[], scope: Scope): ScoredWords {
  const { k, mask, texts, length } = scope;
  const sought = look(blocks, terms, scope);
  const best = new TopK(k);
  const averageLength = length / texts;
  const scored: { firstRow: number; scores: Float64Array }[] = [];
  for (const [i, { postings: block }] of blocks.entries()) {
    const found = sought.filter(({ postings }) => postings[i]);
    if (found.length === 0) continue;
    const scores = new Float64Array(block.rowCount);
    for (const { weight, postings } of found) {
      const { start, end } = postings[i]!;
      addScores(block.bytes, start, end, weight, block.lengths, averageLength, scores);
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

function look(blocks: readonly CountedBlock[], terms: readonly string[], { deleted, texts }: Scope): SoughtTerm[] {
  const repeats = new Map<string, number>();
  for (const term of terms) {
    if (repeats.has(term) || repeats.size < QUERY_TERMS_MAX) repeats.set(term, (repeats.get(term) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return Array.from(repeats, ([term, repeat]) => {
    const bytes = encoder.encode(term);
    const postings = blocks.map((block) => block.postings.find(bytes));
    let rowCount = 0;
    for (const [i, found] of postings.entries()) if (found) rowCount += liveRows(blocks[i]!, found, deleted);
    // Lucene's: never negative, however common the word.
    return { weight: repeat * Math.log(1 + (texts - rowCount + 0.5) / (rowCount + 0.5)), postings };
  });
}

/** Live rows that hold a term. Where rows of the block are deleted its postings are read for that: at most once more than for the scores. */
function liveRows(
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

/** Adds one word's part to the scores of the rows that hold it. `lengths` and `scores`: (rowCount of the block). */
function addScores(
  bytes: Uint8Array,
  start: number,
  end: number,
  weight: number,
  lengths: Uint32Array,
  averageLength: number,
  scores: Float64Array,
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
    scores[row]! += (weight * count * (K1 + 1)) / (count + norm);
    row++;
  }
}

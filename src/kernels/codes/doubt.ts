// Rows in doubt: those that may be among the best of a search, as int8 codes prove it. First a scan bounds each row's score with
// a query of bytes; then, of the rows that this leaves, the float query bounds it more narrowly. No float32 number of a row is read.
import { TopK } from '../../structures/top-k.ts';
import { eligibleCount } from '../candidates.ts';
import type { CodeHits, CodeRows, CodeSearch } from './coder.ts';
import { createProof, type Interval } from './proof.ts';

export interface DoubtSearch extends CodeSearch {
  /** Whose codes `query` has. Shape: (dimension). */
  vector: Float32Array;
  k: number;
  /** Rows that score less may be left out. -Infinity: none. */
  minScore: number;
}

export interface Doubt {
  rows: Uint32Array<ArrayBuffer>;
  /** Of each row, float32 numbers between which its canonical score is; binary: its similarity twice. */
  lower: Float32Array;
  upper: Float32Array;
  /** No row that the scan has left out, and that may be in doubt, has a higher similarity. -Infinity: there is none, odd rows excepted. */
  floor: number;
}

/** What a scan of codes leaves in doubt for each search. */
export function doubtsOf(codes: CodeRows, searches: readonly DoubtSearch[]): Doubt[] {
  return codes.candidatesOfAll(searches).map((hits, i) => doubtOf(codes, searches[i]!, hits));
}

/** Those of the rows that a scan has found. `codes` has the rows' codes in memory. */
export function doubtOf(codes: CodeRows, search: DoubtSearch, { rows, similarities }: CodeHits): Doubt {
  const { coder } = codes;
  const { vector, query, minScore, wanted } = search;
  if (coder.tier === 'binary')
    return { rows: rows.slice(), lower: similarities, upper: similarities, floor: Number.NEGATIVE_INFINITY };
  const proof = createProof(coder, vector, query);
  const record = new Uint32Array(coder.recordBytes / 4);
  const factors = new Float32Array(record.buffer, 0, coder.factorCount);
  const numbers = new Int8Array(record.buffer, coder.factorCount * 4);
  const interval: Interval = { lower: 0, upper: 0 };
  const best = new TopK(search.k);
  const found = new Uint32Array(rows.length);
  const lower = new Float32Array(rows.length);
  const upper = new Float32Array(rows.length);
  const ascending = similarities.slice().sort();
  const border = ascending.at(-search.k) ?? Number.NEGATIVE_INFINITY;
  let count = 0;
  let needed = minScore;
  let reach = proof.reach(needed);
  // The k best first: what they reach spares the others a look.
  for (const isOfBest of [true, false]) {
    for (const [i, row] of rows.entries()) {
      const similarity = similarities[i]!;
      if (similarity >= border !== isOfBest || similarity < reach) continue;
      codes.copyRecord(row, record);
      proof.bound(factors, numbers, interval);
      if (interval.upper < needed) continue;
      found[count] = row;
      lower[count] = interval.lower;
      upper[count++] = interval.upper;
      best.push(row, interval.lower);
      if (best.least > needed) {
        needed = best.least;
        reach = proof.reach(needed);
      }
    }
  }
  // Fewer than were wanted are all that there are.
  const isCut = rows.length >= wanted && rows.length < eligibleCount(search);
  return {
    rows: found.slice(0, count),
    lower: lower.slice(0, count),
    upper: upper.slice(0, count),
    floor: isCut ? ascending[0]! : Number.NEGATIVE_INFINITY,
  };
}

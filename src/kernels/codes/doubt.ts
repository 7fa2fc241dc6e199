// Rows in doubt: those that may be among the best of a search, as int8 codes prove it. First a scan bounds each row's score with
// a query of bytes; then, of the rows that this leaves, the float query bounds it more narrowly. No float32 number of a row is read.
import type { Bitset } from '../../structures/bitset.ts';
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
  mask?: Bitset;
}

export interface Doubt {
  rows: Uint32Array<ArrayBuffer>;
  /** Of each row, float32 numbers between which its canonical score is. */
  lower: Float32Array<ArrayBuffer>;
  upper: Float32Array<ArrayBuffer>;
  /** No row that the scan has left out has a higher similarity. -Infinity: none was left out, odd rows excepted. */
  floor: number;
}

/** Those of the rows that a scan has found. `codes` has the rows' codes in memory. */
export function doubtOf(codes: CodeRows, search: DoubtSearch, { rows, similarities }: CodeHits): Doubt {
  const { coder } = codes;
  const { vector, query, k, minScore } = search;
  const proof = createProof(coder, vector, query);
  const record = new Uint32Array(coder.recordBytes / 4);
  const coded = {
    factors: new Float32Array(record.buffer, 0, coder.factorCount),
    codes: new Int8Array(record.buffer, coder.factorCount * 4),
  };
  const interval: Interval = { lower: 0, upper: 0 };
  const best = new TopK(Math.min(k, search.rowCount));
  const found: Doubt = {
    rows: new Uint32Array(rows.length),
    lower: new Float32Array(rows.length),
    upper: new Float32Array(rows.length),
    floor: Number.NEGATIVE_INFINITY,
  };
  let needed = minScore;
  let reach = proof.reach(needed);
  let count = 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rows.length; i++) {
    const similarity = similarities[i]!;
    if (similarity < lowest) lowest = similarity;
    if (similarity < reach) continue;
    codes.copyRecord(rows[i]!, record);
    proof.bound(coded, interval);
    if (interval.upper < needed) continue;
    found.rows[count] = rows[i]!;
    found.lower[count] = interval.lower;
    found.upper[count++] = interval.upper;
    best.push(rows[i]!, interval.lower);
    if (best.least > needed) {
      needed = best.least;
      reach = proof.reach(needed);
    }
  }
  // Fewer than were wanted are all that have a similarity.
  if (rows.length >= search.wanted && rows.length < eligibleCount(search)) found.floor = lowest;
  return firstOf(found, count);
}

/** Those of all rows whose similarity is not below `least`; null where there are more than it pays to look at one by one. */
export function doubtOfReaching(codes: CodeRows, search: DoubtSearch, least: number): Doubt | null {
  const hits = codes.reaching(search, least, Math.max(search.wanted * 4, search.rowCount >>> 3));
  return hits && { ...doubtOf(codes, search, hits), floor: Number.NEGATIVE_INFINITY };
}

function firstOf({ rows, lower, upper, floor }: Doubt, count: number): Doubt {
  return { rows: rows.slice(0, count), lower: lower.slice(0, count), upper: upper.slice(0, count), floor };
}

// From candidates to certain answers: scores them canonically, and proves that no other row belongs among the best.
// Shared by every device whose own scores are only approximate.
import type { Bitset } from '../structures/bitset.ts';
import type { Approximation } from './bounds.ts';
import { eligibleRows } from './js.ts';
import type { CanonicalHits, CpuRows, RowSearch } from './kernel.ts';

/** Rows with the best approximate similarity. */
export interface Candidates {
  rows: Uint32Array;
  /** No row left out has a higher similarity than this. -Infinity: none was left out, odd rows excepted. */
  floor: number;
}

/** How many candidates to ask for, so that rounding at the border seldom costs a second look. */
export function candidateCount(k: number): number {
  return k + Math.max(16, k >>> 3);
}

/** How many rows a search may choose from. */
export function eligibleCount({ mask, rowCount }: Pick<RowSearch, 'mask' | 'rowCount'>): number {
  if (!mask) return rowCount;
  if (mask.length <= rowCount) return mask.count();
  return mask.resized(rowCount).count();
}

/** Every eligible row, scored canonically: right for any input, and fast where there are few. */
export function scoreAll(rows: CpuRows, search: RowSearch): CanonicalHits {
  const k = Math.min(search.k, search.rowCount);
  return rows.best(search.query, eligibleRows(search.rowCount, search.mask), k);
}

/** The canonical best k of the candidates, and whether they are certainly the best of all. */
export function certify(
  rows: CpuRows,
  search: RowSearch,
  approximation: Approximation,
  candidates: Candidates,
): { hits: CanonicalHits; certain: boolean; least: number } {
  const hits = rows.best(search.query, withOdd(rows, search, candidates.rows), search.k);
  // The k-th score found can only be beaten by rows that reach it. Fewer than k found proves nothing.
  const least = hits.rows.length < search.k ? Number.NEGATIVE_INFINITY : approximation.reach(hits.scores.at(-1)!);
  // Of a range only the rows that reach it count.
  const { minScore } = search;
  const needed = minScore === undefined ? least : Math.max(least, approximation.reach(minScore));
  return { hits, certain: candidates.floor === Number.NEGATIVE_INFINITY || candidates.floor < needed, least };
}

/** Candidates with all odd rows, each row once. */
export function* withOdd(
  { norms }: Pick<CpuRows, 'norms'>,
  { mask, rowCount }: { mask?: Bitset; rowCount: number },
  candidates: Iterable<number>,
): Generator<number> {
  for (const row of candidates) if (!norms.isOdd(row)) yield row;
  for (const row of norms.odd) if (row < rowCount && (!mask || mask.has(row))) yield row;
}

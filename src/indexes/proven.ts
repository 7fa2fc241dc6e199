// From what codes leave in doubt to the answer: reads the float32 numbers of these rows alone, and widens the scan of int8 codes where
// it has not proven that no other row is among the best. Knows nothing of where codes and numbers are.
import type { Norms } from '../kernels/bounds.ts';
import { withOdd } from '../kernels/candidates.ts';
import type { Coder } from '../kernels/codes/coder.ts';
import type { Doubt, DoubtSearch } from '../kernels/codes/doubt.ts';
import { createProof } from '../kernels/codes/proof.ts';
import type { CanonicalHits } from '../kernels/kernel.ts';
import type { BestOf } from '../kernels/shards/pool.ts';
import { TopK } from '../structures/top-k.ts';

/** Why the float32 numbers of all rows are scanned, see `QueryPlan.route`. */
export const NOT_PROVEN = 'too many rows are alike';

/** Where codes and numbers are. */
export interface CodedRows {
  readonly norms: Norms;
  /** What a scan of codes in memory leaves in doubt. */
  doubts(search: DoubtSearch): Promise<Doubt>;
  /** The best of some rows, by their canonical scores. The one place that reads float32 numbers for an answer from codes. */
  best(wish: BestOf): Promise<CanonicalHits>;
}

export interface CodedHits extends CanonicalHits {
  /** Rows whose float32 numbers were read. */
  candidates: number;
  /** The first scan has proven nothing. */
  isWidened: boolean;
  rescoreMs: number;
}

/** Given what a scan has left in doubt. Null where that is too much: the float32 numbers of all rows are to be looked at. */
export async function hitsInDoubt(
  coder: Coder,
  search: DoubtSearch,
  scanned: Doubt,
  { norms, doubts, best }: CodedRows,
): Promise<CodedHits | null> {
  const { vector: query, k, wanted, rowCount } = search;
  let doubt = scanned;
  let isWidened = false;
  let rows: Uint32Array;
  if (coder.tier === 'binary') rows = bestOf(doubt, wanted).take().rows;
  else {
    const least = createProof(coder, query, search.query).reach(neededOf(search, doubt));
    // A row that was left out may reach the k-th score, or tie with it.
    isWidened = doubt.floor >= least && doubt.floor > Number.NEGATIVE_INFINITY;
    if (isWidened) {
      // To look at more of them one by one would take longer than to scan all.
      doubt = await doubts({ ...search, least, wanted: Math.max(4 * wanted, rowCount >>> 4) });
      if (doubt.floor > Number.NEGATIVE_INFINITY) return null;
    }
    const needed = neededOf(search, doubt);
    rows = doubt.rows.filter((_, i) => doubt.upper[i]! >= needed);
  }
  // Rows whose magnitude no float32 kernel can be trusted with are always looked at.
  const among = Array.from(withOdd({ norms }, search, rows));
  const start = performance.now();
  const hits = await best({ query, among, k });
  return { ...hits, candidates: among.length, isWidened, rescoreMs: performance.now() - start };
}

/** A score that k rows reach for certain, or the least that is asked for. */
function neededOf({ k, minScore }: DoubtSearch, doubt: Doubt): number {
  return Math.max(minScore, bestOf(doubt, k).least);
}

/** Those with the highest lower bounds. With fewer than `count`, any row is among them. */
function bestOf({ rows, lower }: Doubt, count: number): TopK {
  const best = new TopK(count);
  for (const [i, row] of rows.entries()) best.push(row, lower[i]!);
  return best;
}

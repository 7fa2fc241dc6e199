// From the rows in doubt to the certain answer: reads the float32 numbers of these alone, and widens the scan of int8 codes where
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
export const NOT_PROVEN = 'too many rows are too much alike for their codes to tell them apart';

/** Where the float32 numbers are. */
export interface Numbers {
  readonly norms: Norms;
  /** The best of some rows, by their canonical scores. The one place that reads float32 numbers for an answer from codes. */
  best(wish: BestOf): Promise<CanonicalHits>;
}

export interface ProvenHits extends CanonicalHits {
  /** Rows whose float32 numbers were read. */
  candidates: number;
  /** The first scan has proven nothing. */
  isWidened: boolean;
  rescoreMs: number;
}

/**
 * The best k of all rows, given what a scan of codes has left in doubt. `reaching`: what all rows leave in doubt whose similarity is
 * not below a number, or null. Null where these are too many: the float32 numbers of all rows are to be looked at.
 */
export async function provenHits(
  coder: Coder,
  search: DoubtSearch,
  scanned: Doubt,
  { norms, best, reaching }: Numbers & { reaching(least: number): Promise<Doubt | null> },
): Promise<ProvenHits | null> {
  const { vector: query, k } = search;
  let doubt = scanned;
  let needed = neededOf(search, doubt);
  const least = createProof(coder, query, search.query).reach(needed);
  // A row that was left out may reach the k-th score, or tie with it.
  const isWidened = doubt.floor !== Number.NEGATIVE_INFINITY && doubt.floor >= least;
  if (isWidened) {
    const wider = await reaching(least);
    if (!wider) return null;
    doubt = wider;
    needed = neededOf(search, doubt);
  }
  const { rows, upper } = doubt;
  // Rows whose magnitude no float32 kernel can be trusted with are always looked at.
  const among = Array.from(
    withOdd(
      { norms },
      search,
      rows.filter((_, i) => upper[i]! >= needed),
    ),
  );
  const start = performance.now();
  const hits = await best({ query, among, k });
  return { ...hits, candidates: among.length, isWidened, rescoreMs: performance.now() - start };
}

/** A score that k rows reach for certain, or the least that is asked for. */
function neededOf({ k, rowCount, minScore }: DoubtSearch, { rows, lower }: Doubt): number {
  const best = new TopK(Math.min(k, rowCount));
  for (const [i, row] of rows.entries()) best.push(row, lower[i]!);
  return Math.max(best.least, minScore);
}

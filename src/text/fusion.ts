// Several ranked lists of rows as one. Every row of every list is scored by all of them where scores are weighted: a row that one
// list has not ranked is not worth nothing there.
import type { Fusion, LegScore } from '../types.ts';

/** Cormack, Clarke and Büttcher's (SIGIR 2009): it keeps the first few ranks from deciding alone. */
export const RRF_CONSTANT = 60;

/** One ranked list, best first. */
export interface Leg {
  rows: ArrayLike<number>;
  scores: ArrayLike<number>;
  /** What it says of rows that only other lists rank. Those it says nothing of are worth 0 to it. */
  others?: ReadonlyMap<number, number>;
  /** Used by `weighted`. @default 1 / number of legs */
  weight?: number;
  /** A score as a share of the best that there could be, 0 to 1. @default scaled by the least and the greatest of the leg */
  share?: (score: number) => number;
}

export interface FusedHits {
  /** Best first; equal scores in order of rows. */
  rows: Uint32Array<ArrayBuffer>;
  scores: Float32Array<ArrayBuffer>;
  /** By hit, then by leg: what the leg said of the row; undefined where it said nothing. */
  legs: (LegScore | undefined)[][];
  /** No other row would score more. Nothing is known of ranks, nor of shares that are scaled by what a list holds: a longer one would change them. */
  unseenMost: number;
}

/**
 * The `k` best rows of all legs together. Weighted, it is a convex combination of what each leg says of the union of their rows (Bruch, Gai
 * and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023).
 */
export function fuse(legs: readonly Leg[], fusion: Fusion, k: number): FusedHits {
  const said = legs.map((leg) => {
    const scores = new Map<number, LegScore>();
    for (let i = 0; i < leg.rows.length; i++) scores.set(leg.rows[i]!, { rank: i + 1, score: leg.scores[i]! });
    for (const [row, score] of leg.others ?? []) if (!scores.has(row)) scores.set(row, { score });
    return scores;
  });
  const worths = legs.map((leg, i) =>
    'rrf' in fusion
      ? byRank(fusion.rrf.rrfConstant ?? RRF_CONSTANT)
      : byScore(leg.share ?? shareOf([...said[i]!.values()]), leg.weight ?? 1 / legs.length),
  );
  const rows = new Set(legs.flatMap((leg) => Array.from(leg.rows)));
  const hits = Array.from(rows, (row) => {
    let sum = 0;
    const found = said.map((scores) => scores.get(row));
    for (const [i, leg] of found.entries()) if (leg) sum += worths[i]!(leg);
    return { row, score: Math.fround(sum), legs: found };
  })
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .slice(0, k);
  return {
    rows: Uint32Array.from(hits, (hit) => hit.row),
    scores: Float32Array.from(hits, (hit) => hit.score),
    legs: hits.map((hit) => hit.legs),
    unseenMost:
      'rrf' in fusion || legs.some(({ share }) => !share) ? Number.POSITIVE_INFINITY : unseenMost(legs, worths),
  };
}

/** As in Fagin, Lotem and Naor's threshold algorithm (PODS 2001): what no list has ranked is at most as good as the last of each. */
function unseenMost(legs: readonly Leg[], worths: readonly ((found: LegScore) => number)[]): number {
  const most = legs.map(({ scores }, i) => (scores.length > 0 ? worths[i]!({ score: scores[scores.length - 1]! }) : 0));
  return Math.fround(most.reduce((sum, worth) => sum + worth, 0));
}

function byRank(constant: number): (found: LegScore) => number {
  return ({ rank }) => (rank === undefined ? 0 : 1 / (constant + rank));
}

function byScore(share: (score: number) => number, weight: number): (found: LegScore) => number {
  return ({ score }) => weight * share(score);
}

/** Scaled by the least and the greatest. Where all are equal, each is as good as the best. */
function shareOf(found: readonly LegScore[]): (score: number) => number {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const { score } of found) {
    min = Math.min(min, score);
    max = Math.max(max, score);
  }
  return (score) => (max > min ? (score - min) / (max - min) : 1);
}

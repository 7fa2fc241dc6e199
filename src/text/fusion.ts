// Several ranked lists of rows as one. Sees ranks and scores only, and not where they come from; an empty list takes
// nothing away from the others.
import type { Fusion, LegScore } from '../types.ts';

/** Cormack, Clarke and Büttcher's (SIGIR 2009): it keeps the first few ranks from deciding alone. */
export const RRF_CONSTANT = 60;

/** One ranked list, best first. */
export interface Leg {
  rows: ArrayLike<number>;
  scores: ArrayLike<number>;
  /** Used by `weighted`. @default 1 / number of legs */
  weight?: number;
}

export interface FusedHits {
  /** Best first; equal scores in order of rows. */
  rows: Uint32Array<ArrayBuffer>;
  scores: Float32Array<ArrayBuffer>;
  /** By hit, then by leg: what the leg said of the row; undefined where it did not find it. */
  legs: (LegScore | undefined)[][];
}

/** The `k` best rows of all legs together. */
export function fuse(legs: readonly Leg[], fusion: Fusion, k: number): FusedHits {
  const sums = new Map<number, { sum: number; legs: (LegScore | undefined)[] }>();
  for (const [i, leg] of legs.entries()) {
    const worth =
      'rrf' in fusion ? byRank(fusion.rrf.rrfConstant ?? RRF_CONSTANT) : byScore(leg, leg.weight ?? 1 / legs.length);
    for (let place = 0; place < leg.rows.length; place++) {
      const row = leg.rows[place]!;
      let hit = sums.get(row);
      if (!hit) {
        hit = { sum: 0, legs: legs.map(() => undefined) };
        sums.set(row, hit);
      }
      const found: LegScore = { rank: place + 1, score: leg.scores[place]! };
      hit.sum += worth(found);
      hit.legs[i] = found;
    }
  }
  const hits = Array.from(sums, ([row, { sum, legs }]) => ({ row, score: Math.fround(sum), legs }))
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .slice(0, k);
  return {
    rows: Uint32Array.from(hits, (hit) => hit.row),
    scores: Float32Array.from(hits, (hit) => hit.score),
    legs: hits.map((hit) => hit.legs),
  };
}

function byRank(constant: number): (found: LegScore) => number {
  return ({ rank }) => 1 / (constant + rank);
}

/** The leg's scores scaled to 0 .. weight. Where all are equal, each is as good as the best: the weight. */
function byScore({ scores }: Leg, weight: number): (found: LegScore) => number {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    min = Math.min(min, scores[i]!);
    max = Math.max(max, scores[i]!);
  }
  return ({ score }) => weight * (max > min ? (score - min) / (max - min) : 1);
}

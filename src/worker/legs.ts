// The two legs of a query for meaning and words, as they are fused: what each says of the rows that only the other one ranks, what
// its scores are a share of, and how much it weighs.
import type { VectorHits } from '../indexes/vector-index.ts';
import type { EngineQuery } from '../protocol.ts';
import { Bitset } from '../structures/bitset.ts';
import { type FusedHits, fuse, type Leg } from '../text/fusion.ts';
import type { ScoredWords } from '../text/search.ts';
import type { CollectionState } from './collection.ts';

/**
 * Shares of the words. On the questions of SQuAD 2.0 that we have (docs/BENCHMARKS.md) these found most: 0.7 with the built-in embedder, which
 * knows words apart from each other and little of what stands between them; half with two transformers.
 */
const WORDS_OF_STATIC = 0.7;
const WORDS_OF_OTHERS = 0.5;

/** The best `k` of words and vectors, or of words alone. Looks once more at the vectors of rows that the words alone have found. */
export async function fuseLegs(
  state: CollectionState,
  { fusion, vectorMin }: EngineQuery,
  vector: Float32Array | null,
  near: VectorHits | null,
  said: ScoredWords,
  k: number,
): Promise<FusedHits> {
  const share = (score: number) => (said.reach > 0 ? score / said.reach : 0);
  if (!vector || !near) return fuse([{ ...said, share }], fusion, k);
  if ('rrf' in fusion) return fuse([said, near], fusion, k);
  const { weighted } = fusion;
  const defaults = defaultWeights(state);
  const words: Leg = {
    ...said,
    share,
    others: scoresOf(rowsBeyond(near.rows, said.rows), said.scoreOf),
    weight: weighted.words ?? defaults.words,
  };
  const meaning: Leg = {
    ...near,
    others: await nearness(state, vector, rowsBeyond(said.rows, near.rows), vectorMin),
    weight: weighted.vector ?? defaults.vector,
    // What points away is as far as what is unrelated. Other metrics have no greatest score.
    ...(state.stored.config.metric === 'cosine' && { share: (score: number) => Math.max(0, score) }),
  };
  return fuse([words, meaning], fusion, k);
}

function defaultWeights({ stored }: CollectionState): { vector: number; words: number } {
  const isStatic = stored.config.embedder?.fingerprint.startsWith('static-en');
  const words = isStatic ? WORDS_OF_STATIC : WORDS_OF_OTHERS;
  return { vector: 1 - words, words };
}

function rowsBeyond(rows: Uint32Array, known: Uint32Array): number[] {
  const those = new Set(known);
  return Array.from(rows).filter((row) => !those.has(row));
}

function scoresOf(rows: readonly number[], scoreOf: (row: number) => number): Map<number, number> {
  return new Map(rows.map((row) => [row, scoreOf(row)] as const).filter(([, score]) => score > 0));
}

/** The vector scores of some rows, of those that have a vector; with `least`, of those that reach it. */
async function nearness(
  state: CollectionState,
  query: Float32Array,
  rows: readonly number[],
  least: number | undefined,
): Promise<Map<number, number>> {
  const among = new Bitset(state.rowCount);
  for (const row of rows) among.add(row);
  const mask = state.rowsWithVector(among) ?? among;
  const k = mask.count();
  if (k === 0) return new Map();
  const found = await state.index!.search({ query, k, mask, rowCount: state.rowCount, exact: true });
  const scores = Array.from(found.rows, (row, i) => [row, found.scores[i]!] as const);
  return new Map(least === undefined ? scores : scores.filter(([, score]) => score >= least));
}

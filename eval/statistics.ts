// A share, or the mean of the sets' shares, with its interval.
import { seededRandom } from '../src/structures/random.ts';

/** Outcomes of one set, 0 to 1 each. */
export type Outcomes = readonly number[];

export interface Estimate {
  mean: number;
  /** 2.5 % and 97.5 % of 1000 bootstrap samples (Efron 1979), drawn within each set. */
  low: number;
  high: number;
  /** Questions. */
  count: number;
}

/** The mean of the sets' means: a large set counts as much as a small one. Sets without outcomes are left out. */
export function estimate(sets: readonly Outcomes[]): Estimate | null {
  const some = sets.filter((set) => set.length > 0);
  if (some.length === 0) return null;
  const random = seededRandom(7);
  const resampled = (set: Outcomes) => mean(set.map(() => set[random.below(set.length)]!));
  const samples = Array.from({ length: 1000 }, () => mean(some.map(resampled))).sort((a, b) => a - b);
  return {
    mean: mean(some.map(mean)),
    low: samples[25]!,
    high: samples[974]!,
    count: some.reduce((sum, set) => sum + set.length, 0),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

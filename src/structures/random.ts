// Numbers that look random and are the same in every run: for tests, benchmarks and sampling. Not for secrets.

export interface SeededRandom {
  /** At least 0, less than 1; 32 random bits. */
  next(): number;
  /** A whole number, at least 0 and less than `end` (at most 2 ** 32). */
  below(end: number): number;
  /** Normally distributed: mean 0, standard deviation 1. */
  normal(): number;
  /** The elements of `items` in random order (in place). */
  shuffle<T>(items: T[]): T[];
}

/** Mulberry32: 32 bits of state, period 2 ** 32, which is plenty for a test. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  function below(end: number): number {
    return Math.floor(next() * end);
  }

  function normal(): number {
    // Box-Muller; 1 - next() is never 0, so the logarithm is finite.
    return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  }

  function shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }

  return { next, below, normal, shuffle };
}

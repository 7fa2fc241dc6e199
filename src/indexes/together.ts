// Searches that begin in one turn are answered together: they share one reading of the rows.

/** A GPU has use for as many at a time. */
export const TOGETHER_ON_GPU = 64;

/** So many share a reading of however many rows: more of them save little more, and hold the thread longer. */
const TOGETHER_MIN = 4;
const TOGETHER_MAX = 32;
/** Bytes that searches look at in a turn, each counted, before the CPU is to let other messages in: 16 ms at 12 GB/s. */
const TURN_BYTES = 200_000_000;

/** How many searches, each of which scans so many bytes, the CPU is to answer at a time. */
export function togetherOnCpu(bytes: number): number {
  return Math.max(TOGETHER_MIN, Math.min(TOGETHER_MAX, Math.floor(TURN_BYTES / bytes)));
}

/** `answer` is given what was asked for in one turn, so many at a time. If it fails, all of these fail. */
export function gathered<Search, Hits>(
  answer: (searches: Search[]) => Hits[] | Promise<Hits[]>,
): (search: Search) => Promise<Hits> {
  let waiting: { search: Search; resolve: (hits: Hits) => void; reject: (error: unknown) => void }[] = [];

  async function run(): Promise<void> {
    const asked = waiting;
    waiting = [];
    // Each takes a place for what it keeps, and single queries of one turn may be any number.
    for (let first = 0; first < asked.length; first += TOGETHER_MAX) {
      const some = asked.slice(first, first + TOGETHER_MAX);
      try {
        const hits = await answer(some.map(({ search }) => search));
        for (const [i, { resolve }] of some.entries()) resolve(hits[i]!);
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
  }

  return (search) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ search, resolve, reject }) === 1) queueMicrotask(run);
    });
}

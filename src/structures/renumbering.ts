// What becomes of row numbers when some rows are taken out and the ones behind them move up.
import { Bitset, popcount } from './bitset.ts';

export class Renumbering {
  /** Rows that are taken out. */
  readonly dropped: Bitset;
  /** Of each word of `dropped`: how many are dropped before it. */
  readonly #before: Uint32Array;

  constructor(dropped: Bitset) {
    this.dropped = dropped;
    this.#before = new Uint32Array(dropped.words.length + 1);
    for (const [i, word] of dropped.words.entries()) this.#before[i + 1] = this.#before[i]! + popcount(word);
  }

  /** The new number of a row; of a dropped one, that of the next row which is kept. */
  row(old: number): number {
    const word = old >>> 5;
    if (word >= this.dropped.words.length) return old - this.#before.at(-1)!;
    return old - this.#before[word]! - popcount(this.dropped.words[word]! & ((1 << (old & 31)) - 1));
  }

  /** How many rows of first .. end-1 are kept. */
  kept(first: number, end: number): number {
    return this.row(end) - this.row(first);
  }

  /** A set of old rows as one of new rows; dropped ones are left out. Holds rows 0 .. length-1. */
  apply(rows: Bitset, length: number): Bitset {
    const renumbered = new Bitset(length);
    for (const row of rows) if (!this.dropped.has(row)) renumbered.add(this.row(row));
    return renumbered;
  }
}

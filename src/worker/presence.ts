// Which rows of a collection have a vector.
import { Bitset } from '../structures/bitset.ts';
import type { Renumbering } from '../structures/renumbering.ts';

export class Presence {
  /** Grows by doubling. */
  #rows = new Bitset(1024);
  /** How many of the rows that were marked have none. */
  #missing = 0;

  has(row: number): boolean {
    return this.#rows.has(row);
  }

  /** Takes in further rows: `present` counts from the first of them. */
  mark(firstRow: number, rowCount: number, present: Bitset): void {
    const end = firstRow + rowCount;
    if (end > this.#rows.length) this.#rows = this.#rows.resized(Math.max(end, this.#rows.length * 2));
    const count = present.count();
    this.#missing += rowCount - count;
    if (count === rowCount) this.#rows.addRange(firstRow, end);
    else for (const row of present) this.#rows.add(firstRow + row);
  }

  /** Returns how many of these rows had one. They have none any more. */
  lose(firstRow: number, rowCount: number): number {
    let lost = 0;
    for (let row = firstRow; row < firstRow + rowCount; row++) {
      if (!this.#rows.has(row)) continue;
      this.#rows.remove(row);
      lost++;
    }
    this.#missing += lost;
    return lost;
  }

  /** `rows` without those that have none; null for "all". */
  among(rows: Bitset | null, rowCount: number): Bitset | null {
    if (this.#missing === 0) return rows;
    return (rows?.clone() ?? Bitset.full(rowCount)).intersect(this.#rows);
  }

  /** Rows have other numbers now, up to `rowCount`. */
  renumber(renumbering: Renumbering, rowCount: number): void {
    this.#rows = renumbering.apply(this.#rows, this.#rows.length);
    this.#missing = rowCount - this.#rows.count();
  }
}

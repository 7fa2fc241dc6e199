// Pages through a collection while it is written to: each record that was there at the beginning, and still is, comes once.
//
// A record has a place: the row that it had when the scroll began. Pages go by places. A record that has been written again since is found
// by its id, and comes at its old place, as it is now. Without a compaction, the ids of deleted rows say all that is needed, so that a cursor
// is good in any tab, and after a new opening. A compaction takes those ids away, and gives rows other numbers: what it takes from the
// scrolls that have begun is kept for them.
import { PiramidError } from '../errors.ts';
import type { Bitset } from '../structures/bitset.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import type { RecordId } from '../types.ts';

/** Scrolls that a compaction keeps up with; of others, the first of them ends. */
const SCROLLS_MAX = 4;
const NO_ROW = 0xffffffff;

/** What there is to scroll over. */
export interface ScrolledRows {
  rowCount: number;
  /** Holds at least `rowCount`. */
  deleted: Bitset;
  id(row: number): RecordId;
  /** Undefined where there is no such record. */
  row(id: RecordId): number | undefined;
  /** Where the record is now that was written to that row. */
  rowNow(row: number): number | undefined;
}

/** One beginning. Two scrolls that began at the same time are the same. */
interface Scroll {
  /** How often rows had been renumbered. */
  numbering: number;
  /** How many rows there were: places are below. */
  end: number;
  /** The same, in the numbers of now. */
  endNow: number;
  /** Place -> row, `NO_ROW` where it has been compacted away. Null: they are the same. */
  rowOf: Uint32Array | null;
  /** Records that have been written again, and whose old rows have been compacted away. By place. */
  moved: Map<number, RecordId>;
}

export class Scrolls {
  /** How often rows have been renumbered since the collection was created. */
  #numbering: number;
  /** By their beginning; the one that was used last is last. */
  readonly #scrolls = new Map<string, Scroll>();

  constructor(numbering: number) {
    this.#numbering = numbering;
  }

  /**
   * The next rows, those of `matching` alone. Throws `INVALID_ARGUMENT` for the cursor of a scroll that is not known any more. In one go with
   * their use.
   */
  page(
    cursor: string | null,
    limit: number,
    rows: ScrolledRows,
    matching: Bitset,
  ): { rows: number[]; next: string | null } {
    const [numbering, end, first] =
      cursor === null
        ? [this.#numbering, rows.rowCount, 0]
        : (cursor.split('.').map(Number) as [number, number, number]);
    const scroll = this.#find(numbering, end, rows.rowCount);
    const key = keyOf(scroll);
    const isKnown = this.#scrolls.delete(key);
    const found: number[] = [];
    for (const [place, row] of records(scroll, rows, matching, first)) {
      if (found.length === limit) {
        this.#keep(key, scroll);
        return { rows: found, next: `${key}.${place}` };
      }
      found.push(row);
    }
    // The last page may be asked for again, and another scroll may have begun at the same time.
    if (cursor !== null || isKnown) this.#keep(key, scroll);
    return { rows: found, next: null };
  }

  #keep(key: string, scroll: Scroll): void {
    this.#scrolls.set(key, scroll);
    if (this.#scrolls.size > SCROLLS_MAX) this.#scrolls.delete(this.#scrolls.keys().next().value!);
  }

  #find(numbering: number, end: number, rowCount: number): Scroll {
    const scroll = this.#scrolls.get(keyOf({ numbering, end }));
    if (!scroll && (numbering !== this.#numbering || end > rowCount))
      throw new PiramidError(
        'INVALID_ARGUMENT',
        'stale cursor: the collection was compacted since that page; start again without a cursor',
      );
    return scroll ?? { numbering, end, endNow: end, rowOf: null, moved: new Map() };
  }

  /** Rows are about to be renumbered: `rows` have the old numbers. */
  renumber(renumbering: Renumbering, rows: ScrolledRows): void {
    for (const scroll of this.#scrolls.values()) {
      const again = writtenAgain(scroll, rows);
      const rowOf = new Uint32Array(scroll.end);
      for (let place = 0; place < scroll.end; place++) {
        const row = scroll.rowOf ? scroll.rowOf[place]! : place;
        if (row !== NO_ROW && again.has(row) && renumbering.dropped.has(row)) scroll.moved.set(place, rows.id(row));
        rowOf[place] = row === NO_ROW || renumbering.dropped.has(row) ? NO_ROW : renumbering.row(row);
      }
      scroll.rowOf = rowOf;
      scroll.endNow = renumbering.row(scroll.endNow);
    }
    this.#numbering++;
  }
}

function keyOf({ numbering, end }: Pick<Scroll, 'numbering' | 'end'>): string {
  return `${numbering}.${end}`;
}

/** Places from `first` on, ascending, and where the records of them are now. */
function* records(
  scroll: Scroll,
  rows: ScrolledRows,
  matching: Bitset,
  first: number,
): Generator<[place: number, row: number]> {
  const again = writtenAgain(scroll, rows);
  if (!scroll.rowOf) {
    const places = matching.resized(scroll.end);
    places.words.fill(0, 0, first >>> 5); // the pages before, but for the last places of them
    for (const [place, row] of again) if (matching.has(row)) places.add(place);
    for (const place of places) if (place >= first) yield [place, again.get(place) ?? place];
    return;
  }
  for (let place = first; place < scroll.end; place++) {
    const moved = scroll.moved.get(place);
    const old = scroll.rowOf[place]!;
    const row = moved === undefined ? (again.get(old) ?? old) : (rows.row(moved) ?? NO_ROW);
    if (matching.has(row)) yield [place, row];
  }
}

/** Deleted rows of the beginning whose records have been written again since: where they are now. Of two rows of one record the last. */
function writtenAgain({ endNow, moved }: Scroll, rows: ScrolledRows): Map<number, number> {
  const again = new Map<number, number>();
  if (rows.rowCount === endNow) return again; // nothing has been written since
  const known = new Set(Array.from(moved.values(), (id) => rows.row(id)));
  const placeOf = new Map<number, number>();
  for (const place of rows.deleted.resized(endNow)) {
    const row = rows.rowNow(place);
    if (row === undefined || row < endNow || known.has(row)) continue;
    const older = placeOf.get(row);
    if (older !== undefined) again.delete(older);
    placeOf.set(row, place);
    again.set(place, row);
  }
  return again;
}

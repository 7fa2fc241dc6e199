// The order of records by their fields: null, false, true, numbers, dates, strings (by code unit). A record without the field comes last,
// whichever the direction. Of several values of one field the first in the order counts, as in MongoDB.
import type { Bitset } from '../structures/bitset.ts';
import { type Sliced, sortedIndices } from '../structures/slices.ts';
import type { OrderBy } from '../types.ts';

/** What has values to sort by. */
interface Values {
  forEachValue(rowCount: number, each: (row: number, kind: number, value: number) => void): void;
}

/** Where a value stands: kinds in the order above, and within them by `value`. Strings have their rank among those of the column. */
export const KIND = { null: 0, boolean: 1, number: 2, date: 3, string: 4, none: 5 } as const;

/** Of every row of the columns: the kind and number of the value that counts. */
export interface SortKeys {
  kinds: Uint8Array;
  values: Float64Array;
  isDescending: boolean;
}

export function sortKeys(column: Values | undefined, rowCount: number, direction: OrderBy['direction']): SortKeys {
  const isDescending = direction === 'descending';
  const keys = { kinds: new Uint8Array(rowCount).fill(KIND.none), values: new Float64Array(rowCount), isDescending };
  column?.forEachValue(rowCount, (row, kind, value) => {
    const known = keys.kinds[row]!;
    if (known !== KIND.none) {
      const difference = kind - known || value - keys.values[row]!;
      if (isDescending ? difference <= 0 : difference >= 0) return;
    }
    keys.kinds[row] = kind;
    keys.values[row] = value;
  });
  return keys;
}

/** The first `count` of `rows` in that order, then by row. */
export function* firstInOrder(rows: Bitset, orders: readonly SortKeys[], count: number): Sliced<Uint32Array> {
  const isBefore = (a: number, b: number): boolean => {
    for (const { kinds, values, isDescending } of orders) {
      const kind = kinds[a]! - kinds[b]!;
      if (kind !== 0 && (kinds[a] === KIND.none || kinds[b] === KIND.none)) return kind < 0;
      const difference = kind || values[a]! - values[b]!;
      if (difference !== 0) return isDescending ? difference > 0 : difference < 0;
    }
    return a < b;
  };
  // A heap with the last of those kept at its root.
  const kept: number[] = [];
  const sink = (row: number) => {
    let hole = 0;
    for (let child = 1; child < kept.length; child = hole * 2 + 1) {
      if (child + 1 < kept.length && isBefore(kept[child]!, kept[child + 1]!)) child++;
      if (!isBefore(row, kept[child]!)) break;
      kept[hole] = kept[child]!;
      hole = child;
    }
    kept[hole] = row;
  };
  let seen = 0;
  for (const row of rows) {
    if (kept.length < count) {
      let hole = kept.length;
      kept.push(row);
      for (let parent = (hole - 1) >> 1; hole > 0 && isBefore(kept[parent]!, row); parent = (hole - 1) >> 1) {
        kept[hole] = kept[parent]!;
        hole = parent;
      }
      kept[hole] = row;
    } else if (count > 0 && isBefore(row, kept[0]!)) sink(row);
    if ((seen++ & 63) === 0) yield;
  }
  const order = yield* sortedIndices(kept.length, (a, b) => (isBefore(kept[a]!, kept[b]!) ? -1 : 1));
  return order.map((i) => kept[i]!);
}

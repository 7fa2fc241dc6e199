// All values that one field has, over all rows, in typed arrays by type. Answers which rows compare how with a value,
// and counts values. Knows nothing of paths, of `and` and `or`, or of other fields.
import type { Bitset } from '../structures/bitset.ts';
import type { Sliced } from '../structures/slices.ts';
import type { Facet, MetadataValue } from '../types.ts';
import { joined, meets, type Span, spanOf } from './dates.ts';
import { Dictionary, grown, Numbers, type Ordering, type Which } from './entries.ts';
import { KIND } from './order.ts';
import { canonical, isDate } from './values.ts';

const ANY: Which = { mask: 0, want: 0 };
const ELEMENTS: Which = { mask: 1, want: 1 };
const WHOLE: Which = { mask: 1, want: 0 };

/** Never appended to. */
const NO_NUMBERS = new Numbers();
const NO_KEYWORDS = new Dictionary<string | boolean | null>();
const NO_STRUCTURES = new Dictionary<string>();
const NO_TIMES: Float64Array = new Float64Array(0);

export class Column {
  // Most columns have values of one type: those of the others share an empty list.
  #numbers = NO_NUMBERS;
  /** Milliseconds since 1970. */
  #dates = NO_NUMBERS;
  #keywords = NO_KEYWORDS;
  /** Objects and arrays as a whole, in canonical form. */
  #structures = NO_STRUCTURES;
  /** Code of a keyword -> what it means as a date, NaN where it is none. Brought up to date when a filter asks with a Date. */
  #starts = NO_TIMES;
  #ends = NO_TIMES;
  #spansEnd = 0;
  /** Strings -> their place among the sorted ones, of so many keywords. */
  #rankOf: ReadonlyMap<string, number> = new Map();
  #ranked = 0;
  /** Of the keywords' codes, when these were made. */
  #generation = 0;

  get byteLength(): number {
    return (
      this.#numbers.byteLength +
      this.#dates.byteLength +
      this.#keywords.byteLength +
      this.#structures.byteLength +
      this.#starts.byteLength * 2
    );
  }

  append(row: number, isElement: boolean, value: MetadataValue): void {
    const slot = row * 2 + (isElement ? 1 : 0);
    if (typeof value === 'number') {
      if (this.#numbers === NO_NUMBERS) this.#numbers = new Numbers();
      this.#numbers.append(slot, value);
    } else if (typeof value !== 'object' || value === null) {
      if (this.#keywords === NO_KEYWORDS) this.#keywords = new Dictionary();
      this.#keywords.append(slot, value);
    } else if (isDate(value)) {
      if (this.#dates === NO_NUMBERS) this.#dates = new Numbers();
      this.#dates.append(slot, value.getTime());
    } else {
      if (this.#structures === NO_STRUCTURES) this.#structures = new Dictionary();
      this.#structures.append(slot, canonical(value));
    }
  }

  /** Makes ready that `rows` (ascending) have the values of `added` and no others. What comes back does it, at once. */
  *replacing(rows: readonly number[], added: Column): Sliced<() => void> {
    const exchanges: (() => void)[] = [];
    if (this.#numbers !== NO_NUMBERS) exchanges.push(yield* this.#numbers.replacing(rows, added.#numbers));
    if (this.#dates !== NO_NUMBERS) exchanges.push(yield* this.#dates.replacing(rows, added.#dates));
    if (this.#keywords !== NO_KEYWORDS) exchanges.push(yield* this.#keywords.replacing(rows, added.#keywords));
    if (this.#structures !== NO_STRUCTURES) exchanges.push(yield* this.#structures.replacing(rows, added.#structures));
    return () => {
      for (const exchange of exchanges) exchange();
      // Values of a type that there were none of.
      if (this.#numbers === NO_NUMBERS) this.#numbers = added.#numbers;
      if (this.#dates === NO_NUMBERS) this.#dates = added.#dates;
      if (this.#keywords === NO_KEYWORDS) this.#keywords = added.#keywords;
      if (this.#structures === NO_STRUCTURES) this.#structures = added.#structures;
    };
  }

  /** Adds the rows that have the field to `rows`. */
  exists(rows: Bitset): void {
    for (const entries of [this.#numbers, this.#dates, this.#keywords, this.#structures]) entries.exists(rows);
  }

  /** Adds the rows with one of these values, whole or as an element, to `rows`. */
  equal(values: readonly MetadataValue[], rows: Bitset): void {
    this.#equal(values, ANY, rows);
  }

  /** Adds the rows with a value on that side of `operand`. */
  compare(order: Ordering, operand: number | string | Date, rows: Bitset): void {
    if (typeof operand === 'number') this.#numbers.scan(order, operand, ANY, rows);
    else if (typeof operand === 'string') {
      this.#keywords.scan((keyword) => typeof keyword === 'string' && holds(keyword, order, operand), ANY, rows);
      const span = this.#dates.length > 0 ? spanOf(operand) : null;
      // After all of it, from its start, before all of it, up to its end.
      if (span) this.#dates.scan(order, order === '$gt' || order === '$lte' ? span.end : span.start, ANY, rows);
    } else {
      const time = operand.getTime();
      this.#dates.scan(order, time, ANY, rows);
      this.#readSpans();
      // The same from the other side: a stored month or year is greater than what is before all of it.
      const times = order === '$gt' || order === '$lte' ? this.#starts : this.#ends;
      this.#keywords.scan((_, code) => holds(times[code]!, order, time), ANY, rows);
    }
  }

  /** Adds the rows with an array that has this element, or a string that has this substring. */
  contains(value: MetadataValue, rows: Bitset): void {
    this.#equal([value], ELEMENTS, rows);
    if (typeof value === 'string') {
      this.#keywords.scan((keyword) => typeof keyword === 'string' && keyword.includes(value), WHOLE, rows);
    }
  }

  /** Calls `each` with the kind and number (`order.ts`) of every value of rows below `rowCount`; objects and arrays are none. */
  forEachValue(rowCount: number, each: (row: number, kind: number, value: number) => void): void {
    for (const [entries, kind] of [
      [this.#numbers, KIND.number],
      [this.#dates, KIND.date],
    ] as const) {
      const end = entries.end(rowCount);
      for (let i = 0; i < end; i++) each(entries.slots[i]! >>> 1, kind, entries.values[i]!);
    }
    const { values, slots, codes } = this.#keywords;
    // Sorted again only when there are others: that takes as long as all the rest.
    this.#forgetOldCodes();
    if (this.#ranked !== values.length) {
      this.#ranked = values.length;
      this.#rankOf = new Map(
        values
          .filter((value) => typeof value === 'string')
          .sort()
          .map((value, i) => [value, i]),
      );
    }
    const rankOf = this.#rankOf;
    const kinds = values.map((value) => (value === null ? KIND.null : KIND[typeof value as 'boolean' | 'string']));
    const numbers = values.map((value) => (typeof value === 'string' ? rankOf.get(value)! : Number(value)));
    const end = this.#keywords.end(rowCount);
    for (let i = 0; i < end; i++) each(slots[i]! >>> 1, kinds[codes[i]!]!, numbers[codes[i]!]!);
  }

  /** Each value that a row of `rows` has, counted once a row. Objects and arrays are not values here. No order. */
  count(rows: Bitset): Facet[] {
    const facets: Facet[] = [];
    this.#keywords.count(rows, (value, count) => facets.push({ value, count }));
    this.#numbers.count(rows, (value, count) => facets.push({ value, count }));
    this.#dates.count(rows, (value, count) => facets.push({ value: new Date(value), count }));
    return facets;
  }

  /** One pass per type, however many values: a long `$in` costs little more than one value. */
  #equal(values: readonly MetadataValue[], which: Which, rows: Bitset): void {
    const numbers: number[] = [];
    /** To be compared with dates: instants, months and years. */
    const times: number[] = [];
    const spans: Span[] = [];
    /** To be compared with strings that are dates. */
    const dates: Span[] = [];
    const keywords: (string | boolean | null)[] = [];
    const structures: string[] = [];
    for (const value of values) {
      if (typeof value === 'number') numbers.push(value);
      else if (typeof value !== 'object' || value === null) {
        keywords.push(value);
        const span = typeof value === 'string' && this.#dates.length > 0 ? spanOf(value) : null;
        if (span && span.start === span.end) times.push(span.start);
        else if (span) spans.push(span);
      } else if (isDate(value)) {
        const time = value.getTime();
        times.push(time);
        dates.push({ start: time, end: time });
      } else structures.push(canonical(value));
    }
    this.#numbers.scanEqual(numbers, which, rows);
    this.#dates.scanEqual(times, which, rows);
    if (spans.length > 0) this.#dates.scanWithin(joined(spans), which, rows);
    this.#keywords.scanEqual(keywords, which, rows);
    this.#structures.scanEqual(structures, which, rows);
    if (dates.length > 0) {
      const asked = joined(dates);
      this.#readSpans();
      this.#keywords.scan((_, code) => meets(asked, this.#starts[code]!, this.#ends[code]!), which, rows);
    }
  }

  /** What is known by code is made again once codes mean something else. */
  #forgetOldCodes(): void {
    const { generation } = this.#keywords;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#spansEnd = 0;
    this.#ranked = 0;
  }

  #readSpans(): void {
    this.#forgetOldCodes();
    const { values } = this.#keywords;
    if (this.#starts.length < values.length) {
      this.#starts = grown(this.#starts, values.length);
      this.#ends = grown(this.#ends, values.length);
    }
    for (; this.#spansEnd < values.length; this.#spansEnd++) {
      const keyword = values[this.#spansEnd];
      const span = typeof keyword === 'string' ? spanOf(keyword) : null;
      this.#starts[this.#spansEnd] = span?.start ?? Number.NaN;
      this.#ends[this.#spansEnd] = span?.end ?? Number.NaN;
    }
  }
}

function holds<T extends number | string>(value: T, order: Ordering, operand: T): boolean {
  if (order === '$gt') return value > operand;
  if (order === '$gte') return value >= operand;
  if (order === '$lt') return value < operand;
  return value <= operand;
}

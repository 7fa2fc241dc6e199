// All values that one field has, over all rows, in typed arrays by type. Answers which rows compare how with a value,
// and counts values. Knows nothing of paths, of `and` and `or`, or of other fields.
import type { Bitset } from '../structures/bitset.ts';
import type { Facet, MetadataValue } from '../types.ts';
import { Dictionary, grown, Numbers, type Order, type Ordering, type Which } from './entries.ts';
import { canonical, isDate, isoTime } from './values.ts';

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
  #isoTimes = NO_TIMES;
  #isoTimesEnd = 0;

  get byteLength(): number {
    return (
      this.#numbers.byteLength +
      this.#dates.byteLength +
      this.#keywords.byteLength +
      this.#structures.byteLength +
      this.#isoTimes.byteLength
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
      const time = isoTime(operand);
      if (!Number.isNaN(time)) this.#dates.scan(order, time, ANY, rows);
    } else {
      const time = operand.getTime();
      const stored = this.#isoTimesOfKeywords();
      this.#dates.scan(order, time, ANY, rows);
      this.#keywords.scan((_, code) => holds(stored[code]!, order, time), ANY, rows);
    }
  }

  /** Adds the rows with an array that has this element, or a string that has this substring. */
  contains(value: MetadataValue, rows: Bitset): void {
    this.#equal([value], ELEMENTS, rows);
    if (typeof value === 'string') {
      this.#keywords.scan((keyword) => typeof keyword === 'string' && keyword.includes(value), WHOLE, rows);
    }
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
    /** To be compared with dates, and with strings that are ISO dates. */
    const times: number[] = [];
    const isoTimes: number[] = [];
    const keywords: (string | boolean | null)[] = [];
    const structures: string[] = [];
    for (const value of values) {
      if (typeof value === 'number') numbers.push(value);
      else if (typeof value !== 'object' || value === null) {
        keywords.push(value);
        const time = typeof value === 'string' && this.#dates.length > 0 ? isoTime(value) : Number.NaN;
        if (!Number.isNaN(time)) times.push(time);
      } else if (isDate(value)) {
        times.push(value.getTime());
        isoTimes.push(value.getTime());
      } else structures.push(canonical(value));
    }
    this.#numbers.scanEqual(numbers, which, rows);
    this.#dates.scanEqual(times, which, rows);
    this.#keywords.scanEqual(keywords, which, rows);
    this.#structures.scanEqual(structures, which, rows);
    if (isoTimes.length > 0) {
      const members = new Set(isoTimes);
      const stored = this.#isoTimesOfKeywords();
      this.#keywords.scan((_, code) => members.has(stored[code]!), which, rows);
    }
  }

  /** Code of a keyword -> its time, NaN where it is no ISO date. Brought up to date when a filter asks with a Date. */
  #isoTimesOfKeywords(): Float64Array {
    const { values } = this.#keywords;
    if (this.#isoTimes.length < values.length) this.#isoTimes = grown(this.#isoTimes, values.length);
    for (; this.#isoTimesEnd < values.length; this.#isoTimesEnd++) {
      const keyword = values[this.#isoTimesEnd];
      this.#isoTimes[this.#isoTimesEnd] = typeof keyword === 'string' ? isoTime(keyword) : Number.NaN;
    }
    return this.#isoTimes;
  }
}

function holds<T extends number | string>(value: T, order: Order, operand: T): boolean {
  if (order === '$eq') return value === operand;
  if (order === '$gt') return value > operand;
  if (order === '$gte') return value >= operand;
  if (order === '$lt') return value < operand;
  return value <= operand;
}

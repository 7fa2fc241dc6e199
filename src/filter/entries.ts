// Lists of (row, value) entries in typed arrays, by type of value, and the loops that scan them.
//
// An entry is a slot and a value. The slot is row * 2, plus 1 where the value is an element of an array: `$contains`
// means an element to an array but a substring to a string. Slots ascend, because rows are appended in order.
// A scan of 100k entries takes about 0.1 ms, so there are no posting lists to build, keep and merge.
import type { Bitset } from '../structures/bitset.ts';
import { meets, type Span } from './dates.ts';

export type Ordering = '$gt' | '$gte' | '$lt' | '$lte';
export type Order = Ordering | '$eq';

/** Which entries an operator looks at: those whose slot has `want` under `mask`. */
export interface Which {
  mask: number;
  want: number;
}

/** What one entry of a dictionary costs beside its characters, bytes; measured in V8 with a Map and an array. */
const DICTIONARY_ENTRY_BYTES = 64;

const NO_SLOTS = new Uint32Array(0);
const NO_VALUES: Float64Array = new Float64Array(0);

/** Entries whose values are numbers. */
export class Numbers {
  length = 0;
  slots = NO_SLOTS;
  values = NO_VALUES;

  get byteLength(): number {
    return this.slots.byteLength + this.values.byteLength;
  }

  append(slot: number, value: number): void {
    if (this.length === this.slots.length) {
      this.slots = grown(this.slots, this.length + 1);
      this.values = grown(this.values, this.length + 1);
    }
    this.slots[this.length] = slot;
    this.values[this.length++] = value;
  }

  /** How many entries belong to rows below `rowCount`. */
  end(rowCount: number): number {
    return lowerBound(this.slots, this.length, rowCount * 2);
  }

  /** Adds the rows that have an entry to `rows`. */
  exists(rows: Bitset): void {
    addAll(this.slots, this.end(rows.length), rows.words);
  }

  scanEqual(operands: readonly number[], which: Which, rows: Bitset): void {
    // Below this many, that many fast scans beat one with a hash lookup per entry.
    if (operands.length <= 8) for (const operand of operands) this.scan('$eq', operand, which, rows);
    else
      addMembers(this.slots, this.values, this.end(rows.length), new Set(operands), which.mask, which.want, rows.words);
  }

  scan(order: Order, operand: number, { mask, want }: Which, rows: Bitset): void {
    const end = this.end(rows.length);
    const { slots, values } = this;
    if (order === '$eq') addEqual(slots, values, end, operand, mask, want, rows.words);
    else if (order === '$gt') addGreater(slots, values, end, operand, mask, want, rows.words);
    else if (order === '$gte') addGreaterOrEqual(slots, values, end, operand, mask, want, rows.words);
    else if (order === '$lt') addLess(slots, values, end, operand, mask, want, rows.words);
    else addLessOrEqual(slots, values, end, operand, mask, want, rows.words);
  }

  /** Adds the rows with a value in one of the spans, which `joined` made. */
  scanWithin(spans: readonly Span[], { mask, want }: Which, rows: Bitset): void {
    const end = this.end(rows.length);
    for (let i = 0; i < end; i++) {
      const slot = this.slots[i]!;
      if ((slot & mask) === want && meets(spans, this.values[i]!, this.values[i]!)) rows.add(slot >>> 1);
    }
  }

  count(rows: Bitset, each: (value: number, count: number) => void): void {
    const counters = new Map<number, { count: number; row: number }>();
    const end = this.end(rows.length);
    for (let i = 0; i < end; i++) {
      const row = this.slots[i]! >>> 1;
      if (!rows.has(row)) continue;
      const counter = counters.get(this.values[i]!);
      if (!counter) counters.set(this.values[i]!, { count: 1, row });
      else if (counter.row !== row) {
        counter.count++;
        counter.row = row;
      }
    }
    for (const [value, { count }] of counters) each(value, count);
  }
}

/** Entries whose values repeat: each distinct value once, and a code per entry. */
export class Dictionary<T extends string | boolean | null> {
  length = 0;
  slots = NO_SLOTS;
  codes = NO_SLOTS;
  /** Code -> value. */
  readonly values: T[] = [];
  readonly #codeOf = new Map<T, number>();
  #characters = 0;

  get byteLength(): number {
    return (
      this.slots.byteLength + this.codes.byteLength + this.values.length * DICTIONARY_ENTRY_BYTES + this.#characters * 2
    );
  }

  append(slot: number, value: T): void {
    let code = this.#codeOf.get(value);
    if (code === undefined) {
      code = this.values.length;
      this.#codeOf.set(value, code);
      this.values.push(value);
      if (typeof value === 'string') this.#characters += value.length;
    }
    if (this.length === this.slots.length) {
      this.slots = grown(this.slots, this.length + 1);
      this.codes = grown(this.codes, this.length + 1);
    }
    this.slots[this.length] = slot;
    this.codes[this.length++] = code;
  }

  end(rowCount: number): number {
    return lowerBound(this.slots, this.length, rowCount * 2);
  }

  /** Adds the rows that have an entry to `rows`. */
  exists(rows: Bitset): void {
    addAll(this.slots, this.end(rows.length), rows.words);
  }

  scanEqual(operands: readonly T[], { mask, want }: Which, rows: Bitset): void {
    const codes = operands.map((operand) => this.#codeOf.get(operand)).filter((code) => code !== undefined);
    if (codes.length === 0) return;
    const end = this.end(rows.length);
    if (codes.length === 1) addCode(this.slots, this.codes, end, codes[0]!, mask, want, rows.words);
    else {
      const chosen = new Uint8Array(this.values.length);
      for (const code of codes) chosen[code] = 1;
      addChosen(this.slots, this.codes, end, chosen, mask, want, rows.words);
    }
  }

  /** Asks `matches` once per distinct value, then scans the codes. */
  scan(matches: (value: T, code: number) => boolean, { mask, want }: Which, rows: Bitset): void {
    const chosen = new Uint8Array(this.values.length);
    let any = false;
    for (let code = 0; code < chosen.length; code++) {
      if (!matches(this.values[code]!, code)) continue;
      chosen[code] = 1;
      any = true;
    }
    if (any) addChosen(this.slots, this.codes, this.end(rows.length), chosen, mask, want, rows.words);
  }

  count(rows: Bitset, each: (value: T, count: number) => void): void {
    const counts = new Uint32Array(this.values.length);
    const lastRow = new Int32Array(this.values.length).fill(-1);
    const end = this.end(rows.length);
    for (let i = 0; i < end; i++) {
      const row = this.slots[i]! >>> 1;
      const code = this.codes[i]!;
      if (lastRow[code] === row || !rows.has(row)) continue;
      lastRow[code] = row;
      counts[code]!++;
    }
    for (let code = 0; code < counts.length; code++) if (counts[code]! > 0) each(this.values[code]!, counts[code]!);
  }
}

/** A copy with room for `length` entries and as many again, so that appending costs O(1) on average. */
export function grown<T extends Uint32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length * 2);
  larger.set(array);
  return larger;
}

/** Index of the first slot >= `slot` among the first `length`. */
function lowerBound(slots: Uint32Array, length: number, slot: number): number {
  if (length === 0 || slots[length - 1]! < slot) return length;
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slots[middle]! < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The hot loops: one per comparison, so that each runs on typed arrays without a call or a branch on the operator.

type Slots = Uint32Array;
type Words = Uint32Array;

function addAll(slots: Slots, end: number, words: Words): void {
  for (let i = 0; i < end; i++) words[slots[i]! >>> 6]! |= 1 << ((slots[i]! >>> 1) & 31);
}

function addCode(
  slots: Slots,
  codes: Uint32Array,
  end: number,
  code: number,
  mask: number,
  want: number,
  words: Words,
) {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (codes[i] === code && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addChosen(
  slots: Slots,
  codes: Uint32Array,
  end: number,
  chosen: Uint8Array,
  mask: number,
  want: number,
  words: Words,
): void {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (chosen[codes[i]!] && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addEqual(
  slots: Slots,
  values: Float64Array,
  end: number,
  x: number,
  mask: number,
  want: number,
  words: Words,
) {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (values[i]! === x && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addMembers(
  slots: Slots,
  values: Float64Array,
  end: number,
  members: ReadonlySet<number>,
  mask: number,
  want: number,
  words: Words,
): void {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (members.has(values[i]!) && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addGreater(
  slots: Slots,
  values: Float64Array,
  end: number,
  x: number,
  mask: number,
  want: number,
  words: Words,
): void {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (values[i]! > x && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addGreaterOrEqual(
  slots: Slots,
  values: Float64Array,
  end: number,
  x: number,
  mask: number,
  want: number,
  words: Words,
): void {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (values[i]! >= x && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addLess(slots: Slots, values: Float64Array, end: number, x: number, mask: number, want: number, words: Words) {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (values[i]! < x && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

function addLessOrEqual(
  slots: Slots,
  values: Float64Array,
  end: number,
  x: number,
  mask: number,
  want: number,
  words: Words,
): void {
  for (let i = 0; i < end; i++) {
    const slot = slots[i]!;
    if (values[i]! <= x && (slot & mask) === want) words[slot >>> 6]! |= 1 << ((slot >>> 1) & 31);
  }
}

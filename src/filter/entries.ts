// Lists of (row, value) entries in typed arrays, by type of value, and the loops that scan them.
//
// An entry is a slot and a value. The slot is row * 2, plus 1 where the value is an element of an array: `$contains`
// means an element to an array but a substring to a string. Slots ascend: rows are appended in order, and changed in place.
// A scan of 100k entries takes about 0.1 ms, so there are no posting lists to build, keep and merge.
import type { Bitset } from '../structures/bitset.ts';
import type { Sliced } from '../structures/slices.ts';
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

/** So many values may be without an entry. */
const UNUSED_MAX = 1024;

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

  /** Makes ready that `rows` (ascending) have the entries of `added` and no others. What comes back does it, at once. */
  *replacing(rows: readonly number[], added: Numbers): Sliced<() => void> {
    const exchange = yield* replacement(this.slots, this.values, this.length, rows, added.slots, added.values, added);
    return () => Object.assign(this, exchange());
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
  /** Goes up as codes change their meaning. */
  generation = 0;
  #characters = 0;

  get byteLength(): number {
    return (
      this.slots.byteLength + this.codes.byteLength + this.values.length * DICTIONARY_ENTRY_BYTES + this.#characters * 2
    );
  }

  #code(value: T): number {
    let code = this.#codeOf.get(value);
    if (code === undefined) {
      code = this.values.length;
      this.#codeOf.set(value, code);
      this.values.push(value);
      if (typeof value === 'string') this.#characters += value.length;
    }
    return code;
  }

  append(slot: number, value: T): void {
    const code = this.#code(value);
    if (this.length === this.slots.length) {
      this.slots = grown(this.slots, this.length + 1);
      this.codes = grown(this.codes, this.length + 1);
    }
    this.slots[this.length] = slot;
    this.codes[this.length++] = code;
  }

  /** As that of `Numbers`. */
  *replacing(rows: readonly number[], added: Dictionary<T>): Sliced<() => void> {
    const codes = added.values.map((value) => this.#code(value));
    const addedCodes = added.codes.map((code) => codes[code]!);
    const exchange = yield* replacement(this.slots, this.codes, this.length, rows, added.slots, addedCodes, added);
    return () => {
      const { slots, values, length } = exchange();
      Object.assign(this, { slots, codes: values, length });
      if (this.values.length > 2 * length + UNUSED_MAX) this.#forgetUnused();
    };
  }

  /** Values that no entry has any more are let go: fields that change all the time would keep all that they ever were. */
  #forgetUnused(): void {
    const { codes, length } = this;
    const old = this.values.splice(0);
    this.#codeOf.clear();
    this.#characters = 0;
    this.generation++;
    const codeOf = new Int32Array(old.length).fill(-1);
    for (let i = 0; i < length; i++) {
      const was = codes[i]!;
      if (codeOf[was]! < 0) codeOf[was] = this.#code(old[was]!);
      codes[i] = codeOf[was]!;
    }
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

/**
 * Makes ready that `rows` (ascending) have the added entries in place of those that they have. Where they are as many of the same slots,
 * as after a flag has been turned, their values alone are exchanged.
 */
function* replacement<V extends Uint32Array | Float64Array>(
  slots: Uint32Array,
  values: V,
  length: number,
  rows: readonly number[],
  addedSlots: Uint32Array,
  addedValues: V,
  { length: addedLength }: { length: number },
): Sliced<() => { slots: Uint32Array; values: V; length: number }> {
  /** Of each row: where its entries begin and end, here and among the added ones. */
  const bounds = new Uint32Array(rows.length * 4);
  let at = 0;
  let added = 0;
  let removed = 0;
  let isSame = true;
  for (let i = 0; i < rows.length; i++) {
    const slot = rows[i]! * 2;
    bounds[i * 4] = at = lowerBound(slots, length, slot, at);
    while (at < length && slots[at]! <= slot + 1) at++;
    bounds[i * 4 + 1] = at;
    bounds[i * 4 + 2] = added;
    while (added < addedLength && addedSlots[added]! <= slot + 1) added++;
    bounds[i * 4 + 3] = added;
    const had = at - bounds[i * 4]!;
    removed += had;
    isSame &&= had === added - bounds[i * 4 + 2]!;
    for (let j = 0; isSame && j < had; j++) isSame = slots[at - had + j] === addedSlots[added - had + j];
    if ((i & 15) === 0) yield;
  }
  if (isSame)
    return () => {
      for (let i = 0; i < bounds.length; i += 4)
        for (let j = 0; j < bounds[i + 1]! - bounds[i]!; j++) values[bounds[i]! + j] = addedValues[bounds[i + 2]! + j]!;
      return { slots, values, length };
    };
  const newLength = length - removed + addedLength;
  const newSlots = new Uint32Array(newLength);
  const newValues = new (values.constructor as new (length: number) => V)(newLength);
  let from = 0;
  let to = 0;
  const copy = (source: Uint32Array, numbers: V, start: number, end: number) => {
    newSlots.set(source.subarray(start, end), to);
    newValues.set(numbers.subarray(start, end), to);
    to += end - start;
  };
  for (let i = 0; i < bounds.length; i += 4) {
    copy(slots, values, from, bounds[i]!);
    copy(addedSlots, addedValues, bounds[i + 2]!, bounds[i + 3]!);
    from = bounds[i + 1]!;
    if ((i & 63) === 0) yield;
  }
  copy(slots, values, from, length);
  return () => ({ slots: newSlots, values: newValues, length: newLength });
}

/** Index of the first slot >= `slot` among the first `length`, of which those before `low` are lower. */
function lowerBound(slots: Uint32Array, length: number, slot: number, low = 0): number {
  if (length === 0 || slots[length - 1]! < slot) return length;
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

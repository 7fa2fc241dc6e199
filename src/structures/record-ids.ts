// The ids of a collection's rows, and in which row each record is: bytes and numbers alone, because a string and a map's entry for each of a
// million rows would take 100 MB. An id's key is its JSON without the last quote, as it stands in ids chunks: '1' and 1 differ, and
// half a surrogate pair is escaped.
import { PiramidError } from '../errors.ts';
import type { RecordId } from '../types.ts';
import { type Hash, keyedHash } from './keyed-hash.ts';
import type { Renumbering } from './renumbering.ts';
import type { Sliced } from './slices.ts';

const BLOCK_SHIFT = 12;
/** Rows whose keys lie together: what is copied in one go as keys come. */
const BLOCK_ROWS = 1 << BLOCK_SHIFT;
/** Of the table's slots, how many may be taken, and how many are where it has just grown. */
const LOAD_MAX = 0.8;
const LOAD_GROWN = 0.6;
const SLOTS_MIN = 16;
/** Rows, or slots, without a rest. */
const ROWS_AT_ONCE = 64;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
/** Longer ids are not encoded in place. */
const SHORT = 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Block {
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each key ends, and the next one begins. */
  ends: Uint32Array;
}

export class RecordIds {
  readonly #hash: Hash;
  #blocks: Block[] = [];
  /** Rows that have been shown, and those behind them that are only in place. */
  #length = 0;
  #placed = 0;
  /** Of the rows that are only in place. */
  #hashes: number[] = [];
  /** Live rows by open addressing with linear probing: in each slot the row + 1 (0: it is free), then its hash. */
  #table = new Uint32Array(SLOTS_MIN * 2);
  #count = 0;
  /** The key that is being looked for or put in place: bytes start .. end-1. */
  #key: Uint8Array = new Uint8Array();
  #start = 0;
  #end = 0;
  readonly #short = new Uint8Array(SHORT + 1);

  constructor(hash: Hash = keyedHash) {
    this.#hash = hash;
  }

  /** Rows that have been shown, deleted ones too. */
  get length(): number {
    return this.#length;
  }

  /** Live rows. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#blocks.reduce((sum, { bytes, ends }) => sum + bytes.length + ends.byteLength, this.#table.byteLength);
  }

  /** Undefined where there is no such record. */
  row(id: RecordId): number | undefined {
    this.#encode(id);
    return this.#find();
  }

  /** Where the record is now that was written to that row; undefined where there is none any more. */
  rowNow(row: number): number | undefined {
    this.#take(row);
    return this.#find();
  }

  id(row: number): RecordId {
    this.#take(row);
    const key = decoder.decode(this.#key.subarray(this.#start, this.#end));
    if (key[0] !== '"') return Number(key);
    return key.includes('\\') ? JSON.parse(`${key}"`) : key.slice(1);
  }

  /** Puts the ids of further rows in place. Nobody finds them, and `length` stays, until they are shown. */
  *place(ids: readonly RecordId[]): Sliced<void> {
    for (const [i, id] of ids.entries()) {
      this.#encode(id);
      this.#put();
      if (i % ROWS_AT_ONCE === 0) yield;
    }
  }

  /** The same with the payload of an ids chunk. Throws `CORRUPT` where it has not so many. */
  *placeStored(json: Uint8Array, rowCount: number): Sliced<void> {
    const end = json.length - 1;
    let rows = 0;
    for (let at = 1; at < end; at++, rows++) {
      const start = at;
      const isText = json[at] === QUOTE;
      do at += json[at] === BACKSLASH ? 2 : 1;
      while (at < end && json[at] !== (isText ? QUOTE : COMMA));
      this.#set(json, start, at);
      this.#put();
      if (isText) at++;
      if (rows % ROWS_AT_ONCE === 0) yield;
    }
    if (rows !== rowCount) throw new PiramidError('CORRUPT', `expected ${rowCount} ids, got ${rows}`);
  }

  /** The same with rows whose ids are lost. */
  *placeLost(rowCount: number): Sliced<void> {
    for (let row = 0; row < rowCount; row++) {
      this.#set(this.#short, 0, 0);
      this.#put();
      if (row % ROWS_AT_ONCE === 0) yield;
    }
  }

  /** Shows the rows that are in place; of two rows of one id the later one is the record. Nobody may look before it has ended. */
  *show(isDeleted: (row: number) => boolean): Sliced<void> {
    yield* this.reserve(this.#placed - this.#length);
    for (let row = this.#length; row < this.#placed; row++) {
      if (!isDeleted(row)) this.#insert(row, this.#hashes[row - this.#length]!);
      if (row % ROWS_AT_ONCE === 0) yield;
    }
    this.#length = this.#placed;
    this.#hashes = [];
  }

  /** Takes rows back that have not been shown. */
  takeBack(): void {
    this.#placed = this.#length;
    this.#hashes = [];
    this.#blocks.length = Math.ceil(this.#length / BLOCK_ROWS);
  }

  /** A record is there no longer; its row keeps its id. */
  delete(row: number): void {
    const table = this.#table;
    this.#take(row);
    let free = this.#slot();
    if (table[free] !== row + 1) return;
    this.#count--;
    // What comes behind it moves up, unless it would come before its own place.
    for (let slot = this.#next(free); table[slot] !== 0; slot = this.#next(slot)) {
      const own = this.#placeOf(table[slot + 1]!);
      if (this.#distance(own, slot) < this.#distance(free, slot)) continue;
      table[free] = table[slot]!;
      table[free + 1] = table[slot + 1]!;
      free = slot;
    }
    table[free] = 0;
  }

  /** Makes room for further live rows, which take such a share of the slots. Who looks meanwhile finds what he found; nothing may change. */
  *reserve(more: number, share = LOAD_GROWN): Sliced<void> {
    const wanted = this.#count + more;
    if (wanted <= (this.#table.length / 2) * LOAD_MAX) return;
    const old = this.#table;
    const larger = new Uint32Array(Math.max(SLOTS_MIN, Math.ceil(wanted / share)) * 2);
    for (let slot = 0; slot < old.length; slot += 2) {
      if (old[slot]) fill(larger, old[slot]!, old[slot + 1]!);
      if (slot % (ROWS_AT_ONCE * 2) === 0) yield;
    }
    this.#table = larger;
  }

  /** The same without the rows that are dropped, none of which is live. What is here stays as it is. */
  *renumbered(renumbering: Renumbering): Sliced<RecordIds> {
    const ids = new RecordIds(this.#hash);
    for (let row = 0; row < this.#length; row++) {
      if (row % ROWS_AT_ONCE === 0) yield;
      if (renumbering.dropped.has(row)) continue;
      this.#take(row);
      ids.#set(this.#key, this.#start, this.#end);
      ids.#copy();
    }
    ids.#length = ids.#placed;
    ids.#count = this.#count;
    ids.#table = this.#table.slice();
    for (let slot = 0; slot < ids.#table.length; slot += 2) {
      const row = ids.#table[slot]!;
      if (row) ids.#table[slot] = renumbering.row(row - 1) + 1;
      if (slot % (ROWS_AT_ONCE * 2) === 0) yield;
    }
    return ids;
  }

  #insert(row: number, hash: number): void {
    this.#take(row);
    const slot = this.#slot(hash);
    if (this.#table[slot] === 0) this.#count++;
    this.#table[slot] = row + 1;
    this.#table[slot + 1] = hash;
  }

  #find(): number | undefined {
    const found = this.#table[this.#slot()]!;
    return found === 0 ? undefined : found - 1;
  }

  /** The slot of the key: where it is, or where it would be. */
  #slot(hash = this.#hash(this.#key, this.#start, this.#end)): number {
    const table = this.#table;
    let slot = this.#placeOf(hash);
    while (table[slot] !== 0 && (table[slot + 1] !== hash || !this.#isAt(table[slot]! - 1))) slot = this.#next(slot);
    return slot;
  }

  #isAt(row: number): boolean {
    const { bytes, ends } = this.#blocks[row >>> BLOCK_SHIFT]!;
    const i = row % BLOCK_ROWS;
    const shift = startOf(ends, i) - this.#start;
    if (ends[i]! !== this.#end + shift) return false;
    const key = this.#key;
    for (let at = this.#start; at < this.#end; at++) if (bytes[at + shift] !== key[at]) return false;
    return true;
  }

  #placeOf(hash: number): number {
    return placeIn(this.#table, hash);
  }

  #next(slot: number): number {
    return slot + 2 === this.#table.length ? 0 : slot + 2;
  }

  #distance(from: number, to: number): number {
    return to < from ? to - from + this.#table.length : to - from;
  }

  #set(bytes: Uint8Array, start: number, end: number): void {
    this.#key = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** The key is that of a row. */
  #take(row: number): void {
    const { bytes, ends } = this.#blocks[row >>> BLOCK_SHIFT]!;
    const i = row % BLOCK_ROWS;
    this.#set(bytes, startOf(ends, i), ends[i]!);
  }

  /** The key is that of an id. */
  #encode(id: RecordId): void {
    const isText = typeof id === 'string';
    const text = isText ? id : String(id);
    this.#set(this.#short, 0, 0);
    if (isText) this.#short[this.#end++] = QUOTE;
    let isPlain = text.length < SHORT;
    for (let i = 0; isPlain && i < text.length; i++) {
      const code = text.charCodeAt(i);
      isPlain = code >= 0x20 && code < 0x80 && code !== QUOTE && code !== BACKSLASH;
      this.#short[this.#end++] = code;
    }
    if (isPlain) return;
    const bytes = encoder.encode(JSON.stringify(id).slice(0, isText ? -1 : undefined));
    this.#set(bytes, 0, bytes.length);
  }

  #put(): void {
    this.#copy();
    this.#hashes.push(this.#hash(this.#key, this.#start, this.#end));
  }

  /** Appends the key. */
  #copy(): void {
    const key = this.#key;
    const start = this.#start;
    const end = this.#end;
    const i = this.#placed % BLOCK_ROWS;
    if (i === 0) this.#blocks.push({ bytes: new Uint8Array(256), ends: new Uint32Array(BLOCK_ROWS) });
    const block = this.#blocks.at(-1)!;
    const at = startOf(block.ends, i);
    const length = at + end - start;
    if (length > block.bytes.length) {
      const larger = new Uint8Array(Math.max(length, block.bytes.length * 2));
      larger.set(block.bytes.subarray(0, at));
      block.bytes = larger;
    }
    const { bytes } = block;
    if (end - start > SHORT) bytes.set(key.subarray(start, end), at);
    else for (let from = start; from < end; from++) bytes[at + from - start] = key[from]!;
    block.ends[i] = length;
    if (i === BLOCK_ROWS - 1) block.bytes = bytes.slice(0, length);
    this.#placed++;
  }
}

function startOf(ends: Uint32Array, i: number): number {
  return i === 0 ? 0 : ends[i - 1]!;
}

function placeIn(table: Uint32Array, hash: number): number {
  return Math.floor((hash * (table.length / 2)) / 2 ** 32) * 2;
}

/** A row whose key is in no other slot. */
function fill(table: Uint32Array, row: number, hash: number): void {
  let slot = placeIn(table, hash);
  while (table[slot] !== 0) slot = slot + 2 === table.length ? 0 : slot + 2;
  table[slot] = row;
  table[slot + 1] = hash;
}

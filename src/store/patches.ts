// Patches: changes of metadata that have not been written into the rows' metadata yet. A row keeps its number; what is read of it is its
// stored metadata and then its patch. Rows that were changed alike share one list of changes.
import { PiramidError } from '../errors.ts';
import { ByteReader, ByteWriter } from '../structures/bytes.ts';
import { applyChanges, type Changes, joinChanges } from '../structures/changes.ts';
import type { Sliced } from '../structures/slices.ts';
import { decodeJson, encodeJson } from './format.ts';

/** Rows that were changed alike. */
export interface Patch {
  /** Ascending. */
  rows: readonly number[];
  changes: Changes;
}

export class Patches {
  /** Row -> number of its list of changes, from 1; 0 for none. Grows by doubling. */
  #listOf = new Uint32Array(0);
  #lists: (Changes | null)[] = [null];
  /** Of each list: how many rows have it. */
  #uses: number[] = [0];
  #free: number[] = [];
  /** Rows that have a patch. */
  size = 0;

  of(row: number): Changes | undefined {
    return this.#lists[this.#listOf[row] ?? 0] ?? undefined;
  }

  /** A later change of those rows. */
  add({ rows, changes }: Patch): void {
    const last = rows.at(-1);
    if (last === undefined) return;
    this.#reserve(last + 1);
    /** By the list before: rows that were alike stay alike. */
    const joined = new Map<number, number>();
    let before = -1;
    let after = 0;
    for (const row of rows) {
      // Mostly that of the row before: a Map would take most of the time of a million rows.
      if (this.#listOf[row] !== before) {
        before = this.#listOf[row]!;
        after = joined.get(before) ?? -1;
      }
      if (after < 0) {
        const list = this.#lists[before];
        after = this.#newList(list ? joinChanges(list, changes) : changes);
        joined.set(before, after);
      }
      this.#put(row, after);
    }
  }

  remove(row: number): void {
    if (this.#listOf[row]) this.#put(row, 0);
  }

  /** Patched rows of first .. end-1, ascending. */
  *rows(first = 0, end = Number.POSITIVE_INFINITY): Generator<number> {
    const stop = Math.min(end, this.#listOf.length);
    for (let row = first; this.size > 0 && row < stop; row++) if (this.#listOf[row]) yield row;
  }

  clone(): Patches {
    const copy = new Patches();
    copy.#listOf = this.#listOf.slice();
    copy.#lists = [...this.#lists];
    copy.#uses = [...this.#uses];
    copy.#free = [...this.#free];
    copy.size = this.size;
    return copy;
  }

  #reserve(rowCount: number): void {
    if (rowCount <= this.#listOf.length) return;
    const larger = new Uint32Array(Math.max(rowCount, this.#listOf.length * 2, 1024));
    larger.set(this.#listOf);
    this.#listOf = larger;
  }

  #newList(changes: Changes): number {
    const list = this.#free.pop() ?? this.#lists.length;
    this.#lists[list] = changes;
    this.#uses[list] = 0;
    return list;
  }

  #put(row: number, list: number): void {
    const before = this.#listOf[row]!;
    this.#listOf[row] = list;
    if (list > 0) this.#uses[list]!++;
    if (before === 0) this.size++;
    else if (--this.#uses[before]! === 0) {
      this.#lists[before] = null;
      this.#free.push(before);
    }
    if (list === 0) this.size--;
  }
}

/** What `patches` has of `rows`, rows that were changed alike together, under the numbers that `numberOf` gives; those below 0 are left out. */
export function* patchesOf(
  patches: Patches,
  rows: Iterable<number>,
  numberOf: (row: number) => number,
): Sliced<Patch[]> {
  const byChanges = new Map<Changes, number[]>();
  let count = 0;
  for (const row of rows) {
    const number = numberOf(row);
    const changes = number < 0 ? undefined : patches.of(row);
    if (changes) {
      const known = byChanges.get(changes);
      if (known) known.push(number);
      else byChanges.set(changes, [number]);
    }
    if ((count++ & 63) === 0) yield;
  }
  return [...byChanges].map(([changes, rows]) => ({ rows, changes }));
}

/** Stored metadata with a patch. */
export function patchedJson(json: string | null, changes: Changes): string | null {
  const value = applyChanges(json === null ? null : JSON.parse(json), changes);
  return value === null ? null : JSON.stringify(value);
}

/** The metadata of some rows with their patches. */
export function* patchedMetadata(
  { firstRow, metadata }: { firstRow: number; metadata: readonly (string | null)[] },
  patches: Patches,
): Sliced<(string | null)[]> {
  const patched = [...metadata];
  for (const row of patches.rows(firstRow, firstRow + metadata.length)) {
    patched[row - firstRow] = patchedJson(metadata[row - firstRow]!, patches.of(row)!);
    yield;
  }
  return patched;
}

/** Number of patches, then of each: its changes as JSON, and its rows as runs of neighbours. */
export function* encodePatches(patches: readonly Patch[]): Sliced<Uint8Array<ArrayBuffer>> {
  const writer = new ByteWriter();
  writer.varint(patches.length);
  for (const { rows, changes } of patches) {
    const json = encodeJson(changes);
    writer.varint(json.length);
    writer.append(json);
    writer.varint(runsOf(rows));
    let next = 0;
    for (let i = 0, start = 0; i < rows.length; i++) {
      if (rows[i + 1] === rows[i]! + 1) continue;
      writer.varint(rows[start]! - next);
      writer.varint(i - start);
      next = rows[i]! + 1;
      start = i + 1;
      yield;
    }
  }
  return writer.written().slice();
}

function runsOf(rows: readonly number[]): number {
  let runs = 0;
  for (let i = 0; i < rows.length; i++) if (rows[i + 1] !== rows[i]! + 1) runs++;
  return runs;
}

/** Throws `CORRUPT`. */
export function decodePatches(payload: Uint8Array): Patch[] {
  const reader = new ByteReader(payload);
  const patches: Patch[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const length = reader.varint();
    const changes = decodeJson(payload.subarray(reader.at, reader.at + length)) as Changes;
    reader.at += length;
    const rows: number[] = [];
    let next = 0;
    for (let runs = reader.varint(); runs > 0; runs--) {
      const first = next + reader.varint();
      next = first + reader.varint() + 1;
      for (let row = first; row < next; row++) rows.push(row);
    }
    patches.push({ rows, changes });
  }
  if (reader.at !== payload.length)
    throw new PiramidError('CORRUPT', `patches end at ${reader.at}, payload at ${payload.length}`);
  return patches;
}

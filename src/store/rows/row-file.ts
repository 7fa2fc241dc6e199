// A file with the float32 rows of vector chunks, for reading some of them at random. A cache: whatever is missing or damaged
// here is in the database. Owns which chunk lies where in the file, and which of its bytes have been proven. Never throws:
// what cannot be read is not there, and a file that cannot be written is given up.
import { Bitset } from '../../structures/bitset.ts';
import type { Sliced } from '../../structures/slices.ts';
import { crc32 } from '../checksum.ts';
import type { ChunkRef } from '../manifest.ts';
import {
  DIRECTORY_BYTES,
  decodeDirectory,
  type Entry,
  encodeDirectory,
  type Parts,
  partsOf,
  readChunk,
} from './layout.ts';

/** What is used of a `FileSystemSyncAccessHandle`. Every call may throw. */
export interface RowHandle {
  /** Returns how many bytes there were. */
  read(bytes: Uint8Array, options: { at: number }): number;
  /** Returns how many bytes were written. */
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  close(): void;
}

/** The Euclidean length of a vector, as the indexes compute it. */
export type Norm = (values: Float32Array, offset: number, dimension: number) => number;

/** What indexes need of a chunk's rows besides their codes. */
export interface RowNotes {
  norms: Float64Array;
  present: Bitset;
}

/** What is verified in one read. */
const PORTION_BYTES = 256 << 10;
/** So many have room in the directory. */
const CHUNKS_MAX = 8000;

/** A chunk's rows in the file. */
interface Extent extends Entry, Parts {
  /** Of its blocks, and which of these have been verified. Null until they have been read. */
  sums: Uint32Array | null;
  verified: Bitset | null;
}

export class RowFile {
  readonly #handle: RowHandle;
  readonly #uuid: string;
  readonly #norm: Norm;
  /** In the order of the file; what lies between them is free. */
  #extents: Extent[] = [];
  readonly #byKey = new Map<number, Extent>();
  /** Keys of chunks that were deleted. They are never used again. */
  readonly #removed = new Set<number>();
  #isOpen = true;
  /** Where blocks are read to be verified. */
  #scratch = new Uint8Array();
  /** Called when the file could not be written, and is no more. */
  onLost: () => void = () => {};

  /** Takes the file as it is where it is that database's, and begins it anew where it is not. `chunks`: those that count. */
  constructor(handle: RowHandle, uuid: string, norm: Norm, chunks: readonly ChunkRef[]) {
    this.#handle = handle;
    this.#uuid = uuid;
    this.#norm = norm;
    const live = new Map(chunks.map((chunk) => [chunk.key, chunk]));
    this.#attempt(() => {
      const bytes = new Uint8Array(DIRECTORY_BYTES);
      handle.read(bytes, { at: 0 });
      for (const entry of decodeDirectory(bytes, uuid)) {
        const chunk = live.get(entry.key);
        if (chunk?.checksum === entry.checksum && chunk.rowCount === entry.rowCount) this.#add(entry);
      }
      this.#save();
    });
  }

  /** Bytes of the file; 0 where it is no more. */
  get bytes(): number {
    return this.#isOpen ? endOf(this.#extents.at(-1)) : 0;
  }

  has(key: number): boolean {
    return this.#byKey.has(key);
  }

  /** Writes the rows of a vectors chunk, given as it is stored. */
  *put(value: ArrayBuffer): Sliced<void> {
    const { present, rows, ...chunk } = readChunk(value);
    const { key, rowCount, dimension } = chunk;
    const { blockRows, presenceAt, sumsAt, rowsAt, bytes } = partsOf(chunk);
    if (!this.#isOpen || this.has(key)) return;
    const notes = new Uint8Array(rowsAt);
    notes.set(present, presenceAt);
    const norms = new Float64Array(notes.buffer, 0, rowCount);
    const sums = new Uint32Array(notes.buffer, sumsAt);
    for (let block = 0, row = 0; block < sums.length; block++) {
      const part = rows.subarray(row * dimension, (row + blockRows) * dimension);
      sums[block] = crc32(new Uint8Array(value, part.byteOffset, part.byteLength));
      for (let at = 0; at < part.length; at += dimension) norms[row++] = this.#norm(part, at, dimension);
      yield;
    }
    if (this.has(key) || this.#removed.has(key) || this.#extents.length === CHUNKS_MAX) return;
    const at = this.#roomFor(bytes);
    this.#attempt(() => {
      this.#write(notes, at);
      this.#write(new Uint8Array(value, rows.byteOffset), at + rowsAt);
      this.#add({ ...chunk, at, notesChecksum: crc32(notes) });
      this.#save();
    });
  }

  /** Lengths and presence of a chunk's vectors; null where the file has not got them. */
  notes(key: number): RowNotes | null {
    const extent = this.#byKey.get(key);
    if (!extent) return null;
    const { rowCount, presenceAt, sumsAt, rowsAt } = extent;
    const notes = new Uint8Array(rowsAt);
    if (!this.#readWhole(notes, extent.at) || crc32(notes) !== extent.notesChecksum) {
      this.#free(key);
      return null;
    }
    const words = (from: number, to: number) => new Uint32Array(notes.slice(from, to).buffer);
    extent.sums = words(sumsAt, rowsAt);
    extent.verified ??= new Bitset(extent.sums.length);
    return {
      norms: new Float64Array(notes.buffer, 0, rowCount),
      present: new Bitset(rowCount, words(presenceAt, sumsAt)),
    };
  }

  /** Copies rows first .. first + count - 1 of a chunk to `target`, from its `at`-th number on. False where they are not there whole. */
  read(key: number, first: number, count: number, target: Float32Array, at: number): boolean {
    const extent = this.#byKey.get(key);
    if (!extent || !(extent.sums || this.notes(key))) return false;
    const wanted = new Uint8Array(target.buffer, target.byteOffset + at * 4, count * extent.rowBytes);
    const isRead =
      this.#verify(extent, first, first + count) &&
      this.#readWhole(wanted, extent.at + extent.rowsAt + first * extent.rowBytes);
    return isRead || this.#free(key);
  }

  /** Chunks were deleted. */
  remove(keys: readonly number[]): void {
    const known = keys.filter((key) => this.has(key));
    for (const key of keys) this.#removed.add(key);
    for (const key of known) this.#byKey.delete(key);
    this.#extents = this.#extents.filter(({ key }) => this.#byKey.has(key));
    if (known.length > 0) this.#attempt(() => this.#save());
  }

  /** There is no room for it: its bytes are given back, and everything is in the database. */
  giveUp(): void {
    this.#attempt(() => {
      throw new Error('full');
    });
  }

  /** Moves rows from the end of the file into room that has become free before them, and gives the end back. */
  *tidy(): Sliced<void> {
    for (let last = this.#extents.at(-1); last; last = this.#extents.at(-1)) {
      const { key, bytes } = last;
      const at = this.#roomFor(bytes);
      if (at > last.at || !this.#isOpen) return;
      const copy = new Uint8Array(bytes);
      const isRead = this.#readWhole(copy, last.at);
      this.#drop(key);
      this.#attempt(() => {
        if (isRead) {
          this.#write(copy, at);
          this.#add({ ...last, at });
        }
        this.#save();
      });
      yield;
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#byKey.clear();
    try {
      this.#handle.close();
    } catch {}
  }

  /** Whether the blocks of rows first .. end-1 are what was written; each is looked at once. */
  #verify({ at, rowsAt, rowBytes, blockRows, rowCount, sums, verified }: Extent, first: number, end: number): boolean {
    const isNew = (row: number) => row < end && !verified!.has(row / blockRows);
    for (let row = first - (first % blockRows); row < end; row += blockRows) {
      if (!isNew(row)) continue;
      const from = row;
      while (isNew(row + blockRows) && (row - from) * rowBytes < PORTION_BYTES) row += blockRows;
      const length = (Math.min(row + blockRows, rowCount) - from) * rowBytes;
      if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
      const bytes = this.#scratch.subarray(0, length);
      if (!this.#readWhole(bytes, at + rowsAt + from * rowBytes)) return false;
      for (let start = 0, block = from / blockRows; start < bytes.length; block++, start += blockRows * rowBytes) {
        if (crc32(bytes.subarray(start, start + blockRows * rowBytes)) !== sums![block]) return false;
        verified!.add(block);
      }
    }
    return true;
  }

  /** The first room that is large enough, or the end. */
  #roomFor(bytes: number): number {
    let at = DIRECTORY_BYTES;
    for (const extent of this.#extents) {
      if (extent.at - at >= bytes) break;
      at = endOf(extent);
    }
    return at;
  }

  #add(entry: Entry): void {
    const extent = { ...entry, ...partsOf(entry), sums: null, verified: null };
    this.#extents.push(extent);
    this.#extents.sort((a, b) => a.at - b.at);
    this.#byKey.set(entry.key, extent);
  }

  #drop(key: number): void {
    this.#byKey.delete(key);
    this.#extents = this.#extents.filter((extent) => extent.key !== key);
  }

  /** For who wants what is there: it is not. */
  #free(key: number): false {
    if (this.has(key)) {
      this.#drop(key);
      this.#attempt(() => this.#save());
    }
    return false;
  }

  #readWhole(bytes: Uint8Array, at: number): boolean {
    try {
      return this.#handle.read(bytes, { at }) === bytes.length;
    } catch {
      return false;
    }
  }

  /** Writes the directory, and ends the file behind the last rows. */
  #save(): void {
    this.#write(encodeDirectory(this.#uuid, this.#extents), 0);
    this.#handle.truncate(this.bytes);
  }

  #write(bytes: Uint8Array, at: number): void {
    if (this.#handle.write(bytes, { at }) !== bytes.length) throw new Error('full');
  }

  /** What writes. If that fails, the file is the first thing to go: its bytes are given back, and everything is in the database. */
  #attempt(write: () => void): void {
    if (!this.#isOpen) return;
    try {
      write();
    } catch {
      try {
        this.#handle.truncate(0);
      } catch {}
      this.close();
      this.onLost();
    }
  }
}

function endOf(extent: Extent | undefined): number {
  return extent ? extent.at + extent.bytes : DIRECTORY_BYTES;
}

// A file with the float32 rows of vector chunks, for reading some of them at random. A cache: whatever is missing or damaged
// here is in the database. Owns which chunk lies where in the file, and which of its bytes have been proven. Never throws:
// what cannot be read is not there, and a file that cannot be written is given up.
import { Bitset } from '../../structures/bitset.ts';
import type { Sliced } from '../../structures/slices.ts';
import { crc32 } from '../checksum.ts';
import type { ChunkRef } from '../manifest.ts';
import { DIRECTORY_BYTES, decodeDirectory, type Entry, encodeDirectory, partsOf, readChunk } from './layout.ts';

/** An open file, as far as it is used. Every call may throw. */
export interface RowHandle {
  /** Returns how many bytes there were. */
  read(bytes: Uint8Array, at: number): number;
  /** Returns how many bytes were written. */
  write(bytes: Uint8Array, at: number): number;
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

/** So many have room in the directory. */
const CHUNKS_MAX = 8000;
/** Bytes that are moved at a time. */
const PORTION_BYTES = 256 << 10;

/** A chunk's rows, or the room for them. */
interface Extent {
  entry: Entry;
  parts: ReturnType<typeof partsOf>;
  /** Its rows are on their way. */
  isBusy: boolean;
  /** Of its blocks, and which of these have been verified. Null until they have been read. */
  sums: Uint32Array | null;
  verified: Bitset | null;
}

export class RowFile {
  readonly #handle: RowHandle;
  readonly #uuid: string;
  readonly #norm: Norm;
  /** In the order of the file; what lies between them is free. */
  readonly #extents: Extent[] = [];
  readonly #byKey = new Map<number, Extent>();
  /** Keys of chunks that were deleted. They are never used again. */
  readonly #removed = new Set<number>();
  #isOpen = true;
  #isTidying = false;
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
      handle.read(bytes, 0);
      for (const entry of decodeDirectory(bytes, uuid)) {
        const chunk = live.get(entry.key);
        if (chunk?.checksum !== entry.checksum || chunk.rowCount !== entry.rowCount) continue;
        const extent = newExtent(entry);
        this.#extents.push(extent);
        this.#keep(extent);
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
    if (!this.#isOpen || this.has(key) || this.#removed.has(key) || this.#byKey.size === CHUNKS_MAX) return;
    const extent = this.#reserve({ ...chunk, at: 0, notesChecksum: 0 });
    const { blockRows, presenceAt, sumsAt, rowsAt } = extent.parts;
    const notes = new Uint8Array(rowsAt);
    notes.set(present, presenceAt);
    const norms = new Float64Array(notes.buffer, 0, rowCount);
    const sums = new Uint32Array(notes.buffer, sumsAt);
    const blockNumbers = blockRows * dimension;
    for (let block = 0; block < sums.length; block++) {
      const part = rows.subarray(block * blockNumbers, (block + 1) * blockNumbers);
      sums[block] = crc32(new Uint8Array(value, part.byteOffset, part.byteLength));
      for (let at = 0, row = block * blockRows; at < part.length; at += dimension)
        norms[row++] = this.#norm(part, at, dimension);
      yield;
    }
    const { entry } = extent;
    entry.notesChecksum = crc32(notes);
    if (this.has(key) || this.#removed.has(key)) this.#release(extent);
    else
      this.#attempt(() => {
        this.#write(new Uint8Array(value, rows.byteOffset), entry.at + rowsAt);
        this.#write(notes, entry.at);
        this.#keep(extent);
        this.#save();
      });
  }

  /** Lengths and presence of a chunk's vectors; null where the file has not got them. */
  notes(key: number): RowNotes | null {
    const extent = this.#byKey.get(key);
    const notes = extent && this.#notesOf(extent);
    if (!notes) return null;
    const { entry, parts } = extent;
    return {
      norms: new Float64Array(notes.buffer, 0, entry.rowCount),
      present: new Bitset(entry.rowCount, new Uint32Array(notes.slice(parts.presenceAt, parts.sumsAt).buffer)),
    };
  }

  /** Copies rows first .. first + count - 1 of a chunk to `target`, from its `at`-th number on. False where they are not there whole. */
  read(key: number, first: number, count: number, target: Float32Array, at: number): boolean {
    const extent = this.#byKey.get(key);
    if (!extent || !(extent.sums || this.#notesOf(extent))) return false;
    const { entry, parts, sums, verified } = extent;
    const { rowBytes, blockRows, rowsAt } = parts;
    // Whole blocks: what is read with a row is in the same pages.
    const start = Math.floor(first / blockRows) * blockRows;
    const end = Math.min(Math.ceil((first + count) / blockRows) * blockRows, entry.rowCount);
    const bytes = new Uint8Array((end - start) * rowBytes);
    let isWhole = this.#readWhole(bytes, entry.at + rowsAt + start * rowBytes);
    for (let row = start; row < end && isWhole; row += blockRows) {
      const block = row / blockRows;
      const from = (row - start) * rowBytes;
      isWhole = verified!.has(block) || crc32(bytes.subarray(from, from + blockRows * rowBytes)) === sums![block];
      if (isWhole) verified!.add(block);
    }
    if (!isWhole) return this.#free(key);
    const wanted = bytes.subarray((first - start) * rowBytes, (first - start + count) * rowBytes);
    new Uint8Array(target.buffer, target.byteOffset + at * 4).set(wanted);
    return true;
  }

  /** A chunk was deleted. */
  remove(key: number): void {
    this.#removed.add(key);
    this.#free(key);
  }

  /** Moves rows from the end of the file into room that has become free before them, and gives the end back. */
  *tidy(): Sliced<void> {
    if (this.#isTidying) return;
    this.#isTidying = true;
    const bytes = new Uint8Array(PORTION_BYTES);
    for (;;) {
      const last = this.#extents.at(-1);
      if (!this.#isOpen || !last || last.isBusy) break;
      const { entry, parts } = last;
      const extent = this.#reserve(entry);
      const isMoved = extent.entry.at < entry.at;
      for (let from = 0; isMoved && from < parts.bytes; from += bytes.length) {
        const portion = bytes.subarray(0, parts.bytes - from);
        // What is damaged stays damaged.
        this.#readWhole(portion, entry.at + from);
        this.#attempt(() => this.#write(portion, extent.entry.at + from));
        yield;
      }
      // It may have been deleted meanwhile.
      if (isMoved && this.#byKey.get(entry.key) === last) {
        this.#release(last);
        this.#keep(extent);
      } else this.#release(extent);
      this.#attempt(() => this.#save());
      if (!isMoved) break;
    }
    this.#isTidying = false;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#byKey.clear();
    try {
      this.#handle.close();
    } catch {}
  }

  /** The first room that is large enough, or the end. */
  #reserve(of: Entry): Extent {
    const extent = newExtent({ ...of, at: DIRECTORY_BYTES });
    const { entry, parts } = extent;
    let i = 0;
    for (let next = this.#extents[i]; next && next.entry.at - entry.at < parts.bytes; next = this.#extents[++i])
      entry.at = endOf(next);
    this.#extents.splice(i, 0, extent);
    return extent;
  }

  #keep(extent: Extent): void {
    extent.isBusy = false;
    this.#byKey.set(extent.entry.key, extent);
  }

  #release(extent: Extent): void {
    this.#extents.splice(this.#extents.indexOf(extent), 1);
  }

  /** For who wants what is there: it is not. */
  #free(key: number): false {
    const extent = this.#byKey.get(key);
    if (extent) {
      this.#byKey.delete(key);
      this.#release(extent);
      this.#attempt(() => this.#save());
    }
    return false;
  }

  /** Null, and the rows are let go, where the notes are damaged. */
  #notesOf(extent: Extent): Uint8Array<ArrayBuffer> | null {
    const { entry, parts } = extent;
    const notes = new Uint8Array(parts.rowsAt);
    if (!this.#readWhole(notes, entry.at) || crc32(notes) !== entry.notesChecksum) {
      this.#free(entry.key);
      return null;
    }
    extent.sums = new Uint32Array(notes.slice(parts.sumsAt).buffer);
    extent.verified ??= new Bitset(extent.sums.length);
    return notes;
  }

  #readWhole(bytes: Uint8Array, at: number): boolean {
    try {
      return this.#handle.read(bytes, at) === bytes.length;
    } catch {
      return false;
    }
  }

  /** Writes the directory, and ends the file behind the last rows. */
  #save(): void {
    const kept = this.#extents.filter((extent) => !extent.isBusy);
    this.#write(
      encodeDirectory(
        this.#uuid,
        kept.map(({ entry }) => entry),
      ),
      0,
    );
    this.#handle.truncate(this.bytes);
  }

  #write(bytes: Uint8Array, at: number): void {
    if (this.#handle.write(bytes, at) !== bytes.length) throw new Error('the disk is full');
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

function newExtent(entry: Entry): Extent {
  return { entry, parts: partsOf(entry), isBusy: true, sums: null, verified: null };
}

function endOf(extent: Extent | undefined): number {
  return extent ? extent.entry.at + extent.parts.bytes : DIRECTORY_BYTES;
}

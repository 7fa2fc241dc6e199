// The file that a database is exported to and imported from: a sequence of values as they are stored, each with its header
// and checksums. A head says which collections there are, blocks of rows follow collection by collection in the form of
// log entries, and an end counts them all, so that what is cut off or put in another order is found. Pure functions.
import { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import { atOnce } from '../structures/slices.ts';
import { encodeLogEntry, type RowBatch, SECTIONS, sliceBatch } from './batch.ts';
import { crc32 } from './checksum.ts';
import {
  announcedBytes,
  decodeJson,
  decodeSections,
  decodeText,
  encodeBlock,
  encodeJson,
  HEADER_BYTES,
  readVectors,
} from './format.ts';
import type { CollectionConfig } from './manifest.ts';

/** Version of the file. A reader refuses what it does not know. */
export const EXCHANGE_VERSION = 1;
/** Bytes at which a block of rows is closed: what is in memory, and on its way between tabs, at a time. */
const BLOCK_BYTES = 1 << 20;
/** No block is longer: a reader believes no header that says so. */
export const BLOCK_BYTES_MAX = 256 << 20;

/** First block. */
export interface Head {
  format: number;
  /** Of the database that was exported. */
  uuid: string;
  collections: { name: string; config: CollectionConfig /** Live records. */; count: number }[];
}

/** Last block. */
export interface End {
  /** All before this one. */
  blocks: number;
  /** Of each collection. */
  rows: number[];
  /** See `chainOf`. */
  chain: number;
}

/** What is chained of a header: all but its own checksum, behind which a CRC forgets what was before. */
const CHAINED_BYTES = HEADER_BYTES - 4;

/** Checksum of the headers so far, in their order; 0 before the first. Each holds the checksum of its own payload. */
export function chainOf(chain: number, block: ArrayBuffer): number {
  const bytes = new Uint8Array(4 + CHAINED_BYTES);
  new DataView(bytes.buffer).setUint32(0, chain, true);
  bytes.set(new Uint8Array(block, 0, CHAINED_BYTES), 4);
  return crc32(bytes);
}

export function encodeJsonBlock(kind: 'export' | 'end', number: number, value: Head | End): ArrayBuffer {
  return encodeBlock({ kind, collection: 0, key: number, firstRow: 0, rowCount: 0 }, encodeJson(value));
}

/** Blocks of a collection's next rows. `collection`: its place in the head, from 1; `number`: of the first block. */
export function* encodeRows(collection: number, number: number, rows: RowBatch): Generator<ArrayBuffer> {
  let start = 0;
  let bytes = 0;
  for (let row = 0; row <= rows.rowCount; row++) {
    const size = row < rows.rowCount ? rowBytes(rows, row) : Number.POSITIVE_INFINITY;
    if (row > start && bytes + size > BLOCK_BYTES) {
      const block = atOnce(encodeLogEntry(collection, number++, { batch: sliceBatch(rows, start, row) }));
      if (block.byteLength > BLOCK_BYTES_MAX) throw tooLong(rows, start);
      yield block;
      start = row;
      bytes = 0;
    }
    bytes += size;
  }
}

/** At least as many as it takes in a file, but for what JSON escapes. */
function rowBytes({ vectors, metadata, texts, ids }: RowBatch, row: number): number {
  const id = ids[row]!;
  const idBytes = typeof id === 'string' ? id.length * 3 : 8;
  return (vectors?.dimension ?? 0) * 4 + idBytes + ((metadata[row]?.length ?? 0) + (texts[row]?.length ?? 0)) * 3 + 16;
}

function tooLong({ ids }: RowBatch, row: number): PiramidError {
  return new PiramidError(
    'UNSUPPORTED',
    `record ${JSON.stringify(ids[row])} is too large for a file, whose records have at most ${BLOCK_BYTES_MAX} bytes`,
  );
}

/** Cuts a stream of bytes into blocks, of which it holds no more than one. */
export class BlockCutter {
  readonly #pieces: Uint8Array[] = [];
  #held = 0;

  /** Bytes that belong to no whole block yet. */
  get rest(): number {
    return this.#held;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#held += bytes.length;
  }

  /** The next whole block; null: more bytes are wanted. Throws `INVALID_FILE`. */
  next(): ArrayBuffer | null {
    if (this.#held < HEADER_BYTES) return null;
    const length = announcedBytes(this.#peek(HEADER_BYTES));
    if (length === undefined) throw invalidFile('its header is damaged, or this is no file that Piramid exported');
    if (length > BLOCK_BYTES_MAX) throw invalidFile(`says it has ${length} bytes; at most ${BLOCK_BYTES_MAX} are read`);
    return this.#held < length ? null : this.#take(length).buffer;
  }

  #peek(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    let filled = 0;
    for (const piece of this.#pieces) {
      const part = piece.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (filled === count) break;
    }
    return bytes;
  }

  #take(count: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#peek(count);
    this.#held -= count;
    let left = count;
    while (left > 0 && left >= this.#pieces[0]!.length) left -= this.#pieces.shift()!.length;
    if (left > 0) this.#pieces[0] = this.#pieces[0]!.subarray(left);
    return bytes;
  }
}

/** Rows as a file says them, before anybody has looked at what they hold. Arrays have one entry a row. */
export interface FileRows {
  ids: unknown[];
  vectors: RowBatch['vectors'];
  metadata: unknown[] | null;
  texts: (string | null)[] | null;
}

/** The rows of a block, whose sections are as long and as many as they say. Throws; what it throws may be anything. */
export function decodeRows(payload: Uint8Array<ArrayBuffer>, rowCount: number, dimension: number | null): FileRows {
  const sections = decodeSections(payload);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const known: number[] = [SECTIONS.ids, SECTIONS.vectors, SECTIONS.metadata, SECTIONS.text];
  if (view.getUint32(0, true) !== sections.size) throw invalidFile('a section stands there twice');
  for (const id of sections.keys()) if (!known.includes(id)) throw invalidFile(`unknown section ${id}`);
  const ids = arrayOf(sections.get(SECTIONS.ids), rowCount, 'ids');
  if (!ids) throw invalidFile('there are no ids');
  const vectors = sections.get(SECTIONS.vectors);
  if ((vectors !== undefined) !== (dimension !== null))
    throw invalidFile(vectors ? 'there are vectors in a collection of text only' : 'there are no vectors');
  const text = sections.get(SECTIONS.text);
  return {
    ids,
    vectors: vectors ? { dimension: dimension!, ...vectorsOf(vectors, rowCount, dimension!) } : null,
    metadata: arrayOf(sections.get(SECTIONS.metadata), rowCount, 'metadata'),
    texts: text ? textsOf(text, rowCount) : null,
  };
}

function arrayOf(payload: Uint8Array | undefined, rowCount: number, what: string): unknown[] | null {
  if (!payload) return null;
  const values = decodeJson(payload);
  if (!Array.isArray(values) || values.length !== rowCount)
    throw invalidFile(`expected ${rowCount} ${what}, got ${Array.isArray(values) ? values.length : typeof values}`);
  return values;
}

function vectorsOf(payload: Uint8Array<ArrayBuffer>, rowCount: number, dimension: number) {
  const { values, present } = readVectors(payload, rowCount, dimension);
  if (present.count() !== present.clone().intersect(Bitset.full(rowCount)).count())
    throw invalidFile('there are vectors of rows that do not exist');
  return { values: values.slice(), present };
}

function textsOf(payload: Uint8Array<ArrayBuffer>, rowCount: number): (string | null)[] {
  const offsets = new Uint32Array(payload.slice(0, (rowCount + 1) * 4).buffer);
  const ends = offsets.map((offset) => offset & 0x7fffffff);
  const areInOrder = ends.every((end, i) => (i === 0 ? end === 0 : end >= ends[i - 1]!));
  if (!areInOrder || offsets.byteLength + ends[rowCount]! !== payload.length || offsets[rowCount]! >>> 31)
    throw invalidFile('the texts are not where they are said to be');
  const texts = Array.from({ length: rowCount }, (_, row) => decodeText(payload, rowCount, row));
  if (texts.some((text, row) => text === null && ends[row] !== ends[row + 1]))
    throw invalidFile('a row that has no text has one');
  return texts;
}

export function invalidFile(why: string): PiramidError {
  return new PiramidError('INVALID_FILE', why);
}

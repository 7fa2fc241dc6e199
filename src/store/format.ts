// The bytes of every stored value: a 40-byte header that says what the value is and proves it whole, then the payload.
// Pure functions; docs/FORMAT.md draws what they write. Nothing here touches storage.
import { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import { contextOf, hasContext, textOf, withContext } from '../structures/context.ts';
import { atOnce, type Sliced } from '../structures/slices.ts';
import type { RecordId } from '../types.ts';
import { crc32 } from './checksum.ts';
import { CONTEXT_READER, FORMAT_VERSION, LATER_KEY_READER, VALUE_READER } from './schema.ts';

export const HEADER_BYTES = 40;
/** What is copied or summed up without a rest. */
const PART_BYTES = 1 << 16;
const MAGIC = 0x44_4d_52_50; // 'PRMD', little-endian

/** What a value holds. The numbers are stored. */
export const KINDS = {
  manifest: 1,
  log: 2,
  ids: 3,
  vectors: 4,
  metadata: 5,
  text: 6,
  postings: 7,
  tombstones: 8,
  codes: 9,
  fence: 10,
  ballast: 11,
  export: 12,
  end: 13,
  key: 14,
  birth: 15,
  patches: 16,
} as const;
export type Kind = keyof typeof KINDS;

/** What the header says, besides lengths and checksums. */
export interface Header {
  kind: Kind;
  /** Collection number; 0 for the manifest. */
  collection: number;
  /** The value's key in its object store; for the manifest its generation. */
  key: number;
  /** First row held, and how many. 0 where rows have no meaning. */
  firstRow: number;
  rowCount: number;
  /** Oldest format version whose reader understands the value. @default VALUE_READER */
  reader?: number;
}

/** One stored value: header and payload in one buffer of exactly that size. */
export function encodeBlock(header: Header, payload: Uint8Array): ArrayBuffer {
  const buffer = new ArrayBuffer(HEADER_BYTES + payload.length);
  const body = new Uint8Array(buffer, HEADER_BYTES);
  body.set(payload);
  atOnce(sealing(buffer, header));
  return buffer;
}

/** Writes the header of a value whose payload is already in place behind it. */
export function* sealing(buffer: ArrayBuffer, header: Header): Sliced<void> {
  const view = new DataView(buffer);
  const payload = new Uint8Array(buffer, HEADER_BYTES);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, header.reader ?? VALUE_READER);
  view.setUint8(5, KINDS[header.kind]);
  view.setUint16(6, 0, true); // codec: 0 = plain bytes
  view.setUint32(8, header.collection, true);
  view.setUint32(12, header.key, true);
  view.setUint32(16, header.firstRow, true);
  view.setUint32(20, header.rowCount, true);
  view.setUint32(24, payload.length, true);
  let checksum = 0;
  for (let at = 0; at < payload.length; at += PART_BYTES) {
    checksum = crc32(payload.subarray(at, at + PART_BYTES), checksum);
    yield;
  }
  view.setUint32(28, checksum, true);
  view.setUint32(32, 0, true); // number of the data key
  view.setUint32(36, crc32(new Uint8Array(buffer, 0, 36)), true);
}

/** What a reader knows of a value before it has read it. */
type Expected = Partial<Header> & { kind: Kind };

/** The payload of a stored value, after every check. Throws `CORRUPT`, `NEWER_FORMAT`. */
export function decodeBlock(value: unknown, expected: Expected): { header: Header; payload: Uint8Array<ArrayBuffer> } {
  const header = decodeHeader(value, expected);
  const corrupt = corruption(expected);
  const view = new DataView(value as ArrayBuffer);
  const payload = new Uint8Array(value as ArrayBuffer, HEADER_BYTES);
  if (view.getUint32(24, true) !== payload.length)
    throw corrupt(`expected ${view.getUint32(24, true)} payload bytes, got ${payload.length}`);
  if (view.getUint32(28, true) !== crc32(payload)) throw corrupt('the payload fails its checksum');
  return { header, payload };
}

function corruption({ kind, key }: Expected): (why: string) => PiramidError {
  return (why) => new PiramidError('CORRUPT', `${`${kind} ${key ?? ''}`.trim()}: ${why}`);
}

/** What the header of a stored value says, whatever its payload is worth. Throws `CORRUPT`, `NEWER_FORMAT`. */
export function decodeHeader(value: unknown, expected: Expected): Header {
  const corrupt = corruption(expected);
  if (value === undefined) throw corrupt('the stored value is missing');
  if (!(value instanceof ArrayBuffer)) throw corrupt('the stored value is not a buffer');
  if (value.byteLength < HEADER_BYTES)
    throw corrupt(`expected at least ${HEADER_BYTES} bytes, got ${value.byteLength}`);
  const view = new DataView(value);
  if (view.getUint32(0, true) !== MAGIC) throw corrupt('not a Piramid value (magic number)');
  if (view.getUint32(36, true) !== crc32(new Uint8Array(value, 0, 36))) throw corrupt('the header fails its checksum');
  const version = view.getUint8(4);
  if (version > FORMAT_VERSION) {
    throw new PiramidError(
      'NEWER_FORMAT',
      `${expected.kind} ${expected.key ?? ''} has format ${version}; this release reads up to ${FORMAT_VERSION}. Update Piramid.`,
    );
  }
  if (view.getUint8(5) !== KINDS[expected.kind])
    throw corrupt(`holds kind ${view.getUint8(5)}, expected ${KINDS[expected.kind]}`);
  if (view.getUint16(6, true) !== 0) throw corrupt(`unknown codec ${view.getUint16(6, true)}`);
  const header: Header = {
    kind: expected.kind,
    collection: view.getUint32(8, true),
    key: view.getUint32(12, true),
    firstRow: view.getUint32(16, true),
    rowCount: view.getUint32(20, true),
  };
  for (const field of ['collection', 'key', 'firstRow', 'rowCount'] as const) {
    if (expected[field] !== undefined && header[field] !== expected[field]) {
      throw corrupt(`${field} is ${header[field]}, expected ${expected[field]}`);
    }
  }
  return header;
}

/** How long a value is, by its header alone; undefined where that is not a whole header. */
export function announcedBytes(header: Uint8Array<ArrayBuffer>): number | undefined {
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  const isWhole = view.getUint32(0, true) === MAGIC && view.getUint32(36, true) === crc32(header.subarray(0, 36));
  return isWhole ? HEADER_BYTES + view.getUint32(24, true) : undefined;
}

/** CRC-32 of a sealed value's payload. */
export function payloadChecksum(value: ArrayBuffer): number {
  return new DataView(value).getUint32(28, true);
}

/** How a value's payload is coded (0: plain), by its header alone; undefined where that is not a whole header. */
export function codecOf(value: ArrayBuffer): number | undefined {
  if (value.byteLength < HEADER_BYTES) return undefined;
  const isWhole = announcedBytes(new Uint8Array(value, 0, HEADER_BYTES)) !== undefined;
  return isWhole ? new DataView(value).getUint16(6, true) : undefined;
}

/** A value's header for a payload that is coded in another way and so has another length. Without its checksums. */
export function recodedHeader(value: ArrayBuffer, codec: number, payloadBytes: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(value.slice(0, HEADER_BYTES));
  const view = new DataView(header.buffer);
  view.setUint16(6, codec, true);
  view.setUint32(24, payloadBytes, true);
  return header;
}

/** Which data key a value is encrypted with; of the key block, the newest one. */
export function keyNumberOf(value: ArrayBuffer): number {
  return new DataView(value).getUint32(32, true);
}

/** Older releases would take what a later key encrypted for damaged. */
export function writeKeyNumber(header: Uint8Array<ArrayBuffer>, keyNumber: number): void {
  new DataView(header.buffer).setUint32(32, keyNumber, true);
  if (keyNumber > 0) header[4] = Math.max(header[4]!, LATER_KEY_READER);
}

/** The value of such a header and its payload, in parts. */
export function recodedBlock(header: Uint8Array, ...payload: readonly Uint8Array[]): ArrayBuffer {
  const { buffer } = joined(header, ...payload);
  sealChecksums(buffer, crc32(new Uint8Array(buffer, HEADER_BYTES)));
  return buffer;
}

/** All bytes of `parts`, in their order. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A value as one whose payload fails its checksum, while its header can be read. */
export function spoiledBlock(value: ArrayBuffer): ArrayBuffer {
  const payload = new Uint8Array(value, HEADER_BYTES);
  const block = recodedBlock(recodedHeader(value, 0, payload.length), payload);
  sealChecksums(block, crc32(payload) ^ 1);
  return block;
}

function sealChecksums(block: ArrayBuffer, payloadChecksum: number): void {
  const view = new DataView(block);
  view.setUint32(28, payloadChecksum, true);
  view.setUint32(36, crc32(new Uint8Array(block, 0, 36)), true);
}

export const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** JSON as UTF-8. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

export function decodeJson(payload: Uint8Array): unknown {
  return JSON.parse(decoder.decode(payload));
}

/** Ids payload: a JSON array. */
export function decodeIds(payload: Uint8Array, rowCount: number): RecordId[] {
  const ids = decodeJson(payload) as RecordId[];
  if (ids.length !== rowCount) throw new PiramidError('CORRUPT', `expected ${rowCount} ids, got ${ids.length}`);
  return ids;
}

/** Vectors payload: one presence bit a row (padded to 4 bytes), then (rowCount, dimension) float32. */
export function vectorsPayloadBytes(rowCount: number, dimension: number): number {
  return presenceBytes(rowCount) + rowCount * dimension * 4;
}

export function presenceBytes(rowCount: number): number {
  return ((rowCount + 31) >>> 5) * 4;
}

/** Writes a vectors payload into `target` (its exact size). */
export function* writeVectors(target: Uint8Array, vectors: Float32Array, present: Bitset): Sliced<void> {
  const start = presenceBytes(present.length);
  target.set(new Uint8Array(present.words.buffer, present.words.byteOffset, start));
  const bytes = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    target.set(bytes.subarray(at, at + PART_BYTES), start + at);
    yield;
  }
}

/** Views on a vectors payload (4-byte aligned). */
export function readVectors(
  payload: Uint8Array<ArrayBuffer>,
  rowCount: number,
  dimension: number,
): { values: Float32Array; present: Bitset } {
  if (payload.length !== vectorsPayloadBytes(rowCount, dimension)) {
    throw new PiramidError(
      'CORRUPT',
      `expected ${vectorsPayloadBytes(rowCount, dimension)} bytes of vectors, got ${payload.length}`,
    );
  }
  const words = new Uint32Array(payload.slice(0, presenceBytes(rowCount)).buffer);
  const values = new Float32Array(payload.buffer, payload.byteOffset + presenceBytes(rowCount), rowCount * dimension);
  return { values, present: new Bitset(rowCount, words) };
}

/** A small copy of some rows that indexes scan. Opaque to the store, but for its records being of one length. */
export interface StoredCodes {
  /** Names the way of coding. */
  scheme: number;
  /** Shape: (rowCount, bytes of a record). */
  records: Uint8Array<ArrayBuffer>;
}

/** Codes payload: scheme, bytes of a record, then the records. */
export function encodeCodes(
  { scheme, records }: StoredCodes,
  rowCount: number,
  start: number,
  end: number,
): Uint8Array {
  const recordBytes = records.length / rowCount;
  const payload = new Uint8Array(8 + (end - start) * recordBytes);
  const view = new DataView(payload.buffer);
  view.setUint32(0, scheme, true);
  view.setUint32(4, recordBytes, true);
  payload.set(records.subarray(start * recordBytes, end * recordBytes), 8);
  return payload;
}

/** A view on a codes payload. */
export function decodeCodes(payload: Uint8Array<ArrayBuffer>, rowCount: number): StoredCodes {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const expected = 8 + rowCount * view.getUint32(4, true);
  if (payload.length !== expected)
    throw new PiramidError('CORRUPT', `expected ${expected} bytes of codes, got ${payload.length}`);
  return { scheme: view.getUint32(0, true), records: payload.subarray(8) };
}

const ABSENT = 0x80000000;

/** Oldest format version whose reader understands these texts. */
export function readerOf(texts: readonly (string | null)[]): number {
  return texts.some((text) => text !== null && hasContext(text)) ? CONTEXT_READER : VALUE_READER;
}

/** A byte that no UTF-8 has stands before a context, and before its text. */
const CONTEXT_BYTE = 0xff;

function encodeText(stored: string): Uint8Array {
  const text = encoder.encode(textOf(stored));
  const context = contextOf(stored);
  if (context === undefined) return text;
  const before = encoder.encode(context);
  const bytes = new Uint8Array(2 + before.length + text.length).fill(CONTEXT_BYTE);
  bytes.set(before, 1);
  bytes.set(text, 2 + before.length);
  return bytes;
}

/** Text payload: rowCount + 1 offsets (uint32; the top bit says the row has no text), then UTF-8, with contexts between bytes of 255. */
export function* encodeTexts(texts: readonly (string | null)[]): Sliced<Uint8Array> {
  const encoded: (Uint8Array | null)[] = [];
  const offsets = new Uint32Array(texts.length + 1);
  let end = 0;
  for (const [i, text] of texts.entries()) {
    const bytes = text === null ? null : encodeText(text);
    encoded.push(bytes);
    offsets[i] = bytes === null ? (end | ABSENT) >>> 0 : end;
    end += bytes?.length ?? 0;
    yield;
  }
  offsets[texts.length] = end;
  const payload = new Uint8Array(offsets.byteLength + end);
  payload.set(new Uint8Array(offsets.buffer));
  for (const [i, bytes] of encoded.entries()) {
    if (bytes) payload.set(bytes, offsets.byteLength + (offsets[i]! & ~ABSENT));
    yield;
  }
  return payload;
}

/** One row's text, with its context (`structures/context`); `row` counts from the payload's first row. */
export function decodeText(payload: Uint8Array<ArrayBuffer>, rowCount: number, row: number): string | null {
  const offsets = new Uint32Array(payload.buffer, payload.byteOffset, rowCount + 1);
  const start = offsets[row]!;
  if (start & ABSENT) return null;
  const base = offsets.byteLength;
  const bytes = payload.subarray(base + start, base + (offsets[row + 1]! & ~ABSENT));
  if (bytes[0] !== CONTEXT_BYTE) return decoder.decode(bytes);
  const end = bytes.indexOf(CONTEXT_BYTE, 1);
  if (end < 0) throw new PiramidError('CORRUPT', 'the context of a text has no end');
  return withContext(decoder.decode(bytes.subarray(end + 1)), decoder.decode(bytes.subarray(1, end)));
}

/**
 * A log entry's payload: several sections in one. Layout: count, then (id, length) pairs, then sections padded to 4. `before`: bytes of
 * its buffer that are left free before it.
 */
export function* encodeSections(
  sections: readonly { id: number; bytes: Uint8Array }[],
  before = 0,
): Sliced<Uint8Array<ArrayBuffer>> {
  const tableBytes = 4 + sections.length * 8;
  const size = sections.reduce((sum, { bytes }) => sum + padded(bytes.length), tableBytes);
  const payload = new Uint8Array(new ArrayBuffer(before + size), before);
  const view = new DataView(payload.buffer, before);
  view.setUint32(0, sections.length, true);
  let offset = tableBytes;
  for (const [i, { id, bytes }] of sections.entries()) {
    view.setUint32(4 + i * 8, id, true);
    view.setUint32(8 + i * 8, bytes.length, true);
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      payload.set(bytes.subarray(at, at + PART_BYTES), offset + at);
      yield;
    }
    offset += padded(bytes.length);
  }
  return payload;
}

export function decodeSections(payload: Uint8Array<ArrayBuffer>): Map<number, Uint8Array<ArrayBuffer>> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const count = view.getUint32(0, true);
  const sections = new Map<number, Uint8Array<ArrayBuffer>>();
  let offset = 4 + count * 8;
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(8 + i * 8, true);
    sections.set(view.getUint32(4 + i * 8, true), payload.subarray(offset, offset + length));
    offset += padded(length);
  }
  if (offset !== payload.length)
    throw new PiramidError('CORRUPT', `log entry: sections end at ${offset}, payload at ${payload.length}`);
  return sections;
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

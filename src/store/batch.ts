// A run of new rows on its way to disk, and its two stored forms: one log entry (small), or the chunks of a segment
// (large). Pure; which form is taken is the store's business.
import { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import type { Sliced } from '../structures/slices.ts';
import type { RecordId } from '../types.ts';
import type { Write } from './backend.ts';
import {
  decodeIds,
  decodeJson,
  decodeSections,
  decodeText,
  encodeCodes,
  encodeSections,
  encodeTexts,
  HEADER_BYTES,
  type Header,
  type Kind,
  payloadChecksum,
  presenceBytes,
  readerOf,
  readVectors,
  type StoredCodes,
  sealing,
  vectorsPayloadBytes,
  writeVectors,
} from './format.ts';
import type { ChunkRef, Segment } from './manifest.ts';
import { decodePatches, encodePatches, type Patch } from './patches.ts';
import { ID_CHUNK_ROWS_MAX, PATCH_READER, PAYLOAD_CHUNK_BYTES, VECTOR_CHUNK_BYTES_MAX } from './schema.ts';

/** Of a JSON array that is encoded without a rest, UTF-16 units. */
const JSON_PART_LENGTH = 1 << 15;

/** Rows firstRow .. firstRow + rowCount - 1. */
export interface RowBatch {
  firstRow: number;
  rowCount: number;
  ids: readonly RecordId[];
  /** Null for a collection without vectors. Rows without one are zeros. */
  vectors: { dimension: number /** (rowCount, dimension), row-major */; values: Float32Array; present: Bitset } | null;
  /** Of the vectors, where they are known. A log entry leaves them out. */
  codes?: StoredCodes | null;
  /** Each row's metadata as JSON; null where it has none. */
  metadata: readonly (string | null)[];
  texts: readonly (string | null)[];
  /** A postings block over these rows' texts; null where no row has text. */
  postings: Uint8Array | null;
}

/** Roughly what the batch will take on disk. */
export function batchBytes(batch: RowBatch): number {
  let bytes = (batch.vectors?.values.byteLength ?? 0) + (batch.postings?.length ?? 0) + batch.rowCount * 12;
  for (const json of batch.metadata) bytes += json?.length ?? 0;
  for (const text of batch.texts) bytes += text?.length ?? 0;
  return bytes;
}

export const SECTIONS = {
  ids: 1,
  vectors: 2,
  metadata: 3,
  text: 4,
  postings: 5,
  deleted: 6,
  origin: 7,
  patch: 8,
} as const;

/** What one log entry says, each part of it if it has any. */
export interface LogEntry {
  /** New rows. */
  batch?: RowBatch | null;
  /** Rows that are deleted, or replaced by the new ones. */
  deleted?: readonly number[];
  /** A change of rows' metadata. */
  patch?: Patch;
  /** Whose write it is, encoded. */
  origin?: Uint8Array | null;
}

export function* encodeLogEntry(
  collection: number,
  key: number,
  { batch = null, deleted = [], patch, origin = null }: LogEntry,
): Sliced<ArrayBuffer> {
  const sections: { id: number; bytes: Uint8Array }[] = [];
  if (batch) {
    sections.push({ id: SECTIONS.ids, bytes: yield* jsonArray(batch.ids, jsonOfId) });
    if (batch.vectors) {
      const bytes = new Uint8Array(vectorsPayloadBytes(batch.rowCount, batch.vectors.dimension));
      yield* fillVectors(bytes, batch.vectors, 0, batch.rowCount);
      sections.push({ id: SECTIONS.vectors, bytes });
    }
    if (batch.metadata.some((json) => json !== null))
      sections.push({ id: SECTIONS.metadata, bytes: yield* jsonArray(batch.metadata, jsonOrNull) });
    if (batch.texts.some((text) => text !== null))
      sections.push({ id: SECTIONS.text, bytes: yield* encodeTexts(batch.texts) });
    if (batch.postings) sections.push({ id: SECTIONS.postings, bytes: batch.postings });
  }
  if (deleted.length > 0)
    sections.push({ id: SECTIONS.deleted, bytes: new Uint8Array(Uint32Array.from(deleted).buffer) });
  if (origin) sections.push({ id: SECTIONS.origin, bytes: origin });
  if (patch) sections.push({ id: SECTIONS.patch, bytes: yield* encodePatches([patch]) });
  const header = {
    kind: 'log',
    collection,
    key,
    firstRow: batch?.firstRow ?? 0,
    rowCount: batch?.rowCount ?? 0,
    reader: patch ? PATCH_READER : readerOf(batch?.texts ?? []),
  } as const;
  const { buffer } = yield* encodeSections(sections, HEADER_BYTES);
  yield* sealing(buffer, header);
  return buffer;
}

/** `encodeBlock` in slices. */
function* blockOf(header: Header, payload: Uint8Array): Sliced<ArrayBuffer> {
  const block = new ArrayBuffer(HEADER_BYTES + payload.length);
  new Uint8Array(block, HEADER_BYTES).set(payload);
  yield* sealing(block, header);
  return block;
}

export function decodeLogEntry(
  payload: Uint8Array<ArrayBuffer>,
  firstRow: number,
  rowCount: number,
  dimension: number | null,
): { batch: RowBatch | null; deleted: Uint32Array; patches: Patch[]; origin: Uint8Array | undefined } {
  const sections = decodeSections(payload);
  const origin = sections.get(SECTIONS.origin);
  const deletedBytes = sections.get(SECTIONS.deleted);
  const deleted = deletedBytes ? new Uint32Array(deletedBytes.slice().buffer) : new Uint32Array();
  const patchBytes = sections.get(SECTIONS.patch);
  const patches = patchBytes ? decodePatches(patchBytes) : [];
  if (rowCount === 0) return { batch: null, deleted, patches, origin };
  const ids = sections.get(SECTIONS.ids);
  if (!ids) throw new PiramidError('CORRUPT', `log entry of rows ${firstRow} to ${firstRow + rowCount - 1} has no ids`);
  const vectors = sections.get(SECTIONS.vectors);
  const metadata = sections.get(SECTIONS.metadata);
  const texts = sections.get(SECTIONS.text);
  const none = () => new Array<null>(rowCount).fill(null);
  const read = vectors && dimension !== null ? readVectors(vectors, rowCount, dimension) : null;
  const batch: RowBatch = {
    firstRow,
    rowCount,
    ids: decodeIds(ids, rowCount),
    vectors: read && { dimension: dimension!, ...read },
    metadata: metadata
      ? (decodeJson(metadata) as unknown[]).map((value) => (value === null ? null : JSON.stringify(value)))
      : none(),
    texts: texts ? none().map((_, row) => decodeText(texts, rowCount, row)) : none(),
    postings: sections.get(SECTIONS.postings)?.slice() ?? null,
  };
  return { batch, deleted, patches, origin };
}

/** A chunk on its way to disk. */
export interface ChunkValue {
  key: number;
  value: ArrayBuffer;
}

export function puts(values: readonly ChunkValue[]): Write[] {
  return values.map(({ key, value }) => ({ store: 'chunks', key, value }));
}

/** A batch as a segment. `nextKey` gives unused chunk keys. */
export function* encodeSegment(
  collection: number,
  batch: RowBatch,
  nextKey: () => number,
): Sliced<{ segment: Segment; values: ChunkValue[] }> {
  const { chunks, values } = yield* encodeChunks(collection, batch, nextKey);
  return { segment: { firstRow: batch.firstRow, rowCount: batch.rowCount, chunks }, values };
}

/** A batch as chunks, by kind, then by row. A batch without ids is one of postings alone. */
export function* encodeChunks(
  collection: number,
  batch: RowBatch,
  nextKey: () => number,
): Sliced<{ chunks: ChunkRef[]; values: ChunkValue[] }> {
  const chunks: ChunkRef[] = [];
  const values: ChunkValue[] = [];
  function* add(
    kind: Kind,
    start: number,
    end: number,
    value: ArrayBuffer | Uint8Array,
    reader?: number,
  ): Sliced<void> {
    const key = nextKey();
    const rows = { firstRow: batch.firstRow + start, rowCount: end - start };
    const header = { kind, collection, key, ...rows, ...(reader && { reader }) };
    const block = value instanceof Uint8Array ? yield* blockOf(header, value) : value;
    if (block === value) yield* sealing(block, header);
    chunks.push({
      kind,
      key,
      firstRow: header.firstRow,
      rowCount: header.rowCount,
      bytes: block.byteLength,
      ...(kind === 'vectors' && { checksum: payloadChecksum(block) }),
    } satisfies ChunkRef);
    values.push({ key, value: block });
  }

  for (let start = 0; start < batch.ids.length; start += ID_CHUNK_ROWS_MAX) {
    const end = Math.min(start + ID_CHUNK_ROWS_MAX, batch.ids.length);
    yield* add('ids', start, end, yield* jsonArray(batch.ids.slice(start, end), jsonOfId));
  }
  if (batch.vectors) {
    // Multiples of 32 rows, so that presence words need no shifting.
    const rowsPerChunk = Math.max(32, Math.floor(VECTOR_CHUNK_BYTES_MAX / (batch.vectors.dimension * 4 + 1 / 8)) & ~31);
    for (let start = 0; start < batch.rowCount; start += rowsPerChunk) {
      const end = Math.min(start + rowsPerChunk, batch.rowCount);
      const block = new ArrayBuffer(HEADER_BYTES + vectorsPayloadBytes(end - start, batch.vectors.dimension));
      yield* fillVectors(new Uint8Array(block, HEADER_BYTES), batch.vectors, start, end);
      yield* add('vectors', start, end, block);
    }
    // Cut where the vectors are, so that each chunk's go with them.
    for (let start = 0; batch.codes && start < batch.rowCount; start += rowsPerChunk) {
      const end = Math.min(start + rowsPerChunk, batch.rowCount);
      yield* add('codes', start, end, encodeCodes(batch.codes, batch.rowCount, start, end));
      chunks.at(-1)!.scheme = batch.codes.scheme;
    }
  }
  if (batch.metadata.some((json) => json !== null)) {
    for (const [start, end] of cuts(batch.metadata)) {
      yield* add('metadata', start, end, yield* jsonArray(batch.metadata.slice(start, end), jsonOrNull));
    }
  }
  if (batch.texts.some((text) => text !== null)) {
    for (const [start, end] of cuts(batch.texts)) {
      const texts = batch.texts.slice(start, end);
      yield* add('text', start, end, yield* encodeTexts(texts), readerOf(texts));
    }
  }
  if (batch.postings) yield* add('postings', 0, batch.rowCount, batch.postings);
  return { chunks, values };
}

/** Rows start .. end-1 of a batch, counted from its first, as one of its own. Without postings and codes. */
export function sliceBatch(batch: RowBatch, start: number, end: number): RowBatch {
  const rowCount = end - start;
  let vectors: RowBatch['vectors'] = null;
  if (batch.vectors) {
    const { dimension, values, present } = batch.vectors;
    vectors = { dimension, values: values.slice(start * dimension, end * dimension), present: new Bitset(rowCount) };
    for (let i = 0; i < rowCount; i++) if (present.has(start + i)) vectors.present.add(i);
  }
  return {
    firstRow: batch.firstRow + start,
    rowCount,
    ids: batch.ids.slice(start, end),
    vectors,
    metadata: batch.metadata.slice(start, end),
    texts: batch.texts.slice(start, end),
    postings: null,
  };
}

/** Adjacent batches as one. `postings` covers all their rows. Codes have to be made anew. */
export function* joinBatches(batches: readonly RowBatch[], postings: Uint8Array | null): Sliced<RowBatch> {
  const first = batches[0]!;
  const rowCount = batches.reduce((sum, batch) => sum + batch.rowCount, 0);
  const dimension = first.vectors?.dimension ?? null;
  let vectors: RowBatch['vectors'] = null;
  if (dimension !== null) {
    vectors = { dimension, values: new Float32Array(rowCount * dimension), present: new Bitset(rowCount) };
    for (const batch of batches) {
      const start = batch.firstRow - first.firstRow;
      vectors.values.set(batch.vectors!.values, start * dimension);
      for (const row of batch.vectors!.present) vectors.present.add(start + row);
      yield;
    }
  }
  return {
    firstRow: first.firstRow,
    rowCount,
    ids: batches.flatMap((batch) => batch.ids),
    vectors,
    metadata: batches.flatMap((batch) => batch.metadata),
    texts: batches.flatMap((batch) => batch.texts),
    postings,
  };
}

const jsonOfId = (id: RecordId) => JSON.stringify(id);
const jsonOrNull = (json: string | null) => json ?? 'null';

function* jsonArray<T>(items: readonly T[], jsonOf: (item: T) => string): Sliced<Uint8Array> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let text = '[';
  for (const [i, item] of items.entries()) {
    text += i === 0 ? jsonOf(item) : `,${jsonOf(item)}`;
    if (text.length < JSON_PART_LENGTH) continue;
    parts.push(encoder.encode(text));
    text = '';
    yield;
  }
  parts.push(encoder.encode(`${text}]`));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
    yield;
  }
  return bytes;
}

function fillVectors(
  target: Uint8Array,
  vectors: NonNullable<RowBatch['vectors']>,
  start: number,
  end: number,
): Sliced<void> {
  const { dimension, values, present } = vectors;
  const words = present.words.slice(start >>> 5, (start >>> 5) + presenceBytes(end - start) / 4);
  return writeVectors(target, values.subarray(start * dimension, end * dimension), new Bitset(end - start, words));
}

// Row ranges of about PAYLOAD_CHUNK_BYTES each; a gigantic row has a range of its own.
function* cuts(items: readonly (string | null)[]): Generator<[start: number, end: number]> {
  let start = 0;
  let bytes = 0;
  for (const [i, item] of items.entries()) {
    const size = (item?.length ?? 4) + 1;
    if (bytes > 0 && bytes + size > PAYLOAD_CHUNK_BYTES) {
      yield [start, i];
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (start < items.length) yield [start, items.length];
}

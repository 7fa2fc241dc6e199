// Documents into a collection: cut, hashed, written a batch at a time. Can be stopped and called again: what is in and
// unchanged is skipped. A document is in with all of its passages or not at all.
import type { Metadata, VectorRecord } from 'piramid';
import { PiramidError } from '../errors.ts';
import { type ChunkOptions, checkChunkOptions, chunk, MAX_WORDS, type TextFormat } from './chunk.ts';
import {
  checkCollection,
  checkOptions,
  type DocumentCollection,
  type DocumentInfo,
  documentOf,
  PASSAGE_FIELDS,
  throwIfAborted,
} from './documents.ts';
import { type ExtractOptions, extract } from './extract.ts';
import { shortened } from './words.ts';

/** A document to ingest. */
export interface DocumentInput {
  /** Unique in the collection; a document with the same id is replaced. */
  id: string;
  /** @default the id */
  title?: string;
  text: string;
  /** Copied to each passage, for filters. Not `document`, `start`, `end`, `passage`, `headings`, `repeats`. */
  metadata?: Metadata;
  /** Format of its text. @default that of `IngestOptions.chunk` */
  format?: TextFormat;
}

export interface IngestOptions extends ExtractOptions {
  chunk?: ChunkOptions;
  /** Passages per write; a document with more is one write. @default 512 */
  batchSize?: number;
  /** Called after each document that was skipped or failed, and after each write. */
  onProgress?: (progress: IngestProgress) => void;
  /**
   * Cancels the call: it rejects with `ABORTED` once no write is in flight (up to two may complete). What was written
   * stays.
   */
  signal?: AbortSignal;
}

export interface IngestProgress {
  /** Inputs done, of all: written, skipped or failed. */
  done: number;
  total: number;
  /** Documents and passages written so far. */
  documents: number;
  passages: number;
  passagesPerSecond: number;
  /** Absent until it can be estimated. */
  secondsLeft?: number;
  /** Id of the last document that is done. */
  id: string;
}

export interface IngestResult {
  /** Ids, in order. */
  added: string[];
  updated: string[];
  /** Unchanged since the last ingest. */
  skipped: string[];
  failed: { id: string; error: PiramidError }[];
}

/**
 * Of the way documents are read, cut and stored. Raise it with each change of that: then every document is a changed
 * one, and the next `ingest` improves it. Passages whose text and context stay the same keep their vectors.
 */
const HASH_VERSION = 3;
/** Passages of an earlier version that are read in one call. */
const READ_BATCH = 500;
export const BATCH_SIZE = 512;
/** Under way at a time. */
const WRITES_MAX = 2;
const DOCUMENT_FIELDS: readonly string[] = ['id', 'title', 'text', 'metadata', 'format'];
/** What is wrong with one document and not with the database. */
const DOCUMENT_ERRORS = new Set(['INVALID_ARGUMENT', 'DIMENSION_MISMATCH', 'UNSUPPORTED', 'MODEL_FAILED']);

interface Prepared {
  id: string;
  info: DocumentInfo;
  records: VectorRecord[];
  /** Whether a version of it is in. */
  isUpdate: boolean;
}

/**
 * Puts documents into a collection, or files (see `extract`; their id is their path). Each passage is a record:
 *
 * - `id`: `${document id}#${number of the passage}`, and `text`, which the collection's embedder embeds
 * - `context`: the document's title (unless it is the id) and the headings above the passage, one per line, without
 * those that the passage begins with. It is embedded and indexed in front of the text, and not shown (see
 * `VectorRecord.context`)
 * - `metadata`: the document's own, and `document` (see `DocumentInfo`), `passage` (its number from 0), `start` and
 * `end` (UTF-16 offsets in the document's text), `headings` (those above it, if any), and `repeats` (number of
 * characters at the beginning of `text` that are repeated from elsewhere: the header row of a table that was cut)
 *
 * A document that cannot be read or written is reported in `failed`. Errors of the database reject.
 */
export async function ingest(
  collection: DocumentCollection,
  inputs: readonly (DocumentInput | File)[] | FileList,
  options: IngestOptions = {},
): Promise<IngestResult> {
  checkOptions(options, ['chunk', 'batchSize', 'charset', 'extractors', 'onProgress', 'signal'], 'ingest');
  checkCollection(collection, 'ingest');
  if (typeof inputs !== 'object' || inputs === null || !(Symbol.iterator in inputs))
    throw new PiramidError('INVALID_ARGUMENT', 'ingest: expected an array of documents or files');
  const { batchSize = BATCH_SIZE, signal } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new PiramidError('INVALID_ARGUMENT', `batchSize: expected an integer of at least 1, got ${batchSize}`);
  }
  if (!globalThis.crypto?.subtle) {
    throw new PiramidError(
      'UNSUPPORTED',
      'ingest hashes with crypto.subtle, which browsers have on https and localhost only',
    );
  }
  checkChunkOptions(options.chunk ?? {}); // wrong for all or for none
  const result: IngestResult = { added: [], updated: [], skipped: [], failed: [] };
  const report = progressReporter(inputs.length, options.onProgress);
  const seen = new Set<string>();
  let batch: Prepared[] = [];
  let batchPassages = 0;

  const fail = (id: string, error: unknown): void => {
    const known =
      error instanceof PiramidError
        ? error
        : new PiramidError('INVALID_ARGUMENT', `document "${id}": ${error}`, { cause: error });
    if (!DOCUMENT_ERRORS.has(known.code)) throw error;
    result.failed.push({ id, error: known });
    report(id, { inputs: 1 });
  };
  /** Under way, in order: while one is made durable, the next documents are read and cut, and theirs is embedded. */
  const writes: Promise<void>[] = [];
  const flush = async (): Promise<void> => {
    const before = writes.at(-1);
    const written = write(collection, batch, signal, fail);
    batch = [];
    batchPassages = 0;
    const record = async () => {
      const documents = await written;
      await before; // told in the order of the documents
      for (const { id, isUpdate, records } of documents) {
        (isUpdate ? result.updated : result.added).push(id);
        report(id, { inputs: 1, documents: 1, passages: records.length });
      }
    };
    const job = record();
    job.catch(() => {}); // it is waited for
    writes.push(job);
    if (writes.length === WRITES_MAX) await writes.shift();
  };

  try {
    for (const input of inputs) {
      throwIfAborted(signal);
      const id = idOf(input);
      try {
        if (seen.has(id)) throw new PiramidError('INVALID_ARGUMENT', `document "${id}": duplicate id in this call`);
        seen.add(id);
        const prepared = await prepare(collection, await read(input, options), options.chunk ?? {}, signal);
        if (prepared) {
          batch.push(prepared);
          batchPassages += prepared.records.length;
        } else {
          result.skipped.push(id);
          report(id, { inputs: 1 });
        }
      } catch (error) {
        fail(id, error);
      }
      if (batchPassages >= batchSize) await flush();
    }
    throwIfAborted(signal);
    await flush();
    await Promise.all(writes);
  } finally {
    // Nothing of the call goes on behind its end.
    await Promise.allSettled(writes);
  }
  return result;
}

function idOf(input: DocumentInput | File): string {
  if (isFile(input)) return input.webkitRelativePath || input.name;
  const id: unknown = input?.id;
  if (typeof id === 'string' && id !== '') return id;
  throw new PiramidError(
    'INVALID_ARGUMENT',
    `document: expected an id that is a non-empty string, got ${JSON.stringify(id)}`,
  );
}

async function read(input: DocumentInput | File, { charset, extractors }: IngestOptions): Promise<DocumentInput> {
  if (isFile(input)) {
    const options = { ...(charset !== undefined && { charset }), ...(extractors && { extractors }) };
    return { id: idOf(input), ...(await extract(input, options)) };
  }
  if (typeof input.text !== 'string') {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `document "${input.id}": expected a text, got ${input.text === null ? 'null' : typeof input.text}`,
    );
  }
  const unknown = Object.keys(input).find((field) => !DOCUMENT_FIELDS.includes(field));
  if (unknown !== undefined) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `document "${input.id}": unknown field "${unknown}"; known are ${DOCUMENT_FIELDS.join(', ')}. Fields of your own belong in metadata.`,
    );
  }
  for (const field of PASSAGE_FIELDS) {
    if (input.metadata && Object.hasOwn(input.metadata, field)) {
      throw new PiramidError(
        'INVALID_ARGUMENT',
        `document "${input.id}": the metadata field "${field}" is written by ingest; rename yours`,
      );
    }
  }
  return input;
}

function isFile(input: unknown): input is File {
  return typeof File !== 'undefined' && input instanceof File;
}

/** The records of a document, or undefined if it is in as it is. */
async function prepare(
  collection: DocumentCollection,
  document: DocumentInput,
  chunkOptions: ChunkOptions,
  signal: AbortSignal | undefined,
): Promise<Prepared | undefined> {
  const { id, title = id, text, metadata = {} } = document;
  const cutting: ChunkOptions = { ...chunkOptions, ...(document.format && { format: document.format }) };
  const hash = await digest(JSON.stringify([HASH_VERSION, title, text, metadata, { maxWords: MAX_WORDS, ...cutting }]));
  const [before] = await collection.get([`${id}#0`], { select: ['metadata'], ...(signal && { signal }) });
  const known = documentOf(before?.metadata);
  if (known?.hash === hash && !(await hasLeftovers(collection, known, signal))) return undefined;
  const chunks = await chunk(text, cutting);
  if (chunks.length === 0) throw new PiramidError('INVALID_ARGUMENT', `document "${id}" holds no words`);
  const info: DocumentInfo = {
    id,
    title,
    hash,
    passages: chunks.length,
    bytes: new TextEncoder().encode(text).length,
    addedAt: new Date(),
    ...(cutting.format && cutting.format !== 'text' && { format: cutting.format }),
  };
  const vectors = await vectorsOf(collection, known, signal);
  const records = chunks.map(({ start, end, text: stretch, headings, before = '', after = '' }, passage) => {
    const shown = before + stretch + after;
    const context = contextOf(title === id ? [] : [title], headings ?? [], shown);
    const vector = vectors.get(keyOf(shown, context));
    return {
      id: `${id}#${passage}`,
      text: shown,
      ...(context && { context }),
      ...(vector && { vector }),
      metadata: {
        ...metadata,
        document: { ...info },
        start,
        end,
        passage,
        ...(headings && { headings }),
        ...(shown !== stretch && { repeats: before.length }),
      },
    };
  });
  return { id, info, records, isUpdate: known !== undefined };
}

/** Characters of a title that are repeated with each passage. */
const TITLE_MAX = 200;
/** Where a passage's own headings stand. */
const BEGINNING = 500;

function contextOf(title: readonly string[], headings: readonly string[], text: string): string {
  const beginning = text.slice(0, BEGINNING);
  const lines = [...title.map((words) => shortened(words, TITLE_MAX)), ...headings];
  return [...new Set(lines)].filter((line) => !beginning.includes(line)).join('\n');
}

function keyOf(text: string, context: string): string {
  return JSON.stringify([text, context]);
}

/** The vectors of an earlier version's passages, by their text and context. */
async function vectorsOf(
  collection: DocumentCollection,
  known: DocumentInfo | undefined,
  signal: AbortSignal | undefined,
): Promise<Map<string, Float32Array>> {
  const vectors = new Map<string, Float32Array>();
  for (let from = 0; known && from < known.passages; from += READ_BATCH) {
    const count = Math.min(READ_BATCH, known.passages - from);
    const ids = Array.from({ length: count }, (_, i) => `${known.id}#${from + i}`);
    const found = await collection.get(ids, { select: ['text', 'context', 'vector'], ...(signal && { signal }) });
    for (const { text, context = '', vector } of found)
      if (text !== undefined && vector) vectors.set(keyOf(text, context), vector);
  }
  return vectors;
}

/** Whether a call that was cut off between writing and tidying up left a passage of a longer version. */
async function hasLeftovers(
  collection: DocumentCollection,
  known: DocumentInfo,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await collection.get([`${known.id}#${known.passages}`], { select: [], ...(signal && { signal }) });
  return found.length > 0;
}

/** Writes documents in one upsert; if that is refused, each alone, so that one does not stop the others. */
async function write(
  collection: DocumentCollection,
  documents: readonly Prepared[],
  signal: AbortSignal | undefined,
  fail: (id: string, error: unknown) => void,
): Promise<readonly Prepared[]> {
  if (documents.length === 0) return [];
  try {
    await collection.upsert(
      documents.flatMap(({ records }) => records),
      signal ? { signal } : {},
    );
  } catch (error) {
    if (documents.length === 1) {
      fail(documents[0]!.id, error);
      return [];
    }
    if (!(error instanceof PiramidError && DOCUMENT_ERRORS.has(error.code))) throw error;
    const written: Prepared[] = [];
    for (const document of documents) written.push(...(await write(collection, [document], signal, fail)));
    return written;
  }
  // New passages first, stale ones after: in between a search can find both, but never nothing.
  const stale = documents
    .filter(({ isUpdate }) => isUpdate)
    .map(({ id, info }) => ({ 'document.id': id, 'document.hash': { $ne: info.hash } }));
  if (stale.length > 0) await collection.delete({ where: { $or: stale } });
  return documents;
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function progressReporter(total: number, onProgress: IngestOptions['onProgress']) {
  const start = performance.now();
  let [done, documents, passages] = [0, 0, 0];
  return (id: string, more: { inputs: number; documents?: number; passages?: number }): void => {
    done += more.inputs;
    documents += more.documents ?? 0;
    passages += more.passages ?? 0;
    const seconds = Math.max((performance.now() - start) / 1000, 1e-3);
    onProgress?.({
      done,
      total,
      documents,
      passages,
      passagesPerSecond: passages / seconds,
      ...(documents > 0 && { secondsLeft: (seconds / done) * (total - done) }),
      id,
    });
  };
}

// Documents as collections hold them: one record per passage, all that is known of the document in each passage's
// metadata, so that filters, facets and citations need no second look-up.
import type { Collection, Database, Metadata, Where } from 'piramid';
import { PiramidError } from '../errors.ts';

/** The part of a collection that question answering uses. Every `Collection` has it. */
export interface DocumentCollection
  extends Pick<
    // biome-ignore lint/suspicious/noExplicitAny: whatever shape its metadata is declared to have
    Collection<any>,
    'upsert' | 'delete' | 'get' | 'count' | 'scroll' | 'facets' | 'query' | 'queryBatch' | 'embed' | 'stats'
  > {
  readonly database: Pick<Database, 'generate'>;
}

/** A document, as the metadata field `document` of each of its passages has it. */
export interface DocumentInfo {
  id: string;
  title: string;
  /** SHA-256 of text, title, metadata and chunk options, hexadecimal, the first 32 digits. */
  hash: string;
  /** How many passages it has. */
  passages: number;
  /** Length of its text as UTF-8. */
  bytes: number;
  addedAt: Date;
  /** Format of its text; absent for plain text. */
  format?: 'markdown' | 'records';
}

/** A document with its text. */
export interface StoredDocument extends DocumentInfo {
  /** All passages one after the other: the text as it was given. */
  text: string;
  /** The document's own metadata. */
  metadata: Metadata;
  /** Where its passages are in `text`, UTF-16 offsets. */
  spans: { start: number; end: number }[];
}

/** Metadata fields that `ingest` writes into each passage beside the document's own. */
export const PASSAGE_FIELDS = ['document', 'start', 'end', 'passage', 'headings', 'repeats'] as const;

/** Page size of scrolls, records. */
const PAGE = 1000;

/** All documents, in order of writing. */
export async function listDocuments(
  collection: DocumentCollection,
  options: { where?: Where; signal?: AbortSignal } = {},
): Promise<DocumentInfo[]> {
  const documents: DocumentInfo[] = [];
  // Each document has exactly one first passage.
  const where: Where = options.where ? { $and: [{ passage: 0 }, options.where] } : { passage: 0 };
  for await (const { metadata } of scrollAll(collection, where, ['metadata'], options.signal)) {
    const document = documentOf(metadata);
    if (document) documents.push(document);
  }
  return documents;
}

/** The document with this id and its text, or undefined. */
export async function readDocument(
  collection: DocumentCollection,
  documentId: string,
  options: { signal?: AbortSignal } = {},
): Promise<StoredDocument | undefined> {
  const parts: { start: number; end: number; text: string; metadata: Metadata }[] = [];
  for await (const { text = '', metadata = {} } of scrollAll(
    collection,
    { 'document.id': documentId },
    ['text', 'metadata'],
    options.signal,
  )) {
    parts.push({ ...stretchOf(text, metadata), metadata });
  }
  parts.sort((a, b) => a.start - b.start);
  const first = parts[0];
  const document = documentOf(first?.metadata);
  if (!first || !document) return undefined;
  const own = Object.fromEntries(
    Object.entries(first.metadata).filter(([key]) => !(PASSAGE_FIELDS as readonly string[]).includes(key)),
  );
  return {
    ...document,
    text: parts.map(({ text }) => text).join(''),
    metadata: own,
    spans: parts.map(({ start, end }) => ({ start, end })),
  };
}

/** Deletes a document with all its passages. Returns whether there was one. */
export async function deleteDocument(
  collection: DocumentCollection,
  documentId: string,
  options: { signal?: AbortSignal } = {},
): Promise<boolean> {
  return (await collection.delete({ where: { 'document.id': documentId } }, options)) > 0;
}

/** The document that a passage's metadata tells of. */
export function documentOf(metadata: Metadata | undefined): DocumentInfo | undefined {
  const document = metadata?.document as unknown as DocumentInfo | undefined;
  return typeof document?.id === 'string' ? document : undefined;
}

/** The stretch of its document that a passage is, without what it repeats of others. */
export function stretchOf(text: string, metadata: Metadata): { start: number; end: number; text: string } {
  const start = metadata.start as number;
  const end = metadata.end as number;
  const from = typeof metadata.repeats === 'number' ? metadata.repeats : 0;
  return { start, end, text: text.slice(from, from + end - start) };
}

async function* scrollAll(
  collection: DocumentCollection,
  where: Where,
  select: readonly ('text' | 'metadata')[],
  signal: AbortSignal | undefined,
) {
  let cursor: string | undefined;
  do {
    const page = await collection.scroll({
      where,
      select,
      limit: PAGE,
      ...(cursor !== undefined && { cursor }),
      ...(signal && { signal }),
    });
    yield* page.records;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** Refuses options that do not exist, so that none is silently ignored. */
export function checkCollection(collection: DocumentCollection, what: string): void {
  if (typeof collection?.queryBatch !== 'function')
    throw new PiramidError('INVALID_ARGUMENT', `${what}: expected a collection, which db.collection gives`);
}

export function checkOptions(options: object, known: readonly string[], what: string): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new PiramidError('INVALID_ARGUMENT', `${what}: unknown option "${unknown}"; known are ${known.join(', ')}`);
}

/** Throws `ABORTED` if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
}

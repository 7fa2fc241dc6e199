// The passages that a question is about: one hybrid query (meaning and words), with each passage's place in its document.
import { type LegScore, type Metadata, PiramidError, type Where } from 'piramid';
import { type DocumentCollection, documentOf } from './documents.ts';

export interface RetrieveOptions {
  /** How many passages. @default 8 */
  k?: number;
  /** Only passages (of documents) that match, e.g. `{ 'document.id': 'moby-dick' }`. */
  where?: Where;
  signal?: AbortSignal;
}

/** A passage that was found. */
export interface Source {
  /** Id of its record. */
  id: string | number;
  documentId: string;
  title: string;
  text: string;
  /** Where it is in the document, UTF-16 offsets. */
  start: number;
  end: number;
  /** Its number in the document, from 0. */
  passage: number;
  /** The fused score; see `Match.score`. */
  score: number;
  legs: { vector?: LegScore; words?: LegScore };
  metadata: Metadata;
}

export const K = 8;

/** Passages that mean or say what is asked, best first. */
export async function retrieve(
  collection: DocumentCollection,
  question: string,
  { k = K, where, signal }: RetrieveOptions = {},
): Promise<Source[]> {
  if (typeof question !== 'string' || question.trim() === '') {
    throw new PiramidError('INVALID_ARGUMENT', 'question: expected a string that is not empty');
  }
  const matches = await collection.query({
    text: question,
    k,
    select: ['text', 'metadata'],
    explain: true,
    ...(where && { where }),
    ...(signal && { signal }),
  });
  return matches.map(({ id, score, text = '', metadata = {}, legs = {} }): Source => {
    const document = documentOf(metadata);
    const start = typeof metadata.start === 'number' ? metadata.start : 0;
    return {
      id,
      documentId: document?.id ?? String(id), // a record that did not come by `ingest` is a document of its own
      title: document?.title ?? String(id),
      text,
      start,
      end: typeof metadata.end === 'number' ? metadata.end : start + text.length,
      passage: typeof metadata.passage === 'number' ? metadata.passage : 0,
      score,
      legs,
      metadata,
    };
  });
}

// The passages that a question is about: one hybrid query (meaning and words), and a second one among the documents whose
// title the question names, if it names any; each passage with its place in its document.
import { type LegScore, type Match, type Metadata, PiramidError, type Where } from 'piramid';
import { checkOptions, type DocumentCollection, documentOf } from './documents.ts';
import { namedTitles } from './titles.ts';

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
  /** See `Match.score`; where the question names titles, the fused score of both queries. */
  score: number;
  legs: { vector?: LegScore; words?: LegScore };
  metadata: Metadata;
}

export const K = 8;

/** Passages that mean or say what is asked, best first. */
export async function retrieve(
  collection: DocumentCollection,
  question: string,
  options: RetrieveOptions = {},
): Promise<Source[]> {
  checkOptions(options, ['k', 'where', 'signal'], 'retrieve');
  const { k = K, where, signal } = options;
  if (typeof question !== 'string' || question.trim() === '') {
    throw new PiramidError('INVALID_ARGUMENT', 'question: expected a string that is not empty');
  }
  const query = { text: question, k, select: ['text', 'metadata'] as const, explain: true };
  const call = signal ? { signal } : {};
  const titles = await namedTitles(collection, question, where, signal);
  const among: Where | undefined = titles ? { 'document.title': { $in: titles } } : undefined;
  const [all = [], titled] = await collection.queryBatch(
    [
      { ...query, ...(where && { where }) },
      ...(among ? [{ ...query, where: where ? { $and: [where, among] } : among }] : []),
    ],
    call,
  );
  const matches = titled ? fuse(titled, all).slice(0, k) : all;
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

const RRF_CONSTANT = 60;

/**
 * Reciprocal rank fusion (Cormack et al. 2009). Both lists weigh the same: "Lincoln" in a question names who spoke, but
 * "Monroe" in "the Monroe doctrine" does not. Of equals the first list's comes first.
 */
function fuse(titled: readonly Match[], all: readonly Match[]): Match[] {
  const fused = new Map<string | number, Match>();
  for (const matches of [titled, all]) {
    for (const [i, match] of matches.entries()) {
      const score = (fused.get(match.id)?.score ?? 0) + 1 / (RRF_CONSTANT + i + 1);
      fused.set(match.id, { ...match, score });
    }
  }
  return [...fused.values()].sort((a, b) => b.score - a.score);
}

// The passages that a question is about: one hybrid query (meaning and words), and a second one among the documents whose
// title the question names, if it names any; each passage with its place in its document.
import type { LegScore, Match, Metadata, Query, Where } from 'piramid';
import { PiramidError } from '../errors.ts';
import { checkOptions, type DocumentCollection, documentOf } from './documents.ts';
import { type NamedTitles, namedTitles } from './titles.ts';
import { contentTerms } from './words.ts';

export interface RetrieveOptions {
  /** Number of passages. @default 8 */
  k?: number;
  /** Only passages (of documents) that match, e.g. `{ 'document.id': 'moby-dick' }`. */
  where?: Where;
  /**
   * Reorders the best passages by a cross-encoder: by name (which needs `piramid/rag-worker`), your own, or either with
   * options; see `Query.rerank`. A question that names titles may rerank two lists. @default none
   */
  rerank?: NonNullable<Query['rerank']>;
  signal?: AbortSignal;
}

/** A passage found for a question. */
export interface Source {
  /** Id of its record. */
  id: string | number;
  documentId: string;
  title: string;
  /**
   * Text to show. A part of a table or of code begins with the header row or the fence, which are elsewhere in the
   * document.
   */
  text: string;
  /** Where it is in the document, UTF-16 offsets. */
  start: number;
  end: number;
  /**
   * Number of characters at the beginning of `text` that are repeated; `start` is the offset of the one behind them.
   * @default 0
   */
  repeats?: number;
  /** The headings above it, outermost first. Absent if there are none. */
  headings?: string[];
  /** Its number in the document, from 0. */
  passage: number;
  /** See `Match.score`; where the question names titles and nothing is reranked, the fused score of both queries. */
  score: number;
  legs: { vector?: LegScore; words?: LegScore };
  metadata: Metadata;
}

export const K = 8;

/** Passages that match the question by meaning or by words, best first. */
export async function retrieve(
  collection: DocumentCollection,
  question: string,
  options: RetrieveOptions = {},
): Promise<Source[]> {
  checkOptions(options, ['k', 'where', 'rerank', 'signal'], 'retrieve');
  checkQuestion(question);
  const named = await namedTitles(collection, question, options.where, options.signal);
  const plain = () => retrievePlain(collection, question, options);
  const titled = named && (await retrieveTitled(collection, question, named, options, plain));
  return titled ?? plain();
}

/**
 * Passages found, those under named titles first; null if these do not speak of what is asked. `plain` gives
 * `retrievePlain` of the same question.
 */
export async function retrieveTitled(
  collection: DocumentCollection,
  question: string,
  named: NamedTitles,
  { k = K, where, rerank, signal }: RetrieveOptions,
  plain: () => Promise<Source[]>,
): Promise<Source[] | null> {
  const among = underTitles(named);
  const under = { where: where ? { $and: [where, among] } : among };
  const anywhere = where ? { where } : {};
  const query = { text: question, k, select: ['text', 'metadata'] as const, explain: true };
  const asksMore = contentTerms(named.rest).size > 0;
  const best = { keywords: named.rest, k: 1, select: [] };
  const [all = [], titled = [], [said] = [], [saidUnder] = []] = await collection.queryBatch(
    [
      { ...query, ...anywhere },
      { ...query, ...under },
      ...(asksMore
        ? [
            { ...best, ...anywhere },
            { ...best, ...under },
          ]
        : []),
    ],
    signal ? { signal } : {},
  );
  const speaks = (saidUnder?.score ?? 0) >= SPEAKS_MIN * (said?.score ?? 0);
  // Titles are in what is searched (the contexts of passages), so a name that does not speak needs nothing more.
  if (!named.isName || !speaks) return null;
  if (rerank === undefined) return fuse(titled, all).slice(0, k).map(toSource);
  const options = { k, rerank, ...(signal && { signal }) };
  const theirs = await retrievePlain(collection, question, { ...options, ...under });
  // Where there are enough of them, no other passage is read.
  if (theirs.length === k) return theirs;
  const ids = new Set(theirs.map(({ id }) => id));
  const others = await plain();
  return [...theirs, ...others.filter(({ id }) => !ids.has(id))].slice(0, k);
}

/** Passages found by their own words and meaning alone. */
export async function retrievePlain(
  collection: DocumentCollection,
  question: string,
  { k = K, where, rerank, signal }: RetrieveOptions,
): Promise<Source[]> {
  const matches = await collection.query({
    text: question,
    k,
    select: ['text', 'metadata'],
    explain: true,
    ...(where && { where }),
    ...(rerank !== undefined && { rerank }),
    ...(signal && { signal }),
  });
  return matches.map(toSource);
}

/** A filter: passages of documents whose title is named. */
export function underTitles({ titles }: NamedTitles): Where {
  return { 'document.title': { $in: titles } };
}

export function checkQuestion(question: unknown): void {
  if (typeof question !== 'string' || question.trim() === '') {
    throw new PiramidError('INVALID_ARGUMENT', 'question: expected a string that is not empty');
  }
}

function toSource({ id, score, text = '', metadata = {}, legs = {} }: Match): Source {
  const document = documentOf(metadata);
  const start = numberOr(metadata.start, 0);
  const { headings, repeats } = metadata;
  return {
    id,
    documentId: document?.id ?? String(id), // a record that did not come by `ingest` is a document of its own
    title: document?.title ?? String(id),
    text,
    start,
    end: numberOr(metadata.end, start + text.length),
    ...(typeof repeats === 'number' && { repeats }),
    ...(document && Array.isArray(headings) && { headings: headings.map(String) }),
    passage: numberOr(metadata.passage, 0),
    score,
    legs,
    metadata,
  };
}

function numberOr(value: unknown, other: number): number {
  return typeof value === 'number' ? value : other;
}

const RRF_CONSTANT = 60;
/**
 * A name speaks if what was found under its titles says nearly what was asked without the name: Lincoln's passages
 * speak of slavery, those of James Monroe do not speak of "the Monroe doctrine". The least share of the best word
 * score.
 */
const SPEAKS_MIN = 0.4;

/** Reciprocal rank fusion (Cormack et al. 2009). What is titled weighs twice: all of it comes first. */
function fuse(titled: readonly Match[], all: readonly Match[]): Match[] {
  const fused = new Map<string | number, Match>();
  const add = (matches: readonly Match[], weight: number) => {
    for (const [i, match] of matches.entries()) {
      const score = (fused.get(match.id)?.score ?? 0) + weight / (RRF_CONSTANT + i + 1);
      fused.set(match.id, { ...match, score });
    }
  };
  add(titled, 2);
  add(all, 1);
  return [...fused.values()].sort((a, b) => b.score - a.score);
}

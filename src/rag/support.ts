// What a question is about, how much each of its words says, and whether passages can support an answer at all. It is
// decided here, from words that can be counted, and never by a language model, which would rather answer than not.
import type { Where } from 'piramid';
import type { DocumentCollection } from './documents.ts';
import { contentTerms, isStopTerm, isUnspaced, type Word, words } from './words.ts';

/** The content terms of a question with their weights. */
export interface QuestionWeights {
  /** Term -> inverse document frequency in the collection (BM25's): how much finding it says. */
  weights: Map<string, number>;
  /** Terms that stand side by side in the question: "great society" is not "free societies". */
  pairs: Set<string>;
  /** Whether it is written without spaces. */
  isUnspaced: boolean;
}

/** Rows that a word's frequency is counted over at most; more often is "everywhere" (and the largest k there is). */
const FREQUENCY_MAX = 10_000;
/**
 * Passages with none of the words, added to those there are. In a collection of a few passages a word that is missing
 * would else outweigh all that are found.
 */
const BACKGROUND = 50;
/** Question terms that are weighed; the first ones. */
const TERMS_MAX = 32;
/**
 * The share of the question's weight that the best passage must hold where nothing tells its meaning. Words that no
 * passage has weigh most (their frequency is 0), so a question about something that the documents never mention stays
 * below it, however well its other words are found.
 */
export const COVERAGE_MIN = 0.6;
/** The same where characters are not spaced: of their pairs, many reach from one word into the next and say little. */
export const COVERAGE_MIN_UNSPACED = 0.4;
/**
 * With the built-in embedder: the least similarity (cosine of the question with the nearest passage), and the least sum
 * of it and the coverage. So "murdered" is found in "assassinated", but not "the theory of relativity" in "the theory of
 * education and its relation to life". A single sentence is near to much by chance, so more is asked of the nearest
 * one; but it is seen where the rest of its passage is about something else.
 *
 * Set on 90 questions to the State of the Union addresses (`static-en`, 11 302 passages): of 45 about things in them 39
 * pass, of 45 about other things 4 do ("Who is the king of Norway?"). The built-in embedder is asked whatever
 * the collection's is, because cosines of different models do not compare.
 */
export const NEAR_PASSAGE = { similarity: 0.4, withCoverage: 1 };
export const NEAR_SENTENCE = { similarity: 0.4, withCoverage: 1.35 };

/** Similarities of the question with the nearest passage and the nearest sentence. */
export interface Nearness {
  passage: number;
  sentence: number;
}

/** Weighs the question's terms by how many passages of the collection have each: one batch of word queries. */
export async function weighQuestion(
  collection: DocumentCollection,
  question: string,
  where: Where | undefined,
  signal: AbortSignal | undefined,
): Promise<QuestionWeights> {
  const all = words(question);
  const content = all.filter(({ term }) => !isStopTerm(term));
  // "Who are you?", "To be or not to be": then its stop words are all it has.
  const asked = content.length > 0 ? content : all;
  const surfaces = new Map<string, string>();
  for (const { term, start, end } of asked) {
    if (surfaces.size >= TERMS_MAX && !surfaces.has(term)) continue;
    if (!surfaces.has(term)) surfaces.set(term, question.slice(start, end));
  }
  const scope = { ...(where && { where }) };
  const total = await collection.count(where, signal ? { signal } : {});
  const k = Math.max(1, Math.min(total, FREQUENCY_MAX));
  const found = await collection.queryBatch(
    Array.from(surfaces.values(), (keywords) => ({ keywords, k, select: [], ...scope })),
    signal ? { signal } : {},
  );
  const weights = new Map<string, number>();
  for (const [i, term] of [...surfaces.keys()].entries()) {
    const frequency = Math.min(found[i]!.length, total);
    weights.set(term, Math.log(1 + (BACKGROUND + total - frequency + 0.5) / (frequency + 0.5)));
  }
  return { weights, pairs: pairsOf(all, weights), isUnspaced: isUnspaced(question) };
}

/** How much of the question's weight is in `terms`, 0 to 1. */
export function coverage({ weights }: QuestionWeights, terms: ReadonlySet<string>): number {
  let all = 0;
  let covered = 0;
  for (const [term, weight] of weights) {
    all += weight;
    if (terms.has(term)) covered += weight;
  }
  return all > 0 ? covered / all : 0;
}

/**
 * Whether passages can support an answer: one of them, with its title, holds enough of what is asked. `nearness` is null
 * where meaning cannot be told. (To ask for every name and number too refused one more answerable question of the 90,
 * and no other one.)
 */
export function isSupported(
  question: QuestionWeights,
  passages: readonly { title: string; text: string }[],
  nearness: Nearness | null,
): boolean {
  const best = Math.max(0, ...passages.map(({ title, text }) => coverage(question, contentTerms(`${title}\n${text}`))));
  if (nearness === null) return best >= (question.isUnspaced ? COVERAGE_MIN_UNSPACED : COVERAGE_MIN);
  const isNear = (similarity: number, least: typeof NEAR_PASSAGE): boolean =>
    similarity >= least.similarity && best + similarity >= least.withCoverage;
  return isNear(nearness.passage, NEAR_PASSAGE) || isNear(nearness.sentence, NEAR_SENTENCE);
}

/** The share of the question's pairs that stand side by side in `text` too, 0 to 1. */
export function pairCoverage({ weights, pairs }: QuestionWeights, text: string): number {
  if (pairs.size === 0) return 0;
  const found = pairsOf(words(text), weights);
  let both = 0;
  for (const pair of pairs) if (found.has(pair)) both++;
  return both / pairs.size;
}

function pairsOf(list: readonly Word[], weights: ReadonlyMap<string, number>): Set<string> {
  const pairs = new Set<string>();
  for (let i = 1; i < list.length; i++) {
    const [a, b] = [list[i - 1]!.term, list[i]!.term];
    if (weights.has(a) && weights.has(b)) pairs.add(`${a} ${b}`);
  }
  return pairs;
}

// What a question is about, how much each of its words says, and whether passages can support an answer at all. It is
// decided here, from words and vectors, and never by a language model, which would rather answer than not.
import type { Where } from 'piramid';
import type { Sentence } from './citation.ts';
import type { DocumentCollection } from './documents.ts';
import type { Nearness } from './nearness.ts';
import type { Source } from './retrieve.ts';
import { sentences } from './sentences.ts';
import { contentTerms, isNumber, isStopTerm, isUnspaced, type Word, words } from './words.ts';

/** The content terms of a question with their weights. */
export interface QuestionWeights {
  /** As it was asked. */
  text: string;
  /** Term -> inverse document frequency in the collection (BM25's): how much finding it says. */
  weights: Map<string, number>;
  /** Terms that stand side by side in the question: "great society" is not "free societies". */
  pairs: Set<string>;
  /** Its names and numbers, as terms: what cannot be said in other words. */
  exact: Set<string>;
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
 * From which score on passages answer, and from which on they may. See `scoreOf`; fitted on the tuning halves of `npm run eval`
 * so that 97 of 100 questions about other things stay below the first. Where no embedder tells meaning, only words count.
 */
export const YES_MIN = { near: 0.65, words: 0.6, unspaced: 0.4 };
export const PERHAPS_MIN = { near: 0.38, words: 0.33, unspaced: 0.25 };

/**
 * A passage so near may answer, whatever its words: "How hot should the oven be" shares none with "Bake sourdough at 230 degrees".
 */
const NEAR_MIN = 0.18;
/** What a name or number of the question that two sentences do not have takes from their worth. */
const LACK = 0.6;

/** Whether the sources answer: `yes`, `perhaps` (they are about it, at least), or `no`. */
export type Support = 'yes' | 'perhaps' | 'no';

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
  return {
    text: question,
    weights,
    pairs: pairsOf(all, weights),
    exact: exactOf(question, all),
    isUnspaced: isUnspaced(question),
  };
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

/** The question without `terms`, which say whose words are asked for; itself if nothing else is asked. */
export function without(question: QuestionWeights, terms: ReadonlySet<string>): QuestionWeights {
  const weights = new Map([...question.weights].filter(([term]) => !terms.has(term)));
  const exact = new Set([...question.exact].filter((term) => !terms.has(term)));
  return weights.size > 0 ? { ...question, weights, exact } : question;
}

/**
 * How well the sources can support an answer, 0 to 1.5: of the best passage, the mean of what the whole of it and what the best
 * two sentences of it are worth: the share of the question's weight in their words, title and headings, and half of the
 * nearness. Of two sentences all names and numbers are asked, too. Words over one passage alone take a mention here and one
 * there for an answer; sentences alone miss what is said in three.
 */
export function scoreOf(
  question: QuestionWeights,
  sources: readonly Source[],
  sentences: readonly Sentence[],
  nearness: Nearness | null,
): number {
  const heads = sources.map(headOf);
  const windows = sources.map(() => 0);
  for (const [i, { source, terms }] of sentences.entries()) {
    const next = sentences[i + 1];
    const both = new Set([...heads[source]!, ...terms, ...(next?.source === source ? next.terms : [])]);
    const lack = [...question.exact].every((term) => both.has(term)) ? 0 : LACK;
    const worth = coverage(question, both) + (nearness?.sentences[i] ?? 0) / 2 - lack;
    windows[source] = Math.max(windows[source]!, worth);
  }
  const scores = sources.map(({ text }, i) => {
    const whole = coverage(question, new Set([...heads[i]!, ...contentTerms(text)]));
    return (whole + (nearness?.passages[i] ?? 0) / 2 + windows[i]!) / 2;
  });
  return Math.max(0, ...scores);
}

/** The degree of a score. */
export function supportOf(
  score: number,
  question: QuestionWeights,
  sources: readonly Source[],
  nearness: Nearness | null,
): Support {
  const scale = nearness ? 'near' : question.isUnspaced ? 'unspaced' : 'words';
  if (score < PERHAPS_MIN[scale] && !nearness?.passages.some((near) => near >= NEAR_MIN)) return 'no';
  return score >= YES_MIN[scale] && hasNames(question, sources) ? 'yes' : 'perhaps';
}

/** Whether the sources have every name and number of the question. Without, `yes` is ruled out. */
export function hasNames({ exact }: QuestionWeights, sources: readonly Source[]): boolean {
  const held = new Set(sources.flatMap((source) => [...headOf(source), ...contentTerms(source.text)]));
  return [...exact].every((term) => held.has(term));
}

/** The terms that a passage is under. */
export function headOf({ title, headings = [] }: Source): Set<string> {
  return contentTerms([title, ...headings].join('\n'));
}

/** Of a question's words in English: fewer stop words are those of another language, where nouns may have capitals, or of no sentence. */
const STOPS_MIN = 0.2;

/** What has a capital inside a sentence of the question, and numbers. A question in capitals alone names nothing. */
function exactOf(question: string, list: readonly Word[]): Set<string> {
  const isCapital = ({ start }: Word) => /^\p{Lu}/u.test(question.slice(start, start + 2));
  const isEnglish = list.filter(({ term }) => isStopTerm(term)).length >= STOPS_MIN * list.length;
  const mayName = isEnglish && list.filter((word) => !isCapital(word)).length > list.length / 3;
  const beginnings = new Set(sentences(question).map(({ start }) => list.find((word) => word.start >= start)));
  const exact = list.filter(
    (word) => isNumber(word.term) || (mayName && !beginnings.has(word) && isCapital(word) && !isStopTerm(word.term)),
  );
  return new Set(exact.map(({ term }) => term));
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

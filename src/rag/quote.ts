// Answers without a language model: the sentences of the passages that say most of what was asked, as quotations.
import { type Citation, joined, type Quotation, quotationOf, type Sentence, stretch } from './citation.ts';
import type { Nearness } from './nearness.ts';
import { numbersIn } from './numbers.ts';
import { type Evidence, FENCE_TOKENS, titleFor, tokens } from './prompt.ts';
import { kindOf, offers } from './question-kind.ts';
import type { Source } from './retrieve.ts';
import { coverage, headOf, pairCoverage, type QuestionWeights } from './support.ts';
import { contentTerms } from './words.ts';

export const QUOTES_MAX = 4;
/** Shorter passages of a text are headings and remnants, longer ones tables and lists: words. */
const LENGTH_MIN = 4;
const LENGTH_MAX = 90;
/** A further quotation must be this good, compared with the first. */
const WORTH_MIN = 0.6;
/** Sentences that share more of their terms say the same. */
const OVERLAP_MAX = 0.6;
/**
 * What a quotation is worth: the weighted sum of these, each 0 to 1. Fitted on the tuning halves of `npm run eval`, by which share of
 * first quotations holds the answer.
 */
export const WORTH = {
  /** The share of the question's weight in its own words. */
  own: 0.5,
  /** The same with its title, headings and the sentence before it: "Its first tower was built in 1854" does not say whose. */
  context: 0.5,
  /** The same of its whole passage. */
  passage: 0.2,
  nearness: 0.5,
  /** The share of the question's pairs of neighbours. */
  pairs: 0.1,
  /** It has the kind of thing that is asked for. */
  kind: 0.2,
  /** It is two sentences. */
  two: -0.12,
  /** It ends as a question, which seldom answers one. */
  question: -0.2,
};

/** Quotations, and as the answer that they make. */
export interface Quoted {
  answer: string;
  citations: Citation[];
  quotations: Quotation[];
}

/**
 * The answer, `intro` and 1 to 4 quotations with a mark like [2] each: a sentence, or two that follow each other where the second one alone
 * says too little. Further ones are taken while they are worth it, add a term, and do not repeat.
 */
export function quote(
  sources: readonly Source[],
  sentences: readonly Sentence[],
  question: QuestionWeights,
  nearness: Nearness | null,
  intro = '',
): Quoted {
  const ranked = ranking(sources, sentences, question, nearness);
  const chosen: Sentence[] = [];
  const said = new Set<string>();
  for (const { window, worth } of ranked) {
    if (chosen.length === QUOTES_MAX || worth <= 0 || worth < ranked[0]!.worth * WORTH_MIN) break;
    if (isSaid(window, chosen)) continue;
    const adds = [...question.weights.keys()].some((term) => window.terms.has(term) && !said.has(term));
    if (chosen.length > 0 && !adds && worth < ranked[0]!.worth * 0.9) continue;
    chosen.push(window);
    for (const term of window.terms) said.add(term);
  }
  let answer = intro;
  const quotations = chosen.map((window) => quotationOf(sources, window));
  const citations = chosen.map((window, i): Citation => {
    const text = window.text.replace(/\s+/g, ' ');
    if (answer !== '') answer += ' ';
    const answerStart = answer.length;
    answer += `${text} [${window.source + 1}]`;
    return { answerStart, answerEnd: answer.length, supported: true, ...quotations[i]! };
  });
  return { answer, citations, quotations };
}

/** Sentences that a model is given at most. */
const GIVEN_MAX = 40;
/** Between sentences that do not follow each other. */
const GAP = ' … ';

/**
 * The best sentences, together of about `budget` tokens, for a model to read in place of whole passages; of each source in its order, the
 * source of the best one first. What says the same twice is left out. Empty where no sentence has anything to do with the question.
 */
export function bestSentences(
  sources: readonly Source[],
  sentences: readonly Sentence[],
  question: QuestionWeights,
  nearness: Nearness | null,
  budget: number,
): Evidence[] {
  const chosen: Sentence[] = [];
  let left = budget;
  // A clause of a contract is too long to be quoted, and may say it all the same.
  for (const { window } of ranking(sources, sentences, question, nearness, Number.POSITIVE_INFINITY)) {
    if (isSaid(window, chosen)) continue;
    const isNew = !chosen.some(({ source }) => source === window.source);
    const needs =
      tokens(window.text) + (isNew ? tokens(titleFor(sources[window.source]!.title, budget)) + FENCE_TOKENS : 1);
    if (needs > left && chosen.length > 0) continue;
    chosen.push(window);
    left -= needs;
    if (left <= 0 || chosen.length === GIVEN_MAX) break;
  }
  const order = [...new Set(chosen.map(({ source }) => source))];
  return order.map((source) => {
    const theirs = chosen.filter((window) => window.source === source).sort((a, b) => a.start - b.start);
    const heads = theirs.map((window) => tableHead(sources[source]!, window));
    const texts = theirs.map(({ text }, i) =>
      heads[i] && heads.indexOf(heads[i]) === i ? `${heads[i]}\n${text}` : text,
    );
    return { source, title: sources[source]!.title, text: texts.join(GAP) };
  });
}

/** The first row of the table that a window begins in, unless it begins with it: without it, a row says nothing. */
function tableHead(source: Source, { start, text }: Sentence): string {
  if (!text.startsWith('|')) return '';
  const own = stretch(source);
  const above = own.slice(0, start).trimEnd();
  const before = above === '' ? [] : above.split('\n');
  const rows = before.slice(before.findLastIndex((line) => !line.trimStart().startsWith('|')) + 1);
  const repeated = rows.length === before.length ? source.text.slice(0, source.repeats ?? 0).trim() : '';
  return repeated.startsWith('|') ? repeated.split('\n')[0]! : (rows[0]?.trim() ?? '');
}

function ranking(
  sources: readonly Source[],
  sentences: readonly Sentence[],
  question: QuestionWeights,
  nearness: Nearness | null,
  lengthMax = LENGTH_MAX,
): { window: Sentence; worth: number }[] {
  return windowsOf(sources, sentences, question, nearness, lengthMax)
    .map(({ window, features }) => ({ window, worth: worthOf(features) }))
    .sort((a, b) => b.worth - a.worth || a.window.source - b.window.source || a.window.start - b.window.start);
}

export type Features = Record<keyof typeof WORTH, number>;

export function worthOf(features: Features): number {
  return (Object.keys(WORTH) as (keyof typeof WORTH)[]).reduce((sum, name) => sum + WORTH[name] * features[name], 0);
}

/** What may be quoted: sentences, and two that follow each other, with what speaks for each. */
export function windowsOf(
  sources: readonly Source[],
  sentences: readonly Sentence[],
  question: QuestionWeights,
  nearness: Nearness | null,
  lengthMax = LENGTH_MAX,
): { window: Sentence; features: Features }[] {
  const kind = kindOf(question.text);
  const asked = new Set([...contentTerms(question.text), ...numbersIn(question.text).map(({ value }) => value)]);
  const heads = sources.map(headOf);
  const wholes = sources.map(({ text }, i) => coverage(question, new Set([...heads[i]!, ...contentTerms(text)])));
  return sentences.flatMap((sentence, i) => {
    const { source } = sentence;
    const [before, next] = [sentences[i - 1], sentences[i + 1]];
    const pair = next?.source === source ? [joined(sources, sentence, next)] : [];
    return [sentence, ...pair].flatMap((window, more) => {
      const { text, terms } = window;
      const length = text.split(/\s+/).length;
      // In scripts without spaces a sentence is one run; its terms tell its length.
      if (Math.max(length, terms.size) < LENGTH_MIN || length > lengthMax) return [];
      const context = new Set([...heads[source]!, ...terms, ...(before?.source === source ? before.terms : [])]);
      const near = Math.max(0, ...(nearness?.sentences.slice(i, i + 1 + more) ?? []));
      const around = coverage(question, context);
      if (around === 0 && near === 0) return [];
      const features = {
        own: coverage(question, terms),
        context: around,
        passage: wholes[source]!,
        nearness: near,
        pairs: pairCoverage(question, text),
        kind: Number(kind !== null && offers(kind, text, asked)),
        two: more,
        question: Number(text.endsWith('?')),
      };
      return [{ window, features }];
    });
  });
}

function isSaid(window: Sentence, chosen: readonly Sentence[]): boolean {
  return chosen.some((other) => meets(window, other) || overlap(window.terms, other.terms) > OVERLAP_MAX);
}

function meets(a: Sentence, b: Sentence): boolean {
  return a.source === b.source && a.start < b.end && b.start < a.end;
}

/** The share of the smaller set's terms that both have. */
export function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const term of a) if (b.has(term)) both++;
  return both / Math.max(1, Math.min(a.size, b.size));
}

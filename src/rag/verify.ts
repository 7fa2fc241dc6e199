// Holds what a language model wrote against the sources, sentence by sentence. A model's own [1] proves nothing: a
// sentence counts as supported if a sentence of a source, or two that follow each other, say most of its words, every
// number in it (in digits or words), every name (there, or elsewhere in the passage or in its title), and deny what it
// denies. That is wording, not meaning: it misses free paraphrases.
import { type Citation, joined, quotationOf, type Sentence } from './citation.ts';
import { numbersIn } from './numbers.ts';
import { NOT_FOUND } from './prompt.ts';
import type { Source } from './retrieve.ts';
import { sentences, trimmed } from './sentences.ts';
import { contentTerms, isNumber, isStopTerm, words } from './words.ts';

/** The share of a sentence's content that its source must hold. */
export const SUPPORT_MIN = 0.6;
/** The same of a long sentence: one of a hundred words holds most words of many things that it does not say. */
export const SUPPORT_MIN_LONG = 0.85;
/** Content terms from which on a sentence is long. */
const LONG = 30;

/** A citation for each sentence of `answer` that claims something. */
export function verify(answer: string, sources: readonly Source[], candidates: readonly Sentence[]): Citation[] {
  const weights = weigh(candidates);
  const passages = sources.map(({ title, headings = [], text }) => {
    const head = [title, ...headings].join('\n');
    return { names: new Set([...capitalised(text), ...contentTerms(head)]), numbers: numbers(head) };
  });
  return sentences(answer).flatMap((span): Citation[] => {
    const { start: answerStart, end: answerEnd } = trimmed(answer, span);
    const raw = answer.slice(answerStart, answerEnd);
    const text = raw.replace(/\[\d+\]/g, ' ');
    const claim = claimOf(text);
    if (claim.terms.size === 0 || raw.startsWith(NOT_FOUND.slice(0, -1))) return [];
    let best: { sentence: Sentence; share: number } | undefined;
    for (const [i, sentence] of candidates.entries()) {
      const { names, numbers: ofHead } = passages[sentence.source]!;
      const next = candidates[i + 1];
      const pair = next?.source === sentence.source ? joined(sources, sentence, next) : undefined;
      // Two sentences together say less precisely where; one alone is taken where it is nearly as good.
      for (const candidate of pair ? [sentence, pair] : [sentence]) {
        const stated = numbers(candidate.text);
        const held = claim.names.filter((name) => names.has(name));
        const found = new Set([...candidate.terms, ...stated, ...held]);
        const share = shareOf(claim.terms, found, weights) - (candidate === pair ? 0.05 : 0);
        if (share < (candidate.terms.size < LONG ? SUPPORT_MIN : SUPPORT_MIN_LONG)) continue;
        if (share <= (best?.share ?? 0) || held.length < claim.names.length) continue;
        if (!claim.numbers.every((number) => stated.has(number) || ofHead.has(number))) continue;
        if (!contradicts(text, claim.terms, candidate)) best = { sentence: candidate, share };
      }
    }
    return best
      ? [{ answerStart, answerEnd, supported: true, ...quotationOf(sources, best.sentence) }]
      : [{ answerStart, answerEnd, supported: false }];
  });
}

/** What is said (its content without numbers), and what of it cannot be said in other words: numbers, and names, which have a capital inside the sentence. */
function claimOf(text: string): { terms: Set<string>; names: string[]; numbers: string[] } {
  const found = numbersIn(text);
  const list = words(text).filter(
    ({ term, start }) => !isNumber(term) && !found.some((number) => number.start <= start && start < number.end),
  );
  const content = list.filter(({ term }) => !isStopTerm(term));
  const names = content.filter((word) => word !== list[0] && /^\p{Lu}/u.test(text.slice(word.start)));
  return {
    terms: new Set([...content.map(({ term }) => term), ...found.map(({ value }) => value)]),
    names: names.map(({ term }) => term),
    numbers: found.map(({ value }) => value),
  };
}

function numbers(text: string): Set<string> {
  return new Set(numbersIn(text).map(({ value }) => value));
}

/** The terms of the words with a capital: the ship Maine is not the main thing. */
function capitalised(text: string): Set<string> {
  const terms = new Set<string>();
  for (const { term, start } of words(text)) if (/^\p{Lu}/u.test(text.slice(start))) terms.add(term);
  return terms;
}

const NEGATION =
  /(?<!\p{L})(?:not|no|never|none|neither|nor|without|cannot|\p{L}{1,10}n['’]t)(?!\p{L})(?! only(?!\p{L}))/giu;
/** Content words that a negation is about; it reaches to the next punctuation at most. */
const REACH = 2;

/** Whether one denies something that both speak of, and the other denies nothing of that. */
function contradicts(text: string, terms: ReadonlySet<string>, candidate: Sentence): boolean {
  const shared = (of: string) => [...negated(of)].filter((term) => terms.has(term) && candidate.terms.has(term));
  const [here, there] = [shared(text), shared(candidate.text)];
  return here.length + there.length > 0 && !here.some((term) => there.includes(term));
}

function negated(text: string): Set<string> {
  const terms = new Set<string>();
  for (const { 0: word, index } of text.matchAll(NEGATION)) {
    const clause = text.slice(index + word.length).split(/[.,;:!?()]/, 1)[0]!;
    for (const term of [...contentTerms(clause)].slice(0, REACH)) terms.add(term);
  }
  return terms;
}

/** Terms of few sentences weigh more. */
function weigh(candidates: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { terms } of candidates) for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  const weights = new Map<string, number>();
  for (const [term, count] of counts) weights.set(term, Math.log(1 + candidates.length / count));
  return weights;
}

function shareOf(terms: ReadonlySet<string>, found: ReadonlySet<string>, weights: ReadonlyMap<string, number>): number {
  const unknown = Math.log(1 + weights.size); // in no source at all: the heaviest
  let all = 0;
  let held = 0;
  for (const term of terms) {
    const weight = weights.get(term) ?? unknown;
    all += weight;
    if (found.has(term)) held += weight;
  }
  return all > 0 ? held / all : 0;
}

// Holds what a language model wrote against the sources, sentence by sentence. A model's own [1] proves nothing: a
// sentence counts as supported if a sentence of a source, or two that follow each other, says most of its words and
// every number and name in it. That is wording, not meaning: it misses free paraphrases, and it cannot see a "not".
import { type Citation, cite, type Sentence, stretch } from './citation.ts';
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
  return sentences(answer).flatMap((span): Citation[] => {
    const { start: answerStart, end: answerEnd } = trimmed(answer, span);
    const raw = answer.slice(answerStart, answerEnd);
    const text = raw.replace(/\[\d+\]/g, ' ');
    const terms = contentTerms(text);
    if (terms.size === 0 || raw.startsWith(NOT_FOUND.slice(0, -1))) return [];
    const { names, numbers } = exactTerms(text);
    let best: { sentence: Sentence; share: number } | undefined;
    for (const [i, sentence] of candidates.entries()) {
      const next = candidates[i + 1];
      const pair = next?.source === sentence.source ? joined(sources, sentence, next) : undefined;
      // Two sentences together say less precisely where; one alone is taken where it is nearly as good.
      for (const candidate of pair ? [sentence, pair] : [sentence]) {
        const share = shareOf(terms, candidate.terms, weights) - (candidate === pair ? 0.05 : 0);
        if (share < (candidate.terms.size < LONG ? SUPPORT_MIN : SUPPORT_MIN_LONG)) continue;
        if (share <= (best?.share ?? 0) || !numbers.every((term) => candidate.terms.has(term))) continue;
        const found = capitalised(candidate.text);
        if (names.every((term) => found.has(term))) best = { sentence: candidate, share };
      }
    }
    return best
      ? [{ answerStart, answerEnd, ...cite(sources, best.sentence) }]
      : [{ answerStart, answerEnd, supported: false }];
  });
}

/** What cannot be said in other words: numbers, and names, which are what has a capital inside the sentence. */
function exactTerms(text: string): { names: string[]; numbers: string[] } {
  const list = words(text);
  const isName = (i: number): boolean =>
    i > 0 && !isStopTerm(list[i]!.term) && /^\p{Lu}/u.test(text.slice(list[i]!.start));
  return {
    numbers: list.filter(({ term }) => isNumber(term)).map(({ term }) => term),
    names: list.filter((_, i) => isName(i)).map(({ term }) => term),
  };
}

/** The terms of the words with a capital: the ship Maine is not the main thing. */
function capitalised(text: string): Set<string> {
  const terms = new Set<string>();
  for (const { term, start } of words(text)) if (/^\p{Lu}/u.test(text.slice(start))) terms.add(term);
  return terms;
}

function joined(sources: readonly Source[], first: Sentence, next: Sentence): Sentence {
  const text = stretch(sources[first.source]!).slice(first.start, next.end);
  return { ...first, end: next.end, text, terms: new Set([...first.terms, ...next.terms]) };
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

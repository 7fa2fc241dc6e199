// Holds what a language model wrote against the sources, sentence by sentence. A model's own [1] proves nothing: a
// sentence counts as supported if a sentence of a source, or two that follow each other, says most of its words and
// every number and name in it. That is wording, not meaning: it misses free paraphrases, and it cannot see a "not".
import { type Citation, cite, type Sentence } from './citation.ts';
import { NOT_FOUND } from './prompt.ts';
import type { Source } from './retrieve.ts';
import { sentences, trimmed } from './sentences.ts';
import { contentTerms, isNumber, isStopTerm, words } from './words.ts';

/** The share of a sentence's content that its source must hold. */
export const SUPPORT_MIN = 0.6;

/** A citation for each sentence of `answer` that claims something. */
export function verify(answer: string, sources: readonly Source[], candidates: readonly Sentence[]): Citation[] {
  const weights = weigh(candidates);
  return sentences(answer).flatMap((span): Citation[] => {
    const { start: answerStart, end: answerEnd } = trimmed(answer, span);
    const raw = answer.slice(answerStart, answerEnd);
    const text = raw.replace(/\[\d+\]/g, ' ');
    const terms = contentTerms(text);
    if (terms.size === 0 || raw.startsWith(NOT_FOUND.slice(0, -1))) return [];
    const exact = exactTerms(text);
    let best: { sentence: Sentence; share: number } | undefined;
    for (const [i, sentence] of candidates.entries()) {
      const alone = shareOf(terms, sentence.terms, weights);
      const next = candidates[i + 1];
      const pair = next?.source === sentence.source ? new Set([...sentence.terms, ...next.terms]) : sentence.terms;
      // Two sentences together say less precisely where; one alone is taken where it is as good.
      const share = Math.max(alone, shareOf(terms, pair, weights) - 0.05);
      const holdsExact = [...exact].every((term) => pair.has(term));
      if (holdsExact && share >= SUPPORT_MIN && share > (best?.share ?? 0)) {
        best = { sentence: alone >= share || !next ? sentence : joined(sources, sentence, next), share };
      }
    }
    return best
      ? [{ answerStart, answerEnd, ...cite(sources, best.sentence) }]
      : [{ answerStart, answerEnd, supported: false }];
  });
}

/** Numbers, and names (capitals inside the sentence). */
function exactTerms(text: string): Set<string> {
  const exact = new Set<string>();
  for (const [i, { term, start, end }] of words(text).entries()) {
    if (isNumber(term) || (i > 0 && !isStopTerm(term) && /^\p{Lu}/u.test(text.slice(start, end)))) exact.add(term);
  }
  return exact;
}

function joined(sources: readonly Source[], first: Sentence, next: Sentence): Sentence {
  return { ...first, end: next.end, text: sources[first.source]!.text.slice(first.start, next.end) };
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

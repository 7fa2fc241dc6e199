// Answers without a language model: the sentences of the passages that say most of what was asked, as quotations.
import { type Citation, cite, type Sentence } from './citation.ts';
import type { Source } from './retrieve.ts';
import { coverage, pairCoverage, type QuestionWeights } from './support.ts';
import { contentTerms } from './words.ts';

/** Similarity of the question with each sentence, or null where nothing can embed. */
export type Similarities = readonly number[] | null;

export const QUOTES_MAX = 4;
/** Shorter sentences are headings and remnants, longer ones tables and lists: words. */
const LENGTH_MIN = 4;
const LENGTH_MAX = 90;
/** A further quotation must be this good, compared with the first. */
const WORTH_MIN = 0.6;
/** Sentences that share more of their terms say the same. */
const OVERLAP_MAX = 0.6;

/**
 * The answer, 1 to 4 sentences with a mark like [2] each. A sentence is worth the share of the question's weight that it
 * covers, plus half of its similarity and a quarter of the share of its pairs; further ones are taken while they are worth it, add a term, and do not repeat.
 */
export function quote(
  sources: readonly Source[],
  candidates: readonly Sentence[],
  question: QuestionWeights,
  similarities: Similarities,
): { answer: string; citations: Citation[] } {
  const titles = sources.map(({ title }) => contentTerms(title));
  const ranked = candidates
    .map((sentence, i) => ({
      sentence,
      worth: worthOf(sentence, titles[sentence.source]!, question, similarities?.[i] ?? 0),
    }))
    .sort((a, b) => b.worth - a.worth || a.sentence.source - b.sentence.source || a.sentence.start - b.sentence.start);
  const chosen: Sentence[] = [];
  const said = new Set<string>();
  for (const { sentence, worth } of ranked) {
    if (chosen.length === QUOTES_MAX || worth <= 0 || worth < ranked[0]!.worth * WORTH_MIN) break;
    if (chosen.some((other) => overlap(sentence.terms, other.terms) > OVERLAP_MAX)) continue;
    const adds = [...question.weights.keys()].some((term) => sentence.terms.has(term) && !said.has(term));
    if (chosen.length > 0 && !adds && worth < ranked[0]!.worth * 0.9) continue;
    chosen.push(sentence);
    for (const term of sentence.terms) said.add(term);
  }
  let answer = '';
  const citations = chosen.map((sentence): Citation => {
    const text = sentence.text.replace(/\s+/g, ' ');
    if (answer !== '') answer += ' ';
    const answerStart = answer.length;
    answer += `${text} [${sentence.source + 1}]`;
    return { answerStart, answerEnd: answer.length, ...cite(sources, sentence) };
  });
  return { answer, citations };
}

/** Of the words it shares with its title, half: "What did Lincoln say" is answered by sentences that do not name him. */
function worthOf({ text, terms }: Sentence, title: Set<string>, question: QuestionWeights, similarity: number): number {
  const length = text.split(/\s+/).length;
  // In scripts without spaces a sentence is one run; its terms tell its length.
  if (Math.max(length, terms.size) < LENGTH_MIN || length > LENGTH_MAX) return 0;
  const own = coverage(question, terms);
  if (own === 0 && similarity <= 0) return 0;
  const worth =
    (own + coverage(question, new Set([...terms, ...title]))) / 2 +
    0.5 * Math.max(0, similarity) +
    0.25 * pairCoverage(question, text);
  return text.endsWith('?') ? worth * 0.7 : worth; // a question seldom answers one
}

/** The share of the smaller set's terms that both have. */
export function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const term of a) if (b.has(term)) both++;
  return both / Math.max(1, Math.min(a.size, b.size));
}

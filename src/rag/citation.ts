// Sentences of sources, and citations of them: from a place in the answer to a place in a document.
import type { Source } from './retrieve.ts';
import { type Span, sentences, trimmed } from './sentences.ts';
import { contentTerms } from './words.ts';

/** One sentence of a document, or two consecutive ones. Offsets are UTF-16. */
export interface Quotation {
  /** Index in `sources`; the marks in the answer count from 1. */
  source: number;
  documentId: string;
  /** In the document's text. */
  start: number;
  end: number;
  quote: string;
}

/** Where a sentence of the answer is in the sources, or that it is in none. */
export type Citation = {
  /** The sentence in the answer, UTF-16 offsets. */
  answerStart: number;
  answerEnd: number;
} & (
  | ({ supported: true } & Quotation)
  /** No sentence of the sources says this. Only a language model writes such sentences. */
  | { supported: false }
);

/** A sentence of a source. */
export interface Sentence extends Span {
  /** Position in the sources. */
  source: number;
  /** Without the white space around it; `start` and `end` are its offsets in the source's stretch. */
  text: string;
  terms: Set<string>;
}

/** The sentences of all sources, in order; not of what they repeat. */
export function sentencesOf(sources: readonly Source[]): Sentence[] {
  return sources.flatMap((of, source) => {
    const text = stretch(of);
    return sentences(text).flatMap((span) => {
      const { start, end } = trimmed(text, span);
      const sentence = text.slice(start, end);
      return sentence === '' ? [] : [{ source, start, end, text: sentence, terms: contentTerms(sentence) }];
    });
  });
}

/** Two sentences that follow each other, as one. */
export function joined(sources: readonly Source[], first: Sentence, next: Sentence): Sentence {
  const text = stretch(sources[first.source]!).slice(first.start, next.end);
  return { ...first, end: next.end, text, terms: new Set([...first.terms, ...next.terms]) };
}

/** The text of a source that stands in its document at `start`, without what it repeats of others. */
export function stretch({ text, start, end, repeats = 0 }: Source): string {
  return text.slice(repeats, repeats + end - start);
}

/** A sentence in the offsets of its document. */
export function quotationOf(sources: readonly Source[], sentence: Sentence): Quotation {
  const source = sources[sentence.source]!;
  return {
    source: sentence.source,
    documentId: source.documentId,
    start: source.start + sentence.start,
    end: source.start + sentence.end,
    quote: sentence.text,
  };
}

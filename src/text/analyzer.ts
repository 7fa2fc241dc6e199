// How texts become terms, in versions. Postings say by which analysis they were made, and a query of them is read in the same way.
import { stem } from 'porter2';
import { PiramidError } from '../errors.ts';
import { fold } from './normalize.ts';
import { STOP_WORDS } from './stop-words.ts';
import { type Part, Tokenizer } from './tokenize.ts';
import { tokenize as tokenizeOfVersion1 } from './tokenize-1.ts';

// porter2: Snowball's English algorithm alone in 1.7 kB gzip; it gave the same stem as snowball-stemmers (38 kB, all
// languages in one file) for each of the 23 705 different words of the State of the Union addresses, 12 times as fast.

/** Names an analysis in postings and in a collection's configuration. 0: that of format 4 and before. */
export type AnalysisId = number;

export interface Analyzer {
  readonly id: AnalysisId;
  /** The terms of a text, in order, repeated as often as they occur. */
  tokenize(text: string): string[];
  /** The terms that a query asks for. */
  queryTerms(query: string): string[];
}

/** English, and scripts that no stemmer is needed for. */
export const ENGLISH: AnalysisId = 2;

const VERSION_1: Analyzer = { id: 0, tokenize: tokenizeOfVersion1, queryTerms: tokenizeOfVersion1 };
const english = new Tokenizer((word) => {
  const folded = fold(word);
  return /^[a-z]+$/.test(folded) ? stem(folded) : folded;
}, STOP_WORDS);
const VERSION_2: Analyzer = {
  id: ENGLISH,
  tokenize: (text) => english.tokenize(text),
  queryTerms: (query) => english.queryParts(query).map(({ term }) => term),
};

/** Throws `UNSUPPORTED` for one that this release does not know. */
export function analyzerOf(id: AnalysisId): Analyzer {
  if (id === 0) return VERSION_1;
  if (id === ENGLISH) return VERSION_2;
  throw new PiramidError('UNSUPPORTED', `words were indexed by analysis ${id}, which this release does not know`);
}

/** Where the words of an English text are, and which of them a query asks for. */
export const locate = (text: string): Iterable<Part> => english.locate(text);
export const soughtIn = (query: string): readonly Part[] => english.queryParts(query);

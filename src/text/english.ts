// Words of English: the one language whose stemmer is built in.
import { stem } from 'porter2';
import { fold } from './normalize.ts';
import { STOP_WORDS } from './stop-words.ts';
import { type Part, Tokenizer } from './tokenize.ts';

// porter2: Snowball's English algorithm alone in 1.7 kB gzip; it gave the same stem as snowball-stemmers (38 kB, all
// languages in one file) for each of the 23 705 different words of the State of the Union addresses, 12 times as fast.

export function stemEnglish(word: string): string {
  const folded = fold(word);
  return /^[a-z]+$/.test(folded) ? stem(folded) : folded;
}

export const english = new Tokenizer((word) => fold(stemEnglish(word)), STOP_WORDS);

/** Where the words of an English text are, and which of them a query asks for. */
export const locate = (text: string): Iterable<Part> => english.locate(text);
export const soughtIn = (query: string): readonly Part[] => english.queryParts(query);
export const isStop = (word: string): boolean => english.isStop(word);

// Words as they are written, in texts and in queries that are still being typed. Terms have lost their endings, so that "baking" is not
// among them, and what is typed can be no beginning of it.
import type { WordOptions } from '../types.ts';
import type { Analyzer } from './analyzer.ts';
import { fold } from './normalize.ts';
import { Tokenizer } from './tokenize.ts';
import { errorsIn, type Typed } from './typed-word.ts';

/** Words of a query that are looked for as others, the last ones. */
const TYPED_WORDS_MAX = 16;
/** Longer words are kept without their diacritics: both together would be longer than a term may be. */
const MARKED_LENGTH_MAX = 31;

/** A form as it is kept: folded, and behind a NUL as it was where that is something else, because stemmers want the diacritics. */
const tokenizer = new Tokenizer((word) => {
  const folded = fold(word);
  return folded === word || word.length > MARKED_LENGTH_MAX ? folded : `${folded}\0${word}`;
}, new Set());

/** Reads texts as forms instead of terms. */
export const forms: Pick<Analyzer, 'id' | 'tokenize'> = { id: 0, tokenize: (text) => tokenizer.tokenize(text) };

/** A word of a text or query: as it is compared, and as it is written but for capitals. */
export interface Form {
  folded: string;
  written: string;
}

/** What is behind a form as it is kept. */
export function formOf(kept: string): Form {
  const [folded, written = folded] = kept.split('\0') as [string, string?];
  return { folded, written };
}

/** Where the words of a text are. */
export function* locateForms(text: string): Generator<Form & { start: number; end: number }> {
  for (const { start, end, term } of tokenizer.locate(text)) yield { ...formOf(term), start, end };
}

/** The words of a query that are to be looked for as other words, too. Stop words are none, but for a last one that may be the beginning of another word. */
export function typedWords(
  query: string,
  { prefix, fuzzy }: WordOptions,
  isStop: (word: string) => boolean,
): (Typed & Form)[] {
  const typed = new Map<string, Typed & Form>();
  for (const { term, isLast, isFragment } of tokenizer.typedParts(query)) {
    const form = formOf(term);
    const isBeginning = prefix === true && isLast;
    const errorsMax = fuzzy ? errorsIn(form.folded) : 0;
    if (isFragment || !(isBeginning || (errorsMax > 0 && !isStop(form.written)))) continue;
    typed.delete(term); // a word that stood before is the last one now
    typed.set(term, { ...form, errorsMax, isBeginning });
  }
  return [...typed.values()].slice(-TYPED_WORDS_MAX);
}

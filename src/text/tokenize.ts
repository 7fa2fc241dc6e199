// Text to terms: what two words must have in common to be the same word to a search. The same function reads documents
// and queries, and its answer is stored in postings: a change here is a change of the file format.
//
// A word is a run of letters, digits and marks. It is lowercased, its diacritics are folded, and if it is then plain
// ASCII, English stemming (Porter2) takes its ending off. Scripts that write without spaces are cut into characters
// and pairs of characters, because dictionaries for them (Intl.Segmenter) differ from browser to browser. There are no
// stop words: BM25 gives a word that is everywhere next to no weight, and "to be or not to be" can still be found.
import { stem } from 'porter2';

// porter2: Snowball's English algorithm alone in 1.7 kB gzip; it gave the same stem as snowball-stemmers (38 kB, all
// languages in one file) for each of the 23 705 different words of the State of the Union addresses, 12 times as fast.

/** Words seen lately and their terms. Natural text repeats itself: about 98 % of words are found here. */
const CACHE = new Map<string, readonly string[]>();
const CACHE_LENGTH_MAX = 50_000;
/** Longer words are not kept: from 13 characters on, V8's substring would keep its whole text in memory. */
const CACHED_WORD_LENGTH_MAX = 12;
/** Longer words are cut, in UTF-16 units: base64 and the like is found by its beginning. */
const TERM_LENGTH_MAX = 64;

const APOSTROPHE = "'\u2019\u02bc\uff07";
// Soft hyphens and joiners stand inside of words.
const INSIDE = '[\\p{L}\\p{N}\\p{M}\\u00ad\\u200c\\u200d]';
/** Numbers with their points and commas, or words with their apostrophes. */
const WORD = new RegExp(`\\p{Nd}+(?:[.,]\\p{Nd}+)+|[\\p{L}\\p{N}]${INSIDE}*(?:[${APOSTROPHE}]${INSIDE}+)*`, 'gu');

/** One letter of a script that writes without spaces (or, Korean, glues particles to its words), with its marks. */
const GRAM =
  '[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Hangul}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]';
const GRAMS_OR_OTHERS = new RegExp(
  `((?:(?=[\\p{L}\\p{N}])${GRAM}[\\p{M}\\uff9e\\uff9f]*)+)|(?:(?!(?=[\\p{L}\\p{N}])${GRAM}).)+`,
  'gsu',
);
const ONE_GRAM = /.[\p{M}\uff9e\uff9f]*/gsu;
/** Below this no letter is of those scripts (Thai is the first). */
const FIRST_GRAM = 0x0e00;

/** The terms of `text`, in order, repeated as often as they occur. */
export function tokenize(text: string): string[] {
  const terms: string[] = [];
  for (const word of text.match(WORD) ?? []) {
    for (const term of termsOf(word)) terms.push(term);
  }
  return terms;
}

/** A stretch of `text` that stands for its terms: a word, or in scripts without spaces a character or a pair. */
export interface Token {
  /** UTF-16 offsets. */
  start: number;
  end: number;
  terms: readonly string[];
}

/**
 * Where the terms of `text` come from. Of a run of characters without spaces only the pairs are given (unless it is a
 * single one): that a character of a pair occurs elsewhere says nothing.
 */
export function* locate(text: string): Generator<Token> {
  for (const { 0: word, index: start } of text.matchAll(WORD)) {
    if (!hasGrams(word)) {
      yield { start, end: start + word.length, terms: termsOf(word) };
      continue;
    }
    for (const { 0: run, 1: grams, index } of word.matchAll(GRAMS_OR_OTHERS)) {
      const runStart = start + index;
      if (grams === undefined) yield { start: runStart, end: runStart + run.length, terms: termsOf(run) };
      else yield* locatePairs(run, runStart);
    }
  }
}

function* locatePairs(run: string, runStart: number): Generator<Token> {
  const grams = run.match(ONE_GRAM)!;
  if (grams.length === 1) yield { start: runStart, end: runStart + run.length, terms: [fold(run)] };
  let start = runStart;
  for (let i = 1; i < grams.length; i++) {
    const pair = grams[i - 1]! + grams[i]!;
    yield { start, end: start + pair.length, terms: [fold(pair)] };
    start += grams[i - 1]!.length;
  }
}

function termsOf(word: string): readonly string[] {
  const known = CACHE.get(word);
  if (known) return known;
  if (hasGrams(word)) return termsOfGrams(word); // not cached: a whole sentence can be one such word
  const terms = [...partsOf(fold(word))].map(stemmed);
  if (word.length <= CACHED_WORD_LENGTH_MAX) {
    // Emptied as a whole: keeping track of use would cost every lookup more than the rare refill.
    if (CACHE.size >= CACHE_LENGTH_MAX) CACHE.clear();
    CACHE.set(word, terms);
  }
  return terms;
}

function hasGrams(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    if (word.charCodeAt(i) >= FIRST_GRAM) {
      for (const { 1: grams } of word.matchAll(GRAMS_OR_OTHERS)) if (grams !== undefined) return true;
      return false;
    }
  }
  return false;
}

function termsOfGrams(word: string): string[] {
  const terms: string[] = [];
  for (const { 0: run, 1: runOfGrams } of word.matchAll(GRAMS_OR_OTHERS)) {
    if (runOfGrams === undefined) terms.push(...termsOf(run));
    else {
      const grams = run.match(ONE_GRAM)!;
      for (let i = 0; i < grams.length; i++) {
        terms.push(fold(grams[i]!));
        if (i > 0) terms.push(fold(grams[i - 1]! + grams[i]!));
      }
    }
  }
  return terms;
}

/** Marks that readers leave out when they type: Latin, Greek and Cyrillic accents, Hebrew and Arabic vowel signs. */
const MARKS = /[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670\u00ad\u200b-\u200d]/g;
/** Letters that are variants of others without Unicode saying so, as in Lucene's ASCII folding. */
const VARIANTS: { [letter: string]: string } = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ς: 'σ',
};
const VARIANT = /[ßæœøłđðþıς]/g;
const ASCII = /^[\0-\x7f]*$/;

/** Lowercase, without diacritics, in compatibility form (full-width letters and ligatures become plain ones). */
function fold(word: string): string {
  if (ASCII.test(word)) return word.toLowerCase();
  return word
    .normalize('NFKD')
    .toLowerCase()
    .replace(MARKS, '')
    .replace(VARIANT, (letter) => VARIANTS[letter]!)
    .replace(/[\u2019\u02bc\uff07]/g, "'")
    .normalize('NFC');
}

const CONTRACTION = /^(.+)'(?:s|d|m|re|ve|ll)$/;
const THOUSANDS = /^\p{Nd}{1,3}(?:,\p{Nd}{3})+(?:\.\p{Nd}+)?$/u;

/** "whale's" is "whale", "don't" is "dont", "l'amour" is "l" and "amour"; "1,000.5" is "1000.5", "1,2" is "1" and "2". */
function* partsOf(word: string): Generator<string> {
  let base = word;
  if (word.includes("'")) {
    base = CONTRACTION.exec(word)?.[1] ?? word;
    if (base.endsWith("n't")) base = base.replace("'", '');
  } else if (word.includes(',') && THOUSANDS.test(word)) base = word.replaceAll(',', '');
  for (const part of base.split(/[^\p{L}\p{N}\p{M}.]+/u)) if (part !== '') yield part;
}

function stemmed(word: string): string {
  const term = /^[a-z]+$/.test(word) ? stem(word) : word;
  if (term.length <= TERM_LENGTH_MAX) return term;
  return term.slice(0, TERM_LENGTH_MAX).replace(/[\ud800-\udbff]$/, '');
}

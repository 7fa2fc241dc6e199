// Text to terms: what two words must have in common to be the same word to a search. The same rules read documents and queries, and
// what they give is stored in postings: a change here is a new version of the analysis (`text/analyzer`).
//
// A word is a run of letters, digits and marks. It is lowercased, its diacritics are folded, and a stemmer takes its ending off. What
// people write in two ways is given as it stands and in its parts: "e-mail" is also "email", "getUserName" also "user" and "name",
// "Größe" also "groesse". Scripts that write without spaces are cut into characters and pairs of characters, because dictionaries
// for them (Intl.Segmenter) differ from browser to browser.

import { stretches } from '../structures/stretches.ts';
import { fold, isAscii, normalize, normalizeWithOrigin } from './normalize.ts';

/** The term of a word, which is lowercase and has its diacritics: without its ending, folded. Several with spaces between them where a ligature is several words. */
export type TermOf = (word: string) => string;

/** A term, and the stretch of the word that it stands for. */
export interface Part {
  start: number;
  end: number;
  term: string;
  /** A character of a longer run without spaces: that it occurs elsewhere says nothing. */
  isFragment?: true;
  /** A word that says nothing of what a question is about. */
  isStop?: boolean;
}

/** Of the words seen lately. */
const CACHE_LENGTH_MAX = 50_000;
/** Of those in ASCII letters, a power of 2. */
const PLACES = 2 ** 15;
/** Longer words are not kept. */
const CACHED_WORD_LENGTH_MAX = 32;
/** Longer terms are cut, in UTF-16 units: base64 and the like is found by its beginning. */
const TERM_LENGTH_MAX = 64;
/** A word of more parts than this is no compound. */
const JOINED_PARTS_MAX = 3;
const HUMPS_MAX = 8;

const POINT = 0x2e;
const APOSTROPHE = "'\u2019\u02bc";
const HYPHEN = '-\u2010\u2011';
// Soft hyphens and joiners stand inside of words.
export const INSIDE = '[\\p{L}\\p{N}\\p{M}\\u00ad\\u200c\\u200d]';
const NUMBER = '[vV]?\\d+(?:[.,]\\d+)+';
const PLAIN = `[\\p{L}\\p{N}]${INSIDE}*(?:[${APOSTROPHE}]${INSIDE}+)*`;
const PIECE = `(?:${NUMBER}|${PLAIN})`;
/** "U.S.", "e.g.". */
const ACRONYM = `\\p{L}(?:\\.\\p{L})+\\.?(?!${INSIDE})`;
/** "C++", "C#"; not "1+2", "#1". */
const SUFFIX = `(?:(?<=\\p{L})(?:\\+{1,2}|#)(?!${INSIDE}|[+#]))?`;
const PICTURE = '(?![\\u00a9\\u00ae\\u2122])\\p{Extended_Pictographic}[\\ufe0f\\u{1f3fb}-\\u{1f3ff}]*';
const EMOJI = `\\p{RI}{2}|${PICTURE}(?:\\u200d${PICTURE})*`;
const WORD = new RegExp(`${ACRONYM}|${PIECE}(?:[${HYPHEN}]${PIECE})*${SUFFIX}|${EMOJI}`, 'gu');
const WORD_HERE = new RegExp(WORD.source, 'uy');

/** One letter of a script that writes without spaces (or, Korean, glues particles to its words), with its marks. */
const GRAM =
  '[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Hangul}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]';
export const GRAMS_OR_OTHERS = new RegExp(
  `((?:(?=[\\p{L}\\p{N}])${GRAM}[\\p{M}\\uff9e\\uff9f]*)+)|(?:(?!(?=[\\p{L}\\p{N}])${GRAM}).)+`,
  'gsu',
);
export const ONE_GRAM = /.[\p{M}\uff9e\uff9f]*/gsu;
/** What `fold` leaves as it is: hiragana, Han, Korean, most of Thai. */
const FOLDED_GRAM = /^[\u3041-\u3096\u4e00-\u9fff\uac00-\ud7a3\u0e01-\u0e32]$/;
/** Below this no letter is of those scripts (Thai is the first). */
const FIRST_GRAM = 0x0e00;

const PIECES = new RegExp(PIECE, 'gu');
const IS_NUMBER = new RegExp(`^${NUMBER}$`);
/** Nearly all words of Latin script. */
const IS_PLAIN = /^[A-Za-z]?[a-z]+$/;
const IS_ACRONYM = /^\p{L}(?:\.\p{L})+\.?$/u;
const IS_EMOJI = new RegExp(`^(?:${EMOJI})$`, 'u');
/** Where an identifier's words begin: "get|User|Name", "XML|Http"; not in "URLs". */
const HUMP = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll}{2})/u;
const CONTRACTION = /^(.+)'(?:s|d|m|re|ve|ll)$/;
const THOUSANDS = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
/** How letters are written where the keyboard has none, which is not how they are without their mark. */
const SPELT_OUT: { [letter: string]: string } = { ä: 'ae', ö: 'oe', ü: 'ue', ø: 'oe', å: 'aa' };

export class Tokenizer {
  readonly #termOf: TermOf;
  readonly #stopWords: ReadonlySet<string>;
  /** Words seen lately and their parts. Natural text repeats itself: about 98 % of words are found here. */
  readonly #cache = new Map<string, readonly Part[]>();
  /** Of words in ASCII letters, each at the place of its hash: found without making a string of it. */
  readonly #places = new Array<Known>(PLACES).fill({ word: '', terms: [] });

  constructor(termOf: TermOf, stopWords: ReadonlySet<string>) {
    this.#termOf = termOf;
    this.#stopWords = stopWords;
  }

  /** The terms of `text`, in order, repeated as often as they occur. */
  tokenize(text: string): string[] {
    const terms: string[] = [];
    for (const stretch of stretches(normalize(text))) this.#tokenize(stretch.text, terms);
    return terms;
  }

  /** As `WORD` cuts it. Nearly all words of Latin script are letters of ASCII with a space or point behind them: those need no expression. */
  #tokenize(text: string, terms: string[]): void {
    const { length } = text;
    for (let at = 0; at < length; ) {
      let end = at;
      let hash = 0;
      let unit = text.charCodeAt(at);
      while (isAsciiLetter(unit)) {
        hash = (Math.imul(hash, 31) + unit) | 0;
        if (++end === length) break;
        unit = text.charCodeAt(end);
      }
      if (end > at && (end === length || endsWord(unit, end - at))) {
        const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
        let known = this.#places[place]!;
        if (!isAt(text, at, end, known.word)) {
          const word = ownString(text.slice(at, end));
          known = { word, terms: this.#parts(word).map(({ term }) => term) };
          if (end - at <= CACHED_WORD_LENGTH_MAX) this.#places[place] = known;
        }
        for (let i = 0; i < known.terms.length; i++) terms.push(known.terms[i]!);
        at = end + 1;
      } else if (end === at && unit < 0x80 && !isDigit(unit)) at++;
      else {
        WORD_HERE.lastIndex = at;
        if (WORD_HERE.test(text)) {
          end = WORD_HERE.lastIndex;
          for (const { term } of this.#parts(text.slice(at, end))) terms.push(term);
          at = end;
        } else at += text.codePointAt(at)! > 0xffff ? 2 : 1;
      }
    }
  }

  /** What a query asks for: its words without stop words, unless it has nothing else. "IT" among other words is none. */
  queryParts(query: string): readonly Part[] {
    const text = normalize(query);
    const hasSmallLetters = /\p{Ll}/u.test(text);
    const all: Part[] = [];
    const telling: Part[] = [];
    for (const { word } of wordsIn(text)) {
      const isShouted = hasSmallLetters && /^\p{Lu}{2,}$/u.test(word);
      for (const part of this.#parts(word)) {
        all.push(part);
        if (!part.isStop || isShouted) telling.push(part);
      }
    }
    return telling.length > 0 ? telling : all;
  }

  /** Everything that a query says. `isLast`: it ends where the query's last word does. */
  *typedParts(query: string): Generator<Part & { isLast: boolean }> {
    const words = [...wordsIn(normalize(query))];
    for (const { word, index } of words)
      for (const part of this.#parts(word))
        yield { ...part, isLast: index === words.at(-1)!.index && part.end === word.length };
  }

  isStop(word: string): boolean {
    return this.#stopWords.has(word);
  }

  /** Where in `text` its terms come from, in UTF-16 offsets. Fragments are left out. */
  *locate(text: string): Generator<Part> {
    const { normalized, origin } = normalizeWithOrigin(text);
    for (const { word, index } of wordsIn(normalized))
      for (const { start, end, term, isFragment } of this.#parts(word))
        if (!isFragment) yield { start: origin(index + start), end: origin(index + end), term };
  }

  #parts(word: string): readonly Part[] {
    const known = this.#cache.get(word);
    if (known) return known;
    if (hasGrams(word)) return this.#cutGrams(word); // not cached: a whole sentence can be one such word
    if (word.length > CACHED_WORD_LENGTH_MAX) return this.#cut(word);
    const own = ownString(word);
    const parts = this.#cut(own);
    // Emptied as a whole: keeping track of use would cost every lookup more than the rare refill.
    if (this.#cache.size >= CACHE_LENGTH_MAX) this.#cache.clear();
    this.#cache.set(own, parts);
    return parts;
  }

  #cut(word: string): Part[] {
    const end = word.length;
    if (IS_PLAIN.test(word)) return this.#terms(word, 0);
    if (IS_EMOJI.test(word)) return [{ start: 0, end, term: fold(word).replace(/[\u{1f3fb}-\u{1f3ff}]/gu, '') }];
    if (IS_ACRONYM.test(word)) return this.#terms(word, 0, word.replaceAll('.', ''));
    const parts: Part[] = [];
    const pieces = [...word.matchAll(PIECES)];
    if (pieces.length > 1 && pieces.length <= JOINED_PARTS_MAX && /\p{L}/u.test(word))
      for (const { term } of this.#terms(word, 0, pieces.join(''))) parts.push({ start: 0, end, term });
    for (const { 0: piece, index } of pieces) {
      const suffix = index + piece.length < end ? /^[+#]*/.exec(word.slice(index + piece.length))![0] : '';
      if (suffix) {
        parts.push({ start: index, end: index + piece.length + suffix.length, term: fold(piece) + suffix });
        if (piece.length <= 2) continue;
      }
      const humps = piece.split(HUMP);
      parts.push(...this.#terms(piece, index));
      if (humps.length === 1 || humps.length > HUMPS_MAX) continue;
      let at = index;
      for (const hump of humps) {
        parts.push(...this.#terms(hump, at));
        at += hump.length;
      }
    }
    return parts;
  }

  /** The terms of a word without hyphens that stands at `start`; `spelling`: what it is read as. */
  #terms(word: string, start: number, spelling = word): Part[] {
    const end = start + word.length;
    const terms = new Set<string>();
    let isStop = true;
    for (const base of IS_NUMBER.test(spelling) ? numbersIn(spelling) : basesOf(spelling)) {
      const lower = base.toLowerCase();
      isStop &&= this.#stopWords.has(lower);
      const speltOut = lower.replace(/[äöüøå]/g, (letter) => SPELT_OUT[letter]!);
      // A few ligatures are several words.
      for (const way of new Set([lower, speltOut]))
        for (const term of this.#termOf(way).split(' ')) if (term !== '') terms.add(shortened(term));
    }
    return Array.from(terms, (term) => ({ start, end, term, isStop }));
  }

  /** Of a run of characters without spaces, each one and each pair. */
  #cutGrams(word: string): Part[] {
    const parts: Part[] = [];
    for (const { 0: run, 1: runOfGrams, index } of word.matchAll(GRAMS_OR_OTHERS)) {
      if (runOfGrams === undefined) {
        for (const { 0: other, index: at } of run.matchAll(WORD))
          for (const part of this.#parts(other))
            parts.push({ ...part, start: part.start + index + at, end: part.end + index + at });
        continue;
      }
      let before: Part | null = null;
      for (const { 0: gram, index: at } of run.matchAll(ONE_GRAM)) {
        const start = index + at;
        const end = start + gram.length;
        const term = FOLDED_GRAM.test(gram) ? gram : fold(gram);
        const part: Part = run === gram ? { start, end, term } : { start, end, term, isFragment: true };
        parts.push(part);
        if (before) parts.push({ start: before.start, end, term: before.term + term });
        before = part;
      }
    }
    return parts;
  }
}

/** V8's substring keeps its whole text in memory from 13 characters on; what is glued and cut again is a string of its own. */
function ownString(word: string): string {
  return ` ${word}`.slice(1);
}

interface Known {
  word: string;
  terms: readonly string[];
}

function isAt(text: string, at: number, end: number, word: string): boolean {
  if (word.length !== end - at) return false;
  for (let i = 0; i < word.length; i++) if (word.charCodeAt(i) !== text.charCodeAt(at + i)) return false;
  return true;
}

function isAsciiLetter(unit: number): boolean {
  return (unit | 32) >= 97 && (unit | 32) <= 122;
}

function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}

/** Whether a run of ASCII letters is a word, whatever comes behind `unit`, which is no letter of ASCII. "U.S." goes on behind a point. */
function endsWord(unit: number, length: number): boolean {
  if (unit === POINT) return length > 1;
  return !(unit >= 0x80 || isDigit(unit) || unit === 0x27 || unit === 0x2d || unit === 0x2b || unit === 0x23);
}

function* wordsIn(text: string): Generator<{ word: string; index: number }> {
  for (const { text: stretch, start } of stretches(text))
    for (const { 0: word, index } of stretch.matchAll(WORD)) yield { word, index: start + index };
}

export function shortened(term: string): string {
  return term.length <= TERM_LENGTH_MAX ? term : term.slice(0, TERM_LENGTH_MAX).replace(/[\ud800-\udbff]$/, '');
}

export function hasGrams(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    if (word.charCodeAt(i) >= FIRST_GRAM) {
      for (const { 1: grams } of word.matchAll(GRAMS_OR_OTHERS)) if (grams !== undefined) return true;
      return false;
    }
  }
  return false;
}

/** "1,000.5" is "1000.5", "1,2" is "1" and "2", "v1.2.3" is "1.2.3". */
function numbersIn(number: string): string[] {
  if (THOUSANDS.test(number)) return [number.replaceAll(',', '')];
  return number.replace(/^[vV]/, '').split(',');
}

/** "whale's" is "whale", "don't" is "dont", "l'amour" is "l", "amour" and "lamour". */
function basesOf(word: string): string[] {
  const plain = isAscii(word) ? word : word.replace(/[\u2019\u02bc]/g, "'");
  if (!plain.includes("'")) return [plain];
  const base = CONTRACTION.exec(plain.toLowerCase())?.[1] ?? plain;
  const joined = base.replaceAll("'", '');
  if (joined === base || /n't$/i.test(base)) return [joined];
  return [...base.split("'"), joined];
}

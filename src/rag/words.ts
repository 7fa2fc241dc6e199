// The words of a sentence as question answering compares them: English stems, folded accents, pairs of characters where
// words are not spaced. Nothing of it is stored, so it may change from release to release (unlike the search's terms).
import { stem } from 'porter2';

/** A word in a text. */
export interface Word {
  /** What it shares with other forms of the same word. */
  term: string;
  /** UTF-16 offsets. */
  start: number;
  end: number;
}

/** Scripts that write without spaces: there a character counts as a word. */
export const UNSPACED =
  '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}';
/** As many as any writing has. Longer runs, of letters and digits too, would run a regular expression out of stack. */
const MARKS = '\\p{M}{0,30}';
const WORD = new RegExp(
  `\\p{Nd}{1,1000}(?:[.,]\\p{Nd}{1,1000}){0,1000}|(?:(?=\\p{L})[${UNSPACED}]${MARKS}){1,1000}|(?:(?![${UNSPACED}])[\\p{L}\\p{N}]${MARKS}){1,1000}(?:['’](?!s\\b)\\p{L}{1,1000})?`,
  'gu',
);
const UNSPACED_CHARACTER = new RegExp(`(?=\\p{L})[${UNSPACED}]${MARKS}`, 'gu');

/** What of a word counts, in UTF-16 units: bringing a letter with very many marks into normal form takes time by the square of them. */
const WORD_LENGTH_MAX = 128;

/** The words of `text` in order; of unspaced runs each pair of characters. */
export function words(text: string): Word[] {
  const found: Word[] = [];
  for (const { 0: word, index: start } of text.matchAll(WORD)) {
    const characters = word.match(UNSPACED_CHARACTER);
    if (!characters || characters.length === 1) {
      found.push({ term: termOf(word), start, end: start + word.length });
      continue;
    }
    let at = start;
    for (let i = 1; i < characters.length; i++) {
      const pair = characters[i - 1]! + characters[i]!;
      found.push({ term: pair.slice(0, WORD_LENGTH_MAX).normalize('NFKC'), start: at, end: at + pair.length });
      at += characters[i - 1]!.length;
    }
  }
  return found;
}

/** The different terms of `text` that say what it is about: without stop words. */
export function contentTerms(text: string): Set<string> {
  const terms = new Set<string>();
  for (const { term } of words(text)) if (!STOP_TERMS.has(term)) terms.add(term);
  return terms;
}

export function isUnspaced(text: string): boolean {
  return text.search(UNSPACED_CHARACTER) !== -1;
}

export function isStopTerm(term: string): boolean {
  return STOP_TERMS.has(term);
}

export function isNumber(term: string): boolean {
  return /^\p{Nd}/u.test(term);
}

function termOf(word: string): string {
  const folded = word
    .slice(0, WORD_LENGTH_MAX)
    .normalize('NFKD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
    .replace(/['’,]/g, '');
  return /^[a-z]+$/.test(folded) ? stem(folded) : folded;
}

/** Words that a question or sentence can have without being about them. */
const STOP_TERMS = new Set(
  `a about above after again against all also am an and any are as ask at be because been before being below between both
  but by can could did do does doing done dont down during each else ever few find for from further get give had has have
  having he her here hers him his how i if in into is it its just know let many may me might more most much must my no nor
  not now of off on once only or other our ours out over own please said same say she should show so some such tell than
  that the their theirs them then there these they this those through to too under until up upon us very was we were what
  when where whether which while who whom whose why will with would yes you your yours`
    .split(/\s+/)
    .map(termOf),
);

/** The beginning of a text that is too long, without half a character at its end. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}

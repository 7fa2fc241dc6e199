// One spelling for each text before it is cut into words: widths, digits and composed letters. Unicode's NFC (UAX #15), with what
// NFKC does to widths alone: all of NFKC would glue signs to words ("Foo\u2122" to "FooTM").
import { withShortMarks } from '../structures/marks.ts';

const ASCII = /^[\0-\x7f]*$/;

/** Full-width ASCII, half-width kana and Hangul, other decimal digits, Arabic points of numbers; a left quote inside a word (\u02bbokina). */
const ONE_TO_ONE = /[\uff01-\uff5e\uff65-\uffdc\u066b\u066c]|(?!\d)\p{Nd}|(?<=\p{L})\u2018(?=\p{L})/gu;

/** A mark that is left out (group 1); or what composes with nothing before and behind it: a Hangul syllable in its letters, a letter with its marks. */
const CLUSTER =
  /(?<=\p{M}{30})(\p{M})|[\u1100-\u115f\ua960-\ua97c]{1,9}[\u1160-\u11a7]{0,9}[\u11a8-\u11ff]{0,9}\p{M}{0,30}|[\s\S]\p{M}{0,30}/gu;

export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

/** `text` in one spelling. Linear in its length. */
export function normalize(text: string): string {
  return isAscii(text) ? text : withShortMarks(oneToOne(text)).normalize('NFC');
}

/** The same, and where it comes from: `origin(i)` is the UTF-16 offset in `text` of what stands at `i`. */
export function normalizeWithOrigin(text: string): { normalized: string; origin: (at: number) => number } {
  const normalized = normalize(text);
  const mapped = oneToOne(text);
  if (normalized === mapped) return { normalized, origin: (at) => at };
  const offsets = new Uint32Array(normalized.length + 1);
  let end = 0;
  for (const { 0: cluster, 1: surplus, index } of mapped.matchAll(CLUSTER)) {
    if (surplus) continue;
    const { length } = cluster.normalize('NFC');
    offsets.fill(index, end, end + length);
    end += length;
  }
  offsets[end] = text.length;
  return { normalized, origin: (at) => offsets[at]! };
}

function oneToOne(text: string): string {
  return text.replace(ONE_TO_ONE, (unit) => {
    if (unit === '\u2018') return '\u02bb';
    if (unit === '\u066b') return '.';
    if (unit === '\u066c') return ',';
    if (unit >= '\uff01') return unit.normalize('NFKC');
    return unit.length === 1 ? digitOf(unit) : unit; // those beyond the basic plane are folded with their word
  });
}

/** Decimal digits stand in runs of ten, 0 first (The Unicode Standard, 4.6). */
function digitOf(digit: string): string {
  let zero = digit.codePointAt(0)!;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((digit.codePointAt(0)! - zero) % 10);
}

/** Marks that readers leave out when they type: Latin, Greek and Cyrillic accents, Hebrew and Arabic vowel signs, soft hyphens and joiners. */
const MARKS = /[\u0300-\u036f]|[\u0591-\u05c7]|[\u064b-\u065f]|[\u0640\u0670\u00ad\u200b-\u200d]/g;
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

/** Lowercase, without diacritics, in compatibility form (ligatures become plain letters). As up to format 4; see `fold`. */
export function foldAccents(word: string): string {
  if (isAscii(word)) return word.toLowerCase();
  return word
    .normalize('NFKD')
    .toLowerCase()
    .replace(MARKS, '')
    .replace(VARIANT, (letter) => VARIANTS[letter]!)
    .replace(/[\u2019\u02bc\uff07]/g, "'")
    .normalize('NFC');
}

/** Modifier letters of transliterations, and what makes a sign an emoji. */
const MORE_MARKS = /[\u02b9-\u02bb\u02bd-\u02bf]|[\u20e3]|[\ufe00-\ufe0f]/g;
/** As Lucene's Arabic and Persian normalizers: keheh is kaf; Persian yeh, alef maksura, yeh barree are yeh; teh marbuta and others are heh. */
const ARABIC: { [letter: string]: string } = {
  \u06a9: '\u0643',
  \u06cc: '\u064a',
  \u0649: '\u064a',
  \u06d2: '\u064a',
  \u0629: '\u0647',
  \u06c1: '\u0647',
  \u06be: '\u0647',
  \u06d5: '\u0647',
  \u0671: '\u0627',
};
/** Katakana, but for those that have no hiragana. */
const KATAKANA = /[\u30a1-\u30f6\u30fd\u30fe]/g;

/** What words have in common that are written alike but for case, diacritics, forms of letters, kana and digits. For a word of a normalized text. */
export function fold(word: string): string {
  const folded = foldAccents(word);
  if (isAscii(folded)) return folded;
  return folded
    .replace(MORE_MARKS, '')
    .replace(/[\u0629\u0649\u0671\u06a9-\u06d5]/g, (letter) => ARABIC[letter] ?? letter)
    .replace(KATAKANA, (kana) => String.fromCharCode(kana.charCodeAt(0) - 0x60))
    .replace(/(?!\d)\p{Nd}/gu, digitOf);
}

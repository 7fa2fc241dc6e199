// What to mark in a text for the words of a query, and which stretch of a passage to show. The library says where words
// are found, by the rules that found them; here neighbours are joined and words that say nothing are left alone.
import { matchRanges, type WordOptions } from 'piramid';

/** A stretch of a text, UTF-16 offsets. */
export type Range = readonly [start: number, end: number];

const WORD = /[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu;
const COMMON = new Set(
  `a about all an and any are as at be been but by can could did do does for from get give had has have he her his how i
  if in into is it its just like many may me might more most much must my no not of on or our out own said say says she
  should so some such tell than that the their them then there these they this those to under up upon us was we were
  what when where which who whom whose why will with would you your`.split(/\s+/),
);

/** The words of `query` that say what it is about; all of them where none does. */
export function tellingWords(query: string): string {
  const words = Array.from(query.matchAll(WORD), ([word]) => word);
  const telling = words.filter((word) => !COMMON.has(word.toLowerCase()));
  return (telling.length > 0 ? telling : words).join(' ');
}

/** How the telling words of a query are looked for while it is typed: a last one with nothing behind it may be the beginning of a word. */
export function typing(query: string): WordOptions {
  const last = tellingWords(query).split(' ').at(-1)!;
  return last !== '' && query.endsWith(last) ? { prefix: true } : {};
}

/** Where the telling words of a query are in `text`, in order. Neighbours are joined: "gold standard" is one mark. */
export function marks(text: string, telling: string, options?: WordOptions): Range[] {
  const joined: [number, number][] = [];
  if (telling === '') return joined;
  for (const [start, end] of matchRanges(text, telling, options)) {
    const last = joined.at(-1);
    if (last && /^[ -]?$/.test(text.slice(last[1], start))) last[1] = end;
    else joined.push([start, end]);
  }
  return joined;
}

/** The most telling stretch of a passage, about `length` characters from the beginning of a sentence or clause. */
export function snippet(text: string, ranges: readonly Range[], length = 300): Range {
  const from = text.length - text.trimStart().length;
  if (text.length - from <= length * 1.3) return [from, text.trimEnd().length];
  let best: Range = [from, from + length];
  let most = -1;
  for (const start of sentenceStarts(text)) {
    const inside = ranges.filter((range) => range[0] >= start && range[1] <= start + length);
    const different = new Set(inside.map(([a, b]) => text.slice(a, b).toLowerCase())).size;
    const worth = different * 3 + inside.length;
    if (worth > most) [most, best] = [worth, [start, start + length]];
  }
  const end = text.indexOf(' ', best[1]);
  return [best[0], end === -1 ? text.trimEnd().length : end];
}

/** Where sentences begin; of long ones also what follows a semicolon. */
function sentenceStarts(text: string): number[] {
  const starts = [text.length - text.trimStart().length];
  for (const { 0: gap, index } of text.matchAll(/[.!?]["'”’)]*\s+(?=\S)|[;:]\s+(?=\S)|\n\s*\n\s*(?=\S)/g)) {
    starts.push(index + gap.length);
  }
  return starts;
}

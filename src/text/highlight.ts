// Where in a text the words of a query are, by the same rules that find it: stems, folded accents, pairs of characters.
import type { WordOptions } from '../types.ts';
import { isStop, locate, soughtIn } from './english.ts';
import { locateForms, typedWords } from './forms.ts';
import { TypedWord } from './typed-word.ts';

/**
 * Stretches of `text` to mark, as [start, end) UTF-16 offsets: ascending, not touching in scripts without spaces. With
 * the `options` of the query, the words that what was typed may stand for are marked, too.
 */
export function matchRanges(text: string, query: string, options: WordOptions = {}): [start: number, end: number][] {
  const sought = new Set(soughtIn(query).flatMap(({ term, isFragment }) => (isFragment ? [] : [term])));
  const found: { start: number; end: number }[] = [];
  for (const part of locate(text)) if (sought.has(part.term)) found.push(part);
  const typed = typedWords(query, options, isStop).map((word) => new TypedWord(word));
  if (typed.length > 0) {
    for (const form of locateForms(text))
      if (!isStop(form.written) && typed.some((word) => word.worthOf(form.folded) > 0)) found.push(form);
    found.sort((a, b) => a.start - b.start);
  }
  const ranges: [number, number][] = [];
  for (const { start, end } of found) {
    const last = ranges.at(-1);
    // Pairs of characters overlap and follow each other, and a compound contains its parts; words do not.
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else ranges.push([start, end]);
  }
  return ranges;
}

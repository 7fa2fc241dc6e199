// Where in a text the words of a query are, by the same rules that find it: stems, folded accents, pairs of characters.
import { locate, soughtIn } from './analyzer.ts';

/** Stretches of `text` to mark, as [start, end) UTF-16 offsets: ascending, not touching in scripts without spaces. */
export function matchRanges(text: string, query: string): [start: number, end: number][] {
  const sought = new Set(soughtIn(query).flatMap(({ term, isFragment }) => (isFragment ? [] : [term])));
  const ranges: [number, number][] = [];
  for (const { start, end, term } of locate(text)) {
    if (!sought.has(term)) continue;
    const last = ranges.at(-1);
    // Pairs of characters overlap and follow each other, and a compound contains its parts; words do not.
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else ranges.push([start, end]);
  }
  return ranges;
}

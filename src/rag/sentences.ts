// Cuts text into sentences that tile it: each runs up to the next, spaces included. Rules instead of Intl.Segmenter,
// which ends a sentence after "Mr." and differs from browser to browser.

/** UTF-16 offsets. */
export interface Span {
  start: number;
  end: number;
}

/**
 * Where a sentence may end: full stops and the like with closing quotes, and the breaks of paragraphs and lists. The
 * look-behind keeps a long run of dots from being tried from each of its dots.
 */
const END =
  /(?<![.!?…])([.!?…]+["'”’»)\]]*)\s+|([。！？｡]+[」』”’）]*)\s*|\n[^\S\n]*\n\s*|\n(?=[^\S\n]*(?:[-*•–#>|]|\d{1,3}[.)])\s)/gu;
/** Titles and the like, which a name follows, and initials. */
const ABBREVIATION =
  /(?:^|[^\p{L}\p{N}])(?:(?:[Mm]rs?|[Mm]s|[Dd]r|[Pp]rof|[Ss]t|[Rr]ev|[Hh]on|[Gg]en|[Cc]ol|[Cc]apt|[Ll]t|[Ss]gt|[Ss]en|[Rr]ep|[Gg]ov|[Pp]res|[Jj]r|[Ss]r|vs|viz|cf|al|[Ii]nc|[Ll]td|[Cc]o|[Cc]orp|[Dd]ept|[Ee]\.g|[Ii]\.e)|\p{Lu})\.$/u;
/** What a number follows. */
const BEFORE_NUMBER =
  /(?:^|[^\p{L}\p{N}])(?:nos?|vols?|pp?|figs?|eqs?|art|sec|ch|approx|ca|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$/iu;
/** How far back an abbreviation can begin. */
const ABBREVIATION_LENGTH = 12;

/** Sentences of `text`, in order: the first begins at 0, the last ends at its end. */
export function sentences(text: string): Span[] {
  const spans: Span[] = [];
  let start = 0;
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    if (match[1] !== undefined && !endsSentence(text, match.index + match[1].length, end, match[1])) continue;
    if (end >= text.length) break;
    if (text.slice(start, end).trim() === '') continue;
    spans.push({ start, end });
    start = end;
  }
  if (start < text.length) spans.push({ start, end: text.length });
  return spans;
}

/** Whether the mark before `markEnd` ends a sentence; the next one would begin at `next`. */
function endsSentence(text: string, markEnd: number, next: number, mark: string): boolean {
  const following = text.codePointAt(next);
  if (following === undefined) return true;
  // "approx. 5 cm", "etc. and so on": a small letter goes on.
  if (/\p{Ll}/u.test(String.fromCodePoint(following))) return false;
  if (mark[0] !== '.' || mark.length > 1) return true;
  const before = text.slice(Math.max(0, markEnd - ABBREVIATION_LENGTH), markEnd);
  return !ABBREVIATION.test(before) && !(/\p{Nd}/u.test(String.fromCodePoint(following)) && BEFORE_NUMBER.test(before));
}

/** Without the white space around it. */
export function trimmed(text: string, { start, end }: Span): Span {
  let from = start;
  let to = end;
  while (from < to && text[from]!.trim() === '') from++;
  while (to > from && text[to - 1]!.trim() === '') to--;
  return { start: from, end: to };
}

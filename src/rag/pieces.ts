// The pieces that passages are packed of: paragraphs, headings, tables, code, records, and finer ones where these are too
// long. Pieces tile the text.
import type { Heading, Outline, Repeated } from './markdown.ts';
import { type Span, sentences } from './sentences.ts';
import { UNSPACED } from './words.ts';

/** A piece that is kept whole where possible. */
export interface Piece extends Span {
  words: number;
  kind: 'heading' | 'paragraph' | 'record' | 'block' | 'line' | 'sentence' | 'word';
  heading?: Heading;
  /** Of a piece of kind 'block', and of each part of one. */
  repeat?: Repeat;
}

/** What the parts of a table, of code or of a record's field carry when they are in different passages. */
export interface Repeat {
  /** In front of a passage that begins with a part other than the first. */
  before: string;
  /** Behind a passage that ends with a part other than the last. */
  after: string;
  /** Of both. */
  words: number;
  /** Where the block begins, and where its content ends. */
  start: number;
  end: number;
  /** Characters that stay with the first and the last part. */
  head: number;
  tail: number;
}

/** Longer words count as several, so that a passage's characters are bounded too: base64, addresses, tables of dots. */
const WORD_LENGTH = 24;
/** Several matches where a word is very long, or the expression would run out of stack. */
const COUNTED = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])\\S){1,${100 * WORD_LENGTH}}`, 'gu');

/** Letters and punctuation of scripts with spaces: what counts as `COUNTED` says, and needs no expression. Chinese, too, has a middle dot. */
const SPACED = /^[\0-\xb6\xb8-\u02bb\u0370-\u0dff\u2010-\u2027]*$/;

export function countWords(text: string): number {
  let words = 0;
  if (SPACED.test(text)) {
    let start = 0;
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 32;
      if (unit > 32 ? unit !== 0xa0 : unit < 9 || (unit > 13 && unit < 32)) continue;
      words += Math.ceil((at - start) / WORD_LENGTH);
      start = at + 1;
    }
    return words;
  }
  for (const { 0: word } of text.matchAll(COUNTED)) words += Math.ceil(word.length / WORD_LENGTH);
  return words;
}

/** Paragraphs, with the blank lines behind them; of `outline`, headings alone, tables and code whole. */
export function paragraphs(text: string, outline: Outline | null): Piece[] {
  const pieces: Piece[] = [];
  const lineEnd = lineEnds(text);
  let at = 0;
  for (const part of marked(outline)) {
    if (part.start < at) continue;
    // White space at the very beginning belongs to what is behind it.
    const isFirst = pieces.length === 0 && text.slice(at, part.start).trim() === '';
    const start = isFirst ? at : part.start;
    if (!isFirst) addParagraphs(pieces, text, at, start, 'paragraph', lineEnd);
    at = skipBlank(text, part.end);
    const words = countWords(text.slice(start, at));
    if ('level' in part) pieces.push({ start, end: at, words, kind: 'heading', heading: part });
    else pieces.push({ start, end: at, words, kind: 'block', repeat: repeatOf(part, start) });
  }
  addParagraphs(pieces, text, at, text.length, 'paragraph', lineEnd);
  return pieces;
}

/** Records: what blank lines part. */
export function records(text: string): Piece[] {
  const pieces: Piece[] = [];
  addParagraphs(pieces, text, 0, text.length, 'record', lineEnds(text));
  return pieces;
}

function marked(outline: Outline | null): (Heading | Repeated)[] {
  if (!outline) return [];
  return [...outline.headings, ...outline.blocks].sort((a, b) => a.start - b.start);
}

/** `from`: where its piece begins, blank lines before it included. */
function repeatOf({ before, after, start, end, head, tail }: Repeated, from: number): Repeat {
  const words = countWords(before) + countWords(after);
  return { before, after, words, start: from, end, head: head + start - from, tail };
}

/** Gives the end of the line that an offset is in. Offsets may only grow: each character is looked at once. */
function lineEnds(text: string): (at: number) => number {
  let end = 0;
  return (at) => {
    if (at >= end) end = text.indexOf('\n', at) + 1 || text.length;
    return end;
  };
}

function addParagraphs(
  pieces: Piece[],
  text: string,
  from: number,
  to: number,
  kind: 'paragraph' | 'record',
  lineEnd: (at: number) => number,
): void {
  let start = from;
  const cut = (end: number): void => {
    if (end === start) return;
    const previous = pieces.at(-1);
    // White space alone belongs to what is before it.
    if (previous && text.slice(start, end).trim() === '') previous.end = end;
    else pieces.push({ start, end, words: countWords(text.slice(start, end)), kind });
    start = end;
  };
  let blank = false;
  let hasWords = false;
  for (let at = from; at < to; ) {
    const end = Math.min(to, lineEnd(at));
    const isBlank = text.slice(at, end).trim() === '';
    if (!isBlank && blank && hasWords) {
      cut(at);
      hasWords = false;
    }
    hasWords ||= !isBlank;
    blank = isBlank;
    at = end;
  }
  cut(to);
}

/** Behind the blank lines from `at` on. */
function skipBlank(text: string, at: number): number {
  const blank = /(?:[^\S\n]*\n)*/y;
  blank.lastIndex = at;
  blank.exec(text);
  return blank.lastIndex;
}

/** A block or record as lines, a paragraph or field as sentences, a line or sentence as words, a gigantic word as parts. */
export function finer(text: string, piece: Piece, maxWords: number): Piece[] {
  const { kind, repeat, heading } = piece;
  const inside = text.slice(piece.start, piece.end);
  const at = ({ start, end }: Span, as: Piece['kind']): Piece => ({
    start: piece.start + start,
    end: piece.start + end,
    words: countWords(inside.slice(start, end)),
    kind: as,
    ...(repeat && { repeat }),
  });
  if (kind === 'block') {
    // A head that takes more than half of a passage is not worth its room.
    const light = repeat && repeat.words > maxWords / 2 ? { ...repeat, before: '', after: '', words: 0 } : repeat!;
    const pieces = lines(inside, light).map((span) => ({ ...at(span, 'line'), repeat: light }));
    // What closes it is counted with what is repeated.
    if (light.tail > 0 && light.words > 0) pieces.at(-1)!.words -= countWords(light.after);
    return pieces;
  }
  if (kind === 'record')
    return lines(inside, { head: 0, tail: 0 }).map((span) => field(text, at(span, 'paragraph'), maxWords));
  if (kind === 'paragraph' || kind === 'heading')
    return sentences(inside).map((span, i) => ({ ...at(span, 'sentence'), ...(i === 0 && heading && { heading }) }));
  const limit = maxWords - (repeat?.words ?? 0);
  const pieces: Piece[] = [];
  let start = 0;
  for (const { 0: word, index } of inside.matchAll(/\s*\S+\s*/g)) {
    const end = index + word.length;
    for (const part of parts(inside, start, end, limit)) pieces.push(at(part, 'word'));
    start = end;
  }
  if (start < inside.length) pieces.push(at({ start, end: inside.length }, 'word')); // white space alone
  if (heading) pieces[0]!.heading = heading;
  // What closes a block is no passage.
  const last = pieces.at(-1)!;
  if (pieces.length > 1 && repeat && repeat.tail > 0 && last.end > repeat.end - repeat.tail) {
    pieces.pop();
    pieces.at(-1)!.end = last.end;
  }
  return pieces;
}

/** Lines; those of the head stay with the first behind it, those of the tail with the last before it. */
function lines(text: string, { head, tail }: { head: number; tail: number }): Span[] {
  const spans: Span[] = [];
  const contentEnd = text.trimEnd().length;
  const lastEnd = tail > 0 ? text.lastIndexOf('\n', contentEnd - 1) + 1 : contentEnd;
  let start = 0;
  let isBlank = true;
  for (let at = head; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 || newline + 1 >= lastEnd ? text.length : newline + 1;
    isBlank &&= text.slice(at, end).trim() === '';
    at = end;
    if (isBlank) continue;
    spans.push({ start, end });
    start = end;
    isBlank = true;
  }
  if (start < text.length) spans.push({ start, end: text.length });
  return spans;
}

/** A line `key: value`, whose later parts carry the key. */
function field(text: string, piece: Piece, maxWords: number): Piece {
  const before = /^[^\n:]{1,200}: /.exec(text.slice(piece.start, piece.end))?.[0];
  if (before === undefined) return piece;
  const words = countWords(before);
  if (words > maxWords / 2) return piece;
  const { start, end } = piece;
  return { ...piece, repeat: { before, after: '', words, start, end, head: 0, tail: 0 } };
}

/** A run without white space, cut where it is more than a passage: unspaced scripts after each character, others anywhere. */
function* parts(text: string, start: number, end: number, maxWords: number): Generator<Span> {
  if (countWords(text.slice(start, end)) <= maxWords) {
    yield { start, end };
    return;
  }
  // Marks stay with their letter, halves of a surrogate pair together. Full stops and commas stay with what they end.
  const unit = new RegExp(
    `[${UNSPACED}][\\p{M}\\p{P}]*|(?:(?![${UNSPACED}])\\P{M}\\p{M}*){1,${WORD_LENGTH}}|[^]`,
    'gsu',
  );
  for (const match of text.slice(start, end).matchAll(unit)) {
    yield { start: start + match.index, end: start + match.index + match[0].length };
  }
}

// Cuts a document into passages of about the size that embedders read and people can judge. Passages tile it: one after
// the other they are the text, to the last space. They end before headings and at paragraphs, else at sentences, else
// at words; inside a word only where it is gigantic.

import { PiramidError } from 'piramid';
import { checkOptions } from './documents.ts';
import { type Span, sentences } from './sentences.ts';
import { UNSPACED } from './words.ts';

export interface ChunkOptions {
  /** No passage has more words. In scripts without spaces a character counts as a word. @default 180 */
  maxWords?: number;
  /** Passages with fewer words get some of their neighbours' where the text lets them. @default 40 */
  minWords?: number;
  /** Whether `#` lines are headings and ``` lines fence code. @default 'text' */
  format?: 'text' | 'markdown';
}

/** A stretch of a document. */
export interface Chunk {
  /** UTF-16 offsets in the document. */
  start: number;
  end: number;
  text: string;
}

export const MAX_WORDS = 180;
export const MIN_WORDS = 40;
/** Longer words count as several, so that a passage's characters are bounded too: base64, addresses, tables of dots. */
const WORD_LENGTH = 24;

/** A piece that is kept whole where possible. */
interface Piece extends Span {
  words: number;
  kind: 'heading' | 'paragraph' | 'sentence' | 'word';
}

/** The passages of `text`, in order; none if it has no words. */
export function chunk(text: string, options: ChunkOptions = {}): Chunk[] {
  checkOptions(options, ['maxWords', 'minWords', 'format'], 'chunk');
  const { maxWords = MAX_WORDS, minWords = Math.min(MIN_WORDS, maxWords >> 1), format = 'text' } = options;
  checkChunkOptions(maxWords, minWords, format);
  if (!/[\p{L}\p{N}]/u.test(text)) return [];
  const passages = pack(text, paragraphs(text, format), maxWords, minWords);
  return passages.map((pieces) => {
    const { start } = pieces[0]!;
    const { end } = pieces.at(-1)!;
    return { start, end, text: text.slice(start, end) };
  });
}

function checkChunkOptions(maxWords: number, minWords: number, format: string): void {
  if (!Number.isInteger(maxWords) || maxWords < 1) {
    throw new PiramidError('INVALID_ARGUMENT', `chunk.maxWords: expected an integer of at least 1, got ${maxWords}`);
  }
  if (!Number.isInteger(minWords) || minWords < 0 || minWords > maxWords) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `chunk.minWords: expected an integer from 0 to maxWords (${maxWords}), got ${minWords}`,
    );
  }
  if (format !== 'text' && format !== 'markdown') {
    throw new PiramidError('INVALID_ARGUMENT', `chunk.format: expected 'text' or 'markdown', got ${format}`);
  }
}

/** Fills passages piece by piece; a piece that does not fit is cut finer only if the passage would stay too small. */
function pack(text: string, pieces: Piece[], maxWords: number, minWords: number): Piece[][] {
  const passages: Piece[][] = [];
  let current: Piece[] = [];
  let words = 0;
  const todo = pieces.reverse();
  const close = (): void => {
    // A heading belongs to what follows it.
    const carried: Piece[] = [];
    while (current.length > 1 && current.at(-1)!.kind === 'heading') carried.unshift(current.pop()!);
    passages.push(current);
    current = carried;
    words = total(carried);
  };
  while (todo.length > 0) {
    const piece = todo.pop()!;
    const fits = words + piece.words <= maxWords;
    // A sentence is broken only where it must be: rather a small passage than half a sentence.
    const tooLong = piece.words > maxWords || (words < minWords && piece.kind === 'paragraph');
    if (!fits && tooLong && piece.kind !== 'word') {
      for (const part of finer(text, piece, maxWords).reverse()) todo.push(part);
      continue;
    }
    const section = piece.kind === 'heading' && current.some(({ kind }) => kind !== 'heading') && words >= minWords;
    if (current.length > 0 && (!fits || section)) close();
    // Carried headings can leave too little room for a piece that has been measured against an empty passage.
    if (current.length > 0 && words + piece.words > maxWords) close();
    current.push(piece);
    words += piece.words;
  }
  if (current.length > 0) passages.push(current);
  balanceEnd(passages, maxWords, minWords);
  return passages;
}

/** A last passage that is too small joins the one before it, or takes pieces from it. */
function balanceEnd(passages: Piece[][], maxWords: number, minWords: number): void {
  const last = passages.at(-1);
  const before = passages.at(-2);
  if (!last || !before || total(last) >= minWords) return;
  if (total(before) + total(last) <= maxWords) {
    before.push(...last);
    passages.pop();
    return;
  }
  while (before.length > 1 && total(last) < minWords) {
    const piece = before.at(-1)!;
    if (total(before) - piece.words < minWords || total(last) + piece.words > maxWords) return;
    before.pop();
    last.unshift(piece);
  }
}

function total(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { words }) => sum + words, 0);
}

/** Paragraphs with the blank lines behind them; in Markdown headings alone, fenced code whole. */
function paragraphs(text: string, format: 'text' | 'markdown'): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  let end = 0;
  let heading = false;
  let fence = false;
  let blank = false;
  const cut = (): void => {
    if (end > start)
      pieces.push({ start, end, words: countWords(text.slice(start, end)), kind: heading ? 'heading' : 'paragraph' });
    start = end;
    heading = false;
  };
  for (const { 0: line } of text.matchAll(/[^\n]*\n|[^\n]+$/g)) {
    const isBlank = line.trim() === '';
    const isFence = format === 'markdown' && /^ {0,3}(?:```|~~~)/.test(line);
    const isHeading = format === 'markdown' && !fence && /^ {0,3}#{1,6}\s/.test(line);
    // Blank lines end what is before them, and belong to it.
    if (!isBlank && !fence && (blank || isHeading || heading) && text.slice(start, end).trim() !== '') cut();
    if (isHeading) heading = true;
    if (isFence) fence = !fence;
    blank = isBlank;
    end += line.length;
  }
  cut();
  return pieces;
}

/** A paragraph as sentences, a sentence as words, a gigantic word as parts. */
function finer(text: string, piece: Piece, maxWords: number): Piece[] {
  const inside = text.slice(piece.start, piece.end);
  const at = (span: Span, kind: Piece['kind']): Piece => ({
    start: piece.start + span.start,
    end: piece.start + span.end,
    words: countWords(inside.slice(span.start, span.end)),
    kind,
  });
  if (piece.kind !== 'sentence') return sentences(inside).map((span) => at(span, 'sentence'));
  const pieces: Piece[] = [];
  let start = 0;
  for (const { 0: word, index } of inside.matchAll(/\s*\S+\s*/g)) {
    const end = index + word.length;
    for (const part of parts(inside, start, end, maxWords)) pieces.push(at(part, 'word'));
    start = end;
  }
  if (start < inside.length) pieces.push(at({ start, end: inside.length }, 'word')); // white space alone
  return pieces;
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

const COUNTED = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])\\S)+`, 'gu');

function countWords(text: string): number {
  let words = 0;
  for (const { 0: word } of text.matchAll(COUNTED)) words += Math.ceil(word.length / WORD_LENGTH);
  return words;
}

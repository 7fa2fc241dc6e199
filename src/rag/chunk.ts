// Cuts a document into passages of about the size that embedders read and people can judge. Passages tile it: one after
// the other they are the text, to the last space. They end before headings and at paragraphs, else at sentences, else
// at words; inside a word only where it is gigantic. Tables and code end at lines.
import { PiramidError } from '../errors.ts';
import { checkOptions } from './documents.ts';
import { type Heading, type Outline, outlineOf } from './markdown.ts';
import { finer, type Piece, paragraphs, records } from './pieces.ts';
import { shortened } from './words.ts';

/**
 * Format of a text. `'markdown'`: headings begin passages, and tables and code are cut at lines. `'records'`: blank
 * lines separate records, and each record is a passage.
 */
export type TextFormat = 'text' | 'markdown' | 'records';

export interface ChunkOptions {
  /** No passage has more words. In scripts without spaces a character counts as a word. @default 180 */
  maxWords?: number;
  /**
   * A passage with fewer words is joined with a neighbour or takes words from it, if the text allows it. @default 40
   */
  minWords?: number;
  /** Format of the text. @default 'text' */
  format?: TextFormat;
}

/** A passage of a document. */
export interface Chunk {
  /** UTF-16 offsets in the document. */
  start: number;
  end: number;
  text: string;
  /** The headings above it, outermost first. Absent if there are none. */
  headings?: string[];
  /**
   * Shown and embedded in front of `text` and behind it: the header row of a table that was cut, the fences of code.
   */
  before?: string;
  after?: string;
}

/** Characters of a heading that its passages carry. */
const HEADING_MAX = 200;
export const MAX_WORDS = 180;
export const MIN_WORDS = 40;
const FORMATS: readonly string[] = ['text', 'markdown', 'records'] satisfies TextFormat[];

/**
 * The passages of `text`, in order; none if it has no words. For Markdown a promise, because its parser is loaded on
 * demand.
 */
export function chunk(text: string, options: ChunkOptions & { format: 'markdown' }): Promise<Chunk[]>;
export function chunk(text: string, options?: ChunkOptions & { format?: 'text' | 'records' }): Chunk[];
export function chunk(text: string, options?: ChunkOptions): Chunk[] | Promise<Chunk[]>;
export function chunk(text: string, options: ChunkOptions = {}): Chunk[] | Promise<Chunk[]> {
  const { maxWords, minWords, format } = checkChunkOptions(options);
  if (!/[\p{L}\p{N}]/u.test(text)) return format === 'markdown' ? Promise.resolve([]) : [];
  if (format === 'records')
    return passages(
      text,
      records(text).flatMap((piece) => packed(text, [piece], maxWords, 0)),
    );
  const packing = (outline: Outline | null): Chunk[] =>
    passages(text, packed(text, paragraphs(text, outline), maxWords, minWords));
  return format === 'markdown' ? outlineOf(text).then(packing) : packing(null);
}

/** The options with their defaults. Throws `INVALID_ARGUMENT` for others. */
export function checkChunkOptions(options: ChunkOptions): Required<ChunkOptions> {
  checkOptions(options, ['maxWords', 'minWords', 'format'], 'chunk');
  const { maxWords = MAX_WORDS, minWords = Math.min(MIN_WORDS, maxWords >> 1), format = 'text' } = options;
  if (!Number.isInteger(maxWords) || maxWords < 1) {
    throw new PiramidError('INVALID_ARGUMENT', `chunk.maxWords: expected an integer of at least 1, got ${maxWords}`);
  }
  if (!Number.isInteger(minWords) || minWords < 0 || minWords > maxWords) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `chunk.minWords: expected an integer from 0 to maxWords (${maxWords}), got ${minWords}`,
    );
  }
  checkFormat(format, 'chunk.format');
  return { maxWords, minWords, format };
}

export function checkFormat(format: string, what: string): void {
  if (FORMATS.includes(format)) return;
  throw new PiramidError('INVALID_ARGUMENT', `${what}: expected 'text', 'markdown' or 'records', got ${format}`);
}

/** Packed pieces with what belongs to each: the headings above, what is repeated. */
function passages(text: string, packs: readonly Piece[][]): Chunk[] {
  const open: Heading[] = [];
  return packs.map((pieces) => {
    let headings: string[] | undefined;
    for (const { heading } of pieces) {
      if (!heading) {
        headings ??= open.map((above) => shortened(above.text, HEADING_MAX));
        continue;
      }
      while (open.length > 0 && open.at(-1)!.level >= heading.level) open.pop();
      if (heading.text !== '') open.push(heading);
    }
    headings ??= open.map((above) => shortened(above.text, HEADING_MAX));
    const first = pieces[0]!;
    const last = pieces.at(-1)!;
    const passage: Chunk = { start: first.start, end: last.end, text: text.slice(first.start, last.end) };
    if (headings.length > 0) passage.headings = headings;
    if (isContinued(first) && first.repeat!.before !== '') passage.before = first.repeat!.before;
    if (goesOn(last) && last.repeat!.after !== '')
      passage.after = `${passage.text.endsWith('\n') ? '' : '\n'}${last.repeat!.after}`;
    return passage;
  });
}

/** Whether a part of a table, of code or of a field has others before it. */
function isContinued({ start, repeat }: Piece): boolean {
  return repeat !== undefined && start > repeat.start;
}

/** Whether it has others behind it. */
function goesOn({ end, repeat }: Piece): boolean {
  return repeat !== undefined && end < repeat.end;
}

/** Words of a passage of these pieces, with what is repeated in front. */
function total(pieces: readonly Piece[]): number {
  const repeated = pieces[0] && isContinued(pieces[0]) ? pieces[0].repeat!.words : 0;
  return pieces.reduce((sum, { words }) => sum + words, repeated);
}

/** Fills passages piece by piece; a piece that does not fit is cut finer only if the passage would stay too small. */
function packed(text: string, pieces: Piece[], maxWords: number, minWords: number): Piece[][] {
  const packs: Piece[][] = [];
  let current: Piece[] = [];
  let words = 0;
  const todo = pieces.reverse();
  const close = (): void => {
    // A heading belongs to what follows it.
    const carried: Piece[] = [];
    while (current.length > 1 && current.at(-1)!.kind === 'heading') carried.unshift(current.pop()!);
    // Unless there is nothing but headings.
    if (total(carried) > maxWords / 2) current.push(...carried.splice(0));
    packs.push(current);
    current = carried;
    words = total(carried);
  };
  while (todo.length > 0) {
    const piece = todo.pop()!;
    const alone = total([piece]);
    const fits = words + (current.length > 0 ? piece.words : alone) <= maxWords;
    // A sentence is broken only where it must be: rather a small passage than half a sentence.
    const tooLong = alone > maxWords || (words < minWords && piece.kind === 'paragraph');
    if (!fits && tooLong && piece.kind !== 'word') {
      for (const part of finer(text, piece, maxWords).reverse()) todo.push(part);
      continue;
    }
    const section = piece.kind === 'heading' && current.some(({ kind }) => kind !== 'heading') && words >= minWords;
    if (current.length > 0 && (!fits || section)) close();
    // Carried headings can leave too little room for a piece that has been measured against an empty passage.
    if (current.length > 0 && words + piece.words > maxWords) close();
    words += current.length === 0 ? alone : piece.words;
    current.push(piece);
  }
  if (current.length > 0) packs.push(current);
  balanceEnd(packs, maxWords, minWords);
  return packs;
}

/** A last passage that is too small joins the one before it, or takes pieces from it. */
function balanceEnd(packs: Piece[][], maxWords: number, minWords: number): void {
  const last = packs.at(-1);
  const before = packs.at(-2);
  if (!last || !before || total(last) >= minWords) return;
  if (total([...before, ...last]) <= maxWords) {
    before.push(...last);
    packs.pop();
    return;
  }
  while (before.length > 1 && total(last) < minWords) {
    const piece = before.at(-1)!;
    if (total(before) - piece.words < minWords || total([piece, ...last]) > maxWords) return;
    before.pop();
    last.unshift(piece);
  }
}

// Which rows hold which words, and how often: immutable blocks, the same bytes in memory and on disk, so that opening
// a database rebuilds nothing. Building, reading and merging them; `postings-writer.ts` draws the bytes.
import { PiramidError } from '../errors.ts';
import { ByteReader } from '../structures/bytes.ts';
import { readAs } from '../structures/context.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import { type Sliced, sortedIndices } from '../structures/slices.ts';
import type { AnalysisId, Analyzer } from './analyzer.ts';
import { HEADER_BYTES, MAGIC, PostingsWriter, RESTART_INTERVAL, VERSION } from './postings-writer.ts';

/** Where one term's postings are. */
export interface TermPostings {
  /** Rows that hold the term. */
  rowCount: number;
  /** Of its entries in `Postings.bytes`. */
  start: number;
  end: number;
}

/** The postings of rows `firstRow`, `firstRow + 1`, ...; rows without a text, and texts without a word, have none. The words of a text's context are its own. */
export function* buildPostings(
  texts: readonly (string | null)[],
  firstRow: number,
  analyzer: Pick<Analyzer, 'id' | 'tokenize'>,
): Sliced<Uint8Array<ArrayBuffer>> {
  const lengths = new Uint32Array(texts.length);
  const idOf = new Map<string, number>();
  const terms: string[] = [];
  const rowCounts: number[] = [];
  /** By term: how often the current text has it. */
  const counts: number[] = [];
  // One entry per text and different term, in order of rows.
  const entries = new Entries();
  for (let row = 0; row < texts.length; row++) {
    const words = analyzer.tokenize(readAs(texts[row] ?? ''));
    lengths[row] = words.length;
    const present: number[] = [];
    for (const word of words) {
      let id = idOf.get(word);
      if (id === undefined) {
        id = terms.length;
        idOf.set(word, id);
        terms.push(word);
        counts.push(0);
        rowCounts.push(0);
      }
      if (counts[id]!++ === 0) present.push(id);
    }
    for (const id of present) {
      entries.append(id, row, counts[id]!);
      counts[id] = 0;
      rowCounts[id]!++;
    }
    yield;
  }

  const order = yield* sortedIndices(terms.length, (a, b) => compareCodePoints(terms[a]!, terms[b]!));
  const sorted = yield* entries.byTerm(rowCounts);
  const writer = new PostingsWriter(firstRow, lengths, analyzer.id);
  const encoder = new TextEncoder();
  for (const id of order) {
    const end = sorted.ends[id]!;
    for (let i = end - rowCounts[id]!; i < end; i++) writer.add(sorted.rows[i]!, sorted.counts[i]!);
    writer.endTerm(encoder.encode(terms[id]));
    yield;
  }
  return writer.finish();
}

/**
 * One block of the rows of several: in ascending order, not overlapping; rows between them have no text. With a
 * `renumbering`, its rows are those of afterwards, and postings of dropped ones weigh in no statistics any more.
 */
export function* mergePostings(list: readonly Postings[], renumbering?: Renumbering): Sliced<Uint8Array<ArrayBuffer>> {
  const dropped = renumbering?.dropped;
  const renumbered = (row: number) => (renumbering ? renumbering.row(row) : row);
  const firstRow = renumbered(list[0]?.firstRow ?? 0);
  const last = list.at(-1);
  const lengths = new Uint32Array(last ? renumbered(last.firstRow + last.rowCount) - firstRow : 0);
  for (const block of list) {
    for (let row = block.firstRow; row < block.firstRow + block.rowCount; row++) {
      if (!dropped?.has(row)) lengths[renumbered(row) - firstRow] = block.lengths[row - block.firstRow]!;
    }
  }
  const writer = new PostingsWriter(firstRow, lengths, list[0]?.analysis ?? 0);
  const cursors = list.map((block) => new TermCursor(block)).filter((cursor) => cursor.next());
  while (cursors.length > 0) {
    let term = cursors[0]!.term;
    for (const cursor of cursors) if (compareBytes(cursor.term, term) < 0) term = cursor.term;
    for (let i = 0; i < cursors.length; i++) {
      const cursor = cursors[i]!;
      if (cursor.term !== term && compareBytes(cursor.term, term) !== 0) continue;
      const { block, postings } = cursor;
      forEachPosting(block.bytes, postings.start, postings.end, (offset, count) => {
        const row = block.firstRow + offset;
        if (!dropped?.has(row)) writer.add(renumbered(row) - firstRow, count);
      });
      if (!cursor.next()) cursors.splice(i--, 1);
    }
    writer.endTerm(term);
    yield;
  }
  return writer.finish();
}

/** A postings block, read in place. */
export class Postings {
  readonly bytes: Uint8Array;
  readonly firstRow: number;
  readonly rowCount: number;
  /** Rows with at least one term. */
  readonly textCount: number;
  /** Terms in all texts, repetitions included. */
  readonly length: number;
  readonly termCount: number;
  /** By which analysis its terms were made. */
  readonly analysis: AnalysisId;
  /** Terms in the text of each row. Shape: (rowCount). */
  readonly lengths: Uint32Array;
  /** Offset in `bytes` of the dictionary, and of the postings behind it. */
  readonly dictionaryStart: number;
  readonly postingsStart: number;
  readonly #shift: number;
  readonly #view: DataView;
  readonly #restartsStart: number;

  private constructor(bytes: Uint8Array, shift: number) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const field = (i: number): number => view.getUint32(i * 4, true);
    this.bytes = bytes;
    this.#shift = shift;
    this.firstRow = field(2) - shift;
    this.rowCount = field(3);
    this.textCount = field(4);
    this.length = field(5);
    this.termCount = field(6);
    this.analysis = field(9);
    this.#view = view;
    this.#restartsStart = HEADER_BYTES + this.rowCount * 4;
    this.dictionaryStart = this.#restartsStart + Math.ceil(this.termCount / RESTART_INTERVAL) * 8;
    this.postingsStart = this.dictionaryStart + field(7);
    const end = this.postingsStart + field(8);
    if (end !== bytes.length) throw corrupt(`the header says ${end} bytes, there are ${bytes.length}`);
    if (this.textCount > this.rowCount || field(2) + this.rowCount > 2 ** 32) {
      throw corrupt(`${this.textCount} texts in ${this.rowCount} rows from ${this.firstRow}`);
    }
    this.lengths = uint32At(bytes, HEADER_BYTES, this.rowCount);
  }

  /**
   * Looks at the header only. Keeps `bytes`. `shift`: how many rows lower its rows are than when it was written. Throws
   * `CORRUPT`, `NEWER_FORMAT`.
   */
  static open(bytes: Uint8Array, shift = 0): Postings {
    if (bytes.length < HEADER_BYTES) throw corrupt(`expected at least ${HEADER_BYTES} bytes, got ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
    if (view.getUint32(0, true) !== MAGIC) throw corrupt('not a postings block (magic number)');
    const version = view.getUint32(4, true);
    if (version > VERSION) {
      const message = `postings have format ${version}; this release reads up to ${VERSION}. Update Piramid.`;
      throw new PiramidError('NEWER_FORMAT', message);
    }
    if (version !== VERSION) throw corrupt(`unknown version ${version}`);
    return new Postings(bytes, shift);
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  /** The same bytes, with rows that many lower. */
  shifted(by: number): Postings {
    return by === 0 ? this : new Postings(this.bytes, this.#shift + by);
  }

  /** The postings of a term given as UTF-8, or undefined where no row has it. */
  find(term: Uint8Array): TermPostings | undefined {
    // The last restart whose term is not above the one sought.
    let low = 0;
    let high = Math.ceil(this.termCount / RESTART_INTERVAL);
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#compareRestart(middle, term) <= 0) low = middle;
      else high = middle;
    }
    if (high === 0) return undefined;
    const reader = this.readerAt(low);
    const { bytes } = reader;
    /** Bytes that the last entry, which is below the term, has in common with it. */
    let matched = 0;
    for (let i = 0; i < RESTART_INTERVAL && reader.at < this.postingsStart; i++) {
      reader.entry();
      const { shared, to } = reader;
      if (shared > matched) continue;
      if (shared < matched) return undefined;
      let at = reader.from;
      for (; at < to && bytes[at] === term[matched]; at++) matched++;
      if (matched === term.length) return at === to ? reader : undefined;
      if (at < to && bytes[at]! > term[matched]!) return undefined;
    }
    return undefined;
  }

  /** Reads the dictionary from term 16 * `restart` on. */
  readerAt(restart: number): Reader {
    const at = this.#restartsStart + restart * 8;
    const reader = new Reader(this.bytes, this.dictionaryStart + this.#view.getUint32(at, true));
    reader.end = this.postingsStart + this.#view.getUint32(at + 4, true);
    return reader;
  }

  #compareRestart(restart: number, term: Uint8Array): number {
    const reader = this.readerAt(restart);
    reader.varint(); // shared: 0
    const length = reader.varint();
    for (let i = 0; i < length && i < term.length; i++) {
      const byte = this.bytes[reader.at + i]!;
      if (byte !== term[i]) return byte - term[i]!;
    }
    return length - term.length;
  }
}

/** Walks a dictionary in order. */
class TermCursor {
  readonly block: Postings;
  term: Uint8Array = new Uint8Array(0);
  readonly postings: Reader;

  constructor(block: Postings) {
    this.block = block;
    this.postings = block.termCount === 0 ? new Reader(block.bytes, block.postingsStart) : block.readerAt(0);
  }

  /** To the first or next term; false where there is none. */
  next(): boolean {
    const { postings } = this;
    if (postings.at >= this.block.postingsStart) return false;
    postings.entry();
    const { shared, from, to, bytes } = postings;
    const term = new Uint8Array(shared + to - from);
    term.set(this.term.subarray(0, shared));
    term.set(bytes.subarray(from, to), shared);
    this.term = term;
    return true;
  }
}

/** Reads numbers, and the entries of a dictionary. */
class Reader extends ByteReader {
  /** Of the dictionary entry read last: bytes in common with the one before, where the others are, and its postings. */
  shared = 0;
  from = 0;
  to = 0;
  rowCount = 0;
  start = 0;
  /** Before the first entry: where its postings begin. */
  end = 0;

  entry(): void {
    this.shared = this.varint();
    const rest = this.varint();
    this.from = this.at;
    this.to = this.at += rest;
    this.rowCount = this.varint();
    this.start = this.end;
    this.end += this.varint();
  }
}

/** Calls `each` with every row (counted from the block's first) and its count. */
export function forEachPosting(
  bytes: Uint8Array,
  start: number,
  end: number,
  each: (row: number, count: number) => void,
): void {
  const reader = new Reader(bytes, start);
  let row = 0;
  while (reader.at < end) {
    const code = reader.varint();
    row += Math.floor(code / 2);
    each(row, code % 2 === 1 ? reader.varint() : 1);
    row++;
  }
}

/** (term, row, count) triples as they come, and a stable counting sort by term. */
class Entries {
  #length = 0;
  #terms = new Uint32Array(1024);
  #rows = new Uint32Array(1024);
  #counts = new Uint32Array(1024);

  append(term: number, row: number, count: number): void {
    if (this.#length === this.#terms.length) {
      this.#terms = doubled(this.#terms);
      this.#rows = doubled(this.#rows);
      this.#counts = doubled(this.#counts);
    }
    this.#terms[this.#length] = term;
    this.#rows[this.#length] = row;
    this.#counts[this.#length++] = count;
  }

  /** `ends[term]`: index behind its last entry in `rows` and `counts`. */
  *byTerm(rowCounts: readonly number[]): Sliced<{ rows: Uint32Array; counts: Uint32Array; ends: Uint32Array }> {
    const ends = new Uint32Array(rowCounts.length);
    for (let term = 1; term < ends.length; term++) ends[term] = ends[term - 1]! + rowCounts[term - 1]!;
    const rows = new Uint32Array(this.#length);
    const counts = new Uint32Array(this.#length);
    for (let i = 0; i < this.#length; i++) {
      const to = ends[this.#terms[i]!]!++;
      rows[to] = this.#rows[i]!;
      counts[to] = this.#counts[i]!;
      if ((i & 1023) === 1023) yield;
    }
    return { rows, counts, ends };
  }
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function uint32At(bytes: Uint8Array, offset: number, length: number): Uint32Array {
  const start = bytes.byteOffset + offset;
  // Stored blocks begin at a multiple of 4; others are copied. Browsers run on little-endian machines only.
  if (start % 4 === 0) return new Uint32Array(bytes.buffer, start, length);
  return new Uint32Array(bytes.slice(offset, offset + length * 4).buffer);
}

/** As the UTF-8 of the strings compares: by code point. UTF-16 units differ where a surrogate meets U+E000 to U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? surrogatesLast(x) - surrogatesLast(y) : x - y;
  }
  return a.length - b.length;
}

function surrogatesLast(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function corrupt(why: string): PiramidError {
  return new PiramidError('CORRUPT', `postings: ${why}`);
}

// Writes a postings block: terms in ascending order, each with the rows that hold it. Building and merging both end
// here, so that merged blocks are the bytes that one build over the same texts would have written.
//
// A block covers rows firstRow .. firstRow + rowCount - 1. All integers are little-endian; a varint is LEB128, 7 bits a
// byte, low bits first.
//
//   bytes            what
//   0    u32         magic 'PPST'
//   4    u32         version, 1
//   8    u32         firstRow
//   12   u32         rowCount
//   16   u32         textCount: rows with at least one term
//   20   u32         length: terms in all texts, repetitions included
//   24   u32         termCount
//   28   u32         dictionaryBytes
//   32   u32         postingsBytes
//   36   u32         analysis: how its terms were made (`text/analyzer`); 0 up to format 4
//   40   u32 * rowCount                   length of each row's text in terms, 0 where there is none
//   ..   (u32, u32) * ceil(termCount/16)  of every 16th term: offset of its entry in the dictionary, of its postings
//   ..   dictionaryBytes                  one entry per term, ascending by UTF-8 bytes:
//          varint shared    bytes that it has in common with the term before; 0 for every 16th term
//          varint rest      bytes that follow
//          rest bytes       UTF-8
//          varint rowCount  rows that hold the term (its document frequency)
//          varint bytes     length of its postings
//   ..   postingsBytes                    the postings of each term, one entry per row, rows ascending:
//          varint gap * 2 + many   gap: row - firstRow for the first, row - row before - 1 for the next ones
//          varint count            how often the row's text has the term; only if many is 1, else it is 1
//
// The dictionary is LevelDB's table block (shared prefixes, restart points), the postings are Lucene's.

import { ByteWriter } from '../structures/bytes.ts';

export const MAGIC = 0x54_53_50_50; // 'PPST'
export const VERSION = 1;
export const HEADER_BYTES = 40;
/** A lookup searches every 16th term by bisection and reads on from there. */
export const RESTART_INTERVAL = 16;

export class PostingsWriter {
  readonly #firstRow: number;
  readonly #lengths: Uint32Array;
  readonly #analysis: number;
  readonly #dictionary = new ByteWriter();
  readonly #postings = new ByteWriter();
  /** Pairs of offsets, see above. */
  readonly #restarts: number[] = [];
  #termCount = 0;
  #lastTerm: Uint8Array = new Uint8Array(0);
  #termRows = 0;
  #termStart = 0;
  #nextRow = 0;

  /** `lengths[i]`: terms in the text of row `firstRow + i`. */
  constructor(firstRow: number, lengths: Uint32Array, analysis: number) {
    this.#firstRow = firstRow;
    this.#lengths = lengths;
    this.#analysis = analysis;
  }

  /** A row with the current term, `row` counted from the block's first; rows ascend. */
  add(row: number, count: number): void {
    const gap = row - this.#nextRow;
    this.#postings.varint(gap * 2 + (count > 1 ? 1 : 0));
    if (count > 1) this.#postings.varint(count);
    this.#nextRow = row + 1;
    this.#termRows++;
  }

  /** Names the term whose rows have been added. One without rows (all deleted) is left out. Keeps `term`. */
  endTerm(term: Uint8Array): void {
    if (this.#termRows === 0) return;
    const dictionary = this.#dictionary;
    let shared = 0;
    if (this.#termCount % RESTART_INTERVAL === 0) this.#restarts.push(dictionary.length, this.#termStart);
    else while (shared < term.length && term[shared] === this.#lastTerm[shared]) shared++;
    dictionary.varint(shared);
    dictionary.varint(term.length - shared);
    dictionary.append(term, shared);
    dictionary.varint(this.#termRows);
    dictionary.varint(this.#postings.length - this.#termStart);
    this.#lastTerm = term;
    this.#termCount++;
    this.#termStart = this.#postings.length;
    this.#termRows = 0;
    this.#nextRow = 0;
  }

  /** The block, in a buffer of exactly its size. */
  finish(): Uint8Array<ArrayBuffer> {
    const lengthsBytes = this.#lengths.length * 4;
    const restartsBytes = this.#restarts.length * 4;
    const dictionaryStart = HEADER_BYTES + lengthsBytes + restartsBytes;
    const postingsStart = dictionaryStart + this.#dictionary.length;
    const bytes = new Uint8Array(postingsStart + this.#postings.length);
    const view = new DataView(bytes.buffer);
    const textCount = this.#lengths.reduce((n, length) => n + (length > 0 ? 1 : 0), 0);
    const length = this.#lengths.reduce((sum, length) => sum + length, 0);
    [
      MAGIC,
      VERSION,
      this.#firstRow,
      this.#lengths.length,
      textCount,
      length,
      this.#termCount,
      this.#dictionary.length,
      this.#postings.length,
      this.#analysis,
    ].forEach((value, i) => {
      view.setUint32(i * 4, value, true);
    });
    this.#lengths.forEach((value, i) => {
      view.setUint32(HEADER_BYTES + i * 4, value, true);
    });
    this.#restarts.forEach((value, i) => {
      view.setUint32(HEADER_BYTES + lengthsBytes + i * 4, value, true);
    });
    bytes.set(this.#dictionary.written(), dictionaryStart);
    bytes.set(this.#postings.written(), postingsStart);
    return bytes;
  }
}

/** The same block of other rows, in place. */
export function moveBlock(block: Uint8Array<ArrayBuffer>, firstRow: number): Uint8Array<ArrayBuffer> {
  new DataView(block.buffer, block.byteOffset).setUint32(8, firstRow, true);
  return block;
}

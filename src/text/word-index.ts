// The words of one collection: its postings blocks in order of rows, and the statistics of its live records. Those decide every
// score, so a query is answered as by a collection that never held anything but the records that are live now.
import type { Bitset } from '../structures/bitset.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import { atOnce, type Sliced } from '../structures/slices.ts';
import { mergePostings, Postings } from './postings.ts';
import { type QueryWord, type ScoredWords, searchWords } from './search.ts';

/** A block of this many bytes is left as it is on disk, so that opening merges nothing large. */
const SMALL_BLOCK_BYTES = 256 << 10;

/** A block, and how many of its rows with a text are deleted. */
export interface CountedBlock {
  postings: Postings;
  deadTexts: number;
}

export class WordIndex {
  #blocks: CountedBlock[] = [];
  /** Live rows with at least one term, and the terms in their texts, repetitions included. Integers: exact in any order. */
  #texts = 0;
  #length = 0;

  get blocks(): readonly CountedBlock[] {
    return this.#blocks;
  }

  get byteLength(): number {
    return this.#blocks.reduce((sum, { postings }) => sum + postings.byteLength, 0);
  }

  /** Adds the block of rows behind all others. `deleted`: which of them are deleted already. `merge` soon. */
  append(postings: Postings, deleted: Bitset): void {
    const block = { postings, deadTexts: 0 };
    this.#blocks.push(block);
    this.#texts += postings.textCount;
    this.#length += postings.length;
    for (let i = 0; i < postings.rowCount; i++) if (deleted.has(postings.firstRow + i)) this.#remove(block, i);
  }

  /** Takes rows that have just been deleted out of the statistics: one bisection per row, whatever its text. */
  remove(rows: Iterable<number>): void {
    for (const row of rows) {
      const block = this.#blockOf(row);
      if (block) this.#remove(block, row - block.postings.firstRow);
    }
  }

  /** Takes over other row numbers; rows that are dropped are deleted ones. `renumbered`: blocks that have been renumbered already. */
  renumber(renumbering: Renumbering, renumbered: ReadonlyMap<Postings, Postings>): void {
    this.#blocks = this.#blocks.map(({ postings, deadTexts }) => {
      const kept = renumbered.get(postings) ?? renumberPostings(postings, renumbering);
      return { postings: kept, deadTexts: deadTexts - (postings.textCount - kept.textCount) };
    });
  }

  /** The `k` best rows that hold one of a query's `words`, among `mask`. `deleted`: rows that count in no statistics. */
  search(
    words: Iterable<QueryWord>,
    { k, mask, deleted }: { k: number; mask: Bitset | null; deleted: Bitset },
  ): ScoredWords {
    return searchWords(this.#blocks, words, { k, mask, deleted, texts: this.#texts, length: this.#length });
  }

  /**
   * Merges small blocks at the end, in one go with the change. Blocks are in order of rows, and only neighbours can be merged. One is
   * merged with those behind it unless it is twice as large as they are together, as in a log-structured merge tree (O'Neil et al. 1996):
   * few are left, and a posting is copied once each time that its block grows by half. Rows may be removed meanwhile, but none appended or
   * renumbered. Blocks of `bytesMax` are left as they are, with those before them.
   */
  *merge(bytesMax = SMALL_BLOCK_BYTES): Sliced<void> {
    const blocks = this.#blocks;
    let start = blocks.length - 1;
    let bytes = 0;
    for (let i = start; i >= 0 && blocks[i]!.postings.byteLength < bytesMax; i--) {
      if (blocks[i]!.postings.byteLength < 2 * bytes) start = i;
      bytes += blocks[i]!.postings.byteLength;
    }
    if (start >= blocks.length - 1) return;
    const tail = blocks.slice(start);
    const postings = Postings.open(yield* mergePostings(tail.map((block) => block.postings)));
    const deadTexts = tail.reduce((sum, block) => sum + block.deadTexts, 0);
    blocks.splice(start, tail.length, { postings, deadTexts });
  }

  #remove(block: CountedBlock, row: number): void {
    const length = block.postings.lengths[row]!;
    if (length === 0) return;
    block.deadTexts++;
    this.#texts--;
    this.#length -= length;
  }

  #blockOf(row: number): CountedBlock | undefined {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle]!;
      const { firstRow, rowCount } = block.postings;
      if (row < firstRow) high = middle - 1;
      else if (row >= firstRow + rowCount) low = middle + 1;
      else return block;
    }
    return undefined;
  }
}

/** A block as it is after a renumbering of rows. */
export function renumberPostings(block: Postings, renumbering: Renumbering): Postings {
  const { firstRow, rowCount } = block;
  const isWhole = renumbering.kept(firstRow, firstRow + rowCount) === rowCount;
  // Its bytes hold the number of its first row alone.
  if (isWhole) return block.shifted(firstRow - renumbering.row(firstRow));
  return Postings.open(atOnce(mergePostings([block], renumbering)));
}

// The words of one collection as they are written, for queries of words that are still being typed. Read from the stored texts at the first such
// query, and from later ones at the next: nothing of it is stored, and collections that are never asked so pay nothing.
import type { Store } from '../store/store.ts';
import { inSlices } from '../structures/slices.ts';
import { forms } from '../text/forms.ts';
import { buildPostings, Postings } from '../text/postings.ts';
import { type CountedBlock, WordIndex } from '../text/word-index.ts';

/** Rows in a block before blocks are merged, and whose texts are read in one go. */
const BLOCK_ROWS = 8192;
const READ_ROWS = 512;

export class Forms {
  readonly #store: Store;
  readonly #collection: number;
  #index = new WordIndex();
  /** Rows that have been read: the first ones. */
  #rows = 0;
  #reading: Promise<void> | null = null;

  constructor(store: Store, collection: number) {
    this.#store = store;
    this.#collection = collection;
  }

  /** In order of rows. After `ready`. */
  get blocks(): readonly CountedBlock[] {
    return this.#index.blocks;
  }

  get byteLength(): number {
    return this.#index.byteLength;
  }

  /** Settles when more of the first `rowCount` rows have been read; null for "all have". */
  ready(rowCount: number): Promise<void> | null {
    if (this.#rows >= rowCount) return null;
    this.#reading ??= this.#read(rowCount).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** Takes rows that have just been deleted out of the counts. */
  remove(rows: Iterable<number>): void {
    this.#index.remove(rows);
  }

  /** Rows have other numbers now: all is read again at the next such query. */
  drop(): void {
    this.#index = new WordIndex();
    this.#rows = 0;
  }

  async #read(rowCount: number): Promise<void> {
    const index = this.#index;
    while (this.#rows < rowCount) {
      const first = this.#rows;
      const end = Math.min(first + BLOCK_ROWS, rowCount);
      const texts: (string | null)[] = [];
      for (let row = first; row < end; row += READ_ROWS) {
        const rows = Array.from({ length: Math.min(READ_ROWS, end - row) }, (_, i) => row + i);
        texts.push(...(await this.#store.readTexts(this.#collection, rows)));
      }
      const bytes = await inSlices(buildPostings(texts, first, forms));
      if (index !== this.#index) return; // rows may have been renumbered meanwhile
      index.append(Postings.open(bytes), this.#store.deleted(this.#collection));
      this.#rows = end;
    }
    await inSlices(index.merge(Number.POSITIVE_INFINITY));
  }
}

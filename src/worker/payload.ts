// The payload columns of one collection: read from the store at the first filter, and kept up to date from then on.
import { decodeMetadataValue } from '../filter/metadata.ts';
import { PayloadIndex } from '../filter/payload-index.ts';
import type { RowBatch } from '../store/batch.ts';
import type { StoredMetadata } from '../store/reader.ts';
import type { Metadata } from '../types.ts';

type LoadMetadata = () => AsyncIterable<{ firstRow: number; values: readonly StoredMetadata[] }>;

export class Payload {
  readonly #load: LoadMetadata;
  #built: PayloadIndex | null = null;
  #building: Promise<void> | null = null;
  /** Written while the build reads. */
  #late: RowBatch[] = [];
  /** Goes up as rows are renumbered. */
  #numbering = 0;

  constructor(load: LoadMetadata) {
    this.#load = load;
  }

  /** Settles when `columns` are there; null for "they are". */
  ready(): Promise<void> | null {
    if (this.#built) return null;
    this.#building ??= this.#build().finally(() => {
      this.#building = null;
    });
    return this.#building;
  }

  /** After `ready`. */
  get columns(): PayloadIndex {
    return this.#built!;
  }

  get byteLength(): number {
    return this.#built?.byteLength ?? 0;
  }

  /** New rows, which the store has already. */
  append(batch: RowBatch): void {
    if (this.#built) {
      const metadata = batch.metadata.map((json) => toMetadata(json === null ? null : JSON.parse(json)));
      this.#built.append(batch.firstRow, metadata);
    } else if (this.#building) this.#late.push(batch);
  }

  /** Rows have other numbers now: all is read again at the next filter. */
  drop(): void {
    this.#numbering++;
    this.#built = null;
    this.#late = [];
  }

  async #build(): Promise<void> {
    const columns = new PayloadIndex();
    const numbering = this.#numbering;
    this.#late = [];
    try {
      for await (const { firstRow, values } of this.#load()) {
        if (this.#numbering !== numbering) break;
        columns.append(firstRow, values.map(toMetadata));
      }
    } catch (error) {
      if (this.#numbering === numbering) throw error;
    }
    // A query that was cancelled leaves its build alone, and chunks may be compacted away under it.
    if (this.#numbering !== numbering) return this.#build();
    this.#built = columns;
    for (const batch of this.#late) this.append(batch);
    this.#late = [];
  }
}

function toMetadata(stored: unknown): Metadata | undefined {
  return stored === null ? undefined : (decodeMetadataValue(stored) as Metadata);
}

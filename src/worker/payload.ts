// The payload columns of one collection: read from the store at the first filter, and kept up to date from then on.
import { decodeMetadataValue } from '../filter/metadata.ts';
import { PayloadIndex } from '../filter/payload-index.ts';
import type { RowBatch } from '../store/batch.ts';
import type { StoredMetadata } from '../store/reader.ts';
import { atOnce, inSlices, type Sliced } from '../structures/slices.ts';
import type { Metadata } from '../types.ts';

type LoadMetadata = () => AsyncIterable<{ firstRow: number; values: readonly StoredMetadata[] }>;

/** Fields of rows that have other values now. */
export interface FieldChange {
  /** Ascending. */
  rows: readonly number[];
  /** Of the metadata itself, not below it. */
  fields: ReadonlySet<string>;
  /** Of the row `rows[i]`: stored metadata, of which `fields` alone are looked at. */
  metadataOf: (i: number) => StoredMetadata;
}

export class Payload {
  readonly #load: LoadMetadata;
  #built: PayloadIndex | null = null;
  #building: Promise<void> | null = null;
  /** Written while the build reads, and what puts it into columns. */
  #late: ((columns: PayloadIndex) => Sliced<void>)[] = [];
  /** What makes the change under way that is not yet durable. */
  #exchange: (() => void) | null = null;
  /** Whose rows are in the columns before they are durable. */
  #prepared: RowBatch | null = null;
  /** The columns hold rows that were taken back. */
  #isSpoiled = false;
  /** Goes up as rows are renumbered. */
  #numbering = 0;

  constructor(load: LoadMetadata) {
    this.#load = load;
  }

  /** Settles when `columns` are there; null for "they are". */
  ready(): Promise<void> | null {
    if (this.#built && !this.#isSpoiled) return null;
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

  /** Adds rows behind those that filters look at: they are written, but not yet durable. */
  *prepare(batch: RowBatch): Sliced<void> {
    if (!this.#built || this.#isSpoiled) return;
    this.#prepared = batch;
    try {
      yield* appendRows(this.#built, batch.firstRow, parsed(batch.metadata));
    } catch {
      // No memory: the write goes on without.
      this.#isSpoiled = true;
      this.#prepared = null;
    }
  }

  /** New rows, which the store has already. */
  append(batch: RowBatch): void {
    const isPrepared = this.#prepared === batch;
    this.#prepared = null;
    if (this.#built && !this.#isSpoiled) {
      if (isPrepared) return;
      try {
        atOnce(appendRows(this.#built, batch.firstRow, parsed(batch.metadata)));
      } catch {
        this.#isSpoiled = true;
      }
    } else if (this.#building)
      this.#late.push((columns) => appendRows(columns, batch.firstRow, parsed(batch.metadata)));
  }

  /** Gets a change ready that is written, but not yet durable. */
  *prepareChange(change: FieldChange): Sliced<void> {
    this.#exchange = null;
    if (!this.#built || this.#isSpoiled) return;
    try {
      this.#exchange = yield* replacing(this.#built, change);
    } catch {
      this.#isSpoiled = true; // no memory: the write goes on without
    }
  }

  /** A change that the store has already. */
  change(change: FieldChange): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (this.#built && !this.#isSpoiled) {
      try {
        if (exchange) exchange();
        else atOnce(replacing(this.#built, change))();
      } catch {
        this.#isSpoiled = true;
      }
    } else if (this.#building)
      this.#late.push(function* (columns) {
        (yield* replacing(columns, change))();
      });
  }

  /** The rows prepared last could not be written: all is read again at the next filter. Those under way do not see them. */
  takeBack(): void {
    if (this.#prepared) this.#isSpoiled = true;
    this.#prepared = null;
  }

  /** What a build reads may be gone: one that is under way begins again. */
  restart(): void {
    this.#numbering++;
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
        await inSlices(appendRows(columns, firstRow, values));
      }
    } catch (error) {
      if (this.#numbering === numbering) throw error;
    }
    // A query that was cancelled leaves its build alone, and chunks may be compacted away under it.
    if (this.#numbering !== numbering) return this.#build();
    for (let put = this.#late.shift(); put; put = this.#late.shift()) await inSlices(put(columns));
    if (this.#numbering !== numbering) return this.#build();
    this.#built = columns;
    this.#isSpoiled = false;
  }
}

function* appendRows(columns: PayloadIndex, firstRow: number, values: Iterable<StoredMetadata>): Sliced<void> {
  let row = firstRow;
  for (const value of values) {
    columns.append(row++, [toMetadata(value)]);
    yield;
  }
}

function replacing(columns: PayloadIndex, { rows, fields, metadataOf }: FieldChange): Sliced<() => void> {
  let stored: StoredMetadata;
  let metadata: Metadata = {};
  return columns.replacing(rows, fields, (i) => {
    const next = metadataOf(i);
    if (next !== stored) metadata = toMetadata(structuredClone(next)) ?? {}; // most changes are alike for all rows
    stored = next;
    return metadata;
  });
}

function* parsed(metadata: RowBatch['metadata']): Generator<StoredMetadata> {
  for (const json of metadata) yield json === null ? null : JSON.parse(json);
}

function toMetadata(stored: unknown): Metadata | undefined {
  return stored === null ? undefined : (decodeMetadataValue(stored) as Metadata);
}

// Writes patches into the metadata of their rows: the chunks that hold any are written again, and nothing else. New chunks are staged
// slice by slice, as compaction does it, and one commit puts them in place; patches that came meanwhile stay.
import { Bitset } from '../structures/bitset.ts';
import type { Changes } from '../structures/changes.ts';
import { inSlices } from '../structures/slices.ts';
import { type ChunkValue, encodeChunks, type RowBatch } from './batch.ts';
import { decodeJson } from './format.ts';
import type { Journal } from './journal.ts';
import { byKindAndRow, type ChunkRef, type Segment, type StoredCollection } from './manifest.ts';
import { type Patches, patchedMetadata } from './patches.ts';
import { type RowReader, shiftOf } from './reader.ts';
import type { Rewrite } from './rewrite.ts';
import { COMPACTION_SLICE_BYTES } from './schema.ts';

export class PatchMerge implements Rewrite {
  readonly collection: number;
  readonly renumbering = null;
  readonly staged = new Set<number>();
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #stored: StoredCollection;
  /** As they were at its beginning. */
  readonly #patches: Patches;
  /** Rows that have theirs in their metadata now. */
  readonly #written: Bitset;
  readonly #garbage: number[] = [];
  /** Of the segments that have changed. */
  readonly #chunks = new Map<Segment, ChunkRef[]>();
  readonly #slices: AsyncGenerator<void>;

  constructor(journal: Journal, reader: RowReader, stored: StoredCollection, patches: Patches) {
    this.#journal = journal;
    this.#reader = reader;
    this.#stored = stored;
    this.collection = stored.id;
    this.#patches = patches.clone();
    const last = stored.segments.at(-1);
    this.#written = new Bitset(last ? last.firstRow + last.rowCount : 0);
    this.#slices = this.#merge();
  }

  /** Writes the next slice of new chunks. False when all are written; `abandon` it where it throws. */
  async step(): Promise<boolean> {
    return !(await this.#slices.next()).done;
  }

  abandon(): void {
    this.#journal.release(this.staged);
    this.staged.clear();
  }

  apply(segments: readonly Segment[]): Segment[] {
    return segments.map((segment) => ({ ...segment, chunks: this.#chunks.get(segment) ?? segment.chunks }));
  }

  garbage(): number[] {
    return this.#garbage;
  }

  hasWritten(row: number, changes: Changes): boolean {
    return this.#written.has(row) && this.#patches.of(row) === changes;
  }

  async *#merge(): AsyncGenerator<void> {
    let next = this.#journal.next();
    let values: ChunkValue[] = [];
    let bytes = 0;
    const stage = async () => {
      await this.#journal.stage(next, values);
      for (const { key } of values) this.staged.add(key);
      values = [];
      bytes = 0;
    };
    for (const segment of this.#stored.segments) {
      const chunks = segment.chunks.filter(({ kind }) => kind !== 'metadata');
      for (const part of partsOf(segment)) {
        const batch = await this.#patched(segment, part);
        if (!batch) {
          if (part.chunk) chunks.push(part.chunk);
          continue;
        }
        const made = await inSlices(encodeChunks(this.collection, batch, () => next.nextChunk++));
        chunks.push(...made.chunks);
        values.push(...made.values);
        if (part.chunk) this.#garbage.push(part.chunk.key);
        this.#written.addRange(part.firstRow, part.firstRow + part.rowCount);
        bytes += made.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
        if (bytes < COMPACTION_SLICE_BYTES) continue;
        await stage();
        yield;
        next = this.#journal.next();
      }
      this.#chunks.set(segment, byKindAndRow(chunks));
    }
    if (values.length > 0) await stage();
  }

  /** The metadata of a part with its patches; null where it has none, or cannot be read. */
  async #patched(segment: Segment, { firstRow, rowCount, chunk }: Part): Promise<RowBatch | null> {
    if (this.#patches.rows(firstRow, firstRow + rowCount).next().done) return null;
    let stored: readonly unknown[] = new Array(rowCount).fill(null);
    if (chunk) {
      const payload = await this.#reader.readWhole(this.collection, chunk);
      if (!payload) return null;
      stored = decodeJson(payload) as unknown[];
    }
    const json = stored.map((value) => (value === null ? null : JSON.stringify(value)));
    const metadata = await inSlices(patchedMetadata({ firstRow, metadata: json }, this.#patches));
    const written = firstRow + shiftOf(segment);
    return { firstRow: written, rowCount, ids: [], vectors: null, metadata, texts: [], postings: null };
  }
}

/** Rows of one metadata chunk, or of none. */
interface Part {
  firstRow: number;
  rowCount: number;
  chunk: ChunkRef | null;
}

/** All rows of a segment, in order. */
function* partsOf(segment: Segment): Generator<Part> {
  const end = segment.firstRow + segment.rowCount;
  let next = segment.firstRow;
  for (const chunk of segment.chunks) {
    if (chunk.kind !== 'metadata') continue;
    const firstRow = chunk.firstRow - shiftOf(segment);
    if (firstRow > next) yield { firstRow: next, rowCount: firstRow - next, chunk: null };
    yield { firstRow, rowCount: chunk.rowCount, chunk };
    next = firstRow + chunk.rowCount;
  }
  if (next < end) yield { firstRow: next, rowCount: end - next, chunk: null };
}

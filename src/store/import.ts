// Collections on their way in: rows are staged slice by slice as chunks that no collection has yet, and one manifest takes
// them all up at the end. Whatever ends it early, the database is as it was, and the chunks are deleted.
import { PiramidError } from '../errors.ts';
import { inSlices } from '../structures/slices.ts';
import { encodeChunks, type RowBatch } from './batch.ts';
import type { MergePostings } from './compaction.ts';
import type { Journal } from './journal.ts';
import {
  byKindAndRow,
  type ChunkRef,
  type CollectionConfig,
  type Manifest,
  type Segment,
  type StoredCollection,
} from './manifest.ts';
import type { StoredPostings } from './reader.ts';
import { COMPACTION_GROUP_BYTES_MAX } from './schema.ts';

export class Import {
  /** Keys of the chunks written so far. */
  readonly staged = new Set<number>();
  readonly #journal: Journal;
  readonly #mergePostings: MergePostings;
  /** As they are to be. */
  collections: readonly StoredCollection[] = [];
  /** The segment that slices are added to: bytes, and their postings, so far. */
  #open: { collection: StoredCollection; segment: Segment; bytes: number; postings: StoredPostings[] } | null = null;

  constructor(journal: Journal, mergePostings: MergePostings) {
    this.#journal = journal;
    this.#mergePostings = mergePostings;
  }

  /** Takes numbers for new collections. Throws `CONFLICT` if one exists. */
  async begin(collections: readonly { name: string; config: CollectionConfig }[]): Promise<void> {
    this.#refuseKnown(collections.map(({ name }) => name));
    const next = this.#journal.next();
    const numbered = collections.map(
      ({ name, config }): StoredCollection => ({
        id: next.nextCollection++,
        name,
        config,
        segments: [],
        tombstones: null,
      }),
    );
    await this.#journal.flip(next, []);
    this.collections = numbered;
  }

  /** Writes a collection's next rows; collections come in the order in which they were begun. */
  async stage(index: number, batch: RowBatch): Promise<void> {
    const collection = this.collections[index]!;
    if (this.#open && (this.#open.collection !== collection || this.#open.bytes >= COMPACTION_GROUP_BYTES_MAX))
      await this.#closeSegment();
    this.#open ??= {
      collection,
      segment: { firstRow: batch.firstRow, rowCount: 0, chunks: [] },
      bytes: 0,
      postings: [],
    };
    const { segment, postings } = this.#open;
    if (batch.postings) postings.push({ bytes: batch.postings, shift: 0 });
    const chunks = await this.#write(collection, { ...batch, postings: null });
    segment.rowCount += batch.rowCount;
    this.#open.bytes += chunks.reduce((sum, chunk) => sum + chunk.bytes, 0) + (batch.postings?.length ?? 0);
  }

  /** Writes what is left to be written, and adds the collections to `next`. */
  async finish(): Promise<Manifest> {
    await this.#closeSegment();
    this.#refuseKnown(this.collections.map(({ name }) => name));
    const next = this.#journal.next(this.staged);
    next.collections = [...next.collections, ...this.collections]; // not `push`: there may be more than a call can take
    return next;
  }

  /** Lets go of what was written: the next manifest deletes it, unless it is a part of the database by now. */
  abandon(): void {
    this.#journal.release(this.staged);
    this.staged.clear();
  }

  async #closeSegment(): Promise<void> {
    if (!this.#open) return;
    const { collection, segment, postings } = this.#open;
    if (postings.length > 0) {
      const { firstRow, rowCount } = segment;
      const merged = await this.#mergePostings(postings);
      await this.#write(collection, {
        firstRow,
        rowCount,
        ids: [],
        vectors: null,
        metadata: [],
        texts: [],
        postings: merged,
      });
    }
    segment.chunks = byKindAndRow(segment.chunks);
    collection.segments.push(segment);
    this.#open = null;
  }

  async #write(collection: StoredCollection, batch: RowBatch): Promise<ChunkRef[]> {
    const next = this.#journal.next();
    const { chunks, values } = await inSlices(encodeChunks(collection.id, batch, () => next.nextChunk++));
    await this.#journal.stage(next, values);
    for (const { key } of values) this.staged.add(key);
    this.#open!.segment.chunks.push(...chunks);
    return chunks;
  }

  #refuseKnown(names: readonly string[]): void {
    const wanted = new Set(names);
    const known = this.#journal.manifest.collections.find(({ name }) => wanted.has(name));
    if (known) {
      throw new PiramidError(
        'CONFLICT',
        `a collection "${known.name}" exists already. Nothing was imported; rename or delete it first, or import into another database.`,
      );
    }
  }
}

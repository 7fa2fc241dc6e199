// The durable state of one database: a manifest, immutable chunks, and a log of small writes that is folded into chunks
// when it grows. Owns which rows are stored where and which are deleted. Knows nothing of queries or kernels.
//
// Recovery does not depend on order: every value says which rows it holds, a row is written once, and a deleted row
// never comes back. State = (segments of the manifest + log entries) - (tombstone chunk + deletions in the log).
import { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import type { RecordId } from '../types.ts';
import { type Answered, countOf, decodeOrigin, encodeOrigin, type Origin, withAnswer } from './answered.ts';
import type { Backend, Write } from './backend.ts';
import { batchBytes, decodeLogEntry, encodeLogEntry, encodeSegment, joinBatches, type RowBatch } from './batch.ts';
import { PayloadCache } from './cache.ts';
import {
  decodeBlock,
  decodeCodes,
  decodeIds,
  decodeJson,
  decodeText,
  encodeBlock,
  readVectors,
  type StoredCodes,
} from './format.ts';
import {
  type ChunkRef,
  type CollectionConfig,
  emptyManifest,
  type Manifest,
  manifestWrite,
  readManifest,
  type Segment,
  type StoredCollection,
} from './manifest.ts';
import {
  LOG_BYTES_MAX,
  LOG_ENTRIES_MAX,
  PAYLOAD_CACHE_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  type StoreName,
} from './schema.ts';

/** How the store has postings blocks of adjacent rows merged; it does not know what is in them. */
export type MergePostings = (blocks: readonly Uint8Array[]) => Uint8Array;

/** How the store has codes made for rows that it moves from the log into a segment; null: the collection has none. */
export type EncodeVectors = (config: CollectionConfig, vectors: Float32Array) => StoredCodes | null;

/** Rows as they come back from disk, for rebuilding what is in memory. Views on the stored buffers where possible. */
export interface LoadedRows {
  firstRow: number;
  rowCount: number;
  ids: readonly RecordId[];
  vectors: readonly {
    firstRow: number;
    rowCount: number;
    values: Float32Array;
    present: Bitset;
    /** Null where they are not stored, or damaged: they can be made from the values. */
    codes: StoredCodes | null;
  }[];
  postings: Uint8Array | null;
}

/** JSON of one row's metadata as it was stored (dates tagged), already parsed. */
export type StoredMetadata = unknown;

interface CollectionRows {
  stored: StoredCollection;
  /** Batches that only the log holds yet, by row. */
  logged: RowBatch[];
  /** Grows by doubling; at least as long as there are rows. */
  deleted: Bitset;
  deletedChanged: boolean;
  rowCount: number;
}

export class Store {
  private readonly backend: Backend;
  private readonly mergePostings: MergePostings;
  private readonly encodeVectors: EncodeVectors;
  private manifest: Manifest;
  private readonly collectionRows = new Map<number, CollectionRows>();
  private readonly cache = new PayloadCache(PAYLOAD_CACHE_BYTES_MAX);
  private nextLogKey: number;
  private logBytes = 0;
  private bytesCommitted = 0;
  /** The last commit failed. Where the connection was lost, it may have arrived all the same. */
  private inDoubt = false;
  private answered: readonly Answered[];
  /** Of the write under way. */
  private origin: Origin | null = null;

  private constructor(
    backend: Backend,
    mergePostings: MergePostings,
    encodeVectors: EncodeVectors,
    manifest: Manifest,
  ) {
    this.backend = backend;
    this.mergePostings = mergePostings;
    this.encodeVectors = encodeVectors;
    this.manifest = manifest;
    this.nextLogKey = manifest.logStart;
    this.answered = manifest.answered ?? [];
  }

  /** Reads manifest, tombstones and log. Throws `CORRUPT`, `NEWER_FORMAT`; changes nothing then. */
  static async open(
    backend: Backend,
    mergePostings: MergePostings,
    encodeVectors: EncodeVectors = () => null,
  ): Promise<Store> {
    const { manifest, otherSlotDamaged } = await readManifest(backend);
    if (!manifest || otherSlotDamaged) await refuseOrphans(backend, manifest);
    const store = new Store(backend, mergePostings, encodeVectors, manifest ?? emptyManifest());
    for (const stored of store.manifest.collections) await store.addCollection(stored);
    await store.replayLog();
    return store;
  }

  get uuid(): string {
    return this.manifest.uuid;
  }

  get kind(): Backend['kind'] {
    return this.backend.kind;
  }

  /** Bytes handed to the backend since the store was opened. */
  get bytesWritten(): number {
    return this.bytesCommitted;
  }

  get collections(): readonly StoredCollection[] {
    return this.manifest.collections;
  }

  /** Rows ever written and not compacted away, deleted ones included. */
  rowCount(collection: number): number {
    return this.rows(collection).rowCount;
  }

  /** Rows that are deleted. At least as long as there are rows; replaced by a longer one as they grow. */
  deleted(collection: number): Bitset {
    return this.rows(collection).deleted;
  }

  bytesOnDisk(collection: number): number {
    const { stored, logged } = this.rows(collection);
    const chunks = [
      ...stored.segments.flatMap((segment) => segment.chunks),
      ...(stored.tombstones ? [stored.tombstones] : []),
    ];
    return (
      chunks.reduce((sum, chunk) => sum + chunk.bytes, 0) + logged.reduce((sum, batch) => sum + batchBytes(batch), 0)
    );
  }

  /**
   * Runs one write, and remembers it by its origin in the transaction that it makes; null: by nothing. If it has been
   * applied already, it is not run: the result is `again` of how many records it changed. Not two at a time.
   */
  async once<T>(origin: Origin | null, run: () => Promise<T>, again: (count: number) => T): Promise<T> {
    const count = origin ? countOf(this.answered, origin) : undefined;
    if (count !== undefined) return again(count);
    this.origin = origin;
    try {
      return await run();
    } finally {
      this.origin = null;
    }
  }

  async createCollection(name: string, config: CollectionConfig): Promise<StoredCollection> {
    const stored: StoredCollection = { id: this.manifest.nextCollection, name, config, segments: [], tombstones: null };
    const next = this.nextManifest();
    next.nextCollection++;
    next.collections.push(stored);
    await this.flip(next, []);
    await this.addCollection(stored);
    return stored;
  }

  async renameCollection(id: number, name: string): Promise<void> {
    const next = this.nextManifest();
    const index = next.collections.findIndex((collection) => collection.id === id);
    const renamed = { ...next.collections[index]!, name };
    next.collections[index] = renamed;
    await this.flip(next, []);
    this.rows(id).stored = renamed;
  }

  async deleteCollection(id: number): Promise<void> {
    const { stored } = this.rows(id);
    const next = this.nextManifest();
    next.collections = next.collections.filter((collection) => collection.id !== id);
    const chunks = stored.segments.flatMap((segment) => segment.chunks.map((chunk) => chunk.key));
    next.garbage.chunks.push(...chunks, ...(stored.tombstones ? [stored.tombstones.key] : []));
    await this.flip(next, []);
    this.collectionRows.delete(id);
    this.cache.clear();
  }

  /**
   * Makes new rows, and the deletion of the rows that they replace, durable: all or nothing. `onDurable` is called in one
   * go with the deletion: nobody sees the old rows gone and the new ones not yet there.
   */
  async append(
    collection: number,
    batch: RowBatch,
    replaced: readonly number[],
    onDurable: () => void = () => {},
  ): Promise<void> {
    const rows = this.rows(collection);
    if (batch.firstRow !== rows.rowCount) throw new Error(`rows begin at ${batch.firstRow}, expected ${rows.rowCount}`);
    if (batchBytes(batch) < SEGMENT_BYTES_MIN) {
      await this.appendToLog(collection, batch, replaced);
      rows.logged.push(batch);
    } else {
      const next = this.nextManifest();
      const { segment, values } = encodeSegment(collection, batch, () => next.nextChunk++);
      const writes: Write[] = values.map(({ key, value }) => ({ store: 'chunks', key, value }));
      const stored = { ...rows.stored, segments: [...rows.stored.segments, segment] };
      next.collections = next.collections.map((other) => (other.id === collection ? stored : other));
      if (replaced.length > 0) writes.push(this.logWrite(collection, null, replaced, null));
      await this.flip(next, writes, batch.rowCount);
      if (replaced.length > 0) this.nextLogKey++;
      rows.stored = stored;
    }
    this.grow(rows, batch.firstRow + batch.rowCount);
    this.markDeleted(rows, replaced);
    onDurable();
  }

  /** Makes the deletion of rows durable. */
  async delete(collection: number, deleted: readonly number[]): Promise<void> {
    await this.appendToLog(collection, null, deleted);
    this.markDeleted(this.rows(collection), deleted);
  }

  /** Whether the log is long enough for `fold`. */
  get shouldFold(): boolean {
    return this.logBytes >= LOG_BYTES_MAX || this.nextLogKey - this.manifest.logStart >= LOG_ENTRIES_MAX;
  }

  /** Moves the rows that only the log holds into segments, and the deletions into tombstone chunks. */
  async fold(): Promise<void> {
    const next = this.nextManifest();
    const writes: Write[] = [];
    const folded = new Map<CollectionRows, StoredCollection>();
    for (const rows of this.collectionRows.values()) {
      if (rows.logged.length === 0 && !rows.deletedChanged) continue;
      const segments = [...rows.stored.segments];
      for (const run of adjacentRuns(rows.logged)) {
        const blocks = run.flatMap((batch) => batch.postings ?? []);
        const postings = blocks.length > 0 ? this.mergePostings(blocks) : null;
        const batch = joinBatches(run, postings);
        batch.codes = batch.vectors && this.encodeVectors(rows.stored.config, batch.vectors.values);
        const { segment, values } = encodeSegment(rows.stored.id, batch, () => next.nextChunk++);
        segments.push(segment);
        for (const { key, value } of values) writes.push({ store: 'chunks', key, value });
      }
      segments.sort((a, b) => a.firstRow - b.firstRow);
      const stored: StoredCollection = { ...rows.stored, segments };
      if (rows.deletedChanged) {
        if (stored.tombstones) next.garbage.chunks.push(stored.tombstones.key);
        const words = rows.deleted.resized(rows.rowCount).words;
        const header = {
          kind: 'tombstones',
          collection: stored.id,
          key: next.nextChunk++,
          firstRow: 0,
          rowCount: rows.rowCount,
        } as const;
        const value = encodeBlock(header, new Uint8Array(words.buffer));
        stored.tombstones = { ...header, bytes: value.byteLength };
        writes.push({ store: 'chunks', key: header.key, value });
      }
      folded.set(rows, stored);
    }
    next.collections = next.collections.map((other) => folded.get(this.rows(other.id)) ?? other);
    next.garbage.logFrom = this.manifest.logStart;
    next.logStart = this.nextLogKey;
    await this.flip(next, writes);
    this.logBytes = 0;
    for (const [rows, stored] of folded) {
      rows.stored = stored;
      rows.logged = [];
      rows.deletedChanged = false;
    }
  }

  /** A collection's rows in row order, one part after the other. Throws `CORRUPT`. */
  async *load(collection: number): AsyncGenerator<LoadedRows> {
    const { stored, logged } = this.rows(collection);
    const parts: (Segment | RowBatch)[] = [...stored.segments, ...logged].sort((a, b) => a.firstRow - b.firstRow);
    for (const part of parts) yield 'chunks' in part ? await this.loadSegment(stored, part) : loadBatch(part);
  }

  /** All metadata in row order, for building payload columns. Rows of parts without any are left out. */
  async *loadMetadata(collection: number): AsyncGenerator<{ firstRow: number; values: StoredMetadata[] }> {
    const { stored, logged } = this.rows(collection);
    const parts: (Segment | RowBatch)[] = [...stored.segments, ...logged].sort((a, b) => a.firstRow - b.firstRow);
    for (const part of parts) {
      if ('chunks' in part) {
        for (const chunk of part.chunks) {
          if (chunk.kind !== 'metadata') continue;
          yield {
            firstRow: chunk.firstRow,
            values: decodeJson(await this.readChunk(stored.id, chunk)) as StoredMetadata[],
          };
        }
      } else yield { firstRow: part.firstRow, values: part.metadata.map(parseOrNull) };
    }
  }

  /** Metadata of rows, in their order; null where a row has none. */
  async readMetadata(collection: number, wanted: ArrayLike<number>): Promise<StoredMetadata[]> {
    return this.readPayload(
      collection,
      wanted,
      'metadata',
      (batch, row) => parseOrNull(batch.metadata[row]!),
      (payload) => decodeJson(payload) as StoredMetadata[],
      (rows, row) => rows[row] ?? null,
    );
  }

  /** Texts of rows, in their order; null where a row has none. */
  async readTexts(collection: number, wanted: ArrayLike<number>): Promise<(string | null)[]> {
    return this.readPayload(
      collection,
      wanted,
      'text',
      (batch, row) => batch.texts[row]!,
      (payload) => payload,
      (payload, row, chunk) => decodeText(payload, chunk.rowCount, row),
    );
  }

  close(): void {
    this.backend.close();
    this.cache.clear();
  }

  private async readPayload<T, D>(
    collection: number,
    wanted: ArrayLike<number>,
    kind: 'metadata' | 'text',
    fromBatch: (batch: RowBatch, row: number) => T,
    decode: (payload: Uint8Array<ArrayBuffer>, chunk: ChunkRef) => D,
    fromChunk: (decoded: D, row: number, chunk: ChunkRef) => T,
  ): Promise<(T | null)[]> {
    const { stored, logged } = this.rows(collection);
    // Each chunk once a call: the rows of a long answer lie in more chunks than the cache keeps, in any order.
    const reads = new Map<ChunkRef, Promise<D>>();
    return Promise.all(
      Array.from(wanted, async (row) => {
        const batch = findByRow(logged, row);
        if (batch) return fromBatch(batch, row - batch.firstRow);
        const segment = findByRow(stored.segments, row);
        const chunk = segment?.chunks.find(
          (ref) => ref.kind === kind && row >= ref.firstRow && row < ref.firstRow + ref.rowCount,
        );
        if (!chunk) return null;
        let read = reads.get(chunk);
        if (!read) {
          read = this.cache.get(chunk.key, chunk.bytes, async () =>
            decode(await this.readChunk(stored.id, chunk), chunk),
          );
          reads.set(chunk, read);
        }
        return fromChunk(await read, row - chunk.firstRow, chunk);
      }),
    );
  }

  private async loadSegment(stored: StoredCollection, segment: Segment): Promise<LoadedRows> {
    const wanted = segment.chunks.filter(
      (chunk) => chunk.kind === 'ids' || chunk.kind === 'vectors' || chunk.kind === 'postings',
    );
    const payloads = await readAhead(wanted, (chunk) => this.readChunk(stored.id, chunk));
    const codes = await this.loadCodes(stored, segment);
    const loaded: LoadedRows = {
      firstRow: segment.firstRow,
      rowCount: segment.rowCount,
      ids: [],
      vectors: [],
      postings: null,
    };
    const ids: RecordId[][] = [];
    const vectors: LoadedRows['vectors'][number][] = [];
    for (const [i, chunk] of wanted.entries()) {
      const payload = payloads[i]!;
      if (chunk.kind === 'ids') ids.push(decodeIds(payload, chunk.rowCount));
      else if (chunk.kind === 'postings') loaded.postings = payload.slice();
      else {
        const read = readVectors(payload, chunk.rowCount, stored.config.dimension!);
        vectors.push({
          firstRow: chunk.firstRow,
          rowCount: chunk.rowCount,
          values: read.vectors,
          present: read.present,
          codes: codes.get(chunk.firstRow) ?? null,
        });
      }
    }
    return { ...loaded, ids: ids.length === 1 ? ids[0]! : ids.flat(), vectors };
  }

  /** By first row. A damaged chunk is left out: it holds nothing that is not in the vectors. */
  private async loadCodes(stored: StoredCollection, segment: Segment): Promise<Map<number, StoredCodes>> {
    const chunks = segment.chunks.filter((chunk) => chunk.kind === 'codes');
    const loaded = await readAhead(chunks, async (chunk) => {
      try {
        return decodeCodes(await this.readChunk(stored.id, chunk), chunk.rowCount);
      } catch (error) {
        if (error instanceof PiramidError && error.code === 'CORRUPT') return null;
        throw error;
      }
    });
    return new Map(chunks.flatMap((chunk, i) => (loaded[i] ? [[chunk.firstRow, loaded[i]]] : [])));
  }

  private async readChunk(collection: number, chunk: ChunkRef): Promise<Uint8Array<ArrayBuffer>> {
    const value = await this.backend.read('chunks', chunk.key);
    const { kind, key, firstRow, rowCount } = chunk;
    return decodeBlock(value, { kind, key, firstRow, rowCount, collection }).payload;
  }

  private async addCollection(stored: StoredCollection): Promise<void> {
    const last = stored.segments.at(-1);
    const rowCount = last ? last.firstRow + last.rowCount : 0;
    let deleted = new Bitset(Math.max(rowCount, 1024));
    if (stored.tombstones) {
      const payload = await this.readChunk(stored.id, stored.tombstones);
      deleted = new Bitset(stored.tombstones.rowCount, new Uint32Array(payload.slice().buffer)).resized(deleted.length);
    }
    this.collectionRows.set(stored.id, { stored, logged: [], deleted, deletedChanged: false, rowCount });
  }

  private async replayLog(): Promise<void> {
    const keys = (await this.backend.keys('log')).filter((key) => key >= this.manifest.logStart);
    const values = await readAhead(keys, (key) => this.backend.read('log', key));
    for (const [i, key] of keys.entries()) {
      if (key !== this.manifest.logStart + i)
        throw new PiramidError('CORRUPT', `log ${this.manifest.logStart + i}: the entry is missing`);
      const value = values[i];
      const { header, payload } = decodeBlock(value, { kind: 'log', key });
      this.nextLogKey = key + 1;
      this.logBytes += value!.byteLength;
      if (header.collection >= this.manifest.nextCollection)
        throw orphanError(`log ${key} belongs to an unknown collection`);
      const rows = this.collectionRows.get(header.collection);
      const dimension = rows?.stored.config.dimension ?? null;
      const { batch, deleted, origin } = decodeLogEntry(payload, header.firstRow, header.rowCount, dimension);
      if (origin) {
        const write = decodeOrigin(origin);
        this.answered = withAnswer(this.answered, write.origin, write.count);
      }
      if (!rows) continue; // its collection was deleted afterwards
      if (batch) {
        rows.logged.push(batch);
        this.grow(rows, batch.firstRow + batch.rowCount);
      }
      this.markDeleted(rows, deleted);
    }
  }

  private async appendToLog(collection: number, batch: RowBatch | null, deleted: readonly number[]): Promise<void> {
    const { origin } = this;
    const count = batch?.rowCount ?? deleted.length;
    const write = this.logWrite(collection, batch, deleted, origin && encodeOrigin(origin, count));
    await this.commit([write]);
    this.nextLogKey++;
    this.logBytes += write.value.byteLength;
    if (origin) this.answered = withAnswer(this.answered, origin, count);
  }

  private logWrite(collection: number, batch: RowBatch | null, deleted: readonly number[], origin: Uint8Array | null) {
    const key = this.nextLogKey;
    return { store: 'log', key, value: encodeLogEntry(collection, key, batch, deleted, origin) } as const;
  }

  /** A copy of the manifest as the next generation, to be changed and then given to `flip`. */
  private nextManifest(): Manifest {
    return {
      ...this.manifest,
      generation: this.manifest.generation + 1,
      collections: [...this.manifest.collections],
      garbage: { chunks: [], logFrom: this.manifest.logStart },
    };
  }

  /** Makes `next` the manifest in one commit with `writes`, and deletes what the generation before the last needed. */
  private async flip(next: Manifest, writes: Write[], count = 0): Promise<void> {
    const answered = this.origin ? withAnswer(this.answered, this.origin, count) : this.answered;
    if (answered.length > 0) next.answered = answered;
    const deletes: Write[] = this.manifest.garbage.chunks.map((key) => ({ store: 'chunks', key, delete: true }));
    for (let key = this.manifest.garbage.logFrom; key < this.manifest.logStart; key++)
      deletes.push({ store: 'log', key, delete: true });
    await this.commit([...writes, ...deletes, manifestWrite(next)]);
    this.manifest = next;
    this.answered = answered;
  }

  private async commit(writes: readonly Write[]): Promise<void> {
    const repairs = this.inDoubt ? await this.repairs() : [];
    this.inDoubt = true;
    await this.backend.commit([...repairs, ...writes]);
    this.inDoubt = false;
    for (const write of writes) if ('value' in write) this.bytesCommitted += write.value.byteLength;
  }

  /** Deletes what this store knows nothing of: rows of a write that was said to have failed would stand beside the next ones. */
  private async repairs(): Promise<Write[]> {
    const from = async (store: StoreName, first: number): Promise<Write[]> =>
      (await this.backend.keys(store)).filter((key) => key >= first).map((key) => ({ store, key, delete: true }));
    const { generation, nextChunk } = this.manifest;
    const { manifest } = await readManifest(this.backend);
    return [
      ...(await from('chunks', nextChunk)),
      ...(await from('log', this.nextLogKey)),
      ...(manifest && manifest.generation > generation
        ? [{ store: 'manifest', key: manifest.generation % 2, delete: true } as const]
        : []),
    ];
  }

  private rows(collection: number): CollectionRows {
    const rows = this.collectionRows.get(collection);
    if (!rows) throw new PiramidError('NOT_FOUND', 'the collection has been deleted');
    return rows;
  }

  private grow(rows: CollectionRows, rowCount: number): void {
    rows.rowCount = Math.max(rows.rowCount, rowCount);
    if (rows.rowCount > rows.deleted.length)
      rows.deleted = rows.deleted.resized(Math.max(rows.rowCount, rows.deleted.length * 2));
  }

  private markDeleted(rows: CollectionRows, deleted: Iterable<number>): void {
    for (const row of deleted) {
      rows.deleted.add(row);
      rows.deletedChanged = true;
    }
  }
}

/** Chunks that the manifest cannot know are those of a newer, lost manifest: going on would lose them in silence. */
async function refuseOrphans(backend: Backend, manifest: Manifest | undefined): Promise<void> {
  const newestChunk = (await backend.keys('chunks')).at(-1) ?? 0;
  if (newestChunk >= (manifest?.nextChunk ?? 1)) throw orphanError(`chunk ${newestChunk} is in no manifest`);
  if (!manifest && (await backend.keys('log')).length > 0) throw orphanError('there is a log but no manifest');
}

function orphanError(why: string): PiramidError {
  return new PiramidError('CORRUPT', `the newest manifest is lost: ${why}. Nothing was changed.`);
}

/** Values are read a few at a time: one unreadable value then fails alone, and the next one is on its way. */
async function readAhead<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const AHEAD = 8;
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await read(items[i]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AHEAD, items.length) }, worker));
  return results;
}

function loadBatch(batch: RowBatch): LoadedRows {
  const { firstRow, rowCount, ids, postings, vectors, codes } = batch;
  return {
    firstRow,
    rowCount,
    ids,
    postings,
    vectors: vectors
      ? [{ firstRow, rowCount, values: vectors.values, present: vectors.present, codes: codes ?? null }]
      : [],
  };
}

function* adjacentRuns(batches: readonly RowBatch[]): Generator<RowBatch[]> {
  let run: RowBatch[] = [];
  for (const batch of batches) {
    const last = run.at(-1);
    if (last && last.firstRow + last.rowCount !== batch.firstRow) {
      yield run;
      run = [];
    }
    run.push(batch);
  }
  if (run.length > 0) yield run;
}

function findByRow<T extends { firstRow: number; rowCount: number }>(parts: readonly T[], row: number): T | undefined {
  let low = 0;
  let high = parts.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const part = parts[middle]!;
    if (row < part.firstRow) high = middle - 1;
    else if (row >= part.firstRow + part.rowCount) low = middle + 1;
    else return part;
  }
  return undefined;
}

function parseOrNull(json: string | null): unknown {
  return json === null ? null : JSON.parse(json);
}

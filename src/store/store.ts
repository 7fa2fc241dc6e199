// The durable state of one database: a manifest, immutable chunks, and a log of small writes that is folded into chunks
// when it grows. Owns which rows are stored where and which are deleted. Knows nothing of queries or kernels.
//
// Recovery does not depend on order: every value says which rows it holds, a row is written once, and a deleted row
// never comes back. State = (segments of the manifest + log entries) - (tombstone chunk + deletions in the log).
import { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import type { Origin } from './answered.ts';
import type { Backend } from './backend.ts';
import { batchBytes, type ChunkValue, encodeSegment, type RowBatch } from './batch.ts';
import { PayloadCache } from './cache.ts';
import { CollectionRows, chunksOf, type RowsState } from './collection-rows.ts';
import { Compaction, type MergePostings } from './compaction.ts';
import { type Damage, DamageList, ifCorrupt } from './damage.ts';
import type { Export } from './export.ts';
import { encodeTombstones, foldRows } from './folding.ts';
import type { Kind } from './format.ts';
import type { Import } from './import.ts';
import { Journal } from './journal.ts';
import type { ChunkRef, CollectionConfig, Manifest, StoredCollection } from './manifest.ts';
import { PatchMerge } from './patch-merge.ts';
import { decodePatches, type Patch } from './patches.ts';
import {
  type AreEnough,
  type LoadedIds,
  type LoadedMetadata,
  type LoadedPostings,
  type LoadedVectors,
  RowReader,
  type StoredMetadata,
  type StoredPostings,
} from './reader.ts';
import { hasStaleCodes, Recoding, type StoredCoder } from './recoding.ts';
import { Reindexing } from './reindexing.ts';
import { type BuildPostings, repairSegments, staleRows } from './repair.ts';
import { replayLog } from './replay.ts';
import type { Rewrite } from './rewrite.ts';
import type { FiledRows } from './rows/filed-rows.ts';
import { PATCHES_BYTES_MIN, PATCHES_SHARE, PAYLOAD_CACHE_BYTES_MAX, SEGMENT_BYTES_MIN } from './schema.ts';
import { type LostVectors, VectorReader } from './vector-reader.ts';

/** What makes the codes of a collection with `rowCount` rows; null where it is to have none. */
export type CoderFor = (config: CollectionConfig, rowCount: number) => StoredCoder | null;

export class Store {
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #vectors: VectorReader;
  readonly #filed: FiledRows | null;
  readonly #mergePostings: MergePostings;
  readonly #coderFor: CoderFor;
  readonly #collectionRows = new Map<number, CollectionRows>();
  readonly #cache = new PayloadCache(PAYLOAD_CACHE_BYTES_MAX);
  /** What was found damaged since the store was opened. */
  readonly damage: DamageList;

  private constructor(
    journal: Journal,
    damage: DamageList,
    mergePostings: MergePostings,
    coderFor: CoderFor,
    filed: FiledRows | null,
  ) {
    this.#journal = journal;
    this.damage = damage;
    this.#filed = filed;
    this.#reader = new RowReader(journal.backend, this.#cache, damage, filed);
    this.#vectors = new VectorReader(this.#reader, damage, filed, (collection, chunk) => {
      const { stored } = this.#collectionRows.get(collection) ?? {};
      return stored?.segments.some(({ chunks }) => chunks.includes(chunk)) ?? false;
    });
    this.#mergePostings = mergePostings;
    this.#coderFor = coderFor;
  }

  /** Reads manifest, tombstones and log. Throws `CORRUPT`, `NEWER_FORMAT`; changes nothing then. `filed`: over that backend. */
  static async open(
    backend: Backend,
    mergePostings: MergePostings,
    coderFor: CoderFor = () => null,
    filed: FiledRows | null = null,
  ): Promise<Store> {
    const damage = new DamageList();
    const journal = await Journal.open(filed?.over(backend) ?? backend, damage);
    const store = new Store(journal, damage, mergePostings, coderFor, filed);
    for (const stored of store.collections) await store.#addCollection(stored);
    await replayLog(store.#journal, store.#reader, damage, store.#collectionRows);
    return store;
  }

  get uuid(): string {
    return this.#journal.manifest.uuid;
  }

  get kind(): Backend['kind'] {
    return this.#journal.backend.kind;
  }

  /** Bytes handed to the backend since the store was opened. */
  get bytesWritten(): number {
    return this.#journal.bytesWritten;
  }

  /** How far its writes are. Neither number ever goes back. */
  get position(): { generation: number; log: number } {
    return this.#journal.position;
  }

  get collections(): readonly StoredCollection[] {
    return this.#journal.manifest.collections;
  }

  /** Rows ever written and not compacted away, deleted ones included. */
  rowCount(collection: number): number {
    return this.#rows(collection).rowCount;
  }

  /** How often compaction has renumbered the rows. */
  numbering(collection: number): number {
    return this.#rows(collection).stored.compactions ?? 0;
  }

  /** Rows that are deleted. At least as long as there are rows; replaced by a longer one as they grow. */
  deleted(collection: number): Bitset {
    return this.#rows(collection).deleted;
  }

  bytesOnDisk(collection: number): number {
    const { stored, logged } = this.#rows(collection);
    const chunks = chunksOf(stored).reduce((sum, chunk) => sum + chunk.bytes, 0);
    return chunks + logged.reduce((sum, batch) => sum + batchBytes(batch), 0);
  }

  /** Why nothing but deletions is written any more; null while all is well. */
  get full(): PiramidError | null {
    return this.#journal.full;
  }

  /** As if a write had found the storage full. */
  refuseWrites(reason: PiramidError): void {
    this.#journal.full = reason;
  }

  /** Called with the reason when the storage is full, and with null when it takes writes again. */
  onFull(listener: (reason: PiramidError | null) => void): void {
    this.#journal.onFull = listener;
  }

  /** Tries whether there is room again. */
  retryWrites(): Promise<boolean> {
    return this.#journal.retry();
  }

  /** See `Journal.once`. */
  once<T>(origin: Origin | null, run: () => Promise<T>, again: (count: number) => T): Promise<T> {
    return this.#journal.once(origin, run, again);
  }

  /** Keys of all chunks that hold something, ascending. */
  chunkKeys(): number[] {
    return this.collections.flatMap((stored) => chunksOf(stored).map((chunk) => chunk.key)).sort((a, b) => a - b);
  }

  async createCollection(name: string, config: CollectionConfig): Promise<StoredCollection> {
    const next = this.#journal.next();
    const stored: StoredCollection = { id: next.nextCollection++, name, config, segments: [], tombstones: null };
    next.collections.push(stored);
    await this.#journal.flip(next, []);
    await this.#addCollection(stored);
    return stored;
  }

  async renameCollection(id: number, name: string): Promise<void> {
    const renamed = { ...this.#rows(id).stored, name };
    const next = this.#journal.next();
    replaceCollection(next, renamed);
    await this.#journal.flip(next, []);
    this.#rows(id).stored = renamed;
  }

  async deleteCollection(id: number): Promise<void> {
    const { stored } = this.#rows(id);
    const next = this.#journal.next();
    next.collections = next.collections.filter((collection) => collection.id !== id);
    next.garbage.chunks.push(...chunksOf(stored).map((chunk) => chunk.key));
    await this.#journal.flip(next, []);
    this.#collectionRows.delete(id);
    this.#cache.clear();
  }

  /**
   * Makes new rows, and the deletion of the rows that they replace, durable: all or nothing. `onDurable` is called in one
   * go with the deletion: nobody sees the old rows gone and the new ones not yet there. `meanwhile` begins as the disk does, and ends
   * before that.
   */
  async append(
    collection: number,
    batch: RowBatch,
    replaced: readonly number[],
    onDurable: () => void = () => {},
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> {
    const rows = this.#rows(collection);
    if (batch.firstRow !== rows.rowCount) throw new Error(`rows begin at ${batch.firstRow}, expected ${rows.rowCount}`);
    if (batchBytes(batch) < SEGMENT_BYTES_MIN) {
      await this.#journal.append(collection, { batch, deleted: replaced }, meanwhile);
      rows.logged.push(batch);
    } else {
      const next = this.#journal.next();
      const { segment, values } = await inSlices(encodeSegment(collection, batch, () => next.nextChunk++));
      let { tombstones } = rows.stored;
      if (replaced.length > 0) {
        // In one value with the manifest's word for it, not by a log entry: no half of it can be there without the other.
        const deleted = rows.deleted.resized(batch.firstRow + batch.rowCount);
        for (const row of replaced) deleted.add(row);
        if (tombstones) next.garbage.chunks.push(tombstones.key);
        tombstones = encodeTombstones(
          collection,
          deleted,
          batch.firstRow + batch.rowCount,
          () => next.nextChunk++,
          values,
        );
      }
      const stored = { ...rows.stored, segments: [...rows.stored.segments, segment], tombstones };
      replaceCollection(next, stored);
      await Promise.all([this.#journal.flip(next, values, [], batch.rowCount), meanwhile()]);
      rows.stored = stored;
    }
    rows.grow(batch.firstRow + batch.rowCount);
    rows.markDeleted(replaced);
    onDurable();
  }

  /** Makes the deletion of rows durable. `onDurable` is called in one go with it. */
  async delete(collection: number, deleted: readonly number[], onDurable: () => void = () => {}): Promise<void> {
    await this.#journal.append(collection, { deleted });
    this.#rows(collection).markDeleted(deleted);
    onDurable();
  }

  /**
   * Makes a change of rows' metadata durable: that alone, in one log entry. `onDurable` is called in one go with it; `meanwhile` begins as the
   * disk does, and ends before that.
   */
  async patch(
    collection: number,
    patch: Patch,
    onDurable: () => void = () => {},
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> {
    await this.#journal.append(collection, { patch }, meanwhile);
    this.#rows(collection).patch(patch);
    onDurable();
  }

  /** Whether the log is long enough for `fold`, once there is time for it. */
  get shouldFold(): boolean {
    return this.#journal.isLong;
  }

  /** Whether it is so long that `fold` is to come next. */
  get mustFold(): boolean {
    return this.#journal.isTooLong;
  }

  /** Moves the rows that only the log holds into segments, and the deletions into tombstone chunks. */
  async fold(): Promise<void> {
    await this.#flipFolded(this.#journal.next(), null, () => {});
  }

  /**
   * A compaction of a collection, to be carried out step by step and then given to `finishRewrite`; null where there
   * is nothing to do. `share`: of a segment's rows, how many must be deleted for it to be rewritten.
   */
  async planCompaction(collection: number, share: number): Promise<Compaction | null> {
    const { logged, refused, fixed } = this.#rows(collection);
    if (refused ?? fixed) throw refused ?? fixed;
    if (logged.length > 0) await this.fold();
    const { stored, deleted, patches } = this.#rows(collection);
    return Compaction.plan(this.#journal, this.#reader, this.#mergePostings, stored, deleted, patches, share);
  }

  /** Whether its patches have grown so large that they are worth a merge. */
  hasLargePatches(collection: number): boolean {
    const { stored } = this.#collectionRows.get(collection) ?? {};
    if (!stored?.patches) return false;
    const bytesOf = (chunks: readonly ChunkRef[]) => chunks.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytes = bytesOf(stored.patches);
    if (bytes < PATCHES_BYTES_MIN) return false; // asked with each write
    return bytes > PATCHES_SHARE * bytesOf(chunksOf(stored).filter(({ kind }) => kind === 'metadata'));
  }

  /** What writes patches into metadata, step by step; give it to `finishRewrite`. Null where there are none in chunks. */
  planPatchMerge(collection: number): PatchMerge | null {
    const { stored, patches, fixed } = this.#rows(collection);
    if (!stored.patches || fixed) return null;
    return new PatchMerge(this.#journal, this.#reader, stored, patches);
  }

  /**
   * Puts what was written in place of what was there. Nobody may hold row numbers, or read, across it: rows may have other numbers then, and
   * old chunks go with the next manifest. `onDurable` is called in one go with the change.
   */
  async finishRewrite(rewrite: Rewrite, onDurable: () => void): Promise<void> {
    this.#rows(rewrite.collection); // it may have been deleted meanwhile
    await this.#flipFolded(this.#journal.next(rewrite.staged), rewrite, onDurable);
    rewrite.abandon(); // what it wrote is nobody's garbage now
  }

  /** What makes the collection's postings again by another analysis; carry out its slices, then give it to `finishReindexing`. */
  planReindexing(collection: number, analysis: number, build: BuildPostings): Reindexing {
    const { stored } = this.#rows(collection);
    return new Reindexing(this.#journal, this.#reader, stored, analysis, build, this.#mergePostings);
  }

  /** Makes the postings of all segments of now. */
  async *reindex(reindexing: Reindexing): AsyncGenerator<void> {
    const { stored, deleted } = this.#rows(reindexing.collection);
    for (const segment of stored.segments) {
      yield* reindexing.make(segment, deleted);
      yield;
    }
  }

  /** Makes the postings of what was written meanwhile, and puts all in place. `onDurable` gets the new blocks, in one go with the change. */
  async finishReindexing(
    reindexing: Reindexing,
    onDurable: (blocks: readonly StoredPostings[]) => void,
  ): Promise<void> {
    const rows = this.#rows(reindexing.collection);
    if (rows.logged.length > 0) await this.fold();
    for await (const _ of this.reindex(reindexing));
    const { segments } = rows.stored;
    const stored = reindexing.apply(rows.stored);
    const next = this.#journal.next(reindexing.staged);
    next.garbage.chunks.push(...reindexing.garbage(segments));
    replaceCollection(next, stored);
    await this.#journal.flip(next, [], [], null);
    rows.stored = stored;
    reindexing.abandon(); // what it wrote is nobody's garbage now
    onDurable(reindexing.blocks(segments));
  }

  /** Whether rows in its segments have other codes than a collection of its size is to have. */
  hasStaleCodes(collection: number): boolean {
    const rows = this.#collectionRows.get(collection);
    return rows !== undefined && hasStaleCodes(rows.stored, this.#coderFor(rows.stored.config, rows.rowCount));
  }

  /** What gives them those, to be carried out step by step and then given to `finishRecoding`; null where there is nothing to do. */
  planRecoding(collection: number): Recoding | null {
    const { stored, rowCount } = this.#rows(collection);
    return Recoding.plan(this.#journal, this.#reader, stored, this.#coderFor(stored.config, rowCount));
  }

  /** Puts the codes in place of those that were there. */
  async finishRecoding(recoding: Recoding): Promise<void> {
    const rows = this.#rows(recoding.collection); // it may have been deleted meanwhile
    const next = this.#journal.next(recoding.staged);
    const stored = { ...rows.stored, segments: recoding.apply(rows.stored.segments) };
    next.garbage.chunks.push(...recoding.garbage());
    replaceCollection(next, stored);
    await this.#journal.flip(next, []);
    rows.stored = stored;
    recoding.abandon(); // what it wrote is nobody's garbage now
  }

  /**
   * Deletes what the newest manifest calls garbage: after it, the bytes of compacted rows are gone, or of chunks that were
   * let go. If those filled the storage, it takes writes again.
   */
  async sweep(): Promise<void> {
    if (this.#journal.full) await this.#journal.retry();
    else await this.#journal.flip(this.#journal.next(), []);
    this.#journal.backend.release();
  }

  /**
   * Collections as they are now, to be written as a file while others go on writing. `close` it. `Kind`: the class, which is in code
   * that is loaded on demand.
   */
  export(Kind: typeof Export, collections: readonly number[]): Export {
    const snapshots = collections.map((id) => {
      const { stored, logged, deleted, patches, rowCount, refused } = this.#rows(id);
      if (refused) throw refused;
      return { stored, logged: [...logged], deleted, patches: patches.clone(), rowCount };
    });
    return new Kind(this.#journal, this.#reader, snapshots);
  }

  /** An import of new collections, to be carried out step by step and then given to `finishImport`. */
  import(Kind: typeof Import): Import {
    return new Kind(this.#journal, this.#mergePostings);
  }

  /** Makes imported collections part of the database, all of them at once. Throws `CONFLICT`; `abandon` it then. */
  async finishImport(imported: Import, rowCount: number): Promise<void> {
    await this.#journal.flip(await imported.finish(), [], [], rowCount);
    imported.abandon(); // what it wrote is nobody's garbage now
    for (const stored of imported.collections) await this.#addCollection(stored);
  }

  /** Throws `NOT_FOUND`, and `CORRUPT` where it is not known which of its records are deleted. */
  check(collection: number): void {
    const { refused } = this.#rows(collection);
    if (refused) throw refused;
  }

  /** All ids in row order. Rows whose ids are damaged are deleted from then on. */
  async *loadIds(collection: number): AsyncGenerator<LoadedIds> {
    this.check(collection);
    const rows = this.#rows(collection);
    for await (const part of this.#reader.loadIds(rows)) {
      if (!part.list && !part.json) rows.markRangeDeleted(part.firstRow, part.rowCount);
      yield part;
    }
  }

  /** All postings in row order. */
  loadPostings(collection: number): AsyncGenerator<LoadedPostings> {
    return this.#reader.loadPostings(this.#rows(collection));
  }

  /** All vectors in row order; see `RowReader.loadVectors`. */
  loadVectors(collection: number, areEnough: AreEnough = () => false): AsyncGenerator<LoadedVectors> {
    return this.#reader.loadVectors(this.#rows(collection), areEnough);
  }

  /** All metadata in row order, for building payload columns. Rows of parts without any are left out. */
  loadMetadata(collection: number): AsyncGenerator<LoadedMetadata> {
    return this.#reader.loadMetadata(this.#rows(collection));
  }

  /** Metadata of rows, in their order; null where a row has none. */
  async readMetadata(collection: number, wanted: ArrayLike<number>): Promise<StoredMetadata[]> {
    return this.#reader.readMetadata(this.#rows(collection), wanted);
  }

  /** See `VectorReader.read`. */
  readVectors(collection: number, wanted: ArrayLike<number>, target: Float32Array): Promise<LostVectors> {
    return this.#vectors.read(this.#rows(collection), wanted, target);
  }

  /** Opens the row file; false where there is none. */
  async openFile(): Promise<boolean> {
    await this.#filed?.open(this.uuid, () => this.collections.flatMap(vectorChunksOf));
    return this.fileBytes > 0;
  }

  /** Has the row file keep a collection's vectors from now on, or no longer. */
  file(collection: number, isFiled: boolean): void {
    if (isFiled) this.#filed?.wanted.add(collection);
    else this.#filed?.wanted.delete(collection);
  }

  /** Bytes of the row file; 0 where there is none. */
  get fileBytes(): number {
    return this.#filed?.file?.bytes ?? 0;
  }

  /** Writes what the row file lacks of a collection, chunk by chunk. */
  async *fillFile(collection: number): AsyncGenerator<void> {
    for (const chunk of vectorChunksOf(this.#rows(collection).stored)) {
      if (this.#filed!.file!.has(chunk.key)) continue;
      // What is damaged is found where it is read, and what has been compacted away is written anew.
      const payload = await this.#reader.readChunk(collection, chunk).catch(ifCorrupt);
      if (payload instanceof Uint8Array) await this.#filed!.put(payload.buffer);
      yield;
    }
  }

  /** Texts of rows, in their order; null where a row has none. */
  async readTexts(collection: number, wanted: ArrayLike<number>): Promise<(string | null)[]> {
    return this.#reader.readTexts(this.#rows(collection), wanted);
  }

  /** What of those parts of a row is damaged, as far as it has been read. */
  damageOf(collection: number, row: number, kinds: readonly Kind[]): Damage | undefined {
    return this.#reader.damageOf(this.#rows(collection), row, kinds);
  }

  close(): void {
    this.#journal.backend.close();
    this.#cache.clear();
  }

  /**
   * Reads everything, and takes out of the database what is damaged: what can be made from other chunks is made anew, and the
   * rest is gone. Returns what was damaged. Loaded rows are to be loaded again.
   */
  async repair(buildPostings: BuildPostings): Promise<readonly Damage[]> {
    await this.#journal.check();
    const next = this.#journal.next();
    const values: ChunkValue[] = [];
    const before = [...this.#collectionRows.values()].map((rows) => ({
      rows,
      was: { ...rows, deleted: rows.deleted.clone(), newlyPatched: rows.newlyPatched.clone() },
    }));
    let damage: readonly Damage[];
    try {
      for (const rows of this.#collectionRows.values()) {
        const repaired = await repairSegments(this.#reader, rows.stored, buildPostings, () => next.nextChunk++);
        if (repaired) {
          rows.stored = { ...rows.stored, segments: repaired.segments };
          values.push(...repaired.values);
          next.garbage.chunks.push(...repaired.garbage);
          rows.markDeleted(repaired.lost);
        }
        if (rows.stored.patches) await this.#dropDamagedPatches(rows, next);
        if (!rows.refused) continue;
        rows.refused = null;
        rows.deletedChanged = true;
        rows.markDeleted(await staleRows(this.#reader, rows));
      }
      damage = this.damage.all;
      if (damage.length === 0) return damage;
      for (const { rows } of before) replaceCollection(next, rows.stored);
      await this.#flipFolded(next, null, () => {}, values);
    } catch (error) {
      for (const { rows, was } of before) Object.assign(rows, was);
      throw error;
    }
    this.damage.clear();
    this.#cache.clear();
    return damage;
  }

  /** Folds the log into `next`, with a rewrite if there is one, and makes it the manifest. */
  async #flipFolded(
    next: Manifest,
    rewrite: Rewrite | null,
    onDurable: () => void,
    values: ChunkValue[] = [],
  ): Promise<void> {
    const folded = new Map<CollectionRows, RowsState>();
    const deletions: { collection: number; rows: number[] }[] = [];
    for (const rows of this.#collectionRows.values()) {
      const rewritten = rewrite?.collection === rows.stored.id ? rewrite : null;
      const isPatched = rows.newlyPatched.count() > 0;
      if (rows.logged.length === 0 && !rows.deletedChanged && !isPatched && !rewritten) continue;
      // Its damaged deletions must not be replaced by those of the log alone: these stay in the log.
      if (rows.refused) deletions.push({ collection: rows.stored.id, rows: [...rows.deleted] });
      const coder = this.#coderFor(rows.stored.config, rows.rowCount);
      const options = { rewrite: rewritten, mergePostings: this.#mergePostings, coder };
      const readPatches = (chunk: ChunkRef) => this.#readPatches(rows.stored.id, chunk);
      folded.set(rows, await foldRows(rows, { ...options, readPatches }, next, values));
    }
    for (const { stored } of folded.values()) replaceCollection(next, stored);
    this.#journal.trimLog(next);
    await this.#journal.flip(next, values, deletions);
    for (const [rows, now] of folded) Object.assign(rows, now);
    onDurable();
  }

  async #readPatches(collection: number, chunk: ChunkRef): Promise<Patch[] | null> {
    const payload = await this.#reader.readWhole(collection, chunk);
    return payload && decodePatches(payload);
  }

  /** What a chunk said that could not be read when it was opened, and cannot be now, is gone: those rows have the metadata of before. */
  async #dropDamagedPatches(rows: CollectionRows, next: Manifest): Promise<void> {
    const whole: ChunkRef[] = [];
    const unread = new Set(rows.unread);
    for (const chunk of rows.stored.patches ?? []) {
      if (await this.#readPatches(rows.stored.id, chunk)) {
        whole.push(chunk); // one that is readable again is taken in when the database is opened again
        continue;
      }
      next.garbage.chunks.push(chunk.key);
      // One that has been read is in memory.
      if (!unread.delete(chunk.key)) rows.newlyPatched = Bitset.full(rows.rowCount);
    }
    rows.stored = { ...rows.stored, patches: whole };
    rows.unread = unread;
    if (unread.size === 0) rows.fixed = null;
  }

  async #addCollection(stored: StoredCollection): Promise<void> {
    const rows = new CollectionRows(stored);
    for (const chunk of stored.patches ?? []) {
      const patches = await this.#readPatches(stored.id, chunk);
      for (const patch of patches ?? []) rows.patches.add(patch);
      if (patches) continue;
      rows.unread = new Set([...rows.unread, chunk.key]);
      rows.fixed = new PiramidError(
        'CORRUPT',
        `collection "${stored.name}": changes of its metadata are damaged, and those records have the metadata of before. db.repair() makes that final, and then the collection can be compacted. Nothing was changed.`,
      );
    }
    if (stored.tombstones) {
      const payload = await this.#reader.readWhole(stored.id, stored.tombstones);
      if (payload) {
        const words = new Uint32Array(payload.slice().buffer);
        rows.deleted = new Bitset(stored.tombstones.rowCount, words).resized(rows.deleted.length);
      } else {
        rows.refused = new PiramidError(
          'CORRUPT',
          `collection "${stored.name}": the list of its deleted records is damaged, and without it they would come back. db.repair() opens it all the same. Nothing was changed.`,
        );
      }
    }
    this.#collectionRows.set(stored.id, rows);
  }

  #rows(collection: number): CollectionRows {
    const rows = this.#collectionRows.get(collection);
    if (!rows) throw new PiramidError('NOT_FOUND', 'the collection has been deleted');
    return rows;
  }
}

function vectorChunksOf(stored: StoredCollection): ChunkRef[] {
  return chunksOf(stored).filter(({ kind }) => kind === 'vectors');
}

function replaceCollection(manifest: Manifest, stored: StoredCollection): void {
  manifest.collections = manifest.collections.map((other) => (other.id === stored.id ? stored : other));
}

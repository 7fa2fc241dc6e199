// What is done to collections unasked, in the background: compaction, another precision for 'auto', the codes of that on disk, the words of an
// older release.
// Whatever fails leaves everything as it was.

import { PiramidError } from '../errors.ts';
import { COMPACTION_SHARE } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { type AnalysisId, ENGLISH } from '../text/analyzer.ts';
import type { Compacted } from '../types.ts';
import type { CollectionState } from './collection.ts';
import { type CompactionRequest, compactCollection } from './compaction.ts';
import { mergePatches } from './patch-merge.ts';
import { changePrecision } from './precision-change.ts';
import { Queue } from './queue.ts';
import { recodeCollection } from './recoding.ts';
import { reindexCollection } from './reindexing.ts';

/** Fewer deleted rows are not worth a compaction that nobody asked for. */
const COMPACTION_ROWS_MIN = 1000;
/** Without a write for so long, there is time to fold the log, milliseconds. */
const FOLD_REST_MS = 1000;

export class Upkeep {
  readonly #store: Store;
  readonly #writes: Queue;
  /** The database is being closed. */
  readonly #closing: AbortSignal;
  /** What moves rows into another index or chunk: one of a collection at a time. */
  readonly #moves = new WeakMap<CollectionState, Queue>();
  /** Collections of which it is done or to be done, or where it failed (or compaction brought nothing). */
  readonly #compacting = new WeakSet<CollectionState>();
  readonly #changing = new WeakSet<CollectionState>();
  readonly #recoding = new WeakSet<CollectionState>();
  readonly #reindexing = new WeakSet<CollectionState>();
  readonly #merging = new WeakSet<CollectionState>();
  #foldTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, writes: Queue, closing: AbortSignal) {
    this.#store = store;
    this.#writes = writes;
    this.#closing = closing;
  }

  /** As asked for; throws what `compactCollection` does. */
  async compact(state: CollectionState, request: CompactionRequest): Promise<Compacted> {
    const compacted = await this.#move(state, async () => {
      const done = await compactCollection(state, this.#store, this.#writes, request);
      if (request.share > 0) return done;
      // Of the segments that had no deleted rows. If that fails, what has been compacted still is.
      await mergePatches(state, this.#store, this.#writes, request.signal).catch((error) => {
        if (done.rows === 0) throw error;
        this.#reportIfOpen(state, error);
      });
      return { ...done, bytesAfter: this.#store.bytesOnDisk(state.stored.id) };
    });
    this.recodeIfStale(state); // so few rows may be scanned as something else
    return compacted;
  }

  /** Folds a log that is too long, before the next write. Runs in the write queue. */
  async foldIfTooLong(): Promise<void> {
    if (this.#store.mustFold) await this.#store.fold().catch(reportUpkeep);
  }

  /** The log has grown: folds it, if it is long, when nobody writes. */
  foldSoon(): void {
    clearTimeout(this.#foldTimer);
    if (!this.#store.shouldFold) return;
    const fold = () => this.#writes.run(async () => this.#isWorthFolding && this.#store.fold()).catch(reportUpkeep);
    this.#foldTimer = setTimeout(fold, FOLD_REST_MS);
  }

  get #isWorthFolding(): boolean {
    return !this.#closing.aborted && this.#store.shouldFold;
  }

  /** Rows were written or deleted. */
  keepInShape(state: CollectionState): void {
    this.#compactIfWorthwhile(state);
    this.#changeIndexIfWanted(state);
    this.#mergePatchesIfWorthwhile(state);
  }

  /** Writes codes anew that are not those of what is scanned, so that the next opening need not make them. */
  recodeIfStale(state: CollectionState): void {
    if (this.#recoding.has(state) || state.isClosed || !this.#store.hasStaleCodes(state.stored.id)) return;
    this.#recoding.add(state);
    this.#move(state, () => recodeCollection(state, this.#store, this.#writes, this.#closing))
      .then(() => this.#recoding.delete(state))
      .catch((error) => this.#reportIfOpen(state, error));
  }

  /** Makes postings again that an older release made. */
  reindexIfStale(state: CollectionState): void {
    if (state.analysis === 0) this.reindex(state, ENGLISH);
  }

  /** Makes postings again, by another analysis. */
  reindex(state: CollectionState, analysis: AnalysisId): void {
    if (this.#reindexing.has(state)) return;
    this.#reindexing.add(state);
    this.#move(state, () => reindexCollection(state, analysis, this.#store, this.#writes, this.#closing))
      .then(() => this.#reindexing.delete(state))
      .catch((error) => this.#reportIfOpen(state, error));
  }

  #compactIfWorthwhile(state: CollectionState): void {
    const deleted = state.rowCount - state.count;
    if (deleted < COMPACTION_ROWS_MIN || deleted < state.rowCount * COMPACTION_SHARE) return;
    if (this.#compacting.has(state)) return;
    this.#compacting.add(state);
    this.compact(state, { share: COMPACTION_SHARE, signal: this.#closing })
      .then(({ rows }) => rows > 0 && this.#compacting.delete(state))
      .catch((error) => this.#reportIfOpen(state, error));
  }

  #mergePatchesIfWorthwhile(state: CollectionState): void {
    const { id } = state.stored;
    if (this.#merging.has(state) || !this.#store.hasLargePatches(id)) return;
    this.#merging.add(state);
    this.#move(state, () => mergePatches(state, this.#store, this.#writes, this.#closing))
      .then((isWorthwhile) => isWorthwhile && this.#merging.delete(state))
      .catch((error) => this.#reportIfOpen(state, error));
  }

  /** Gives a collection that has grown or shrunk the index for its size. */
  #changeIndexIfWanted(state: CollectionState): void {
    if (!state.wantsOtherIndex || this.#changing.has(state)) return;
    this.#changing.add(state);
    this.#move(state, () => changePrecision(state, this.#writes, this.#closing))
      .then(() => {
        this.#changing.delete(state);
        this.#changeIndexIfWanted(state); // so much may have come meanwhile
        this.recodeIfStale(state);
      })
      .catch((error) => this.#reportIfOpen(state, error));
  }

  #move<T>(state: CollectionState, job: () => Promise<T>): Promise<T> {
    const running = this.#moves.get(state) ?? new Queue();
    this.#moves.set(state, running);
    return running.run(job);
  }

  #reportIfOpen(state: CollectionState, error: unknown): void {
    if (!this.#closing.aborted && !state.isClosed) reportUpkeep(error);
  }
}

/** A database that belongs to another tab now has that one to look after it. Of all else (a full disk) it is told; it is tried again, at the latest when the collection is opened again. */
export function reportUpkeep(error: unknown): void {
  if (error instanceof PiramidError && error.code === 'BLOCKED') return;
  console.warn(
    'Piramid: the log was not folded, a collection not compacted, or its codes or words not made again, yet:',
    error,
  );
}

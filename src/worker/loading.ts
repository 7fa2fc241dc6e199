// Brings the rows of one collection into memory, behind the calls that do not need them: ids, then words, and vectors beside them, so that the
// disk works while ids are taken in. Each call waits for what it needs, and no longer.
import { inSlices } from '../structures/slices.ts';
import { Postings } from '../text/postings.ts';
import type { Progress } from '../types.ts';
import type { CollectionState } from './collection.ts';

/** What a call looks at: ids (and what is read from the disk by rows), words too, or vectors too. */
export type Need = 'ids' | 'words' | 'rows';

/** How often it is told how far it is, milliseconds. */
const TOLD_MS = 100;
/** Of the slots that ids have when the collection is opened, how many are taken. */
const SHARE = 0.75;

/** Not in browsers of before 2024. */
type Detachable = { transfer?(length: number): unknown };

export class Loading {
  readonly collection: CollectionState;
  readonly #stages: Record<Need, Promise<void>>;
  /** Nothing is read any more. */
  readonly #settled: Promise<unknown>;
  /** Whether all is in memory. */
  isDone = false;
  /** Rows that are in memory with all they have. */
  readonly progress: Progress;
  readonly #onProgress: (progress: Progress) => void;
  #told = performance.now();
  #reason: Error | null = null;
  #end!: (reason: Error) => void;
  readonly #ended = new Promise<never>((_resolve, reject) => {
    this.#end = reject;
  });

  constructor(collection: CollectionState, onProgress: (progress: Progress) => void = () => {}) {
    this.collection = collection;
    this.#onProgress = onProgress;
    this.progress = { done: 0, total: collection.store.rowCount(collection.stored.id) };
    const ids = this.#loadIds();
    const words = ids.then(() => this.#loadWords());
    const vectors = this.#loadVectors();
    const rows = Promise.all([words, vectors]).then(() => this.#finish());
    this.#stages = { ids, words, rows };
    this.#settled = Promise.allSettled([words, vectors]);
    for (const stage of [ids, words, rows, this.#ended]) stage.catch(() => {});
  }

  /** The collection as soon as that is in memory. Rejects with what makes it impossible. */
  async ready(need: Need): Promise<CollectionState> {
    await Promise.race([this.#stages[need], this.#ended]);
    return this.collection;
  }

  /** Goes no further: whoever waits gets `reason`. Settles when nothing is read any more. */
  async end(reason: Error): Promise<void> {
    this.#reason ??= reason;
    this.#end(reason);
    await this.#settled;
  }

  async #loadIds(): Promise<void> {
    const { store, ids, stored } = this.collection;
    await inSlices(ids.reserve(this.progress.total, SHARE));
    for await (const { rowCount, list, json } of store.loadIds(stored.id)) {
      this.#goOn();
      await inSlices(list ? ids.place(list) : json ? ids.placeStored(json, rowCount) : ids.placeLost(rowCount));
      await inSlices(ids.show(this.collection.isDeleted));
      this.#letGo(json);
    }
    this.#goOn();
  }

  async #loadWords(): Promise<void> {
    const { store, words, stored } = this.collection;
    for await (const { firstRow, bytes, shift } of store.loadPostings(stored.id)) {
      this.#goOn();
      words.append(Postings.open(bytes, shift), store.deleted(stored.id));
      await inSlices(words.merge());
      if (stored.config.dimension === null) this.#tell(firstRow);
    }
    this.#goOn();
  }

  async #loadVectors(): Promise<void> {
    const { store, stored, presence } = this.collection;
    await this.collection.makeRoom();
    this.#goOn();
    const { index } = this.collection;
    for await (const part of store.loadVectors(stored.id, index?.areEnough)) {
      this.#goOn();
      const { firstRow, rowCount, values, norms, present, codes } = part;
      await index!.reserve(firstRow + rowCount);
      if (values) index!.append(values, codes);
      else {
        index!.restore!(codes!, norms!);
        this.#letGo(codes!.records);
      }
      presence.mark(firstRow, rowCount, present);
      this.#tell(firstRow);
    }
    this.#goOn();
  }

  /** A chunk that has been taken in: its bytes go at once, for as garbage those of a whole collection would lie about. */
  #letGo(bytes: Uint8Array | null): void {
    // Other backends may give out the bytes that they keep.
    if (this.collection.store.kind === 'indexeddb') (bytes?.buffer as Detachable | undefined)?.transfer?.(0);
  }

  #finish(): void {
    this.isDone = true;
    this.progress.done = this.progress.total;
    this.collection.loaded();
    if (this.progress.total > 0) this.#onProgress({ ...this.progress });
  }

  #tell(done: number): void {
    this.progress.done = Math.min(done, this.collection.ids.length);
    if (performance.now() < this.#told + TOLD_MS) return;
    this.#told = performance.now();
    this.#onProgress({ ...this.progress });
  }

  #goOn(): void {
    if (this.#reason) throw this.#reason;
  }
}

// The collections of a database that are open: each is loaded once, from its first use on, and anew where rows of it that were in
// memory are gone. A call waits for what it needs of one.
import { PiramidError } from '../errors.ts';
import { LostRows } from '../kernels/shards/pool.ts';
import type { StoredCollection } from '../store/manifest.ts';
import type { Store } from '../store/store.ts';
import type { CollectionState } from './collection.ts';
import type { Loading, Need } from './loading.ts';
import type { Queue } from './queue.ts';

type Load = (stored: StoredCollection) => Loading;

export class OpenCollections {
  readonly #store: Store;
  readonly #writes: Queue;
  readonly #load: Load;
  readonly #loadings = new Map<number, Loading>();
  #isClosed = false;

  constructor(store: Store, writes: Queue, load: Load) {
    this.#store = store;
    this.#writes = writes;
    this.#load = load;
  }

  /** Null where it is not open. Its rows may be on their way still. */
  peek(id: number): CollectionState | null {
    return this.#loadings.get(id)?.collection ?? null;
  }

  /** All that are open, with their rows. */
  async all(): Promise<CollectionState[]> {
    const states = [...this.#loadings.values()].map((loading) => loading.ready('rows').catch(() => null));
    return (await Promise.all(states)).filter((state) => state !== null);
  }

  /** Those whose rows are on their way. */
  get loadings(): Loading[] {
    return [...this.#loadings.values()].filter(({ isDone }) => !isDone);
  }

  /**
   * Opens it: its rows may be on their way still. Begins in the write queue, where nothing is half done: whoever opened the collection may have
   * used another engine. From there on, what would change its rows on disk waits for them, or ends their loading.
   */
  async open(id: number): Promise<CollectionState> {
    return (await this.#begun(id)).collection;
  }

  /** With what is needed of it in memory. */
  async get(id: number, need: Need): Promise<CollectionState> {
    return (await this.#begun(id)).ready(need);
  }

  async #begun(id: number): Promise<Loading> {
    return this.#loadings.get(id) ?? this.#writes.run(async () => this.begin(id));
  }

  /** With all rows in memory. Call only from a write-queue job. Throws `NOT_FOUND`, `CLOSED`. */
  getInTurn(id: number): Promise<CollectionState> {
    return this.begin(id).ready('rows');
  }

  /** Opens it, without waiting for rows. Call only from a write-queue job. Throws `NOT_FOUND`, `CLOSED`, and `CORRUPT` where nothing of it can be had. */
  begin(id: number): Loading {
    if (this.#isClosed) throw new PiramidError('CLOSED', 'the database is not open');
    const stored = this.#store.collections.find((collection) => collection.id === id);
    if (!stored) throw deletedError();
    this.#store.check(id);
    const known = this.#loadings.get(id);
    if (known) return known;
    const loading = this.#load(stored);
    this.#loadings.set(id, loading);
    loading.ready('rows').catch(() => {
      if (this.#loadings.get(id) === loading) this.#loadings.delete(id);
      loading.collection.close();
    });
    return loading;
  }

  /** Runs what needs rows in memory; once more if a worker that held some of them ended: on disk they are still. */
  withRows<T>(id: number, run: (collection: CollectionState) => Promise<T>, need: Need = 'rows'): Promise<T> {
    return this.#twice(id, () => this.get(id, need), run);
  }

  /** Call only from a write-queue job. */
  withRowsInTurn<T>(id: number, run: (collection: CollectionState) => Promise<T>): Promise<T> {
    return this.#twice(id, () => this.getInTurn(id), run);
  }

  async #twice<T>(
    id: number,
    find: () => Promise<CollectionState>,
    run: (collection: CollectionState) => Promise<T>,
  ): Promise<T> {
    let collection: CollectionState | null = null;
    try {
      collection = await find();
      return await run(collection);
    } catch (error) {
      if (!(error instanceof LostRows)) throw error;
      if (collection) this.#drop(id, collection, error);
      return run(await find());
    }
  }

  #drop(id: number, collection: CollectionState, reason: LostRows): void {
    const loading = this.#loadings.get(id);
    if (loading?.collection !== collection) return;
    this.#loadings.delete(id);
    // What waits to move its rows must not begin: they may be loaded again before it.
    collection.gate.refuse(reason);
    // After the write that may be under way in it.
    this.#writes.run(async () => {
      await loading.end(reason);
      await collection.gate.emptied();
      collection.close();
    });
  }

  /** Takes one out of the database by `remove`, as soon as everybody is done who reads it. Who waits for its rows asks again afterwards. */
  async delete(id: number, remove: () => Promise<void>): Promise<void> {
    const loading = this.#loadings.get(id);
    if (loading && !loading.isDone) await this.#stop(id, loading, new LostRows('the collection is being deleted'));
    const state = this.peek(id);
    await (state ? state.gate.shut(deletedError(), remove) : remove());
    this.#loadings.delete(id);
    state?.close();
  }

  /** What is in memory is no longer what is on disk: each is loaded anew at its next use. */
  async reload(): Promise<void> {
    for (const [id, loading] of [...this.#loadings])
      await this.#stop(id, loading, new LostRows('the collection has been repaired'));
  }

  /** Rows on their way are not read any further. */
  async stopLoading(): Promise<void> {
    for (const [id, loading] of [...this.#loadings])
      if (!loading.isDone) await this.#stop(id, loading, new LostRows('the collection is being repaired'));
  }

  async #stop(id: number, loading: Loading, reason: LostRows): Promise<void> {
    this.#loadings.delete(id);
    await loading.end(reason);
    await loading.collection.gate.shut(reason);
    loading.collection.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const loading of this.#loadings.values()) {
      if (!loading.isDone) void loading.end(new PiramidError('CLOSED', 'the database has been closed'));
      loading.collection.close();
    }
    this.#loadings.clear();
  }
}

function deletedError(): PiramidError {
  return new PiramidError('NOT_FOUND', 'the collection has been deleted');
}

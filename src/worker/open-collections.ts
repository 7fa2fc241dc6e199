// The collections of a database that are open: each is loaded once, at its first use, and anew where rows of it that were in
// memory are gone.
import { PiramidError } from '../errors.ts';
import { LostRows } from '../kernels/shards/pool.ts';
import type { StoredCollection } from '../store/manifest.ts';
import type { Store } from '../store/store.ts';
import type { CollectionState } from './collection.ts';
import type { Queue } from './queue.ts';

type Load = (stored: StoredCollection) => Promise<CollectionState>;

export class OpenCollections {
  readonly #store: Store;
  readonly #writes: Queue;
  readonly #load: Load;
  readonly #states = new Map<number, Promise<CollectionState>>();
  #isClosed = false;

  constructor(store: Store, writes: Queue, load: Load) {
    this.#store = store;
    this.#writes = writes;
    this.#load = load;
  }

  /** Null where it is not open. */
  async peek(id: number): Promise<CollectionState | null> {
    return (await this.#states.get(id)?.catch(() => null)) ?? null;
  }

  /** All that are open. */
  async all(): Promise<CollectionState[]> {
    const states = await Promise.all([...this.#states.keys()].map((id) => this.peek(id)));
    return states.filter((state) => state !== null);
  }

  /** Loads in the write queue, where nothing moves what it reads: whoever opened the collection may have used another engine. */
  async get(id: number): Promise<CollectionState> {
    return this.#states.get(id) ?? this.#writes.run(() => this.getInTurn(id));
  }

  /** Call only from a write-queue job. Throws `NOT_FOUND`, `CLOSED`. */
  async getInTurn(id: number): Promise<CollectionState> {
    if (this.#isClosed) throw new PiramidError('CLOSED', 'the database is not open');
    const stored = this.#store.collections.find((collection) => collection.id === id);
    if (!stored) throw deletedError();
    let loading = this.#states.get(id);
    if (!loading) {
      loading = this.#load(stored);
      this.#states.set(id, loading);
      loading.catch(() => this.#states.delete(id));
    }
    return loading;
  }

  /** Runs what needs rows in memory; once more if a worker that held some of them ended: on disk they are still. */
  withRows<T>(id: number, run: (collection: CollectionState) => Promise<T>): Promise<T> {
    return this.#twice(id, () => this.get(id), run);
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
    const collection = await find();
    try {
      return await run(collection);
    } catch (error) {
      if (!(error instanceof LostRows)) throw error;
      if ((await this.#states.get(id)) === collection) {
        this.#states.delete(id);
        // What waits to move its rows must not begin: they may be loaded again before it.
        collection.gate.refuse(error);
        // After the write that may be under way in it.
        this.#writes.run(async () => {
          await collection.gate.emptied();
          collection.close();
        });
      }
      return run(await find());
    }
  }

  /** Takes one out of the database by `remove`, as soon as everybody is done who reads it. */
  async delete(id: number, remove: () => Promise<void>): Promise<void> {
    const state = await this.peek(id);
    await (state ? state.gate.shut(deletedError(), remove) : remove());
    this.#states.delete(id);
    state?.close();
  }

  /** What is in memory is no longer what is on disk: each is loaded anew at its next use. */
  async reload(): Promise<void> {
    for (const id of [...this.#states.keys()]) {
      const state = await this.peek(id);
      this.#states.delete(id);
      await state?.gate.shut(new LostRows('the collection has been repaired'));
      state?.close();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const id of this.#states.keys()) (await this.peek(id))?.close();
    this.#states.clear();
  }
}

function deletedError(): PiramidError {
  return new PiramidError('NOT_FOUND', 'the collection has been deleted');
}

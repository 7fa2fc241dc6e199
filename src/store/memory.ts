// A backend that keeps its buffers in memory and ends with the worker: `storage: 'memory'`, and tests.
import { type Backend, type Place, takenOver, type Write } from './backend.ts';
import { STORES, type StoreName } from './schema.ts';

export class MemoryBackend implements Backend {
  readonly kind = 'memory';
  readonly #stores = new Map<StoreName, Map<number, ArrayBuffer>>(STORES.map((name) => [name, new Map()]));

  async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    return this.#stores.get(store)!.get(key);
  }

  async readAll(store: StoreName, firstKey: number): Promise<Map<number, ArrayBuffer>> {
    const values = this.#stores.get(store)!;
    const keys = (await this.keys(store)).filter((key) => key >= firstKey);
    return new Map(keys.map((key) => [key, values.get(key)!]));
  }

  async keys(store: StoreName): Promise<number[]> {
    return [...this.#stores.get(store)!.keys()].sort((a, b) => a - b);
  }

  async commit(writes: readonly Write[], vacant?: Place): Promise<void> {
    if (vacant && this.#stores.get(vacant.store)!.has(vacant.key)) throw takenOver();
    for (const write of writes) {
      const store = this.#stores.get(write.store)!;
      if ('value' in write) store.set(write.key, write.value);
      else store.delete(write.key);
    }
  }

  drop(): void {}

  release(): void {}

  close(): void {}
}

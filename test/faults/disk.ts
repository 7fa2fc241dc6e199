// A disk in memory that tests can look into: what it held after each commit, and calls that fail on demand.
import { PiramidError } from '../../src/errors.ts';
import { type Backend, type Place, takenOver, type Write } from '../../src/store/backend.ts';
import { STORES, type StoreName } from '../../src/store/schema.ts';

/** By store, then by key. Values are never changed in place. */
export type DiskState = ReadonlyMap<StoreName, ReadonlyMap<number, ArrayBuffer>>;

export type Fault =
  | { what: 'quota' }
  | { what: 'failed' }
  | { what: 'unreadable' }
  | { what: 'lost connection'; arrived: boolean }
  /** No answer comes, ever. */
  | { what: 'silence'; arrived: boolean };

export class Disk implements Backend {
  readonly kind = 'memory';
  state: DiskState;
  /** Called after each commit that arrived. */
  onCommit: () => void = () => {};
  /** Called before each operation, which then fails as it says. */
  faultOf: (operation: 'read' | 'keys' | 'commit') => Fault | null = () => null;

  constructor(state: DiskState = new Map(STORES.map((store) => [store, new Map()]))) {
    this.state = state;
  }

  async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    await fail(this.faultOf('read'));
    return this.state.get(store)!.get(key);
  }

  async readAll(store: StoreName, firstKey: number): Promise<Map<number, ArrayBuffer>> {
    await fail(this.faultOf('read'));
    return new Map([...this.state.get(store)!].filter(([key]) => key >= firstKey).sort(([a], [b]) => a - b));
  }

  async keys(store: StoreName): Promise<number[]> {
    await fail(this.faultOf('keys'));
    return [...this.state.get(store)!.keys()].sort((a, b) => a - b);
  }

  async commit(writes: readonly Write[], vacant?: Place): Promise<void> {
    const fault = this.faultOf('commit');
    if (fault && !('arrived' in fault && fault.arrived)) await fail(fault);
    if (vacant && this.state.get(vacant.store)!.has(vacant.key)) throw takenOver();
    const stores = new Map([...this.state].map(([name, values]) => [name, new Map(values)]));
    for (const write of writes) {
      const store = stores.get(write.store)!;
      if ('value' in write) store.set(write.key, write.value);
      else store.delete(write.key);
    }
    this.state = stores;
    this.onCommit();
    await fail(fault);
  }

  drop(): void {}

  release(): void {}

  close(): void {}
}

/** Throws, or waits for ever. */
function fail(fault: Fault | null): Promise<void> | void {
  if (!fault) return;
  if (fault.what === 'silence') return new Promise(() => {});
  if (fault.what === 'quota') throw new PiramidError('QUOTA_EXCEEDED', 'injected');
  if (fault.what === 'unreadable') throw new PiramidError('CORRUPT', 'injected: Failed to read large IndexedDB value');
  throw new PiramidError('STORAGE_FAILED', `injected: ${fault.what}`);
}

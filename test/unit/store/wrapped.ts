// What tests put around a backend.
import type { Backend } from '../../../src/store/backend.ts';

/** `backend`, but for what `instead` has of its own. */
export function wrapped<T extends Partial<Backend>>(backend: Backend, instead: T): Omit<Backend, keyof T> & T {
  return {
    kind: backend.kind,
    read: (store, key) => backend.read(store, key),
    readAll: (store, firstKey) => backend.readAll(store, firstKey),
    keys: (store) => backend.keys(store),
    commit: (writes, vacant) => backend.commit(writes, vacant),
    drop: () => backend.drop(),
    release: () => backend.release(),
    close: () => backend.close(),
    ...instead,
  };
}

// The one interface under everything durable: three numbered sets of buffers, and all-or-nothing commits.
// IndexedDB and memory implement it; fault injection in tests wraps it.
import type { StoreName } from './schema.ts';

/** One change of a commit. A put of an existing key replaces it. */
export type Write =
  | { store: StoreName; key: number; value: ArrayBuffer }
  | { store: StoreName; key: number; delete: true };

export interface Backend {
  readonly kind: 'indexeddb' | 'memory';
  /** Undefined where there is no such key. The buffer is the caller's own. */
  read(store: StoreName, key: number): Promise<ArrayBuffer | undefined>;
  /** Ascending. */
  keys(store: StoreName): Promise<number[]>;
  /** All writes or none; durable when it resolves. Rejects with a `PiramidError` and nothing written. */
  commit(writes: readonly Write[]): Promise<void>;
  close(): void;
}

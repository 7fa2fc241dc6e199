// The one interface under everything durable: three numbered sets of buffers, and all-or-nothing commits.
// IndexedDB and memory implement it; fault injection in tests wraps it.
import { PiramidError } from '../errors.ts';
import type { StoreName } from './schema.ts';

/** One change of a commit. A put of an existing key replaces it. */
export type Put = { store: StoreName; key: number; value: ArrayBuffer };

export type Write = Put | { store: StoreName; key: number; delete: true };

/** What a value must be, byte by byte, for a commit to happen. */
export interface Expected {
  store: StoreName;
  key: number;
  value: ArrayBuffer;
}

export interface Backend {
  readonly kind: 'indexeddb' | 'memory';
  /** Undefined where there is no such key. The buffer is the caller's own. */
  read(store: StoreName, key: number): Promise<ArrayBuffer | undefined>;
  /** Ascending. */
  keys(store: StoreName): Promise<number[]>;
  /**
   * All writes or none; durable when it resolves. Rejects with a `PiramidError` and nothing written: with `BLOCKED` where
   * `expected` is given and another value stands there, which is found out in the same transaction.
   */
  commit(writes: readonly Write[], expected?: Expected): Promise<void>;
  /** Much has been deleted: what the storage keeps of it only while somebody is connected is to be given back. */
  release(): void;
  close(): void;
}

/** Whether there was no room for a commit. */
export function isFull(error: unknown): error is PiramidError {
  return error instanceof PiramidError && (error.code === 'QUOTA_EXCEEDED' || error.code === 'STORAGE_FULL');
}

/** Throws `BLOCKED` if `found` is not what `expected` says. */
export function checkExpected({ value }: Expected, found: ArrayBuffer | undefined): void {
  if (!sameBytes(value, found)) {
    throw new PiramidError(
      'BLOCKED',
      'another tab or worker has taken the database over. Nothing was written; open it again to go on.',
    );
  }
}

function sameBytes(a: ArrayBuffer, b: ArrayBuffer | undefined): boolean {
  if (!b) return false;
  const bytes = new Uint8Array(b);
  return a.byteLength === b.byteLength && new Uint8Array(a).every((byte, i) => byte === bytes[i]);
}

// The one interface under everything durable: three numbered sets of buffers, and all-or-nothing commits.
// IndexedDB and memory implement it; fault injection in tests wraps it.
import { PiramidError } from '../errors.ts';
import type { StoreName } from './schema.ts';

/** One change of a commit. A put of an existing key replaces it. */
export type Put = { store: StoreName; key: number; value: ArrayBuffer };

export type Write = Put | { store: StoreName; key: number; delete: true };

/** Where a value may stand. */
export interface Place {
  store: StoreName;
  key: number;
}

export interface Backend {
  readonly kind: 'indexeddb' | 'memory';
  /** Undefined where there is no such key. The buffer is the caller's own. */
  read(store: StoreName, key: number): Promise<ArrayBuffer | undefined>;
  /** All values from that key on, ascending, as they stand at one moment. One that cannot be read fails them all. */
  readAll(store: StoreName, firstKey: number): Promise<Map<number, ArrayBuffer>>;
  /** Ascending. */
  keys(store: StoreName): Promise<number[]>;
  /**
   * All writes or none; durable when it resolves. Rejects with a `PiramidError` and nothing written: with `BLOCKED` where
   * a value stands at `vacant`, which is found out in the same transaction, without the caller: it may be frozen meanwhile.
   */
  commit(writes: readonly Write[], vacant?: Place): Promise<void>;
  /** The connection does not answer: the next call makes a new one. */
  drop(): void;
  /** Much has been deleted: what the storage keeps of it only while somebody is connected is to be given back. */
  release(): void;
  close(): void;
}

/** Whether there was no room for a commit. */
export function isFull(error: unknown): error is PiramidError {
  return error instanceof PiramidError && (error.code === 'QUOTA_EXCEEDED' || error.code === 'STORAGE_FULL');
}

/** Of a commit, or of a look, that found a value where there was to be none. */
export function takenOver(): PiramidError {
  return new PiramidError(
    'BLOCKED',
    'another tab or worker has taken the database over. Nothing was written; open it again to go on.',
  );
}

export function isTakenOver(error: unknown): boolean {
  return error instanceof PiramidError && error.code === 'BLOCKED';
}

export function bytesOf(puts: readonly Put[]): number {
  return puts.reduce((sum, { value }) => sum + value.byteLength, 0);
}

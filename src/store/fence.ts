// One writer, whatever locks say: keeps an opener that lost the database from writing to it, be it a tab that was frozen
// while another one took over, or an older tab where there are no Web Locks. A random value stands beside the manifest;
// each opener writes its own before it reads anything, and each of its commits demands, in its own transaction, that it
// still stands there.
import { type Backend, checkExpected, type Expected, isFull, type Write } from './backend.ts';
import { encodeBlock } from './format.ts';
import { readManifest } from './manifest.ts';
import { BALLAST_KEY, FENCE_KEY } from './schema.ts';

const FENCE_BYTES = 16;

export interface FencedBackend extends Backend {
  /** Throws `BLOCKED` if there has been another opener since. */
  checkFence(): Promise<void>;
}

/** A backend whose commits are `BLOCKED` once somebody else has opened it; fences off who did before. */
export async function openFenced(inner: Backend): Promise<FencedBackend> {
  await readManifest(inner); // a database that cannot be opened is left as it is
  const slot = { store: 'manifest', key: FENCE_KEY } as const;
  const value = newFence();
  try {
    await inner.commit([{ ...slot, value }]);
  } catch (error) {
    if (!isFull(error)) throw error;
    // As for deletions: in a transaction of its own.
    await inner.commit([{ store: 'chunks', key: BALLAST_KEY, delete: true }]);
    await inner.commit([{ ...slot, value }]);
  }
  const expected: Expected = { ...slot, value };
  return {
    kind: inner.kind,
    read: (store, key) => inner.read(store, key),
    keys: (store) => inner.keys(store),
    commit: (writes: readonly Write[]) => inner.commit(writes, expected),
    release: () => inner.release(),
    close: () => inner.close(),
    async checkFence() {
      checkExpected(expected, await inner.read(slot.store, slot.key));
    },
  };
}

/** Compared as a whole and never decoded, so no damage can make two of them equal. */
function newFence(): ArrayBuffer {
  const header = { kind: 'fence', collection: 0, key: FENCE_KEY, firstRow: 0, rowCount: 0 } as const;
  return encodeBlock(header, crypto.getRandomValues(new Uint8Array(FENCE_BYTES)));
}

// Keeps an opener that lost the database from writing to it: a tab that was frozen while another one took over, or an
// older tab where there are no Web Locks. A random value stands beside the manifest; whoever takes the database over
// writes a new one, and every commit demands, in its own transaction, the value that its opener found or wrote.
import type { Backend, Expected, Write } from './backend.ts';
import { checkExpected } from './backend.ts';
import { encodeBlock } from './format.ts';
import { FENCE_KEY } from './schema.ts';

const FENCE_BYTES = 16;

export interface FencedBackend extends Backend {
  /** Throws `BLOCKED` if another opener has fenced this one off since. */
  checkFence(): Promise<void>;
}

/**
 * A backend whose commits are `BLOCKED` once somebody else has fenced it off. `takeOver`: fences off whoever may still
 * have the database open, before anything is read.
 */
export async function openFenced(inner: Backend, takeOver: boolean): Promise<FencedBackend> {
  const slot = { store: 'manifest', key: FENCE_KEY } as const;
  let value: ArrayBuffer | undefined;
  if (takeOver) {
    value = newFence();
    await inner.commit([{ ...slot, value }]);
  } else value = await inner.read(slot.store, slot.key);
  const expected: Expected = { ...slot, value };
  return {
    kind: inner.kind,
    read: (store, key) => inner.read(store, key),
    keys: (store) => inner.keys(store),
    commit: (writes: readonly Write[]) => inner.commit(writes, expected),
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

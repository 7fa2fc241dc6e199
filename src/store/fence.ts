// One writer, whatever locks say: keeps an opener that lost the database from writing to it, be it a tab that was frozen
// while another one took over, or an older tab where there are no Web Locks. Each opener has a key of its own beside the
// manifest, counted up from the one before, and each of its commits demands that nothing stands there; who opens the
// database next puts a fence there, before it reads anything.
import type { PiramidError } from '../errors.ts';
import { type Backend, isFull, isTakenOver, type Place, takenOver, type Write } from './backend.ts';
import { encodeBlock } from './format.ts';
import { readManifest } from './manifest.ts';
import { BALLAST_KEY, FENCE_KEY_FIRST, FENCES_MAX, OLD_FENCE_KEY } from './schema.ts';

export interface FencedBackend extends Backend {
  /** Why there is no fence: where the storage has no room for one, nothing is written. Null where there is one. */
  readonly full: PiramidError | null;
  /** Throws `BLOCKED` if there has been another opener since, or there is room for a fence now: then open it again. */
  checkFence(): Promise<void>;
}

/**
 * A backend whose commits are `BLOCKED` once somebody else has opened it; fences off who did before. `areOthersGone`: whether
 * nobody else who has opened it can write any more; only then is a fence taken away.
 */
export async function openFenced(inner: Backend, areOthersGone = async () => false): Promise<FencedBackend> {
  await readManifest(inner); // a database that cannot be opened is left as it is
  const { place, full } = await fenceOff(inner, areOthersGone).then(
    (place) => ({ place, full: null }),
    async (error) => ({ place: nextPlace(await fencesOf(inner)), full: asFull(error) }),
  );
  const checkFence = async () => {
    if ((await inner.read(place.store, place.key)) !== undefined) throw takenOver();
    if (!full) return;
    // Who opened it before can write as soon as there is room, and may have done so: what has been read counts no more.
    await fenceOff(inner, areOthersGone).then(() => Promise.reject(takenOver()), asFull);
  };
  return {
    full,
    kind: inner.kind,
    read: (store, key) => inner.read(store, key),
    readAll: (store, firstKey) => inner.readAll(store, firstKey),
    keys: (store) => inner.keys(store),
    async commit(writes: readonly Write[]) {
      if (!full && writes.some((write) => 'value' in write)) return inner.commit(writes, place);
      // To make room where there is none, not even for a value that goes again at once. What is deleted alone, nobody needs.
      await checkFence();
      if (full) throw full;
      await inner.commit(writes);
    },
    drop: () => inner.drop(),
    release: () => inner.release(),
    close: () => inner.close(),
    checkFence,
  };
}

function asFull(error: unknown): PiramidError {
  if (isFull(error)) return error;
  throw error;
}

/** Puts a fence where the last opener expects none. Resolves with where this one does. */
async function fenceOff(inner: Backend, areOthersGone: () => Promise<boolean>): Promise<Place> {
  for (;;) {
    const fences = await fencesOf(inner);
    const before = nextPlace(fences);
    // Whoever stood behind them has opened before they were read, and is gone. The last one says how far they are counted.
    const isLong = fences.length > FENCES_MAX;
    const unneeded = isLong && (await areOthersGone()) ? fences.slice(0, -1).map(placeOf) : [];
    const writes: Write[] = [
      { ...before, value: fence(before.key) },
      ...[placeOf(OLD_FENCE_KEY), ...unneeded].map((place) => ({ ...place, delete: true }) as const),
    ];
    try {
      await inner.commit(writes, before).catch(async (error) => {
        if (!isFull(error)) throw error;
        // As for deletions: in a transaction of its own.
        await inner.commit([{ store: 'chunks', key: BALLAST_KEY, delete: true }]);
        await inner.commit(writes, before);
      });
      return placeOf(before.key + 1);
    } catch (error) {
      // Another opener was quicker: then it is the one to be fenced off.
      if (!isTakenOver(error)) throw error;
    }
  }
}

async function fencesOf(inner: Backend): Promise<number[]> {
  return (await inner.keys('manifest')).filter((key) => key >= FENCE_KEY_FIRST);
}

/** Of the last opener. */
function nextPlace(fences: readonly number[]): Place {
  return placeOf((fences.at(-1) ?? FENCE_KEY_FIRST - 1) + 1);
}

function placeOf(key: number): Place {
  return { store: 'manifest', key };
}

/** That it stands there is all it says, so no damage can change that. */
function fence(key: number): ArrayBuffer {
  return encodeBlock({ kind: 'fence', collection: 0, key, firstRow: 0, rowCount: 0 }, new Uint8Array(0));
}

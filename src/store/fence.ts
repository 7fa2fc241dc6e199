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
  /**
   * Why no fence could be put: on a storage without any room an opener writes nothing, and stands where the last one did. The
   * first commit that finds room puts the fence. Null once it is there.
   */
  readonly full: PiramidError | null;
  /** Throws `BLOCKED` if there has been another opener since. */
  checkFence(): Promise<void>;
}

/**
 * A backend whose commits are `BLOCKED` once somebody else has opened it; fences off who did before. `areOthersGone`: whether
 * nobody else who has opened it can write any more; only then is a fence taken away.
 */
export async function openFenced(inner: Backend, areOthersGone = async () => false): Promise<FencedBackend> {
  await readManifest(inner); // a database that cannot be opened is left as it is
  let { place, full, seen } = await beginFenced(inner, areOthersGone);
  const checkFence = async () => {
    if ((await inner.read(place.store, place.key)) !== undefined) throw takenOver();
  };
  const fenceLate = async () => {
    await checkFence();
    const own = await fenceOff(inner, areOthersGone);
    const { generation, log } = await newestWrite(inner);
    if (generation > seen.generation || log > seen.log) throw takenOver(); // by the last opener, behind this one's back
    place = own;
    full = null;
  };
  let fencing: Promise<void> | null = null;
  return {
    get full() {
      return full;
    },
    kind: inner.kind,
    read: (store, key) => inner.read(store, key),
    readAll: (store, firstKey) => inner.readAll(store, firstKey),
    keys: (store) => inner.keys(store),
    async commit(writes: readonly Write[]) {
      if (writes.some((write) => 'value' in write)) {
        if (full) {
          fencing ??= fenceLate().finally(() => {
            fencing = null;
          });
          await fencing;
        }
        return inner.commit(writes, place);
      }
      // To make room where there is none, not even for a value that goes again at once. What is deleted alone, nobody needs.
      await checkFence();
      await inner.commit(writes);
    },
    release: () => inner.release(),
    close: () => inner.close(),
    checkFence,
  };
}

/** `seen`: what had been written when there was no room for a fence. */
async function beginFenced(inner: Backend, areOthersGone: () => Promise<boolean>) {
  const seen = { generation: 0, log: 0 };
  try {
    return { place: await fenceOff(inner, areOthersGone), full: null, seen };
  } catch (error) {
    if (!isFull(error)) throw error;
    return {
      place: nextPlace(await fencesOf(inner)),
      full: error as PiramidError | null,
      seen: await newestWrite(inner),
    };
  }
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

/** One of them is higher after each write that is more than a deletion. */
async function newestWrite(inner: Backend): Promise<{ generation: number; log: number }> {
  const { manifest } = await readManifest(inner);
  return { generation: manifest?.generation ?? 0, log: (await inner.keys('log')).at(-1) ?? 0 };
}

function placeOf(key: number): Place {
  return { store: 'manifest', key };
}

/** That it stands there is all it says, so no damage can change that. */
function fence(key: number): ArrayBuffer {
  return encodeBlock({ kind: 'fence', collection: 0, key, firstRow: 0, rowCount: 0 }, new Uint8Array(0));
}

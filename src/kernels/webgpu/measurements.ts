// What was measured of an adapter, kept for its next visit in the browser's Cache: workers have it, and it is no part of any
// database. Whatever goes wrong with it, the thing is measured again.

/** Positive numbers, by name. */
type Numbers<K extends string> = Readonly<Record<K, number>>;

export interface Measurements {
  /**
   * What `measure` finds, or found before: on this adapter, by this release, in the last weeks. Rejects as `measure` does,
   * which is then tried again the next time.
   */
  once<K extends string>(name: string, keys: readonly K[], measure: () => Promise<Numbers<K>>): Promise<Numbers<K>>;
}

const CACHE = 'piramid-gpu';
/** No one is asked for it: entries of a cache have addresses. */
const RELEASE = `https://piramid.invalid/${PIRAMID_RELEASE}/`;
/** Drivers and browsers change, too. */
const STALE_MS = 30 * 24 * 3600 * 1000;

/** `adapter`: all that tells it from others. */
export function createMeasurements(adapter: string): Measurements {
  const known = new Map<string, Promise<unknown>>();

  async function find<K extends string>(name: string, keys: readonly K[], measure: () => Promise<Numbers<K>>) {
    const url = RELEASE + [adapter, name].map(encodeURIComponent).join('/');
    const kept = await read(url, keys).catch(() => null);
    if (kept) return kept;
    const measured = await measure();
    // Nobody waits for it. Private windows and pages of no origin have no cache.
    write(url, measured).catch(() => {});
    return measured;
  }

  return {
    once(name, keys, measure) {
      const found = (known.get(name) as ReturnType<typeof measure> | undefined) ?? find(name, keys, measure);
      known.set(name, found);
      found.catch(() => known.delete(name));
      return found;
    },
  };
}

async function read<K extends string>(url: string, keys: readonly K[]): Promise<Numbers<K> | null> {
  const response = await caches.match(url, { cacheName: CACHE });
  if (!response) return null;
  const { at, ...numbers } = await response.json();
  const isFresh = Math.abs(Date.now() - at) < STALE_MS;
  return isFresh && keys.every((key) => Number.isFinite(numbers[key]) && numbers[key] > 0) ? numbers : null;
}

async function write(url: string, numbers: Numbers<string>): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.put(url, Response.json({ at: Date.now(), ...numbers }));
  for (const request of await cache.keys()) if (!request.url.startsWith(RELEASE)) await cache.delete(request);
}

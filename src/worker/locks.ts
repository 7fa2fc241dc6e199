// Web Locks of the worker: one says that the worker lives, one that it leads a database. Where the browser or the context
// has no locks (plain http), there is no token, and nobody asks for the other one.
import { lifeLockName } from '../protocol.ts';

/** Holds a lock until the worker ends, and returns the token that names it; null without Web Locks. */
export async function holdLifeLock(): Promise<string | null> {
  if (!globalThis.navigator?.locks) return null;
  const token = crypto.randomUUID();
  return new Promise((resolve) => {
    navigator.locks
      .request(lifeLockName(token), () => {
        resolve(token);
        return new Promise(() => {});
      })
      .catch(() => resolve(null)); // a context without access to locks, such as a sandboxed frame
  });
}

/**
 * Waits for the database, then holds it until the promise that `hold` returns settles. Resolves after that; rejects when
 * the signal fires first, and when another worker takes the database away. `steal`: takes it from whoever has it.
 */
export async function holdDatabase(
  name: string,
  { steal, signal }: { steal: boolean; signal: AbortSignal },
  hold: () => Promise<void>,
): Promise<void> {
  await navigator.locks.request(`piramid:${name}`, steal ? { steal } : { signal }, hold);
}

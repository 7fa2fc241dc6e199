// Web Locks of the worker: one says that the worker lives, one that it alone writes a database. Where the browser or
// the context has no locks, both are left out.
import { PiramidError } from '../errors.ts';
import { lifeLockName } from '../protocol.ts';

/** How long `open` waits for another tab, or the page before a reload, to let go of the database, milliseconds. */
const PATIENCE = 5000;

/** Holds a lock until the worker ends, and returns the token that names it. */
export async function holdLifeLock(): Promise<string | null> {
  if (!globalThis.navigator?.locks) return null;
  const token = crypto.randomUUID();
  return new Promise((resolve) => {
    navigator.locks
      .request(lifeLockName(token), () => {
        resolve(token);
        return new Promise(() => {});
      })
      .catch(() => resolve(null));
  });
}

/** Takes the database for this worker alone; the result gives it back. Throws `BLOCKED` if another does not let go. */
export async function lockDatabase(name: string): Promise<() => void> {
  if (!globalThis.navigator?.locks) return () => {};
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(PATIENCE);
    navigator.locks
      .request(`piramid:${name}`, { signal }, () => new Promise<void>((release) => resolve(release)))
      .catch((error: unknown) => {
        if (signal.aborted) {
          reject(
            new PiramidError(
              'BLOCKED',
              `database "${name}" is open in another tab or worker, which did not close it within ${PATIENCE} ms`,
              { cause: error },
            ),
          );
        } else resolve(() => {}); // a context without access to locks, such as a sandboxed frame
      });
  });
}

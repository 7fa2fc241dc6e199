// The databases of an origin, without opening them: their names, and how to delete one.
import { DATABASE_PREFIX, rowFilesOf } from '../checks.ts';
import { PiramidError, toPiramidError } from '../errors.ts';
import { checkName } from './input.ts';
import { forget, removeEntry } from './witness.ts';

/** How long whoever has the database may take to close it, milliseconds. */
const PATIENCE_MS = 2000;

/** Names of this origin's databases, in order. `UNSUPPORTED` where the browser does not list them. */
export async function listDatabases(): Promise<string[]> {
  const { indexedDB } = globalThis;
  if (!indexedDB?.databases) throw new PiramidError('UNSUPPORTED', 'there is no IndexedDB here that lists databases');
  const names = (await indexedDB.databases()).flatMap(({ name }) =>
    name?.startsWith(DATABASE_PREFIX) ? name.slice(DATABASE_PREFIX.length) : [],
  );
  return names.sort();
}

/**
 * Deletes a database with all that is in it. Returns whether there was one. `BLOCKED` while it is open, in this tab or
 * another one; `STORAGE_FAILED` if the browser cannot delete it.
 */
export async function deleteDatabase(name: string): Promise<boolean> {
  checkName(name, 'database');
  const exists = (await listDatabases()).includes(name);
  const remove = async () => {
    await removed(DATABASE_PREFIX + name);
    await forget(name);
    await removeEntry(rowFilesOf(name));
    return exists;
  };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const { locks } = navigator;
  // Whoever leads the database holds its lock: nobody opens it meanwhile.
  return locks ? locks.request(DATABASE_PREFIX + name, { signal }, remove).catch(refused) : remove();
}

function refused(error: unknown): never {
  if (error instanceof PiramidError) throw error;
  throw blocked(error);
}

function blocked(cause?: unknown): PiramidError {
  return new PiramidError('BLOCKED', 'the database is open, in this tab or another one; close it first', { cause });
}

function removed(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    // Without locks: the browser deletes it once it is closed.
    const timer = setTimeout(() => reject(blocked()), PATIENCE_MS);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = () => reject(toPiramidError(request.error, 'STORAGE_FAILED', 'deleting the database'));
  });
}

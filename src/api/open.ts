// `open` of the whole library, which has a worker inside. Importing this file does nothing.
import type { OpenOptions } from '../types.ts';
// `?worker&inline` in the IIFE format is the one form that works as ESM, as a script tag, from another origin and on file://.
import InlinedWorker from '../worker/inlined-worker.ts?worker&inline';
import type { Database } from './database.ts';
import { openDatabase } from './opening.ts';

/**
 * Opens a database, creating it if it does not exist. One database is one IndexedDB database of this origin; any number
 * of tabs and workers share it.
 *
 * Throws `INVALID_ARGUMENT`, `WORKER_FAILED` (blocked, missing), `BLOCKED` (open in a tab with an incompatible
 * release), `UNSUPPORTED` (no browser page or worker of one; a named device or storage is missing; a key without
 * https), `WRONG_KEY`, `CORRUPT`, `NEWER_FORMAT`, `QUOTA_EXCEEDED`, `STORAGE_FULL`.
 *
 * ```ts
 * await using db = await open('notes');
 * ```
 */
export function open(name: string, given?: OpenOptions): Promise<Database> {
  return openDatabase(name, given, () => new InlinedWorker());
}

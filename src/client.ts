/// <reference lib="esnext.disposable" preserve="true" />
// `piramid/client`: the public entry without the worker, for pages that serve one. A quarter of the size.
import type { Database } from './api/database.ts';
import { openDatabase } from './api/opening.ts';
import type { OpenOptions } from './types.ts';

export type { Collection } from './api/collection.ts';
export type { Database, ModelCallOptions } from './api/database.ts';
export { deleteDatabase, listDatabases } from './api/databases.ts';
export { type ErrorCode, PiramidError } from './errors.ts';
export { matchRanges } from './text/highlight.ts';
export type * from './types.ts';

/** What `open` of `piramid/client` takes: a worker, `piramid/worker` or `piramid/rag-worker` of the same release. */
export type ClientOptions = OpenOptions & Required<Pick<OpenOptions, 'worker'>>;

/**
 * Opens a database, as `open` of `piramid` does, in the worker that `options.worker` creates. Without one it is
 * `INVALID_ARGUMENT`: this entry has none inside. All else that `piramid` exports is here, too.
 *
 * ```ts
 * const worker = () => new Worker(new URL('piramid/worker', import.meta.url), { type: 'module' });
 * await using db = await open('notes', { worker });
 * ```
 */
export function open(name: string, options: ClientOptions): Promise<Database> {
  return openDatabase(name, options, null);
}

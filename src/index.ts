/// <reference lib="esnext.disposable" preserve="true" />
// The public entry: everything a user can import from 'piramid'. Importing it has no effect on page or worker.

export type { Collection } from './api/collection.ts';
export type { Database, ModelCallOptions } from './api/database.ts';
export { deleteDatabase, listDatabases } from './api/databases.ts';
export { open } from './api/open.ts';
export { type ErrorCode, PiramidError } from './errors.ts';
export { matchRanges } from './text/highlight.ts';
export type * from './types.ts';

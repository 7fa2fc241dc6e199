// `open`: checks its options, starts a worker and opens one database in it. Importing this file does nothing.
import type { OpenOptions } from '../types.ts';
import { assetFinder, modelSource } from './assets.ts';
import { Connection } from './connect.ts';
import { Database } from './database.ts';
import { checkChoice, checkInteger, checkName, describe, invalid, readOptions } from './input.ts';
import { importKey } from './key.ts';

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
export async function open(name: string, given?: OpenOptions): Promise<Database> {
  checkName(name, 'database');
  const options = readOptions(
    given,
    [
      'storage',
      'device',
      'durability',
      'worker',
      'persist',
      'models',
      'scanBudget',
      'memory',
      'timeout',
      'key',
      'assets',
    ],
    'open',
  );
  checkChoice(options.storage, ['indexeddb', 'memory'], 'storage');
  checkChoice(options.device, ['auto', 'webgpu', 'wasm', 'js'], 'device');
  checkChoice(options.durability, ['strict', 'relaxed'], 'durability');
  if (options.worker !== undefined && typeof options.worker !== 'function') {
    throw invalid(`worker: expected a function that makes a Worker, got ${describe(options.worker)}`);
  }
  if (options.persist !== undefined && typeof options.persist !== 'boolean')
    throw invalid(`persist: expected true or false, got ${describe(options.persist)}`);
  if (options.scanBudget !== undefined) checkInteger(options.scanBudget, 1, Number.MAX_SAFE_INTEGER, 'scanBudget');
  if (options.memory !== undefined) checkInteger(options.memory, 1, Number.MAX_SAFE_INTEGER, 'memory');
  if (options.timeout !== undefined) checkInteger(options.timeout, 100, 86_400_000, 'timeout');
  const models = modelSource(options.models, options.assets);
  const findAsset = assetFinder(options.assets);
  const key = options.key === undefined ? undefined : await importKey(options.key);

  const connection = await Connection.start(options.worker, options.timeout ?? 60_000, findAsset);
  try {
    const opened = await connection.call((engine) =>
      engine.open(
        {
          name,
          storage: options.storage ?? 'indexeddb',
          device: options.device ?? 'auto',
          durability: options.durability ?? 'strict',
          ...(options.scanBudget !== undefined && { scanBudget: options.scanBudget }),
          ...(options.memory !== undefined && { memory: options.memory }),
          models,
          ...(key && { key }),
        },
        connection.events(),
      ),
    );
    if (opened.cpu === 'js' && options.device !== 'js') warnOfJavaScript();
    const database = new Database(connection, name, opened.device, options);
    database.begin();
    return database;
  } catch (error) {
    connection.end();
    throw error;
  }
}

let isWarned = false;

function warnOfJavaScript(): void {
  if (isWarned) return;
  isWarned = true;
  console.warn(
    `Piramid: WebAssembly is missing or forbidden, and searches run in JavaScript, several times slower. Add to the Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval' (of an extension: "content_security_policy": { "extension_pages": "script-src 'self' 'wasm-unsafe-eval'" })`,
  );
}

// What every `open` does: checks its options, starts a worker and opens one database in it.
import type { OpenOptions } from '../types.ts';
import { assetFinder, modelSource } from './assets.ts';
import { Connection, SERVE_IT } from './connect.ts';
import { Database } from './database.ts';
import { checkChoice, checkInteger, checkName, describe, invalid, readOptions } from './input.ts';
import { importKey } from './key.ts';

/** `inlined`: makes the worker that is used if the options give none. */
export async function openDatabase(
  name: string,
  given: OpenOptions | undefined,
  inlined: (() => Worker) | null,
): Promise<Database> {
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
  if (options.worker === undefined ? !inlined : typeof options.worker !== 'function') {
    const where = inlined ? '' : `; piramid/client has no worker of its own: ${SERVE_IT}`;
    throw invalid(`worker: expected a function that makes a Worker, got ${describe(options.worker)}${where}`);
  }
  if (options.persist !== undefined && typeof options.persist !== 'boolean')
    throw invalid(`persist: expected true or false, got ${describe(options.persist)}`);
  if (options.scanBudget !== undefined) checkInteger(options.scanBudget, 1, Number.MAX_SAFE_INTEGER, 'scanBudget');
  if (options.memory !== undefined) checkInteger(options.memory, 1, Number.MAX_SAFE_INTEGER, 'memory');
  if (options.timeout !== undefined) checkInteger(options.timeout, 100, 86_400_000, 'timeout');
  const models = modelSource(options.models, options.assets);
  const findAsset = assetFinder(options.assets);
  const key = options.key === undefined ? undefined : await importKey(options.key);

  const connection = await Connection.start(options.worker ?? inlined!, {
    isInlined: options.worker === undefined,
    silence: options.timeout ?? 60_000,
    findAsset,
  });
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

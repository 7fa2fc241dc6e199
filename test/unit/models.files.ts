// Serves the committed model folder to tests in Node: a stand-in for `fetch` that reads files and can be made to fail.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '../../src/models/model.ts';
import type { ModelProgress } from '../../src/types.ts';

export const STATIC_FOLDER = fileURLToPath(new URL('../../models/static-en/', import.meta.url));
export const SOURCE = { path: 'https://site.test/models/' };

/** A `fetch` that serves `models/` at `SOURCE.path`, remembers what was asked, and lets `change` spoil the bytes. */
export function serveModels(
  change: (path: string, bytes: Uint8Array<ArrayBuffer>) => Response | undefined = () => undefined,
) {
  const asked: string[] = [];
  const serve = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    init?.signal?.throwIfAborted();
    const path = String(url).replace(`${SOURCE.path}static-en/`, '');
    asked.push(path);
    const bytes = new Uint8Array(await readFile(STATIC_FOLDER + path));
    init?.signal?.throwIfAborted();
    return change(path, bytes) ?? new Response(bytes);
  };
  return { serve, asked };
}

/** Load options without a care, or with those given. */
export function loading(options: Partial<LoadOptions> = {}): LoadOptions & { seen: ModelProgress[] } {
  const seen: ModelProgress[] = [];
  return { signal: new AbortController().signal, onProgress: (progress) => void seen.push(progress), seen, ...options };
}

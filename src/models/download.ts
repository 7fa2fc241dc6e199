// Gets model files whose sizes and SHA-256 are known beforehand: from the page, from Cache Storage, or from the network. What was
// fetched is kept in the cache named `piramid-models`, so that it loads offline from then on; only bytes that passed their check
// ever enter it.
import { PiramidError, throwIfAborted } from '../errors.ts';
import type { ModelBytes, ModelSource } from '../types.ts';
import type { LoadOptions } from './model.ts';
import { MISSING_FILES_ADVICE, type PinnedFile } from './model-files.ts';

const CACHE_NAME = 'piramid-models';

type Bytes = Uint8Array<ArrayBuffer>;

/** The bytes of `files`, in their order. What is not to be found is named all at once, before anything long is read. */
export async function download(
  model: keyof ModelBytes,
  files: readonly PinnedFile[],
  source: ModelSource,
  { signal, onProgress }: LoadOptions,
): Promise<Bytes[]> {
  const cache = source.path === undefined ? undefined : await openCache();

  /** The bytes of a file, or the answer that brings them; or where it was looked for and what came. */
  async function find(file: PinnedFile, url: string): Promise<Bytes | Response | string> {
    const given = source.bytes?.[model]?.[file.path];
    if (given) return checked(new Uint8Array(await new Blob([given as BlobPart]).arrayBuffer()), file, 'models.bytes');
    if (!url) return `${file.path} (not in models.bytes)`;
    const kept = await cache?.match(url).catch(() => undefined);
    if (kept) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if ((await difference(bytes, file)) === null) return bytes;
      // Another release of the model had this URL, or the disk lied: the network has the truth.
      await cache!.delete(url);
    }
    // We keep our own copy: the HTTP cache may only answer with what the server still has.
    return answer(url, { signal, cache: 'no-cache' });
  }

  async function read(file: PinnedFile, url: string, found: Bytes | Response): Promise<Bytes> {
    const report = (loadedBytes: number) => onProgress({ model, file: file.path, loadedBytes, totalBytes: file.bytes });
    if (found instanceof Uint8Array) {
      report(found.length);
      return found;
    }
    const bytes = await checked(await readBody(found, file.bytes, url, report), file, url);
    throwIfAborted(signal);
    // A full disk costs the offline copy, not the model.
    await cache?.put(url, new Response(bytes)).catch(() => undefined);
    return bytes;
  }

  try {
    const wanted = files.map(
      (file) => [file, source.path ? new URL(`${model}/${file.path}`, source.path).href : ''] as const,
    );
    const found = await Promise.all(wanted.map(([file, url]) => find(file, url)));
    const missing = found.filter((item) => typeof item === 'string');
    if (missing.length > 0) {
      // A body that is neither read nor cancelled keeps its connection.
      for (const item of found) (item as Response).body?.cancel().catch(() => undefined);
      throw new Error(`could not get ${missing.join(', ')}; ${MISSING_FILES_ADVICE}`);
    }
    return await Promise.all(wanted.map(([file, url], i) => read(file, url, found[i] as Bytes | Response)));
  } catch (error) {
    throwIfAborted(signal);
    throw new PiramidError('MODEL_FAILED', `model "${model}": ${messageOf(error)}`, { cause: error });
  }
}

/** The server's answer with the file at `url`; or else the URL, and what came in its place. */
export async function answer(url: string, init?: RequestInit): Promise<Response | string> {
  try {
    const response = await fetch(url, init);
    if (response.ok && !isPage(response)) return response;
    await response.body?.cancel();
    return `${url} (${response.ok ? 'an HTML page came' : response.status})`;
  } catch (error) {
    return `${url} (${messageOf(error)})`;
  }
}

/** Many development servers answer a missing file with their index page. */
export function isPage(response: Response): boolean {
  return response.headers.get('content-type')?.includes('text/html') ?? false;
}

/** The bytes of an answer, at most one more than `most`. */
async function readBody(
  response: Response,
  most: number,
  url: string,
  report: (loadedBytes: number) => void,
): Promise<Bytes> {
  const bytes = new Uint8Array(most + 1);
  let loaded = 0;
  const reader = response.body?.getReader();
  try {
    for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
      bytes.set(chunk.value.subarray(0, bytes.length - loaded), loaded);
      loaded += chunk.value.length;
      if (loaded > most) {
        await reader?.cancel();
        return bytes;
      }
      report(loaded);
    }
  } catch (error) {
    throw new Error(`could not read ${url} to its end (${messageOf(error)})`, { cause: error });
  }
  return bytes.subarray(0, loaded);
}

async function checked(bytes: Bytes, file: PinnedFile, place: string): Promise<Bytes> {
  const wrong = await difference(bytes, file);
  if (wrong === null) return bytes;
  throw new Error(`${place}: ${file.path} is not the file of this release: ${wrong}`);
}

/** What is wrong with `bytes`; null if nothing is. */
async function difference(bytes: Bytes, file: PinnedFile): Promise<string | null> {
  if (bytes.length !== file.bytes) {
    return `expected ${file.bytes} bytes, got ${bytes.length > file.bytes ? 'more' : bytes.length}`;
  }
  // Plain http has no SubtleCrypto (nor a cache that could keep a bad file): the size has to do.
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return sha256 === file.sha256 ? null : `expected SHA-256 ${file.sha256}, got ${sha256}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Absent on plain http and outside browsers; refused in some private windows and sandboxed frames. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE_NAME);
  } catch {
    return undefined;
  }
}

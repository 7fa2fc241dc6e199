// Fetches a model file whose size and SHA-256 are known beforehand, and keeps it in Cache Storage so that it loads
// offline from then on. Owns the cache named `piramid-models`; only bytes that passed their check ever enter it.
import { PiramidError, throwIfAborted } from '../errors.ts';
import type { LoadOptions } from './model.ts';

const CACHE_NAME = 'piramid-models';

/** A file that is known down to its bytes. */
export interface PinnedFile {
  /** Below the model's folder. */
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

/** The bytes of `file` in the folder `folder` (an absolute URL ending in '/'), from the cache or the network. */
export async function download(
  model: string,
  folder: string,
  file: PinnedFile,
  { signal, onProgress }: LoadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(file.path, folder).href;
  const report = (loadedBytes: number) => onProgress({ model, file: file.path, loadedBytes, totalBytes: file.bytes });
  try {
    const cache = await openCache();
    const kept = await cache?.match(url).catch(() => undefined);
    if (kept) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if ((await difference(bytes, file)) === null) {
        report(bytes.length);
        return bytes;
      }
      // Another release of the model had this URL, or the disk lied: the network has the truth.
      await cache?.delete(url);
    }
    const bytes = await fetchBytes(url, file, signal, report);
    throwIfAborted(signal);
    // A full disk costs the offline copy, not the model.
    await cache?.put(url, new Response(bytes)).catch(() => undefined);
    return bytes;
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof PiramidError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PiramidError(
      'MODEL_FAILED',
      `model "${model}": could not fetch ${url} (${reason}); check the network, \`models.path\`, and CORS if it is another origin`,
      { cause: error },
    );
  }
}

async function fetchBytes(
  url: string,
  file: PinnedFile,
  signal: AbortSignal,
  report: (loadedBytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  // We keep our own copy: the HTTP cache may only answer with what the server still has.
  const response = await fetch(url, { signal, cache: 'no-cache' });
  if (!response.ok) {
    await response.body?.cancel();
    throw new PiramidError(
      'MODEL_FAILED',
      `the server answered ${response.status} for ${url}; \`models.path\` must be the folder that holds the model's folder`,
    );
  }
  const bytes = new Uint8Array(file.bytes);
  let loaded = 0;
  const reader = response.body?.getReader();
  for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
    const room = bytes.subarray(loaded);
    loaded += chunk.value.length;
    if (loaded > file.bytes) {
      await reader?.cancel();
      break;
    }
    room.set(chunk.value);
    report(loaded);
  }
  const wrong =
    loaded > file.bytes ? `expected ${file.bytes} bytes, got more` : await difference(bytes.subarray(0, loaded), file);
  if (wrong !== null) {
    // Many development servers answer a missing file with their index page.
    const isPage = response.headers.get('content-type')?.includes('text/html') ?? false;
    throw new PiramidError(
      'MODEL_FAILED',
      isPage
        ? `the server has an HTML page in place of ${url}: the file is missing; \`models.path\` must be the folder that holds the model's folder`
        : `${url} is not the file of this release: ${wrong}`,
    );
  }
  return bytes;
}

/** What is wrong with `bytes`; null if nothing is. */
async function difference(bytes: Uint8Array<ArrayBuffer>, file: PinnedFile): Promise<string | null> {
  if (bytes.length !== file.bytes) return `expected ${file.bytes} bytes, got ${bytes.length}`;
  // Plain http has no SubtleCrypto (nor a cache that could keep a bad file): the size has to do.
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return sha256 === file.sha256 ? null : `expected SHA-256 ${file.sha256}, got ${sha256}`;
}

/** Absent on plain http and outside browsers; refused in some private windows and sandboxed frames. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE_NAME);
  } catch {
    return undefined;
  }
}

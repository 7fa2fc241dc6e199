// Where the files are that are loaded on demand: beside the bundle, in the folder that `assets` names, or what the page has.
import type { Asset } from '../protocol.ts';
import type { AssetLoader, ModelSource, OpenOptions } from '../types.ts';
import { beside } from './beside.ts';
import { absolute, describe, door, invalid, readOptions } from './input.ts';

export type FindAsset = (file: string) => Promise<Asset>;

/** Throws `INVALID_ARGUMENT` for what is no place. */
export function assetFinder(assets: OpenOptions['assets']): FindAsset {
  if (typeof assets === 'function') return (file) => given(assets, file);
  const base = assets === undefined ? null : absolute(assets, 'assets');
  return async (file) => {
    if (base !== null) return { url: new URL(file, base).href };
    try {
      return { url: besideBundle(file) };
    } catch {
      return { error: 'this script has no address; give `assets` to open()' };
    }
  };
}

/** Inline scripts and modules of `blob:` have no address that files could be beside; the page, or the worker, may have one. */
function besideBundle(file: string): string {
  try {
    return beside(file);
  } catch {
    return new URL(file, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  }
}

/** Where models come from, checked: absolute URLs, and bytes as Blobs, which cross to a worker without being copied. */
export function modelSource(given: ModelSource | undefined, assets: OpenOptions['assets']): ModelSource {
  const { path, remote, runtime, bytes } = readOptions(given, ['path', 'remote', 'runtime', 'bytes'], 'models');
  if (remote !== undefined && typeof remote !== 'boolean')
    throw invalid(`models.remote: expected true or false, got ${describe(remote)}`);
  const source: ModelSource = { remote: remote ?? true };
  const base = typeof assets === 'string' ? absolute(assets, 'assets') : undefined;
  const folder = (name: 'path' | 'runtime', url: string | undefined, below: string) => {
    if (url !== undefined) source[name] = absolute(url, `models.${name}`);
    else if (base !== undefined) source[name] = new URL(below, base).href;
  };
  folder('path', path, 'models/');
  folder('runtime', runtime, 'onnx/');
  if (bytes !== undefined) {
    const files = readOptions(bytes, ['static-en'], 'models.bytes')['static-en'];
    source.bytes = { 'static-en': door(() => Object.fromEntries(Object.entries(files ?? {}).map(asBlob))) };
  }
  return source;
}

function asBlob([path, bytes]: [string, unknown]): [string, Blob] {
  if (bytes instanceof Blob || bytes instanceof ArrayBuffer || ArrayBuffer.isView(bytes))
    return [path, new Blob([bytes as BlobPart])];
  throw invalid(`models.bytes: ${path}: expected bytes or a Blob, got ${describe(bytes)}`);
}

async function given(assets: AssetLoader, file: string): Promise<Asset> {
  try {
    const found = await assets(file);
    if (typeof found === 'string') return { url: absolute(found, `assets(${JSON.stringify(file)})`, false) };
    if (found instanceof Response && !found.ok) return { error: `HTTP ${found.status}` };
    if (found instanceof Response || found instanceof Blob) return { bytes: await found.arrayBuffer() };
    if (found instanceof ArrayBuffer || ArrayBuffer.isView(found)) return { bytes: new Blob([found as BufferSource]) };
    throw invalid(
      `assets(${JSON.stringify(file)}): expected a URL, a Response, a Blob or bytes, got ${describe(found)}`,
    );
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

// Where the files are that are loaded on demand: beside the bundle, at a URL, or what a function of the user's gives.
import type { Asset } from '../protocol.ts';
import type { AssetLoader, OpenOptions } from '../types.ts';
import { absolute, describe, invalid } from './input.ts';

/** Of this script, in each of its forms. */
const HERE = (globalThis.document?.currentScript as HTMLScriptElement | null)?.src || import.meta.url;

export type FindAsset = (file: string) => Promise<Asset>;

/** Throws `INVALID_ARGUMENT` for what is no place. */
export function assetFinder(assets: OpenOptions['assets']): FindAsset {
  if (typeof assets === 'function') return (file) => given(assets, file);
  const base = assets === undefined ? null : absolute(assets, 'assets');
  return async (file) => {
    // From its sources, in development, the one file has another name.
    const place = base === null && file === 'stemmers.js' ? PIRAMID_STEMMERS : file;
    return { url: new URL(place, base ?? HERE).href };
  };
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

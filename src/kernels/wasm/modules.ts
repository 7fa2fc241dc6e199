// The compiled kernels. They travel as one deflated string, because they have much in common.
import { base64, ends } from './scan.as.ts,codes.as.ts,codes.as.ts+relaxed?wasm';

/** By what is in them, in the order of the import. */
const MODULES = ['scan', 'codes', 'relaxed codes'] as const;

let inflated: Promise<ArrayBuffer> | undefined;

/** Null where the browser has no WASM SIMD or forbids WASM; those that have it can inflate. */
export async function loadModule(name: (typeof MODULES)[number]): Promise<WebAssembly.Module | null> {
  if (typeof WebAssembly === 'undefined' || typeof DecompressionStream === 'undefined') return null;
  inflated ??= inflate(base64);
  const i = MODULES.indexOf(name);
  return compileWasm((await inflated).slice(ends[i - 1] ?? 0, ends[i]));
}

export async function inflate(deflated: string): Promise<ArrayBuffer> {
  const bytes = new Blob([Uint8Array.from(atob(deflated), (letter) => letter.charCodeAt(0))]);
  return new Response(bytes.stream().pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer();
}

export async function compileWasm(bytes: ArrayBuffer): Promise<WebAssembly.Module | null> {
  if (!WebAssembly.validate(bytes)) return null;
  // A content security policy without 'wasm-unsafe-eval' makes this throw.
  return WebAssembly.compile(bytes).catch(() => null);
}

// The compiled kernels. They travel as one text, because they have much in common.
import wasm from './scan.as.ts,codes.as.ts,codes.as.ts+relaxed?wasm';

/** By what is in them, in the order of the import. */
const MODULES = ['scan', 'codes', 'relaxed codes'] as const;

let decoded: Uint8Array<ArrayBuffer> | undefined;

/** Null where the browser has no WASM SIMD or forbids WASM. */
export async function loadModule(name: (typeof MODULES)[number]): Promise<WebAssembly.Module | null> {
  if (typeof WebAssembly === 'undefined') return null;
  decoded ??= decodeWasm(wasm);
  const i = MODULES.indexOf(name);
  return compileWasm(decoded.subarray(wasm.ends[i - 1] ?? 0, wasm.ends[i]));
}

/** The bytes of `?wasm`: tools/assemblyscript.ts says how they are written. */
export function decodeWasm({ text, alphabet, ends }: typeof wasm): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ends.at(-1)!);
  const plain = alphabet.length - 2;
  let at = 0;
  let step = 0;
  for (const letter of text) {
    const place = alphabet.indexOf(letter);
    if (place < plain) {
      bytes[at++] = step * plain + place - 7; // modulo 256
      step = 0;
    } else step = place - plain + 1;
  }
  return bytes;
}

export async function compileWasm(bytes: BufferSource): Promise<WebAssembly.Module | null> {
  if (!WebAssembly.validate(bytes)) return null;
  // A content security policy without 'wasm-unsafe-eval' makes this throw.
  return WebAssembly.compile(bytes).catch(() => null);
}

// Vite plugin: `import wasm from './scan.as.ts?wasm'` compiles the AssemblyScript file and gives the module's bytes, deflated, as a
// base64 string (they are a few kB, so they travel inside the worker and no URL can get lost in bundling; plain base64 would be a third longer
// in the compressed bundle). `?wasm-relaxed` compiles it with relaxed SIMD; in there, `ASC_FEATURE_RELAXED_SIMD` is true.
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import asc from 'assemblyscript/asc';
import type { Plugin } from 'vite';

const QUERIES = { '?wasm': 'simd', '?wasm-relaxed': 'simd,relaxed-simd' };

export function assemblyscript(): Plugin {
  return {
    name: 'assemblyscript',
    enforce: 'pre',
    async load(id) {
      for (const [query, features] of Object.entries(QUERIES)) {
        if (!id.endsWith(`.as.ts${query}`)) continue;
        const file = id.slice(0, -query.length);
        this.addWatchFile(file);
        return `export default ${JSON.stringify(await compile(file, features))};`;
      }
      return null;
    },
  };
}

const compiled = new Map<string, Promise<string>>();

function compile(file: string, features: string): Promise<string> {
  const source = readFileSync(file, 'utf8');
  const key = features + source;
  let wasm = compiled.get(key);
  if (!wasm) {
    wasm = runCompiler(source, features);
    compiled.set(key, wasm);
  }
  return wasm;
}

async function runCompiler(source: string, features: string): Promise<string> {
  const messages = asc.createMemoryStream();
  let bytes: Uint8Array | undefined;
  const { error } = await asc.main(
    [
      'module.ts',
      '-o',
      'module.wasm',
      '-O3',
      '--converge',
      '--noAssert',
      '--enable',
      features,
      '--runtime',
      'stub',
      '--importMemory',
    ],
    {
      stdout: messages,
      stderr: messages,
      readFile: (name: string) => (name === 'module.ts' ? source : null),
      writeFile: (name: string, contents: string | Uint8Array) => {
        if (name === 'module.wasm') bytes = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error || !bytes) throw new Error(`AssemblyScript: ${messages.toString()}`, { cause: error });
  return deflateRawSync(bytes, { level: 9 }).toString('base64');
}

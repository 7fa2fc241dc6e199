// Vite plugin: `import wasm from './scan.as.ts?wasm'` compiles the AssemblyScript file and gives the module's bytes as a
// base64 string (they are a few kB, so they travel inside the worker and no URL can get lost in bundling).
import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';
import type { Plugin } from 'vite';

const QUERY = '?wasm';

export function assemblyscript(): Plugin {
  return {
    name: 'assemblyscript',
    enforce: 'pre',
    async load(id) {
      if (!id.endsWith(`.as.ts${QUERY}`)) return null;
      const file = id.slice(0, -QUERY.length);
      this.addWatchFile(file);
      return `export default ${JSON.stringify(await compile(file))};`;
    },
  };
}

const compiled = new Map<string, Promise<string>>();

function compile(file: string): Promise<string> {
  const source = readFileSync(file, 'utf8');
  let wasm = compiled.get(source);
  if (!wasm) {
    wasm = runCompiler(source);
    compiled.set(source, wasm);
  }
  return wasm;
}

async function runCompiler(source: string): Promise<string> {
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
      'simd',
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
  return Buffer.from(bytes).toString('base64');
}

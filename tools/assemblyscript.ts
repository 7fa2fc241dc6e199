// Vite plugin: `import { base64, ends } from './scan.as.ts,codes.as.ts?wasm'` compiles AssemblyScript files and gives the bytes of their modules,
// one behind the other and deflated as one, as a base64 string, and where each ends. They are a few kB, so they travel inside the worker and
// no URL can get lost in bundling; deflated, because plain base64 would be a third longer in the compressed bundle; as one, because
// they have much in common. `codes.as.ts+relaxed` is compiled with relaxed SIMD; in there, `ASC_FEATURE_RELAXED_SIMD` is true.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import asc from 'assemblyscript/asc';
import type { Plugin } from 'vite';

const QUERY = '?wasm';
const RELAXED = '+relaxed';

export function assemblyscript(): Plugin {
  return {
    name: 'assemblyscript',
    enforce: 'pre',
    resolveId(source, importer) {
      return source.endsWith(QUERY) && importer ? resolve(dirname(importer), source) : null;
    },
    async load(id) {
      if (!id.endsWith(QUERY)) return null;
      const modules: Uint8Array[] = [];
      for (const name of id.slice(0, -QUERY.length).split(',')) {
        const file = resolve(dirname(id), name.replace(RELAXED, ''));
        this.addWatchFile(file);
        modules.push(await compile(file, name.endsWith(RELAXED) ? 'simd,relaxed-simd' : 'simd'));
      }
      let end = 0;
      const ends = modules.map((module) => {
        end += module.length;
        return end;
      });
      const base64 = deflateRawSync(Buffer.concat(modules), { level: 9 }).toString('base64');
      return `export const base64 = ${JSON.stringify(base64)}; export const ends = ${JSON.stringify(ends)};`;
    },
  };
}

const compiled = new Map<string, Promise<Uint8Array>>();

function compile(file: string, features: string): Promise<Uint8Array> {
  const source = readFileSync(file, 'utf8');
  const key = features + source;
  let wasm = compiled.get(key);
  if (!wasm) {
    wasm = runCompiler(source, features);
    compiled.set(key, wasm);
  }
  return wasm;
}

async function runCompiler(source: string, features: string): Promise<Uint8Array> {
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
  return bytes;
}

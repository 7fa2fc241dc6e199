// Vite plugin: `import wasm from './scan.as.ts,codes.as.ts?wasm'` compiles AssemblyScript files and gives their modules, one behind the
// other: as text, and where each ends. They are a few kB, so they travel inside the worker and no URL can get lost in bundling.
// `codes.as.ts+relaxed` is compiled with relaxed SIMD; in there, `ASC_FEATURE_RELAXED_SIMD` is true.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
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
      return `export default ${JSON.stringify({ ...asText(Buffer.concat(modules)), ends })};`;
    },
  };
}

/** Letters that need no escape in a script, the commonest of minified JavaScript first. */
const LETTERS = "etnris()oa, =.luchfd{}:;wgpm&y0][1#>b?+kv2-!|x3AC4MS*6REO5<UPNL_8T/IjDBqz9F7GWVJKHY'ZX^@Q%~";
/** The last two only say that the next letter stands for a byte so many further on, or twice as many. */
const PLAIN = LETTERS.length - 2;
/** Added to every byte, modulo 256: the prefix of SIMD instructions, 253, is common, and what is below `PLAIN` is one letter. */
const TURN = 7;

/**
 * Bytes as text that gzip packs as well as it packs bytes: one letter each, two if they are rare, and the commonest letters for
 * the commonest bytes, so that they do not spoil the codes of the JavaScript around them. Deflated and in base64, they would take
 * 0.5 kB more of the compressed bundle, because gzip gives each of the 64 letters more than 6 bits. `alphabet`: the letters from
 * byte -TURN on. decodeWasm in kernels/wasm/modules.ts reads it.
 */
function asText(bytes: Uint8Array): { text: string; alphabet: string } {
  const places = Array.from(bytes, (byte) => {
    const turned = (byte + TURN) % 256;
    const step = Math.floor(turned / PLAIN);
    return step === 0 ? [turned] : [PLAIN + step - 1, turned % PLAIN];
  }).flat();
  const counts = new Array<number>(LETTERS.length).fill(0);
  for (const place of places) counts[place]!++;
  const alphabet: string[] = [];
  const byCount = counts.map((_, place) => place).sort((a, b) => counts[b]! - counts[a]!);
  byCount.forEach((place, i) => {
    alphabet[place] = LETTERS[i]!;
  });
  const text = places.map((place) => alphabet[place]).join('');
  // A page may hold the script in itself.
  if (/<\/script|<script|<!--/i.test(text))
    throw new Error('assemblyscript: the text would end a script; change LETTERS');
  return { text, alphabet: alphabet.join('') };
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

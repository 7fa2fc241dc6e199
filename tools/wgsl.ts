// Vite plugin: `import source from './scan.wgsl?raw'` gives the shader without comments, white space and long names: it travels inside
// the worker, and no one reads it there.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

const QUERY = '?raw';

export function wgsl(): Plugin {
  return {
    name: 'wgsl',
    enforce: 'pre',
    load(id) {
      if (!id.endsWith(`.wgsl${QUERY}`)) return null;
      const folder = dirname(id);
      // All of a folder, because one file uses what another declares.
      const files = readdirSync(folder)
        .filter((file) => file.endsWith('.wgsl'))
        .map((file) => join(folder, file));
      for (const file of files) this.addWatchFile(file);
      const names = shortNames(files.map(read));
      const source = read(id.slice(0, -QUERY.length)).replaceAll(IDENTIFIERS, (name) => names.get(name) ?? name);
      return `export default ${JSON.stringify(minify(source))};`;
    },
  };
}

const IDENTIFIERS = /(?<![\w@])[a-zA-Z]\w*/g;
/** Variables, constants, functions and types; parameters and fields. */
const DECLARED = /\b(?:let|var(?:<[^>]*>)?|const|fn|struct|alias) (\w+)|(?<=[(){,;]\s*|^\s*)(\w+):/gm;
/** Entry points, which pipelines.ts names. */
const ENTRIES = /@compute @workgroup_size\(256\)\s+fn (\w+)/g;
/** What pipelines.ts declares or calls, and an address space. */
const KEPT = ['dot4', 'lane', 'lanes', 'workgroup'];
/** Words of WGSL. */
const RESERVED = ['as', 'do', 'of'];

/** Without comments. */
function read(file: string): string {
  return readFileSync(file, 'utf8').replaceAll(/\/\/.*$/gm, '');
}

/**
 * For each name of more than two letters one of two that is free: the same one everywhere, so that no scope matters. Constants in
 * capitals stay, because pipelines.ts declares some. 0.4 kB of the core, gzipped.
 */
function shortNames(sources: string[]): Map<string, string> {
  const source = sources.join('\n');
  const kept = new Set([...KEPT, ...Array.from(source.matchAll(ENTRIES), ([, name]) => name)]);
  const declared = new Set(Array.from(source.matchAll(DECLARED), ([, name, field]) => name ?? field!));
  const long = [...declared].filter((name) => name.length > 2 && !kept.has(name) && !/^[A-Z\d_]+$/.test(name));
  const used = new Set([...RESERVED, ...source.match(IDENTIFIERS)!]);
  // No first letter of `if`, `fn` and vectors' parts (.xy, .rg).
  const free = [...'abcdehjklmnopqstuv']
    .flatMap((first) => [...'abcdefghijklmnopqrstuvwxyz'].map((second) => first + second))
    .filter((name) => !used.has(name));
  return new Map(long.map((name, i) => [name, free[i]!]));
}

// Line ends stay around the lines that pipelines.ts repeats or replaces. No shader here has strings.
function minify(source: string): string {
  return source
    .replaceAll(/^\s+|[ \t]+$/gm, '')
    .replaceAll(/ *([-+*/%&|^<>=!,;:(){}[\]]+) */g, '$1')
    .replaceAll(/\n(?!EACH |ROW |SUM_TILE|$)(?<!^(?:EACH |ROW |SUM_TILE).*\n)/gm, ' ')
    .replaceAll(/(?<=[;{}(,]) | (?=[})])/g, '');
}

// Vite plugin: `import source from './scan.wgsl?raw'` gives the shader without comments and indentation: it travels inside the
// worker, and no one reads it there.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

const QUERY = '?raw';

export function wgsl(): Plugin {
  return {
    name: 'wgsl',
    enforce: 'pre',
    load(id) {
      if (!id.endsWith(`.wgsl${QUERY}`)) return null;
      const file = id.slice(0, -QUERY.length);
      this.addWatchFile(file);
      return `export default ${JSON.stringify(minify(readFileSync(file, 'utf8')))};`;
    },
  };
}

// Line ends stay: pipelines.ts repeats whole lines, and messages of compilers name them. No shader here has strings.
function minify(source: string): string {
  return source
    .replaceAll(/\/\/.*$/gm, '')
    .replaceAll(/^\s+|[ \t]+$/gm, '')
    .replaceAll(/ *([-+*/%&|^<>=!,;:(){}[\]]+) */g, '$1');
}

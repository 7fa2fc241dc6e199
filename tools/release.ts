// Vite plugin: `PIRAMID_RELEASE` in the sources is the package's version, `PIRAMID_SOURCES` where files that are loaded on demand have
// their sources, for pages made of sources.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { ON_DEMAND } from '../src/on-demand.ts';

/** Marks them for tools/bundled-workers.ts. */
const MARK = '?on-demand';

export function release(isLibrary = false): Plugin {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const places = Object.entries(ON_DEMAND).map(([file, source]) => [file, `../${source}${MARK}`]);
  return {
    name: 'release',
    config: () => ({
      define: {
        PIRAMID_RELEASE: JSON.stringify(version),
        PIRAMID_SOURCES: JSON.stringify(isLibrary ? null : Object.fromEntries(places)),
      },
    }),
  };
}

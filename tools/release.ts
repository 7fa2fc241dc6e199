// Vite plugin: `PIRAMID_RELEASE` in the sources is the package's version, `PIRAMID_STEMMERS` where the file of that name is: beside the
// bundle, and in development its source.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

export function release(stemmers = '../text/stemmers.ts'): Plugin {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return {
    name: 'release',
    config: () => ({
      define: { PIRAMID_RELEASE: JSON.stringify(version), PIRAMID_STEMMERS: JSON.stringify(stemmers) },
    }),
  };
}

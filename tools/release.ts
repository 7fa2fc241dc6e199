// Vite plugin: `PIRAMID_RELEASE` in the sources is the package's version.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

export function release(): Plugin {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return {
    name: 'release',
    config: () => ({ define: { PIRAMID_RELEASE: JSON.stringify(version) } }),
  };
}

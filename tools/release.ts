// Vite plugin: `PIRAMID_RELEASE` in the sources is the package's version, `PIRAMID_BUILD` tells builds of it apart, and `PIRAMID_SOURCES`
// says where files that are loaded on demand have their sources, for pages made of sources.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { ON_DEMAND } from '../src/on-demand.ts';

/** Marks them for tools/bundled-workers.ts. */
const MARK = '?on-demand';

/** Of the sources that this process began with: what it builds goes together. */
let sourcesId: string | undefined;

export function release(isLibrary = false): Plugin {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  sourcesId ??= hashOf(fileURLToPath(new URL('../src', import.meta.url)));
  const build = `${version}+${sourcesId}`;
  const places = Object.entries(ON_DEMAND).map(([file, source]) => [file, `../${source}${MARK}`]);
  return {
    name: 'release',
    config: () => ({
      define: {
        PIRAMID_RELEASE: JSON.stringify(version),
        PIRAMID_BUILD: JSON.stringify(build),
        PIRAMID_SOURCES: JSON.stringify(isLibrary ? null : Object.fromEntries(places)),
      },
    }),
  };
}

/** Of all files in a folder, by their paths and contents: the same on every machine. */
export function hashOf(folder: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
  for (const path of files.sort()) {
    const full = join(folder, path);
    if (/(^|\/)\./.test(path) || !statSync(full).isFile()) continue;
    const bytes = readFileSync(full);
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex').slice(0, 8);
}

// `npm run examples`: serves the pages of examples/ with what was built, and prints their URLs.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './serve.mjs';
import { ensureDependencies, root, say } from './setup.mjs';

/** What examples are served from: themselves, the library, and as `/piramid/` what `copy-assets` would copy. */
export const exampleMounts = {
  '/examples/': join(root, 'examples'),
  '/dist/': join(root, 'dist'),
  '/piramid/models/': join(root, 'models'),
  '/piramid/': join(root, 'dist'),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureDependencies();
  if (!existsSync(join(root, 'dist/piramid.js'))) {
    say('building the library …');
    const { buildLibrary } = await import('./build.mjs');
    await buildLibrary();
  }
  const { url } = await serve({ mounts: exampleMounts, port: 7473 });
  const pages = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.html'));
  for (const page of [...pages, 'offline/']) say(`${url}examples/${page}`);
}

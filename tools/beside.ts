// Vite plugin of the library's modules: where the page looks for code that is loaded on demand (src/api/beside.ts), each place is written
// out, so that bundlers see files that they have to take along. Put in last, because Vite would look for them now.
import type { Plugin } from 'vite';
import { ON_DEMAND } from '../src/on-demand.ts';

const NAME = 'PIRAMID_BESIDE';
const PLACES = Object.keys(ON_DEMAND).map((file) => `"${file}":()=>new URL("./${file}",import.meta.url)`);

export function besideBundle(): Plugin {
  return {
    name: 'beside-bundle',
    enforce: 'pre',
    load: (id) => (id.endsWith('/api/beside.ts') ? `export const beside = (file) => ${NAME}[file]().href;` : null),
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of Object.values(bundle))
          if (file.type === 'chunk') file.code = file.code.replace(NAME, `({${PLACES}})`);
      },
    },
  };
}

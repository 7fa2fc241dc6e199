// Vite plugin of the core's build, which has two entries: the page's index.ts and the worker that it inlines. What both hold becomes
// a chunk of its own, minified once, whose text is put into each. So the worker's copy equals the page's to the letter and stands
// right behind it, within the 32 kB that gzip looks back. Minified apart, the two have other short names: 0.3 to 0.5 kB, gzipped.
import { fileURLToPath } from 'node:url';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import { minify } from 'terser';
import type { Plugin, Rolldown } from 'vite';

/** The entries, by the names of their chunks. */
export const coreEntries = {
  page: fileURLToPath(new URL('../src/index.ts', import.meta.url)),
  worker: fileURLToPath(new URL('../src/worker/inlined-worker.ts', import.meta.url)),
};

const INLINED = '\0inlined-worker';
/** What Vite makes of `?worker&inline`. `PIRAMID_WORKER` is the script, declared where the chunks are put together. */
const WRAPPER = `
const blob = typeof self !== 'undefined' && self.Blob &&
  new Blob(['URL.revokeObjectURL(self.location.href);', PIRAMID_WORKER], { type: 'text/javascript;charset=utf-8' });
export default function InlinedWorker() {
  let url;
  try {
    url = blob && URL.createObjectURL(blob);
    if (!url) throw '';
    const worker = new Worker(url);
    worker.addEventListener('error', () => URL.revokeObjectURL(url));
    return worker;
  } catch {
    return new Worker('data:text/javascript;charset=utf-8,' + encodeURIComponent(PIRAMID_WORKER));
  }
}`;

/** The entries' chunks as one, `file`: a module, or with a `globalName` a script that declares that. */
export function core(file: string, globalName?: string): Plugin {
  return {
    name: 'core',
    enforce: 'pre',
    // A script has none.
    config: () => (globalName ? { define: { 'import.meta.url': 'undefined' } } : {}),
    resolveId: (source) => (source.endsWith('/inlined-worker.ts?worker&inline') ? INLINED : null),
    load: (id) => (id === INLINED ? WRAPPER : null),
    // What a chunk imports is declared last, before names are shortened: what comes first gets the letters that locals have
    // elsewhere. The empty line keeps the source map right.
    renderChunk: (code) => ({ code: code.replace(/^(import \{[^}]*\} from "[^"]*";)(.*)$/s, '$2\n$1'), map: null }),
    async generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === 'chunk');
      const page = chunks.find(({ isEntry, name }) => isEntry && name === 'page');
      const worker = chunks.find(({ isEntry, name }) => isEntry && name === 'worker');
      const common = chunks.find(({ isEntry }) => !isEntry);
      if (!page || !worker || !common || chunks.length > 3)
        throw new Error(`core: expected page, worker and one chunk of both, got ${Object.keys(bundle).join(', ')}`);

      const mapOf = ({ fileName }: Rolldown.OutputChunk) => bundle[`${fileName}.map`] as Rolldown.OutputAsset;
      for (const chunk of chunks) await shrink(chunk, mapOf(chunk));
      const [ofPage, ofWorker, ofBoth] = [partsOf(page), partsOf(worker), partsOf(common)];
      // A function, because its names are its own. It returns what it exports, in that order.
      const both = `(()=>{${ofBoth.body}return[${ofBoth.exports.map(({ local }) => local)}]})();`;
      const importsOf = ({ imports }: Parts) => {
        const locals = new Map(imports.map(({ local, exported }) => [exported, local]));
        return `let[${ofBoth.exports.map(({ exported }) => locals.get(exported))}]=`;
      };
      const script = JSON.stringify(`(()=>{${importsOf(ofWorker)}${both}${ofWorker.body}})()`);
      const start = (globalName ? `var ${globalName}=(()=>{` : '') + importsOf(ofPage);
      const end = globalName
        ? `return Object.defineProperty({${ofPage.exports.map(({ local, exported }) => `${exported}:${local}`)}},Symbol.toStringTag,{value:\`Module\`})})();`
        : `export{${ofPage.exports.map(({ local, exported }) => `${local} as ${exported}`)}};`;
      // The page's own code has lines to itself, for its source map.
      page.code = `${start}${both}const PIRAMID_WORKER=${script};\n${ofPage.body}${end}\n//# sourceMappingURL=${file}.map`;

      mapOf(page).source = joinedMaps(file, [
        { map: String(mapOf(common).source), line: 0, column: start.length + '(()=>{'.length },
        { map: String(mapOf(page).source), line: ofBoth.body.split('\n').length, column: 0 },
      ]);
      for (const { fileName } of [worker, common]) {
        delete bundle[fileName];
        delete bundle[`${fileName}.map`];
      }
    },
  };
}

/** What Vite's minifier leaves Terser still finds: 1.2 kB of the core, gzipped. */
async function shrink(chunk: Rolldown.OutputChunk, map: Rolldown.OutputAsset): Promise<void> {
  const options = {
    module: true,
    ecma: 2020,
    compress: { passes: 2, lhs_constants: false },
    // The worker's script stands in double quotes.
    format: { quote_style: 1 },
    sourceMap: { content: String(map.source), includeSources: true },
  } as const;
  const { code, map: mapped } = await minify(chunk.code.replace(/\n\/\/# sourceMappingURL=.*/, ''), options);
  chunk.code = code!;
  map.source = mapped as string;
}

interface Parts {
  imports: Name[];
  body: string;
  exports: Name[];
}

/** What a chunk calls `local` and the other one `exported`. */
interface Name {
  local: string;
  exported: string;
}

/** A minified chunk apart from its exports and imports. */
function partsOf({ code, fileName }: Rolldown.OutputChunk): Parts {
  const [, body, exports, imports] =
    /^(.*?)(?:export\{([^}]*)\};?)?(?:import\{([^}]*)\}from['"][^'"]*['"];?)?\s*(?:\/\/# sourceMappingURL=.*)?\s*$/s.exec(
      code,
    )!;
  if (/\b(?:import|export)\{/.test(body!)) throw new Error(`core: exports or imports in the middle of ${fileName}`);
  // `a as b`, or `a` alone.
  const pairs = (list = '') =>
    list.split(',').flatMap((pair) => (pair ? [pair.split(' as ') as [string, string?]] : []));
  return {
    body: body!,
    exports: pairs(exports).map(([local, exported = local]) => ({ local, exported })),
    imports: pairs(imports).map(([exported, local = exported]) => ({ local, exported })),
  };
}

/** The source map of texts, one behind the other, of which each begins at a line and column. */
function joinedMaps(file: string, parts: { map: string; line: number; column: number }[]): string {
  const sources: string[] = [];
  const sourcesContent: string[] = [];
  const names: string[] = [];
  const lines: ReturnType<typeof decode> = [];
  for (const { map, line, column } of parts) {
    const part = JSON.parse(map);
    decode(part.mappings).forEach((segments, i) => {
      lines[line + i] = segments.map(([at, source, ...original]) => {
        const from = at + (i === 0 ? column : 0);
        if (source === undefined) return [from];
        const [originalLine, originalColumn, name] = original as [number, number, number?];
        const place = [from, source + sources.length, originalLine, originalColumn] as const;
        return name === undefined ? [...place] : [...place, name + names.length];
      });
    });
    sources.push(...part.sources);
    sourcesContent.push(...part.sourcesContent);
    names.push(...part.names);
  }
  const mappings = encode(Array.from(lines, (line) => line ?? []));
  return JSON.stringify({ version: 3, file, names, sources, sourcesContent, mappings });
}

// Vite serves and builds the demo, which imports `piramid` by name like any user. The library's own builds are in
// tools/build.mjs, which takes `library` from here.
import { fileURLToPath } from 'node:url';
import { defineConfig, type InlineConfig, type LibraryFormats, type Plugin } from 'vite';
import { ON_DEMAND } from './src/on-demand.ts';
import { assemblyscript } from './tools/assemblyscript.ts';
import { besideBundle } from './tools/beside.ts';
import { core, coreEntries } from './tools/core.ts';
import { demoFiles } from './tools/demo-files.ts';
import { release } from './tools/release.ts';
import { wgsl } from './tools/wgsl.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The package's entries as their sources. Patterns, because an alias that is a string misses names with a query (`?worker`). */
export const alias = [
  { find: /^piramid\/rag-worker(?=\?|$)/, replacement: path('./src/worker/rag-worker.ts') },
  { find: /^piramid\/import$/, replacement: path('./src/import/index.ts') },
  { find: /^piramid\/rag$/, replacement: path('./src/rag/index.ts') },
  { find: /^piramid\/extract-docx$/, replacement: path('./src/extract/docx.ts') },
  { find: /^piramid\/extract-pdf$/, replacement: path('./src/extract/pdf.ts') },
  { find: /^piramid\/client$/, replacement: path('./src/client.ts') },
  { find: /^piramid$/, replacement: path('./src/index.ts') },
];

/** What a script tag's build has otherwise. */
const ofScripts = [{ find: './make-worker.ts', replacement: path('./src/rag/reading/make-worker.script.ts') }];

export { ON_DEMAND };

/** Packages that are bundled ahead: found at their dynamic import, they would reload the page. */
export const loadedOnDemand = [
  'entities',
  'mammoth',
  'markdown-it',
  'papaparse',
  'parse5',
  'pdfjs-dist/legacy/build/pdf.mjs',
  'pdfjs-dist/legacy/build/pdf.worker.mjs',
  'saxes',
];

/** What turns sources into modules. */
export const sources = (isLibrary = false) => [assemblyscript(), wgsl(), release(isLibrary)];

/** No report of how long each plugin took, nor that a script tag has no `import.meta`. */
const checks = { bundlerTimings: false, emptyImportMeta: false };

/**
 * What libraries do when they are imported and is not used here is left out: idb's own `get` and `put` of databases and asynchronous
 * iterators, and the letters that tokenizers of GPT write bytes with. 0.7 kB, gzipped.
 */
const treeshake = { manualPureFunctions: ['replaceTraps', 'reverse_dictionary'] };

function withoutByteLetters(): Plugin {
  const letters = 'var BYTES_TO_UNICODE = (';
  return {
    name: 'without-byte-letters',
    transform: (code, id) =>
      id.endsWith('/tokenizers.mjs')
        ? { code: code.replace(letters, `${letters.slice(0, -1)}/* @__PURE__ */(`), map: null }
        : null,
  };
}

export default defineConfig({
  root: path('./demo'),
  base: './',
  cacheDir: path('./.cache/vite-demo'),
  resolve: { alias },
  plugins: [...sources(), demoFiles()],
  worker: { format: 'es', plugins: () => sources(), rolldownOptions: { checks } },
  build: {
    outDir: path('./dist/demo'),
    emptyOutDir: true,
    target: 'es2023',
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { checks },
  },
  optimizeDeps: { include: loadedOnDemand, exclude: ['@huggingface/transformers'] },
});

/** There, the default worker is the one that loads nothing on demand: no file is beside it. */
const withEverything = { find: /inlined-worker\.ts(?=\?)/, replacement: 'worker.ts' };

/** A page of its own below `root`, built into `outDir` (the benchmark). */
export function page(root: string, outDir: string): InlineConfig {
  return {
    configFile: false,
    logLevel: 'warn',
    root,
    resolve: { alias: [...alias, withEverything] },
    plugins: sources(),
    worker: { format: 'iife', plugins: () => sources(), rolldownOptions: { checks } },
    build: { outDir, emptyOutDir: true, target: 'es2023', rolldownOptions: { checks } },
  };
}

/** Escapes what is not ASCII: a page that does not say that it is UTF-8 reads its scripts otherwise. */
function ascii(): Plugin {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return {
    name: 'ascii',
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle))
        if (file.type === 'chunk') file.code = file.code.replace(/[\u0080-\uffff]/g, escaped);
    },
  };
}

/** Drops what tells bundlers that a call may be left out: of the core and its worker nothing can be. 230 bytes, gzipped. */
function withoutPureMarks(): Plugin {
  return {
    name: 'without-pure-marks',
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle))
        if (file.type === 'chunk') file.code = file.code.replaceAll('/* @__PURE__ */', '');
    },
  };
}

/**
 * One library build: `entry` below src/ as `file` in dist/, and what it loads on demand as `file-NAME.js` beside it (inside, for
 * a script tag). The worker goes inside as a classic script, see tools/core.ts.
 */
export function library(
  entry: string,
  file: string,
  format: LibraryFormats,
  external: (string | RegExp)[] = [],
  name = 'piramid',
): InlineConfig {
  const isCore = entry === 'index.ts';
  return {
    configFile: false,
    logLevel: 'warn',
    resolve: { alias: format === 'iife' ? [...alias, ...ofScripts] : alias },
    plugins: [
      ...sources(true),
      withoutByteLetters(),
      ...(isCore ? [core(file, format === 'iife' ? name : undefined), withoutPureMarks()] : []),
      ...(format === 'es' ? [besideBundle()] : []),
      ascii(),
    ],
    // The script tag of `rag` reads the worker's module, though none of it stays.
    worker: { format: 'iife', plugins: () => sources(), rolldownOptions: { checks } },
    build: {
      outDir: path('./dist'),
      emptyOutDir: false,
      target: 'es2023',
      // Sites serve copies of these, which would name a map that is not beside them.
      sourcemap: !(file in ON_DEMAND),
      minify: true, // and `output.minify`: Vite leaves the white space of ES modules in
      copyPublicDir: false,
      lib: isCore
        ? { entry: coreEntries, formats: ['es'], fileName: (_, entry) => (entry === 'page' ? file : `${file}-worker`) }
        : { entry: path(`./src/${entry}`), name, formats: [format], fileName: () => file },
      rolldownOptions: {
        external,
        checks,
        treeshake,
        output: { minify: true, chunkFileNames: `${file.replace(/\.js$/, '')}-[name].js` },
      },
    },
  };
}

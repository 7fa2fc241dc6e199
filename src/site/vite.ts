// The Vite plugin `piramid/vite`: serves in development what `npx piramid copy-assets` would copy, and puts it into what is built.
import { createReadStream, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { extname, join, resolve } from 'node:path';
import type { Plugin, ResolvedConfig } from 'vite';
import { type Assets, copyAssets, findAssets, MANIFEST, manifestOf } from './assets.ts';

/** Options of `piramidAssets`. */
export interface PiramidAssetsOptions {
  /**
   * Folder below the site's `base` (and in the build, below `build.outDir`). Open databases with it: `assets:
   * '/piramid/'`, or ``assets: `${import.meta.env.BASE_URL}piramid/` `` where `base` is not '/'. @default 'piramid'
   */
  folder?: string;
  /**
   * Models of transformers.js that the site serves itself: `'FOLDER'`, whose last part is the model's name, or
   * `'NAME=FOLDER'`. Folders are relative to Vite's `root`. @default none
   */
  models?: readonly string[];
  /** Whether ONNX Runtime is served, where `@huggingface/transformers` is installed. @default true */
  runtime?: boolean;
  /** Whether the built-in embedder is served. It is in the package `piramid-static-en`. @default true */
  staticEn?: boolean;
}

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/**
 * Puts the files that Piramid loads on demand into a site: its own code (`stemmers.js`, `transfer.js`, `webgpu.js`), the
 * built-in embedder, ONNX Runtime and the models that are named. Throws if one of them is not installed. Workers are built as modules (`worker.format: 'es'`),
 * unless the configuration says otherwise.
 *
 * ```ts
 * export default defineConfig({ plugins: [piramidAssets()] });
 * ```
 */
export function piramidAssets({
  folder = 'piramid',
  models = [],
  runtime = true,
  staticEn = true,
}: PiramidAssetsOptions = {}): Plugin {
  const below = folder.replaceAll(/^\/+|\/+$/g, '');
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(below) || below.split('/').some((part) => part === '.' || part === '..'))
    throw new Error(`piramidAssets: folder "${folder}" is no folder below the site's base`);
  let config: ResolvedConfig;
  let assets: Assets;
  return {
    name: 'piramid-assets',
    // Vite 6 and 7 cannot build `piramid/rag-worker`, which loads transformers.js on demand, as the script that is their default.
    config: (given) => (given.worker?.format ? {} : { worker: { format: 'es' } }),
    configResolved(resolved) {
      config = resolved;
      assets = findAssets({ root: config.root, models, runtime, staticEn });
    },
    configureServer(server) {
      const prefix = `${server.config.base}${below}/`;
      const files = new Map(assets.files.map(({ path, file }) => [path, file]));
      server.middlewares.use((request, response, next) => {
        // As it was sent: not every request target is a URL (`//`), and only names of the list are served.
        const target = (request.url ?? '/').split(/[?#]/, 1)[0]!;
        if (!target.startsWith(prefix)) return next();
        const path = decoded(target.slice(prefix.length));
        const file = files.get(path);
        if (!file && path !== MANIFEST) {
          // Vite would answer with its index page.
          response.writeHead(404, { 'Content-Type': 'text/plain' });
          return void response.end(`no file of Piramid's: ${path}`);
        }
        for (const [name, value] of Object.entries(server.config.server.headers ?? {}))
          if (value !== undefined) response.setHeader(name, value);
        response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
        response.setHeader('Cache-Control', 'no-cache');
        if (file) return send(response, file, request.method === 'HEAD');
        manifestOf(assets.files).then((text) => response.end(text), next);
      });
    },
    async writeBundle({ dir }) {
      // Vite 6 and later build several environments with one plugin, and `config` is that of any of them. Vite 5 has none.
      const environment = this.environment?.config;
      if (environment ? environment.consumer !== 'client' : config.build.ssr) return;
      const { outDir } = (environment ?? config).build;
      const { bytes } = await copyAssets(join(dir ?? resolve(config.root, outDir), below), assets.files);
      config.logger.info(`piramid: ${below}/ has ${assets.files.length} files, ${(bytes / 1e6).toFixed(1)} MB`);
    },
  };
}

/** A path as it is listed. One that is not encoded properly is left as it is: no file has that name. */
function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function send(response: ServerResponse, file: string, isHead: boolean): void {
  response.setHeader('Content-Length', statSync(file).size);
  if (isHead) return void response.end();
  createReadStream(file)
    .on('error', (error) => response.destroy(error))
    .pipe(response);
}

// A small static server for what was built: the demo, and for tests any folder, with the headers a test wants.
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { root } from './setup.mjs';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/**
 * Serves folders: `mounts` maps URL prefixes ('/', '/models/') to folders; the first folder that has the file gives it.
 * Resolves with the URL and a way to stop.
 */
export async function serve({ mounts, port = 0, headers = {} }) {
  const prefixes = Object.keys(mounts).sort((a, b) => b.length - a.length);
  const server = createServer((request, response) => {
    let path;
    try {
      path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    } catch {
      return response.writeHead(400).end();
    }
    if (path.endsWith('/')) path += 'index.html';
    const file = prefixes
      .filter((prefix) => path.startsWith(prefix))
      .map((prefix) => inside(mounts[prefix], path.slice(prefix.length)))
      .find(Boolean);
    if (!file) return response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found');
    response.writeHead(200, {
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      'Content-Length': statSync(file).size,
      'Cache-Control': 'no-cache',
      ...headers,
    });
    if (request.method === 'HEAD') return response.end();
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        // Browsers open connections ahead of requests, and Node waits for those that were never used.
        server.closeAllConnections();
      }),
  };
}

function inside(folder, path) {
  const file = normalize(join(folder, path));
  if (!file.startsWith(normalize(folder + sep))) return undefined;
  return existsSync(file) && statSync(file).isFile() ? file : undefined;
}

/** Folder with real models for tests and the demo's language model; undefined where there is none. */
export function findModels() {
  const folder = process.env.PIRAMID_MODELS ?? join(root, '../shared/models');
  return existsSync(folder) && readdirSync(folder).length > 0 ? folder : undefined;
}

/** What the built demo is served from. */
export function demoMounts() {
  const models = findModels();
  return {
    '/': join(root, 'dist/demo'),
    '/onnx/': join(root, 'node_modules/onnxruntime-web/dist'),
    ...(models && { '/models/': models }),
  };
}

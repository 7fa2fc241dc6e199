// `piramid/client` as pages use it: under a strict policy with the published worker, and in a bundler together with `piramid/rag` and
// `piramid/import`. The worker that `piramid` has inside comes with none of them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";
/** Of the engine, and of no page. */
const ENGINE = 'the log was not folded';

// `client`, `rag`, `importJsonl` and `makeWorker` are there.
const JOB = `async () => {
  const said = ({ code, message }) => code + ': ' + message;
  const db = await client.open('client', { worker: makeWorker });
  const notes = await db.collection('notes', { language: 'ru' });
  const imported = await importJsonl(notes, new Blob(['{"id": 1, "text": "Я читаю книгу"}']));
  const words = (await notes.query({ keywords: 'книги' })).length;
  const passages = await db.collection('passages', { dimension: 2, embedder: { fingerprint: 'x', dimension: 2, embed: async (texts) => texts.map(() => new Float32Array([1, 0])) } });
  await rag.ingest(passages, [{ id: 'moby', title: 'Moby-Dick', text: 'The ship is called the Pequod.' }]);
  const [{ text }] = await rag.retrieve(passages, 'Pequod');
  const refused = await rag.ingest(passages, 5).catch((error) => [error instanceof client.PiramidError, error.code]);
  await db.close();
  const without = await client.open('client').catch(said);
  await client.deleteDatabase('client');
  return { imported, words, text, refused, without };
}`;
const EXPECTED = {
  imported: 1,
  words: 1,
  text: expect.stringContaining('Pequod'),
  refused: [true, 'INVALID_ARGUMENT'],
  without: expect.stringMatching(
    /^INVALID_ARGUMENT: worker: expected a function that makes a Worker, got undefined; piramid\/client has no worker of its own: serve piramid\/worker/,
  ),
};

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'piramid-client-'));
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the job says on the page at `url`. */
async function run(url: string): Promise<unknown> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  await page.waitForFunction('globalThis.job', null, { timeout: 20_000 }).catch(() => {
    throw new Error(`the page did not start: ${problems.join('; ')}`);
  });
  const result = await page.evaluate('job()').catch(String);
  await context.close();
  return result;
}

test('has no worker inside, and neither has what is built on it', () => {
  const read = (file: string) => readFileSync(join(dist, file), 'utf8');
  expect(read('piramid.js')).toContain(ENGINE);
  const rag = readdirSync(dist).filter((name) => /^rag-(?!worker)[\w.-]+\.js$/.test(name));
  for (const file of ['client.js', 'rag.js', 'import.js', 'extract-pdf.js', 'extract-docx.js', ...rag]) {
    expect([file, read(file).includes(ENGINE)]).toEqual([file, false]);
    expect(read(file)).not.toMatch(/\b(from|import)\s*\(?\s*["'`]piramid["'`]/);
  }
});

test('works with the published worker under a strict policy', async () => {
  const site = await serve({ mounts: { '/': folder, '/dist/': dist }, headers: { 'Content-Security-Policy': CSP } });
  writeFileSync(
    join(folder, 'strict.js'),
    `import * as client from '/dist/client.js';
     import * as rag from '/dist/rag.js';
     import { importJsonl } from '/dist/import.js';
     const makeWorker = () => new Worker('/dist/worker.js', { type: 'module' });
     globalThis.job = ${JOB};`,
  );
  writeFileSync(join(folder, 'strict.html'), '<!doctype html><script type="module" src="/strict.js"></script>');
  expect(await run(`${site.url}strict.html`)).toEqual(EXPECTED);
  await site.close();
});

test('in a bundler, the page’s files hold no second worker', async () => {
  const app = join(folder, 'app');
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  symlinkSync(root, join(app, 'node_modules/piramid'));
  writeFileSync(join(app, 'index.html'), '<!doctype html><script type="module" src="./main.js"></script>');
  writeFileSync(
    join(app, 'main.js'),
    `import * as client from 'piramid/client';
     import * as rag from 'piramid/rag';
     import { importJsonl } from 'piramid/import';
     import OwnWorker from 'piramid/worker?worker';
     const makeWorker = () => new OwnWorker();
     globalThis.job = ${JOB};`,
  );
  await build({ configFile: false, root: app, logLevel: 'error', worker: { format: 'es' } });
  const assets = join(app, 'dist/assets');
  const withEngine = readdirSync(assets).filter((name) => readFileSync(join(assets, name), 'utf8').includes(ENGINE));
  expect(withEngine).toEqual([expect.stringMatching(/^worker-/)]);
  const site = await serve({ mounts: { '/': join(app, 'dist') } });
  expect(await run(`${site.url}index.html`)).toEqual(EXPECTED);
  await site.close();
});

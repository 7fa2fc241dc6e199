// Code that is loaded on demand, of the built files: from beside the bundle in each of its forms, from what a page has, and where it is
// missing or of another release. A published worker has it inside.
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const FILES = ['transfer.js', 'webgpu.js'];
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

// `piramid` is there already. Says what came of each: a value, or the error's code and message.
const JOBS = `
  const said = ({ code, message }) => code + ': ' + message;
  const filled = async (options) => {
    const db = await piramid.open('on-demand-' + Math.random(), { storage: 'memory', ...options });
    const notes = await db.collection('notes', { dimension: 3 });
    await notes.upsert([{ id: 'a', vector: [1, 0, 0], text: 'Call me Ishmael' }, { id: 'b', vector: [0, 1, 0] }]);
    return { db, notes };
  };
  const query = async (notes) => {
    const found = await notes.query({ vector: [1, 0.1, 0], k: 1, explain: true });
    return [found[0].id, found.plan.device, found.plan.route];
  };
  globalThis.jobs = {
    // Once the code is there, the write that follows is not in the file.
    async transfer(options) {
      const { db, notes } = await filled(options);
      await db.export().getReader().read();
      const file = new Response(db.export()).blob();
      const later = notes.upsert({ id: 'c', vector: [0, 0, 1] });
      const other = await piramid.open('other', { storage: 'memory', ...options });
      const { records } = await other.import(await file);
      const codes = await Promise.all([new Blob(['x'.repeat(100)]), await file].map((bad) => other.import(bad).catch(({ code }) => code)));
      const copy = await other.collection('notes');
      const words = (await copy.query({ keywords: 'ishmael' })).map(({ id }) => id);
      await later;
      const all = [records, words, await copy.count(), await notes.count(), ...codes];
      await Promise.all([db.close(), other.close()]);
      return all;
    },
    async gpu(options) {
      const { db, notes } = await filled(options);
      const all = [db.device, ...(await query(notes))];
      await db.close();
      return all;
    },
    // Where files are missing: what is refused, and that the rest works.
    async without(options) {
      const { db, notes } = await filled(options);
      const exported = await db.export().getReader().read().catch(said);
      const imported = await db.import(new Blob(['x'])).catch(said);
      const device = await piramid.open('gpu', { storage: 'memory', ...options, device: 'webgpu' }).catch(said);
      await notes.upsert({ id: 'c', vector: [0, 0, 1], text: 'Nevermore' });
      const words = (await notes.query({ keywords: 'nevermore' })).map(({ id }) => id);
      const all = { exported, imported, device, words, count: await notes.count(), query: await query(notes) };
      await db.close();
      return all;
    },
  };`;
const TRANSFERRED = [2, ['a'], 2, 3, 'INVALID_FILE', 'CONFLICT'];
const ON_GPU = ['webgpu', 'a', 'webgpu', "device 'webgpu'"];

// The software adapter as one of a machine: the worker is a Blob, and this is its first line.
const REAL_GPU = `
  globalThis.Blob = class extends Blob {
    constructor(parts, options) {
      const isScript = options?.type?.startsWith('text/javascript');
      const patch = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { value: false });";
      super(isScript ? [patch, ...parts] : parts, options);
    }
  };`;

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'piramid-on-demand-'));
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  /** Names of files of code that were asked for. */
  asked: string[];
  warnings: string[];
}

/** Opens the page with `html` at `url`, where `folder` is served. */
async function opened(url: string, name: string, html: string): Promise<Opened> {
  writeFileSync(join(folder, name), `<!doctype html><meta charset="utf-8">${html}`);
  const page = await browser.newPage();
  const asked: string[] = [];
  const warnings: string[] = [];
  page.context().on('request', (request) => {
    const file = new URL(request.url()).pathname.split('/').at(-1)!;
    if (FILES.includes(file)) asked.push(file);
  });
  page.on('console', (message) => {
    if (message.type() === 'warning') warnings.push(message.text());
  });
  await page.goto(url + name);
  await page.waitForFunction('globalThis.jobs', null, { timeout: 20_000 });
  return { page, asked, warnings };
}

const run = (page: Page, job: string, options = '{}') => page.evaluate(`jobs.${job}(${options})`);

test('is beside a script tag’s file and beside a module, of the same origin or another, and fetched when it is needed', async () => {
  const cdn = await serve({ mounts: { '/': dist }, headers: { 'Access-Control-Allow-Origin': '*' } });
  const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  for (const [i, html] of [
    `<script src="${cdn.url}piramid.iife.js"></script><script>${JOBS}</script>`,
    ...['/dist/', cdn.url].map(
      (from) =>
        `<script type="module">import * as piramid from '${from}piramid.js'; globalThis.piramid = piramid; ${JOBS}</script>`,
    ),
  ].entries()) {
    const { page, asked, warnings } = await opened(site.url, `beside-${i}.html`, html);
    expect(await run(page, 'gpu', "{ device: 'wasm' }")).toEqual(['wasm', 'a', 'wasm', "device 'wasm'"]);
    expect(asked).toEqual([]);
    expect(await run(page, 'transfer')).toEqual(TRANSFERRED);
    expect(new Set(asked)).toEqual(new Set(['transfer.js']));
    expect(await run(page, 'gpu', "{ device: 'webgpu' }")).toEqual(ON_GPU);
    expect(new Set(asked)).toEqual(new Set(FILES));
    expect(warnings).toEqual([]);
    await page.close();
  }
  await Promise.all([cdn.close(), site.close()]);
});

test('is inside a published worker, which needs no file under a strict policy', async () => {
  const site = await serve({ mounts: { '/': folder, '/dist/': dist }, headers: { 'Content-Security-Policy': CSP } });
  writeFileSync(
    join(folder, 'strict.js'),
    `import * as piramid from '/dist/piramid.js'; globalThis.piramid = piramid; ${JOBS}`,
  );
  const { page, asked } = await opened(site.url, 'strict.html', '<script type="module" src="/strict.js"></script>');
  for (const file of ['worker.js', 'rag-worker.js']) {
    const worker = `worker: () => new Worker('/dist/${file}', { type: 'module' })`;
    expect(await run(page, 'transfer', `{ ${worker} }`)).toEqual(TRANSFERRED);
    expect(await run(page, 'gpu', `{ device: 'webgpu', ${worker} }`)).toEqual(ON_GPU);
  }
  expect(asked).toEqual([]);
  await page.close();
  await site.close();
});

test('comes from the page itself on file://, where nothing can be fetched', async () => {
  const texts = FILES.map((file) => [file, readFileSync(join(dist, file), 'utf8')]);
  writeFileSync(join(folder, 'files.js'), `globalThis.files = ${JSON.stringify(Object.fromEntries(texts))};`);
  const script = pathToFileURL(join(dist, 'piramid.iife.js')).href;
  const html = `<script src="${script}"></script><script src="files.js"></script><script>${JOBS}</script>`;
  const { page } = await opened(`${pathToFileURL(folder).href}/`, 'file.html', html);
  const assets = 'assets: async (file) => new Blob([files[file]])';
  expect(await run(page, 'transfer', `{ ${assets} }`)).toEqual(TRANSFERRED);
  expect(await run(page, 'gpu', `{ device: 'webgpu', ${assets} }`)).toEqual(ON_GPU);
  expect(await run(page, 'without')).toMatchObject({
    exported: expect.stringMatching(/^UNSUPPORTED: exports and imports need transfer\.js.*file:\/\//),
    words: ['c'],
  });
  await page.close();
});

test('that is missing is named, with where it was looked for and what to do; the rest works', async () => {
  const bare = join(folder, 'bare');
  cpSync(join(dist, 'piramid.iife.js'), join(bare, 'piramid.iife.js'));
  const site = await serve({ mounts: { '/': folder } });
  const html = `<script src="/bare/piramid.iife.js"></script><script>${JOBS}</script>`;
  const { page, warnings } = await opened(site.url, 'missing.html', html);
  for (const [options, place] of [
    ['{}', `${site.url}bare/`],
    ["{ assets: '/else/where' }", `${site.url}else/where/`],
  ] as const) {
    const advice =
      'Serve it beside the bundle, or say where it is by the option `assets` of open(), in the tab that runs the database. If a Content-Security-Policy forbids it, let its script-src allow that address.';
    const missing = (what: string, file: string) => {
      const start = `UNSUPPORTED: ${what} ${file}, which could not be loaded (${place}${file}: `;
      return expect.toSatisfy((said) => said.startsWith(start) && said.endsWith(advice), `${start}…${advice}`);
    };
    const refused = missing('exports and imports need', 'transfer.js');
    expect(await run(page, 'without', options)).toEqual({
      exported: refused,
      imported: refused,
      device: missing("device: 'webgpu' needs", 'webgpu.js'),
      words: ['c'],
      count: 3,
      query: ['a', 'wasm', 'no GPU'],
    });
  }
  expect(warnings).toEqual([]);

  // Of another release: refused, whatever it has.
  for (const file of FILES)
    writeFileSync(
      join(bare, file),
      `export const release = '${file} 0.0.1', Transfers = class {}, openGpu = () => {};`,
    );
  const again = await opened(site.url, 'old.html', html);
  const { exported, device, words } = (await run(again.page, 'without')) as Record<string, string>;
  expect([exported, device]).toEqual([
    expect.stringMatching(
      /^UNSUPPORTED: .* \(http\S+\/bare\/transfer\.js: it is transfer\.js 0\.0\.1, and transfer\.js \d+\.\d+\.\d+\S* is needed\)/,
    ),
    expect.stringMatching(
      /^UNSUPPORTED: .* \(http\S+\/bare\/webgpu\.js: it is webgpu\.js 0\.0\.1, and webgpu\.js \d+\.\d+\.\d+\S* is needed\)/,
    ),
  ]);
  expect(words).toEqual(['c']);
  await Promise.all([page.close(), again.page.close()]);
  await site.close();
});

test('is refused by a policy of nonces alone, which the message names, and let in by an address or strict-dynamic', async () => {
  for (const [extra, expected] of [
    ['', expect.stringMatching(/^UNSUPPORTED: .*transfer\.js: Failed to fetch.*Content-Security-Policy/)],
    ["'strict-dynamic'", true],
    ['http://localhost:*/dist/', true],
  ] as const) {
    const policy = `script-src 'nonce-abc' 'wasm-unsafe-eval' ${extra}; worker-src blob:`;
    const site = await serve({
      mounts: { '/': folder, '/dist/': dist },
      headers: { 'Content-Security-Policy': policy },
    });
    const html = `<script nonce="abc" src="/dist/piramid.iife.js"></script><script nonce="abc">${JOBS}
      jobs.first = async () => (await filled({})).db.export().getReader().read().then(({ value }) => value.length > 0, said);</script>`;
    const { page } = await opened(site.url, 'nonce.html', html);
    expect(await run(page, 'first')).toEqual(expected);
    await page.close();
    await site.close();
  }
});

test('is pinned by the function form of assets: a file of another hash is refused', async () => {
  const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  const { page } = await opened(
    site.url,
    'pinned.html',
    `<script src="/dist/piramid.iife.js"></script><script>${JOBS}</script>`,
  );
  const hash = createHash('sha384')
    .update(readFileSync(join(dist, 'transfer.js')))
    .digest('base64');
  const pinned = (to: string) => `{ assets: (file) => fetch('/dist/' + file, { integrity: 'sha384-${to}' }) }`;
  expect(await run(page, 'transfer', pinned(hash))).toEqual(TRANSFERRED);
  expect(await run(page, 'without', pinned('A'.repeat(64)))).toMatchObject({
    exported: expect.stringMatching(/^UNSUPPORTED: .*\(by the function `assets`: Failed to fetch\)/),
  });
  await page.close();
  await site.close();
});

test('that failed to load is loaded by the next call, in the same worker', async () => {
  const bare = join(folder, 'bare-again');
  cpSync(join(dist, 'piramid.iife.js'), join(bare, 'piramid.iife.js'));
  const site = await serve({ mounts: { '/': folder } });
  const html = `<script src="/bare-again/piramid.iife.js"></script><script>${JOBS}
    piramid.open('again', { storage: 'memory' }).then((db) => { globalThis.db = db; });
    jobs.again = () => db.export().getReader().read().then(({ value }) => value.length > 0, ({ code }) => code);
    jobs.words = async () => {
      const words = await db.collection('words', { language: 'ru' }).catch(({ code }) => code);
      return words.name ?? words;
    };</script>`;
  const { page } = await opened(site.url, 'again.html', html);
  await page.waitForFunction('globalThis.db');
  expect([await run(page, 'again'), await run(page, 'words')]).toEqual(['UNSUPPORTED', 'UNSUPPORTED']);
  writeFileSync(join(bare, 'transfer.js'), "export const release = 'transfer.js 0.0.1';");
  expect(await run(page, 'again')).toBe('UNSUPPORTED');
  for (const file of ['transfer.js', 'stemmers.js']) cpSync(join(dist, file), join(bare, file));
  expect([await run(page, 'again'), await run(page, 'words')]).toEqual([true, 'words']);
  await page.close();
  await site.close();
});

test('in a script without an address is beside the page, and where it is not, that is said at once', async () => {
  const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  const script = readFileSync(join(dist, 'piramid.iife.js'), 'utf8').replaceAll('</script', '<\\/script');
  const { page } = await opened(site.url, 'inline.html', `<script>${script}</script><script>${JOBS}</script>`);
  expect(await run(page, 'without')).toMatchObject({
    exported: expect.stringMatching(
      /^UNSUPPORTED: exports and imports need transfer\.js.*\/transfer\.js: Failed to fetch/,
    ),
    words: ['c'],
  });
  const module = `fetch('/dist/piramid.js').then((code) => code.text()).then(async (code) => {
    globalThis.piramid = await import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
    ${JOBS}
  });`;
  for (const file of FILES) cpSync(join(dist, file), join(folder, file));
  const blob = await opened(site.url, 'blob.html', `<script type="module">${module}</script>`);
  expect(await run(blob.page, 'transfer')).toEqual(TRANSFERRED);
  for (const file of FILES) rmSync(join(folder, file));
  await Promise.all([page.close(), blob.page.close()]);
  await site.close();
});

test('for a GPU that nobody asked for by name: used where the file is, and else a warning and the CPU', async () => {
  const bare = join(folder, 'bare-gpu');
  cpSync(join(dist, 'piramid.iife.js'), join(bare, 'piramid.iife.js'));
  const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  const html = (from: string) =>
    `<script>${REAL_GPU}</script><script src="/${from}/piramid.iife.js"></script><script>${JOBS}</script>`;

  const having = await opened(site.url, 'having.html', html('dist'));
  expect(await run(having.page, 'gpu')).toEqual(['webgpu', 'a', 'wasm', expect.stringContaining('bytes to scan')]);
  expect([having.asked, having.warnings]).toEqual([['webgpu.js'], []]);

  const lacking = await opened(site.url, 'lacking.html', html('bare-gpu'));
  expect(await run(lacking.page, 'gpu')).toEqual(['wasm', 'a', 'wasm', 'webgpu.js could not be loaded']);
  expect(lacking.warnings).toEqual([
    expect.stringMatching(/^Piramid: vectors are searched on the CPU, with the same answers.*\/bare-gpu\/webgpu\.js/),
  ]);
  await Promise.all([having.page.close(), lacking.page.close()]);
  await site.close();
});

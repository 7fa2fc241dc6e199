// The built files as people use them: a script tag on file:// and from another origin, an ES module, a strict CSP with the
// published worker, and an import on a server.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { makePdf } from '../field/pdf.ts';
import { launch, launchProfile } from './chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

// Writes, closes, opens again, asks: what every way of loading must be able to do. `piramid` is there already.
const JOB = `async (options) => {
  const name = 'job-' + Math.random();
  const db = await piramid.open(name, options);
  const notes = await db.collection('notes', { dimension: 3 });
  await notes.upsert([
    { id: 'whale', vector: [1, 0, 0], text: 'Call me Ishmael', metadata: { year: 1851 } },
    { id: 'raven', vector: [0, 1, 0], text: 'Nevermore', metadata: { year: 1845 } },
  ]);
  await db.close();
  const again = await piramid.open(name, options);
  const stored = await again.collection('notes');
  const near = await stored.query({ vector: [1, 0.1, 0], k: 1, where: { year: { $gte: 1850 } } });
  const said = await stored.query({ keywords: 'nevermore' });
  let code;
  try { await stored.upsert({ id: 'x', vector: [1] }); } catch (error) { code = error instanceof piramid.PiramidError && error.code; }
  await again.close();
  return { near: near.map((m) => [m.id, m.text]), said: said.map((m) => m.id), code, device: again.device };
}`;
// Needs stemmers.js, from beside the bundle. The second collection finds out by the script of its text that it needs it.
const LANGUAGES_JOB = `async (options) => {
  const db = await piramid.open('languages', { storage: 'memory', ...options });
  const found = [];
  for (const collection of [await db.collection('told', { language: 'ru' }), await db.collection('untold', {})]) {
    await collection.upsert({ id: 'a', text: 'Я читаю книгу' });
    found.push((await collection.query({ keywords: 'книги' })).length);
  }
  await db.close();
  return found;
}`;
const EXPECTED = { near: [['whale', 'Call me Ishmael']], said: ['raven'], code: 'DIMENSION_MISMATCH', device: 'wasm' };

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'piramid-e2e-'));
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts a page into the folder and says its file name. */
function writePage(name: string, html: string): string {
  writeFileSync(join(folder, name), `<!doctype html><meta charset="utf-8">${html}`);
  return name;
}

async function run(page: Page, url: string): Promise<unknown> {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  await page.waitForFunction('globalThis.ready', null, { timeout: 20_000 }).catch(() => {
    throw new Error(`the page did not start: ${problems.join('; ')}`);
  });
  return page.evaluate('globalThis.ready()');
}

describe('one script tag', () => {
  test('works on file://', async () => {
    const script = pathToFileURL(join(dist, 'piramid.iife.js')).href;
    writePage('tag.html', `<script src="${script}"></script><script>ready = () => (${JOB})()</script>`);
    const page = await browser.newPage();
    expect(await run(page, pathToFileURL(join(folder, 'tag.html')).href)).toEqual(EXPECTED);
    await page.close();
  });

  test('works on a page that does not say its encoding, and leaves the one of piramid/rag its own name', async () => {
    const [script, rag] = ['piramid.iife.js', 'rag.iife.js'].map((file) => pathToFileURL(join(dist, file)).href);
    const html = `<!doctype html><script src="${script}"></script><script src="${rag}"></script>`;
    writeFileSync(join(folder, 'plain.html'), `${html}<script>ready = () => (${JOB})()</script>`);
    const page = await browser.newPage();
    expect(await run(page, pathToFileURL(join(folder, 'plain.html')).href)).toEqual(EXPECTED);
    expect(await page.evaluate('[document.characterSet, typeof piramid.open, typeof piramidRag.ask]')).toEqual([
      'windows-1252',
      'function',
      'function',
    ]);
    await page.close();
  });

  test('works from another origin, as from a CDN', async () => {
    const cdn = await serve({ mounts: { '/': dist }, headers: { 'Access-Control-Allow-Origin': '*' } });
    const site = await serve({ mounts: { '/': folder } });
    const name = writePage(
      'cdn.html',
      `<script src="${cdn.url}piramid.iife.js"></script><script>ready = () => (${JOB})()</script>`,
    );
    const page = await browser.newPage();
    expect(await run(page, site.url + name)).toEqual(EXPECTED);
    expect(await page.evaluate(`(${LANGUAGES_JOB})()`)).toEqual([1, 1]);
    await page.close();
    await Promise.all([cdn.close(), site.close()]);
  });
});

describe('an ES module', () => {
  test('works from its own origin and from another', async () => {
    const cdn = await serve({ mounts: { '/': dist }, headers: { 'Access-Control-Allow-Origin': '*' } });
    const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
    for (const [name, from] of [
      ['own.html', '/dist/'],
      ['other.html', cdn.url],
    ] as const) {
      writePage(
        name,
        `<script type="module">import * as piramid from '${from}piramid.js'; globalThis.piramid = piramid; globalThis.ready = () => (${JOB})()</script>`,
      );
      const page = await browser.newPage();
      expect(await run(page, site.url + name)).toEqual(EXPECTED);
      expect(await page.evaluate(`(${LANGUAGES_JOB})()`)).toEqual([1, 1]);
      await page.close();
    }
    await Promise.all([cdn.close(), site.close()]);
  });

  test('imported on a server does nothing and fails nothing', async () => {
    const module = await import(pathToFileURL(join(dist, 'piramid.js')).href);
    expect(Object.keys(module).sort()).toEqual([
      'PiramidError',
      'deleteDatabase',
      'listDatabases',
      'matchRanges',
      'open',
    ]);
    const rag = await import(pathToFileURL(join(dist, 'rag.iife.js')).href).catch((error: unknown) => error);
    expect(rag).not.toBeInstanceOf(Error);
  });
});

describe('under a Content-Security-Policy without blob:', () => {
  const page = () => {
    writeFileSync(
      join(folder, 'strict.js'),
      `import * as piramid from '/dist/piramid.js';
       const job = ${JOB};
       globalThis.own = () => job({ worker: () => new Worker('/dist/worker.js', { type: 'module' }) });
       globalThis.languages = () => (${LANGUAGES_JOB})({ worker: () => new Worker('/dist/worker.js', { type: 'module' }) });
       globalThis.blob = () => job({}).catch((error) => ({ code: error.code, message: error.message }));
       globalThis.ready = () => true;`,
    );
    return writePage('strict.html', '<script type="module" src="/strict.js"></script>');
  };

  test('the published worker works, and the inlined one is refused with the reason', async () => {
    const site = await serve({ mounts: { '/': folder, '/dist/': dist }, headers: { 'Content-Security-Policy': CSP } });
    const tab = await browser.newPage();
    await run(tab, site.url + page());
    expect(await tab.evaluate('globalThis.own()')).toEqual(EXPECTED);
    expect(await tab.evaluate('globalThis.languages()')).toEqual([1, 1]);
    expect(await tab.evaluate('globalThis.blob()')).toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining('Content-Security-Policy'),
    });
    await tab.close();
    await site.close();
  });
});

describe('piramid/rag reads documents', () => {
  const HTML = '<nav>no</nav><h2>A</h2><svg class=i /><p>b &copy2024<table><tr><th>c<tr><td>d</table>';
  const READ = `async ({ extract, chunk }) => {
    const page = await extract({ name: 'a.html', text: ${JSON.stringify(HTML)} });
    const markdown = await extract({ name: 'a.md', text: 'Name\\n====\\n\\nWords.' });
    const rows = await extract({ name: 'a.csv', text: 'a,b\\n1,2' });
    const long = await extract({ name: 'b.csv', text: 'a,b\\n' + '1,2\\n'.repeat(30_000) });
    const xml = await extract({ name: 'a.xhtml', text: '<html xmlns="http://www.w3.org/1999/xhtml"><body><title/>x&nbsp;y</body></html>' });
    const [passage] = await chunk(markdown.text, { format: 'markdown' });
    return [page.text, markdown.title, rows.text, xml.text, passage.headings, long.text.length];
  }`;
  const TEXTS = [
    '## A\n\nb ©2024\n\n| c |\n| --- |\n| d |\n',
    'Name',
    'a: 1\nb: 2\n',
    'x\u00a0y\n',
    ['Name'],
    30_000 * 11 - 1,
  ];

  /** A page that reads, as a module, under a policy. */
  async function readUnder(policy: string): Promise<unknown> {
    const csp = `default-src 'none'; script-src 'self' 'unsafe-inline'; ${policy}`;
    const site = await serve({ mounts: { '/': folder, '/dist/': dist }, headers: { 'Content-Security-Policy': csp } });
    const html = `<script type="module">import * as rag from '/dist/rag.js'; globalThis.ready = () => (${READ})(rag)</script>`;
    const page = await browser.newPage();
    const read = await run(page, site.url + writePage('read.html', html)).finally(() =>
      Promise.all([page.close(), site.close()]),
    );
    return read;
  }

  test('on a page that requires trusted types, by a policy of its own name', async () => {
    expect(await readUnder("require-trusted-types-for 'script'; trusted-types piramid")).toEqual(TEXTS);
  });

  test('on a page that allows no policy, and on one without rules', async () => {
    expect(await readUnder("require-trusted-types-for 'script'; trusted-types 'none'")).toEqual(TEXTS);
    expect(await readUnder('')).toEqual(TEXTS);
  });

  test('long ones in a worker, also from a script tag', async () => {
    const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
    const html = `<script src="/dist/rag.iife.js"></script><script>ready = () => (${READ})(piramidRag)</script>`;
    const page = await browser.newPage();
    expect(await run(page, site.url + writePage('script.html', html))).toEqual(TEXTS);
    expect(page.workers()).toHaveLength(1);
    await page.close();
    await site.close();
  });

  test('in a worker, from the script', async () => {
    const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
    writeFileSync(
      join(folder, 'reader.js'),
      `importScripts('/dist/rag.iife.js'); (${READ})(piramidRag).then(postMessage, (error) => postMessage(String(error)))`,
    );
    const name = writePage(
      'worker.html',
      `<script>ready = () => new Promise((resolve) => { new Worker('/reader.js').onmessage = ({ data }) => resolve(data) })</script>`,
    );
    const page = await browser.newPage();
    expect(await run(page, site.url + name)).toEqual(TEXTS);
    await page.close();
    await site.close();
  });

  test('its files import nothing but each other, and bundle without the optional packages', async () => {
    const files = readdirSync(dist).filter((name) => /^rag(-(?!worker).*)?\.js$/.test(name));
    expect(files.length).toBeGreaterThan(4);
    for (const name of files) {
      const code = readFileSync(join(dist, name), 'utf8');
      const imported = Array.from(
        code.matchAll(/(?:from|import)\s*\(?\s*["'`]([^"'`\s$]+)["'`]/g),
        ([, specifier]) => specifier!,
      );
      for (const specifier of imported) expect(`${name}: ${specifier}`).toMatch(/: \.\/rag-[\w.-]+\.js$/);
    }
    const app = join(folder, 'app');
    mkdirSync(join(app, 'node_modules'), { recursive: true });
    symlinkSync(root, join(app, 'node_modules/piramid'));
    writeFileSync(join(app, 'index.html'), '<script type="module" src="./main.js"></script>');
    writeFileSync(join(app, 'main.js'), `import * as rag from 'piramid/rag'; globalThis.ready = () => (${READ})(rag);`);
    await build({ configFile: false, root: app, logLevel: 'error', build: { target: 'es2023' } });
    const site = await serve({ mounts: { '/': join(app, 'dist') } });
    const page = await browser.newPage();
    expect(await run(page, `${site.url}index.html`)).toEqual(TEXTS);
    expect(page.workers()).toHaveLength(1);

    // And the optional entries with theirs.
    for (const name of ['pdfjs-dist', 'mammoth'])
      symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
    const bytes = JSON.stringify([...makePdf([['Words of a page']], 'Report')]);
    writeFileSync(
      join(app, 'main.js'),
      `import { extract } from 'piramid/rag';
       import { docx } from 'piramid/extract-docx';
       import { pdf } from 'piramid/extract-pdf';
       const read = (bytes, name) => extract(new File([Uint8Array.from(bytes)], name), { extractors: { pdf, docx } });
       globalThis.ready = async () => [await read(${bytes}, 'a.pdf'), await read([1], 'a.docx').catch(({ code }) => code)];`,
    );
    await build({
      configFile: false,
      root: app,
      logLevel: 'error',
      build: { target: 'es2023', chunkSizeWarningLimit: 5000 },
    });
    expect(await run(page, `${site.url}index.html`)).toEqual([
      { title: 'Report', text: 'Words of a page\n', format: 'text' },
      'INVALID_ARGUMENT',
    ]);
    await page.close();
    await site.close();
  });
});

test('what was written is there after the browser was killed and started again', async () => {
  const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  writePage(
    'kill.html',
    `<script type="module">
       import * as piramid from '/dist/piramid.js';
       const db = await piramid.open('kept');
       const notes = await db.collection('notes', { dimension: 2 });
       globalThis.write = (i) => notes.upsert({ id: i, vector: [1, i], text: 'note ' + i });
       globalThis.ready = async () => (await notes.scroll({ select: ['text'] })).records.map((r) => [r.id, r.text]);
     </script>`,
  );
  const profile = join(folder, 'profile');
  let context = await launchProfile(profile);
  let tab = await context.newPage();
  expect(await run(tab, `${site.url}kill.html`)).toEqual([]);
  for (let i = 0; i < 20; i++) await tab.evaluate(`write(${i})`);
  const crashed = new Promise((resolve) => context.once('close', resolve));
  await (await context.browser()!.newBrowserCDPSession()).send('Browser.crash').catch(() => {});
  await crashed;
  context = await launchProfile(profile);
  tab = await context.newPage();
  expect(await run(tab, `${site.url}kill.html`)).toEqual(Array.from({ length: 20 }, (_, i) => [i, `note ${i}`]));
  await context.close();
  await site.close();
});

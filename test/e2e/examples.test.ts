// Runs every example, as it stands in examples/, on the built files, and looks at what a person would see.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { exampleMounts } from '../../tools/examples.mjs';
import { serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

let browser: Browser;
let context: BrowserContext;
let page: Page;
let site: Awaited<ReturnType<typeof serve>>;
let folder: string;
/** What a page reports that it should not. */
let problems: string[];

beforeAll(async () => {
  [browser, site] = await Promise.all([launch(), serve({ mounts: exampleMounts })]);
  folder = mkdtempSync(join(tmpdir(), 'piramid-examples-'));
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  problems = [];
  context = await browser.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => problems.push(String(error)));
});
afterEach(async () => {
  await context.close();
  expect(problems).toEqual([]);
});

const open = (name: string) => page.goto(`${site.url}examples/${name}`);

/** What `#result` shows, once it shows `expected`. */
async function shows(expected: string | RegExp): Promise<void> {
  const result = page.locator('#result');
  await expect
    .poll(async () => [...problems, await result.innerText()].join('\n'), { timeout: 20_000 })
    .toMatch(expected);
}

test('search-as-you-type finds words with typing errors and marks them, on file:// too', async () => {
  for (const base of [`${site.url}examples/`, pathToFileURL(join(root, 'examples/')).href]) {
    await page.goto(`${base}search-as-you-type.html`);
    await page.locator('#words').fill('bakry');
    await shows('The bakery on the corner');
    expect(await page.locator('mark').first().innerText()).toBe('bakery');
  }
});

test('hybrid-search finds by meaning among what the filter lets through', async () => {
  await open('hybrid-search.html');
  await shows(/^Casa Azul, Portugal, 85/);
  await page.locator('#price').fill('200');
  await page.locator('#country').selectOption({ label: 'Spain (1)' });
  await page.getByRole('button').click();
  await shows(/^Villa Sol, Spain, 140/);
});

test('ask-your-documents answers from its document, and from one that is added', async () => {
  await open('ask-your-documents.html');
  await shows(/The ship is called the Pequod\..*\(support: yes\)/);
  expect(await page.locator('#sources').innerText()).toContain('moby, characters 17 to 47');
  const text = 'The lighthouse was built in 1868 by the harbour company.';
  await page
    .locator('#files')
    .setInputFiles({ name: 'harbour.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
  await shows('1 added');
  await page.locator('#question').fill('When was the lighthouse built?');
  await page.getByRole('button', { name: 'Ask' }).click();
  await shows('built in 1868');
});

test('own-embedder finds what is near by its own vectors', async () => {
  await open('own-embedder.html');
  await shows(/^Dutch/);
  await page.locator('#text').fill('le chat dort sur le lit');
  await shows(/^French/);
});

test('encrypted opens with its password alone', async () => {
  await open('encrypted.html');
  const use = async (password: string, note: string) => {
    await page.locator('#password').fill(password);
    await page.locator('#note').fill(note);
    await page.getByRole('button').click();
  };
  await use('open sesame', 'the treasure is in the cave');
  await shows('the treasure is in the cave');
  await page.reload();
  await use('open barley', '');
  await shows('Wrong password.');
  await use('open sesame', '');
  await shows('the treasure is in the cave');
});

test('export-import opens the files that it has saved', async () => {
  await open('export-import.html');
  await shows('2 notes');
  for (const [button, name] of [
    ['#save', 'notes.piramid'],
    ['#lines', 'notes.jsonl'],
  ] as const) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator(button).click()]);
    expect(download.suggestedFilename()).toBe(name);
    const path = join(folder, name);
    await download.saveAs(path);
    await page.locator('#file').setInputFiles(path);
    await shows(`${name}: a First, b Second`);
  }
});

test('vite-app builds with the plugin and searches', async () => {
  const app = join(folder, 'vite-app');
  cpSync(join(root, 'examples/vite-app'), app, { recursive: true, filter: (path) => !path.includes('node_modules') });
  mkdirSync(join(app, 'node_modules'));
  for (const [name, target] of [
    ['piramid', ''],
    ['piramid-static-en', 'models/static-en'],
    ['vite', 'node_modules/vite'],
  ] as const)
    symlinkSync(join(root, target), join(app, 'node_modules', name), 'junction');
  await build({ root: app, logLevel: 'error' });
  const built = await serve({ mounts: { '/': join(app, 'dist') } });
  await page.goto(built.url);
  await shows(/^Omelette, 10 minutes/);
  await page.locator('#text').fill('mustard');
  await shows(/^Egg salad, 25 minutes/);
  await built.close();
});

test('offline answers when the server is gone', async () => {
  const server = await serve({ mounts: exampleMounts });
  const url = `${server.url}examples/offline/`;
  await page.goto(url);
  await shows('The bakery on the corner opens at six. (1 of 2 notes)');
  await page.goto('about:blank');
  await server.close();
  await page.goto(url);
  await shows('The bakery on the corner opens at six. (1 of 2 notes)');
  const opened = `import('/dist/piramid.js').then(({ open }) => open('other', { storage: 'memory', assets: '/piramid/', device }))`;
  expect(await page.evaluate(`{ const device = 'webgpu'; ${opened}.then((db) => db.device) }`)).toBe('webgpu');
  const exported = `${opened}.then((db) => db.export().getReader().read()).then(({ value }) => value.length)`;
  expect(await page.evaluate(`{ const device = 'wasm'; ${exported} }`)).toBeGreaterThan(0);
});

test('each example is described, and tested here', () => {
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8');
  const tests = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  for (const name of readdirSync(join(root, 'examples')).filter((name) => name !== 'README.md')) {
    expect(readme).toContain(`(${name})`);
    expect(tests).toContain(`test('${name.replace('.html', '')} `);
  }
});

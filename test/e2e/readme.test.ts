// Runs the README's examples, as they stand there, on the built files. Those that need packages installed: package.test.ts.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { transformWithOxc } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const IMPORTS = { imports: { piramid: '/dist/piramid.js', 'piramid/rag': '/dist/rag.js' } };

let browser: Browser;
let folder: string;
let site: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'piramid-readme-'));
  site = await serve({
    mounts: { '/': folder, '/dist/': join(root, 'dist'), '/piramid/models/': join(root, 'models') },
  });
});
afterAll(async () => {
  await browser.close();
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What a page logs until it logs `last`. */
async function logged(html: string, last: string): Promise<string[]> {
  writeFileSync(join(folder, 'index.html'), `<!doctype html><meta charset="utf-8">${html}`);
  const context = await browser.newContext();
  const page = await context.newPage();
  const lines: string[] = [];
  page.on('pageerror', (error) => lines.push(`error: ${error}`));
  page.on('console', (message) => lines.push(message.text()));
  await page.goto(site.url);
  await expect
    .poll(() => lines.some((line) => line.includes(last) || line.startsWith('error')), { timeout: 20_000 })
    .toBe(true);
  await context.close();
  return lines.filter((line) => line !== last && !line.includes('favicon'));
}

async function runExample(name: string): Promise<string[]> {
  const code = readme.split(`<!-- example: ${name} -->\n\`\`\`ts\n`)[1]?.split('```')[0];
  if (!code) throw new Error(`README has no example "${name}"`);
  const { code: script } = await transformWithOxc(code, `${name}.ts`, { target: 'esnext' });
  return logged(
    `<script type="importmap">${JSON.stringify(IMPORTS)}</script><script type="module">${script};console.log('the end')</script>`,
    'the end',
  );
}

test('the script tag finds words', async () => {
  const html = /```html\n([\s\S]*?)```/.exec(readme)![1]!.replace('https://cdn.example/', '/dist/');
  // Consoles show objects each in their own way.
  const lines = await logged(html.replace(/console\.log\((.*)\);/, 'console.log(JSON.stringify($1));'), 'Call me');
  expect(lines.join()).toContain('"text":"Call me Ishmael"');
});

test('own vectors are found and filtered', async () => {
  expect(await runExample('vectors')).toEqual([expect.stringMatching(/^moby 0\.99388\d* Moby-Dick$/)]);
});

test('records are changed and listed in order', async () => {
  expect(await runExample('lists')).toEqual(['2 A second one', '1 The first mail']);
});

test('texts are found by meaning', async () => {
  expect(await runExample('texts')).toEqual(['The bakery on the corner opens at six.']);
});

test('a question is answered from documents', async () => {
  expect((await runExample('ask')).join(' ')).toContain('The ship is called the Pequod.');
});

test('a database goes into a file and out of it', async () => {
  expect(await runExample('export')).toEqual(['0 records in 0 collections']);
});

// Where kernels fall back to JavaScript, and where nothing can run at all: said once, with what to do. On the built files, which
// are made if they are not there.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launch } from '../e2e/chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
let browser: Browser;
let folder: string;

beforeAll(async () => {
  if (!existsSync(join(dist, 'piramid.js'))) execFileSync(process.execPath, [join(root, 'tools/build.mjs'), '--lib']);
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'piramid-field-'));
  const tell = '(error) => ({ code: error.code, message: error.message })';
  writeFileSync(
    join(folder, 'page.js'),
    `import { open } from '/dist/piramid.js';
     globalThis.opened = (options) => open('a', { storage: 'memory', ...options }).then((db) => db.device, ${tell});
     globalThis.served = () => opened({ worker: () => new Worker('/dist/worker.js', { type: 'module' }) });
     globalThis.ready = true;`,
  );
  writeFileSync(join(folder, 'page.html'), '<!doctype html><script type="module" src="/page.js"></script>');
  writeFileSync(
    join(folder, 'service.js'),
    `importScripts('/dist/piramid.iife.js');
     onmessage = ({ source }) => piramid.open('a').catch(${tell}).then((said) => source.postMessage(said));`,
  );
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs in a page that is served with such a policy; with what the page's console was warned of. */
async function under<T>(
  policy: string | null,
  run: (page: Page) => Promise<T>,
): Promise<{ result: T; warnings: string[] }> {
  const headers: Record<string, string> = policy === null ? {} : { 'Content-Security-Policy': policy };
  const site = await serve({ mounts: { '/': folder, '/dist/': dist }, headers });
  const page = await browser.newPage();
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  try {
    await page.goto(`${site.url}page.html`);
    await page.waitForFunction('globalThis.ready');
    return { result: await run(page), warnings: warnings.filter((text) => text.startsWith('Piramid')) };
  } finally {
    await page.close();
    await site.close();
  }
}

test("without 'wasm-unsafe-eval' a page is warned once, with the line to add", async () => {
  const policy = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; connect-src 'self'";
  const { result, warnings } = await under(policy, async (page) => [
    await page.evaluate('opened({})'),
    await page.evaluate('served()'),
    await page.evaluate('opened({})'),
    await page.evaluate("opened({ device: 'wasm' })"),
  ]);
  expect(result.slice(0, 3)).toEqual(['js', 'js', 'js']);
  expect(result[3]).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining("'wasm-unsafe-eval'") });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("script-src 'self' 'wasm-unsafe-eval'");
  expect(warnings[0]).toContain('extension_pages');
});

test('nobody is warned who has WebAssembly, or asked for JavaScript', async () => {
  const allowed = await under(null, async (page) => [
    await page.evaluate('opened({})'),
    await page.evaluate("opened({ device: 'js' })"),
  ]);
  expect(allowed).toEqual({ result: ['wasm', 'js'], warnings: [] });
  const asked = await under("default-src 'none'; script-src 'self'; worker-src 'self' blob:", (page) =>
    page.evaluate("opened({ device: 'js' })"),
  );
  expect(asked).toEqual({ result: 'js', warnings: [] });
});

test('a blocked worker says what to serve', async () => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";
  const { result } = await under(policy, async (page) => [
    await page.evaluate('opened({})'),
    await page.evaluate('served()'),
  ]);
  expect(result[0]).toMatchObject({ code: 'WORKER_FAILED', message: expect.stringContaining('serve piramid/worker') });
  expect(result[1]).toBe('wasm');
});

test('a service worker and Node say where it can run', async () => {
  const { result } = await under(null, (page) =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.register('/service.js');
      const worker = registration.active ?? registration.waiting ?? registration.installing!;
      const said = new Promise((resolve) => {
        navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
      });
      navigator.serviceWorker.startMessages();
      await navigator.serviceWorker.ready;
      worker.postMessage('open');
      return said;
    }),
  );
  expect(result).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('offscreen document') });
  const { open } = await import(pathToFileURL(join(dist, 'piramid.js')).href);
  for (const options of [undefined, { storage: 'memory' }])
    await expect(open('a', options)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('Node.js'),
    });
});

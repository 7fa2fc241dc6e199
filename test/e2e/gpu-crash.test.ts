// The GPU process really dies, with queries under way: every one of them is answered, as the CPU answers, and the GPU is used again.
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

// Two databases with the same records, one on each device; `ask` compares their answers until it is told to stop.
const PAGE = `async () => {
  const { open } = await import('/piramid.js');
  const make = async (device) => {
    const db = await open('crash-' + device, { storage: 'memory', device });
    const collections = await Promise.all(['none', 'int8'].map((quantization) =>
      db.collection(quantization, { dimension: 64, quantization })));
    return collections;
  };
  const [gpu, cpu] = await Promise.all([make('webgpu'), make('wasm')]);
  let seed = 1;
  const next = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  const vector = () => Float32Array.from({ length: 64 }, next);
  const records = Array.from({ length: 3000 }, (_, id) => ({ id, vector: vector() }));
  for (const collection of [...gpu, ...cpu]) await collection.upsert(records);
  const count = { asked: 0, wrong: 0, lost: 0 };
  const devices = new Set();
  let running = true;
  const one = async (i) => {
    const query = { vector: vector(), k: 10, select: [], explain: true };
    try {
      const [there, here] = await Promise.all([gpu[i].query(query), cpu[i].query(query)]);
      const plain = (matches) => JSON.stringify(matches.map(({ id, score }) => [id, score]));
      if (plain(there) !== plain(here)) count.wrong++;
      devices.add(there.plan.device);
    } catch (error) {
      console.error(error);
      count.lost++;
    }
    count.asked++;
  };
  const loops = [0, 1, 0, 1].map(async (i) => { while (running) await one(i); });
  globalThis.state = { count, devices, stop: async () => { running = false; await Promise.all(loops); return count; } };
}`;

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

test('a crash of the GPU process changes no answer', async () => {
  const server = await serve({ mounts: { '/': dist } });
  const page = await browser.newPage();
  // Any page of this origin will do.
  await page.goto(new URL('/piramid.js', server.url).href);
  await page.evaluate(`(${PAGE})()`);
  const answered = (device: string) =>
    page.waitForFunction((name) => {
      const { state } = globalThis as unknown as { state: { devices: Set<string> } };
      return state.devices.has(name);
    }, device);
  await answered('webgpu');
  const session = await browser.newBrowserCDPSession();
  // Its connection to the process ends before it has an answer.
  session.send('Browser.crashGpuProcess').catch(() => undefined);
  await answered('wasm');
  await page.evaluate('state.devices.clear()');
  await answered('webgpu');
  const count = (await page.evaluate('state.stop()')) as { asked: number; wrong: number; lost: number };
  expect(count).toMatchObject({ wrong: 0, lost: 0 });
  expect(count.asked).toBeGreaterThan(10);
  await page.close();
  await server.close();
});

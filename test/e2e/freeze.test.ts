// Tabs that the browser freezes, really: worker and page stop in the same moment, and let go of nothing but what the page lets
// go of in its `freeze` event.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { type DevtoolsPage, launchDevtools } from './devtools.ts';
import { PAGE } from './tabs.page.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

let browser: Awaited<ReturnType<typeof launchDevtools>>;
let folder: string;
let site: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  browser = await launchDevtools();
  folder = mkdtempSync(join(tmpdir(), 'piramid-freeze-'));
  writeFileSync(join(folder, 'tab.html'), PAGE);
  site = await serve({ mounts: { '/': folder, '/dist/': dist } });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openTab(name: string): Promise<DevtoolsPage> {
  const page = await browser.open(`${site.url}tab.html`);
  await expect.poll(() => page.evaluate('!!globalThis.tab'), { timeout: 20_000 }).toBe(true);
  await page.evaluate(`tab.open('${name}')`);
  return page;
}

const role = async (tab: DevtoolsPage) => ((await tab.evaluate('tab.role()')) as { value: string }).value;
const insert = (tab: DevtoolsPage, id: string) => tab.evaluate(`tab.insert(['${id}'], 1)`);
const ids = async (tab: DevtoolsPage) =>
  ((await tab.evaluate('tab.read()')) as { value: [string, number][] }).value.map(([id]) => id);

/** Hides a tab, then freezes it, in the middle of whatever it does. */
async function freeze(tab: DevtoolsPage, shown: DevtoolsPage): Promise<void> {
  await shown.show();
  await expect.poll(() => tab.evaluate('document.visibilityState'), { timeout: 20_000 }).toBe('hidden');
  await tab.evaluate('globalThis.beats = 0; setInterval(() => beats++, 1)');
  await tab.freeze();
}

/** The same, and waits until its worker stands still, too, which is some time after its page: a write that reaches it before may be half done. */
async function freezeWhole(tab: DevtoolsPage, shown: DevtoolsPage): Promise<void> {
  await freeze(tab, shown);
  await new Promise((resolve) => setTimeout(resolve, 1000));
}

test('a frozen leader is taken over from, and follows when it goes on', async () => {
  const [a, b] = [await openTab('leader'), await openTab('leader')];
  await insert(a, 'before');
  expect([await role(a), await role(b)]).toEqual(['leader', 'follower']);
  await freezeWhole(a, b);
  const begun = performance.now();
  expect(await insert(b, 'meanwhile')).toEqual({});
  const ms = performance.now() - begun;
  console.log(`a frozen leader was taken over from after ${Math.round(ms)} ms`);
  // Without the page's lock, five silent seconds would have to pass first.
  expect(ms).toBeLessThan(4000);
  expect(await role(b)).toBe('leader');
  await a.unfreeze();
  expect(await ids(a)).toEqual(['before', 'meanwhile']);
  expect(await insert(a, 'after')).toEqual({});
  expect([await role(a), await role(b)]).toEqual(['follower', 'leader']);
});

test('a tab opens beside a frozen one that has nobody to follow it', async () => {
  const a = await openTab('alone');
  await insert(a, 'before');
  const empty = await browser.open('about:blank');
  await freezeWhole(a, empty);
  const begun = performance.now();
  const b = await openTab('alone');
  expect(await ids(b)).toEqual(['before']);
  console.log(`beside a frozen tab, another one was open after ${Math.round(performance.now() - begun)} ms`);
  expect(await role(b)).toBe('leader');
});

test('a frozen follower, next in the queue, is passed over', async () => {
  const [a, b, c] = [await openTab('queue'), await openTab('queue'), await openTab('queue')];
  await insert(a, 'before');
  await freezeWhole(b, c);
  await a.evaluate('tab.close()');
  const begun = performance.now();
  expect(await ids(c)).toEqual(['before']);
  const ms = performance.now() - begun;
  console.log(`a frozen follower was passed over after ${Math.round(ms)} ms`);
  expect(ms).toBeLessThan(4000);
  expect(await role(c)).toBe('leader');
  await b.unfreeze();
  expect(await ids(b)).toEqual(['before']);
  expect(await role(b)).toBe('follower');
});

test('what a frozen leader was writing is written once, by it or by who takes over', async () => {
  const [a, b] = [await openTab('writing'), await openTab('writing')];
  await a.evaluate(`globalThis.done = []; globalThis.n = 0; globalThis.go = true; globalThis.loop = (async () => {
    while (go) {
      const id = 'a' + n++;
      done.push([id, await tab.insert([id], 1)]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })(); 1`);
  for (let round = 0; round < 3; round++) {
    await freeze(a, b);
    expect(await insert(b, `b${round}`)).toEqual({});
    await a.unfreeze();
    expect(await insert(b, `c${round}`)).toEqual({});
    const written = (await a.evaluate('n')) as number;
    await expect.poll(() => a.evaluate('n'), { timeout: 20_000 }).toBeGreaterThan(written);
    // Leads again, to be frozen in office.
    if ((await role(b)) === 'leader') {
      await a.show();
      await b.evaluate('tab.close()');
      await expect.poll(() => role(a), { timeout: 20_000 }).toBe('leader');
      await b.evaluate(`tab.open('writing')`);
    }
  }
  await a.evaluate('go = false; loop');
  const done = (await a.evaluate('done')) as [string, object][];
  expect(done.filter(([, result]) => 'code' in result)).toEqual([]);
  const found = await ids(b);
  expect(new Set(found).size).toBe(found.length);
  for (const [id] of done) expect(found).toContain(id);
  // Frozen in the moment between the beginning of a write and its look at the fence, it holds the others up for a minute.
}, 300_000);

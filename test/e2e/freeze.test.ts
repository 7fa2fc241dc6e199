// Tabs that the browser freezes, really: worker and page stop in the same moment, and let go of nothing but what the page lets
// go of in its `freeze` event.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { report, trials } from '../faults/report.ts';
import type { IndexedDbEngine } from './chromium.ts';
import { type DevtoolsPage, launchDevtools } from './devtools.ts';
import { PAGE } from './tabs.page.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** How often a leader is frozen while it writes. */
const FREEZES = trials('PIRAMID_FREEZES', 6);

const browsers = new Map<IndexedDbEngine, Awaited<ReturnType<typeof launchDevtools>>>();
let folder: string;
let site: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'piramid-freeze-'));
  writeFileSync(join(folder, 'tab.html'), PAGE);
  site = await serve({ mounts: { '/': folder, '/dist/': dist } });
});
afterAll(async () => {
  for (const browser of browsers.values()) await browser.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openPage(url: string, engine: IndexedDbEngine = 'leveldb'): Promise<DevtoolsPage> {
  if (!browsers.has(engine)) browsers.set(engine, await launchDevtools(engine));
  return browsers.get(engine)!.open(url);
}

async function openTab(name: string, engine?: IndexedDbEngine): Promise<DevtoolsPage> {
  const page = await openPage(`${site.url}tab.html`, engine);
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
  const empty = await openPage('about:blank');
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

test.each(['leveldb', 'sqlite'] as const)(
  'a leader frozen while it writes holds up nobody, and what it wrote is written once: %s',
  async (engine) => {
    const [a, b] = [await openTab('writing', engine), await openTab('writing', engine)];
    // Nearly always in the middle of a transaction.
    await a.evaluate(`globalThis.done = []; globalThis.n = 0; globalThis.go = true; globalThis.loops = [1, 2, 3].map(async () => {
    while (go) {
      const id = 'a' + n++;
      done.push([id, await tab.insert([id], 1)]);
    }
  }); 1`);
    const takeovers: number[] = [];
    for (let round = 0; round < FREEZES; round++) {
      await freeze(a, b);
      const begun = performance.now();
      expect(await insert(b, `b${round}`)).toEqual({});
      takeovers.push(performance.now() - begun);
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
    await a.evaluate('go = false; Promise.all(loops)');
    const done = (await a.evaluate('done')) as [string, object][];
    expect(done.filter(([, result]) => 'code' in result)).toEqual([]);
    const found = await ids(b);
    expect(new Set(found).size).toBe(found.length);
    const lost = done.filter(([id]) => !found.includes(id)).length;
    // A transaction that waits for its frozen worker holds the others up for a minute.
    const hung = takeovers.filter((ms) => ms > 20_000).length;
    const [median, longest] = [0.5, 1].map((share) => takeovers.sort((x, y) => x - y)[Math.ceil(FREEZES * share) - 1]!);
    console.log(
      `${engine}: taken over from while it wrote after ${Math.round(median!)} ms (median), ${Math.round(longest!)} ms at most`,
    );
    report(`freeze.${engine}`, { count: FREEZES, lost, corrupt: 0, hung });
  },
  600_000,
);

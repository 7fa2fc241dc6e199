// Real Chromium, killed while it writes: the worker, the page, the whole browser, on both of its IndexedDB engines. Batches
// are written in order, so what is found afterwards must be whole batches, all of the acknowledged ones, and a prefix.
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import { serve } from '../../tools/serve.mjs';
import { ENGINES, type IndexedDbEngine, launchProfile } from '../e2e/chromium.ts';
import { report, SEED, trials } from './report.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const TERMINATIONS = trials('PIRAMID_TERMINATIONS', 150);
const CRASHES = trials('PIRAMID_PAGE_CRASHES', 25);
const KILLS = trials('PIRAMID_BROWSER_KILLS', 10);

/** The beginning of a whole record (checksum, length 1000, type), which LevelDB takes for one whose writer was killed. */
const TORN_RECORD = Buffer.from([1, 2, 3, 4, 1000 & 255, 1000 >> 8, 1, ...new Uint8Array(100).fill(7)]);

const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
  import { open } from '/dist/piramid.js';
  let worker;
  const NativeWorker = Worker;
  globalThis.Worker = class extends NativeWorker { constructor(...args) { super(...args); worker ??= this; } };
  const SIZE = 8;
  const openAll = async (name) => {
    worker = undefined;
    const db = await open(name, { device: 'js' });
    return { db, c: await db.collection('c', { dimension: 16 }) };
  };
  // Every tenth batch is large: chunks and a manifest, not a log entry. Every seventh is compacted over.
  const batch = (n) => Array.from({ length: SIZE }, (_, i) => ({
    id: n * SIZE + i, vector: new Float32Array(16).fill(n + 1),
    text: 'b' + n + ' ' + 'x'.repeat(n % 10 === 3 ? 300000 : 50), metadata: { n },
  }));
  globalThis.writeOn = async (name, first, onAcknowledged) => {
    const { c } = await openAll(name);
    for (let n = first; ; n++) {
      await c.upsert(batch(n));
      // Replaced once more: its rows are deleted, and one day compacted away.
      if (n % 3 === 0) await c.upsert(batch(n));
      onAcknowledged(n);
      if (n % 7 === 6) void c.compact().catch(() => {});
    }
  };
  globalThis.verify = async (name) => {
    const { db, c } = await openAll(name);
    const found = new Map();
    let corrupt = 0;
    let next;
    do {
      const page = await c.scroll({ limit: 1000, ...(next && { cursor: next }) });
      for (const { id, vector, text, metadata } of page.records) {
        const n = Math.floor(id / SIZE);
        found.set(n, (found.get(n) ?? 0) + 1);
        if (!text?.startsWith('b' + n + ' ') || metadata?.n !== n || !vector.every((x) => x === n + 1)) corrupt++;
      }
      next = page.next;
    } while (next);
    const batches = [...found.keys()].sort((a, b) => a - b);
    for (const size of found.values()) if (size !== SIZE) corrupt++;
    if (batches.some((n, i) => n !== i)) corrupt++;
    const { damage } = await db.stats();
    await db.close();
    return { count: batches.length, corrupt: corrupt + damage.length };
  };
  globalThis.terminateOften = async (moments) => {
    const result = { lost: 0, corrupt: 0, written: 0 };
    const name = 'terminated';
    let first = globalThis.terminated ?? 0;
    // From a start to the first acknowledged batch, at the quickest: a slow one, under load, would make each trial wait as long.
    let startMs = Infinity;
    for (const moment of [0, 0, 0, ...moments]) {
      let acknowledged = first - 1;
      const begun = performance.now();
      let onFirst;
      const firstOne = new Promise((resolve) => { onFirst = resolve; });
      writeOn(name, first, (n) => { acknowledged = n; onFirst(); }).catch(() => {});
      if (moment === 0) {
        await firstOne;
        startMs = Math.min(startMs, performance.now() - begun);
      } else await new Promise((resolve) => setTimeout(resolve, moment * startMs));
      worker?.terminate();
      const found = await verify(name);
      if (found.count < acknowledged + 1) result.lost += acknowledged + 1 - found.count;
      result.corrupt += found.corrupt;
      first = found.count;
    }
    globalThis.terminated = first;
    return { ...result, written: first };
  };
</script>`;

interface Verdict {
  count: number;
  corrupt: number;
}

async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction('globalThis.verify');
  return page;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Writes for a while on a page; resolves with the number of acknowledged batches when `end` has ended it. */
async function writeUntil(
  page: Page,
  name: string,
  first: number,
  ms: number,
  end: () => Promise<unknown>,
): Promise<number> {
  let acknowledged = first;
  await page.exposeFunction('acknowledge', (n: number) => {
    acknowledged = n + 1;
  });
  page.evaluate(`writeOn(${JSON.stringify(name)}, ${first}, acknowledge)`).catch(() => {});
  await sleep(ms);
  const before = acknowledged;
  await end();
  return before;
}

/** The tests on one engine. */
export function testKills(engine: IndexedDbEngine): void {
  let folder: string;
  let profile: string;
  let site: Awaited<ReturnType<typeof serve>>;
  const newPage = (context: BrowserContext) => openPage(context, site.url);
  const start = () => launchProfile(profile, ENGINES[engine]);
  const random = seededRandom(SEED);
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'piramid-kills-'));
    profile = join(folder, 'profile');
    mkdirSync(profile);
    writeFileSync(join(folder, 'index.html'), PAGE);
    site = await serve({ mounts: { '/': folder, '/dist/': dist } });
  });
  afterAll(async () => {
    await site.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('workers that are terminated', async () => {
    const context = await start();
    const page = await newPage(context);
    let [count, lost, corrupt, written] = [0, 0, 0, 0];
    // Half of them at least when it writes, however busy the machine is.
    while (count < TERMINATIONS || written <= TERMINATIONS / 2) {
      // In starts of a database: sooner, and later, when it writes.
      const length = count === 0 ? TERMINATIONS : 20;
      const moments = Array.from({ length }, () => 0.01 + random.next() * 3);
      const found = (await page.evaluate(`terminateOften(${JSON.stringify(moments)})`)) as {
        lost: number;
        corrupt: number;
        written: number;
      };
      count += length;
      lost += found.lost;
      corrupt += found.corrupt;
      written = found.written;
    }
    await context.close();
    expect(filesOf(profile).some(isSqlite)).toBe(engine === 'sqlite');
    report(`worker-terminate.${engine}`, { count: TERMINATIONS, lost, corrupt, hung: 0 });
  });

  test('pages that crash', async () => {
    const context = await start();
    let first = 0;
    let lost = 0;
    let corrupt = 0;
    for (let trial = 0; trial < CRASHES; trial++) {
      const page = await newPage(context);
      const acknowledged = await writeUntil(page, 'crashed', first, 50 + random.below(300), async () => {
        const session = await context.newCDPSession(page);
        const crashed = new Promise((resolve) => page.once('crash', resolve));
        session.send('Page.crash').catch(() => {});
        await crashed;
      });
      await page.close();
      const reader = await newPage(context);
      const found = (await reader.evaluate(`verify('crashed')`)) as Verdict;
      await reader.close();
      lost += Math.max(0, acknowledged - found.count);
      corrupt += found.corrupt;
      first = found.count;
    }
    await context.close();
    report(`page-crash.${engine}`, { count: CRASHES, lost, corrupt, hung: 0 });
  });

  test('browsers that are killed', async () => {
    let first = 0;
    let lost = 0;
    let corrupt = 0;
    for (let trial = 0; trial < KILLS; trial++) {
      const context = await start();
      const page = await newPage(context);
      const acknowledged = await writeUntil(page, 'killed', first, 100 + random.below(600), async () => {
        const closed = new Promise((resolve) => context.once('close', resolve));
        await (await context.browser()!.newBrowserCDPSession()).send('Browser.crash').catch(() => {});
        await closed;
      });
      const survivor = await start();
      const found = (await (await newPage(survivor)).evaluate(`verify('killed')`)) as Verdict;
      await survivor.close();
      lost += Math.max(0, acknowledged - found.count);
      corrupt += found.corrupt;
      if (found.count < acknowledged || found.corrupt > 0) console.log('after kill', trial, { acknowledged, ...found });
      first = found.count;
    }
    report(`browser-kill.${engine}`, { count: KILLS, lost, corrupt, hung: 0 });
  });

  // google/leveldb#1287: found by the test above, once in some seventy kills.
  test.runIf(engine === 'leveldb')(
    'a record that a kill has torn costs nothing, at the next opening nor the one after',
    async () => {
      const write = `(async () => {
      const { open } = await import('/dist/piramid.js');
      const db = await open('torn', { device: 'js' });
      const c = await db.collection('c', { dimension: 16 });
      const before = await c.count();
      await c.upsert({ id: before, vector: new Float32Array(16).fill(1) });
      await db.close();
      return before;
    })()`;
      const trials = 5;
      for (let trial = 0; trial < trials; trial++) {
        const context = await start();
        expect(await (await newPage(context)).evaluate(write)).toBe(trial);
        await context.close();
        const log = filesOf(profile)
          .filter((file) => /IndexedDB.*\.log$/.test(file))
          .sort((a, b) => a.localeCompare(b))
          .at(-1)!;
        appendFileSync(log, TORN_RECORD);
      }
      report(`torn-record.${engine}`, { count: trials, lost: 0, corrupt: 0, hung: 0 });
    },
  );

  test('a quota that is used up: what is there is found, deletions are written, and writes come back', async () => {
    const context = await start();
    const page = await newPage(context);
    const session = await context.newCDPSession(page);
    const origin = new URL(site.url).origin;
    const setQuota = (quotaSize?: number) =>
      session.send('Storage.overrideQuotaForOrigin', { origin, ...(quotaSize !== undefined && { quotaSize }) });
    // Before the database is there: what the browser grants an open one, it does not take back.
    const { usage } = (await session.send('Storage.getUsageAndQuota', { origin })) as { usage: number };
    await setQuota(usage + 8_000_000);
    await page.evaluate(`(async () => {
      const { open } = await import('/dist/piramid.js');
      globalThis.told = [];
      globalThis.db = await open('quota', { device: 'js' });
      db.on('readonly', ({ code }) => told.push(code));
      db.on('writable', () => told.push('writable'));
      globalThis.c = await db.collection('c', { dimension: 384 });
      globalThis.batch = (n) => Array.from({ length: 500 }, (_, i) => ({ id: n * 500 + i, vector: Float32Array.from({ length: 384 }, () => Math.random()) }));
      await c.upsert(batch(0));
    })()`);
    const filled = (await page.evaluate(`(async () => {
      let written = 1;
      let code;
      while (!code && written < 60) await c.upsert(batch(written)).then(() => written++, (error) => { code = error.code; });
      const refused = await c.upsert({ id: 'x', vector: new Float32Array(384).fill(1) }).catch((error) => error.code);
      const deleted = await c.delete({ ids: [1, 2, 3] }).catch((error) => error.code);
      const found = (await c.query({ vector: new Float32Array(384).fill(1), k: 10 })).length;
      return { written, code, refused, deleted, found, retried: await db.retryWrites(), isReadOnly: (await db.stats()).isReadOnly };
    })()`)) as { written: number; deleted: number | string };
    expect(filled).toMatchObject({ code: 'QUOTA_EXCEEDED', refused: 'QUOTA_EXCEEDED', deleted: 3, found: 10 });
    // Far below what is used: there is no room for the next opener's fence either, once a larger write has made the browser look.
    await setQuota(500_000);
    const tooLarge = await page.evaluate(`db.close().then(() => new Promise((resolve) => {
      const opening = indexedDB.open('other');
      opening.onupgradeneeded = () => opening.result.createObjectStore('values');
      opening.onsuccess = () => {
        const transaction = opening.result.transaction('values', 'readwrite');
        transaction.objectStore('values').put(Float64Array.from({ length: 1e6 }, () => Math.random()), 1);
        transaction.oncomplete = transaction.onabort = () => {
          opening.result.close();
          resolve(transaction.error?.name);
        };
      };
    }))`);
    expect(tooLarge).toBe('QuotaExceededError');
    const reopened = await page.evaluate(`(async () => {
      const { open } = await import('/dist/piramid.js');
      globalThis.db = await open('quota', { device: 'js' });
      globalThis.told = [];
      db.on('readonly', ({ code }) => told.push(code));
      db.on('writable', () => told.push('writable'));
      globalThis.c = await db.collection('c', { dimension: 384 });
      const { isReadOnly } = await db.stats();
      const refused = await c.upsert({ id: 'x', vector: new Float32Array(384).fill(1) }).catch((error) => error.code);
      const found = (await c.query({ vector: new Float32Array(384).fill(1), k: 10 })).length;
      return { refused, found, count: await c.count(), isReadOnly };
    })()`);
    const count = filled.written * 500 - 3;
    expect(reopened).toEqual({ refused: 'QUOTA_EXCEEDED', found: 10, count, isReadOnly: true });
    await setQuota();
    const after = await page.evaluate(`(async () => {
      const retried = await db.retryWrites();
      await c.upsert({ id: 'x', vector: new Float32Array(384).fill(1) });
      await db.close();
      const { open } = await import('/dist/piramid.js');
      const again = await open('quota', { device: 'js' });
      const count = await (await again.collection('c')).count();
      return { retried, count, told };
    })()`);
    expect(after).toEqual({ retried: true, count: count + 1, told: ['QUOTA_EXCEEDED', 'writable'] });
    await context.close();
    report(`quota-in-chromium.${engine}`, { count: filled.written, lost: 0, corrupt: 0, hung: 0 });
  });

  test('compaction of a half deleted collection returns the bytes to the disk', async () => {
    const context = await start();
    const page = await newPage(context);
    await page.evaluate(`(async () => {
      const { open } = await import('/dist/piramid.js');
      globalThis.db = await open('space', { device: 'js' });
      globalThis.space = await db.collection('c', { dimension: 384 });
      const random = () => Float32Array.from({ length: 384 }, () => Math.random());
      await space.upsert(Array.from({ length: 10000 }, (_, id) => ({ id, vector: random() })));
    })()`);
    const bytes = () =>
      filesOf(profile)
        .filter((file) => /IndexedDB/i.test(file))
        .reduce((sum, file) => sum + sizeOf(file), 0);
    const settled = async (enough: (bytes: number) => boolean) => {
      for (let i = 0; i < 60 && !enough(bytes()); i++) await sleep(250);
      return bytes();
    };
    const other = 10_000 * 384 * 4; // at least
    const full = await settled((size) => size >= other);
    const before = full - other;
    await page.evaluate(
      `space.delete({ ids: Array.from({ length: 5000 }, (_, i) => i * 2) }).then(() => space.compact())`,
    );
    const after = await settled((size) => size - before <= other * 0.52);
    const returned = 1 - (after - before) / other;
    console.log(`compact.returned=${returned.toFixed(2)} engine=${engine}`);
    await context.close();
    expect(returned).toBeGreaterThanOrEqual(0.45);
  });
}

function filesOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const file = join(path, entry.name);
    return entry.isDirectory() ? filesOf(file) : entry.isFile() ? [file] : [];
  });
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0; // it has just been deleted
  }
}

function isSqlite(file: string): boolean {
  if (!/IndexedDB/i.test(file)) return false;
  const head = Buffer.alloc(15);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head, 0, 15, 0);
  closeSync(descriptor);
  return head.toString() === 'SQLite format 3';
}

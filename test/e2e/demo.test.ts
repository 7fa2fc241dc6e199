// The built demo in a real Chromium, as a person uses it, on a slice of the real addresses. One page walks through it all,
// as one person would; each test begins at a URL of its own.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HEADER_BYTES } from '../../src/store/format.ts';
import type { Manifest } from '../../src/store/manifest.ts';
import { demoMounts, serve } from '../../tools/serve.mjs';
import { makePdf } from '../field/pdf.ts';
import { launchProfile } from './chromium.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const mounts = demoMounts();
const folder = mkdtempSync(join(tmpdir(), 'piramid-demo-'));
const LINCOLN = 'What did Lincoln say about slavery?';

let server: { url: string; close: () => Promise<void> };
let context: BrowserContext;
let page: Page;
const requests: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  sliceCorpus();
  server = await serve({ mounts: { ...mounts, '/corpus/': folder } });
  context = await launchProfile(join(folder, 'profile'));
  context.on('request', (request) => requests.push(request.url()));
  page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(15_000);
  await page.setViewportSize({ width: 1280, height: 800 });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
});

afterAll(async () => {
  await context?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('on the first visit', () => {
  test('the page says what can be asked before the database is open, and answers from what has come in so far', async () => {
    let open = () => {};
    const held = new Promise<void>((resolve) => {
      open = resolve;
    });
    await page.route('**/rag-worker*.js', (route) => held.then(() => route.continue()));
    try {
      await page.goto(server.url);
      await page.getByText('The first addresses are coming in.').waitFor();
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('words');
      await page.getByRole('link', { name: 'gold standard' }).click();
      expect(await page.locator('#words').inputValue()).toBe('gold standard');
    } finally {
      open();
    }
    const first = await page.waitForFunction(() =>
      document.querySelector('.search[data-words="gold standard"] .results article')
        ? { full: performance.getEntriesByName('piramid:fill').length }
        : null,
    );
    expect(await first.jsonValue()).toEqual({ full: 0 });
    expect(await page.locator('#progress').innerText()).toMatch(/Adding the addresses: \d+ of \d+ documents/);
    await page.unroute('**/rag-worker*.js');
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.setViewportSize({ width: 1280, height: 800 });
    await filled();
    await offlineReady();
    expect(await passageCount()).toBeGreaterThan(1000);
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    console.log(`first contentful paint ${Math.round(paint ?? Number.NaN)} ms`);
  });

  test('what was put in is still there after a reload, and is not fetched again', async () => {
    const before = await passageCount();
    requests.length = 0;
    await page.reload();
    await page.locator('.results article').first().waitFor();
    await offlineReady();
    expect(await passageCount()).toBe(before);
    expect(requests.filter((url) => url.includes('/corpus/'))).toEqual([]);
  });
});

describe('search', () => {
  test("what Lincoln said about slavery is answered from Lincoln's speeches", async () => {
    await page.goto(server.url);
    await type(LINCOLN);
    const found = await titles();
    expect(found.slice(0, 5).every((title) => title.startsWith('Abraham Lincoln, 186'))).toBe(true);
    expect(await page.locator('.passage mark').first().innerText()).toMatch(/slave/i);
    expect(await page.locator('.why').first().innerText()).toMatch(/Meaning[\s\S]*Words[\s\S]*\d\.\d\d/);
    expect(await page.locator('.search [role=status]').innerText()).toMatch(/^Best 20 of [\d,]+ passages$/);
    expect(await page.locator('.search .meta').innerText()).toMatch(/\d ms · exact/);
  });

  test('the gold standard from 1890 to 1900 is found in these years, and is about gold', async () => {
    await page.goto(server.url);
    await type('gold standard');
    expect((await titles()).some((title) => !isOf1890s(title))).toBe(true);
    await years(1890, 1900);
    const found = await page.locator('.results article').evaluateAll((articles) =>
      articles.map((article) => ({
        title: article.querySelector('h2 a')?.textContent ?? '',
        marks: Array.from(article.querySelectorAll('mark'), (mark) => mark.textContent?.toLowerCase()),
      })),
    );
    expect(found).toHaveLength(20);
    for (const { title } of found) expect(title).toSatisfy(isOf1890s);
    // Of a passage that says the two words far from each other, what is shown may have one of them.
    expect(found.slice(0, 6).every(({ marks }) => marks.some((mark) => mark?.startsWith('gold')))).toBe(true);
    expect(found.slice(0, 10).every(({ marks }) => marks.some((mark) => /^(gold|standard)/.test(mark!)))).toBe(true);
  });

  test('a link reproduces words, filters and results', async () => {
    const before = { url: page.url(), titles: await titles() };
    expect(before.url).toContain('q=gold+standard&year=1890-1900');
    await page.goto(server.url);
    await page.locator('.results article').first().waitFor();
    await page.goto(before.url);
    await answered('gold standard');
    expect(await titles()).toEqual(before.titles);
    expect(await page.locator('#words').inputValue()).toBe('gold standard');
    expect(await page.getByLabel('Year, from').inputValue()).toBe('1890');
  });

  test('the newest words win, however fast they are typed', async () => {
    await page.goto(server.url);
    await page.evaluate(() => {
      const tasks: number[] = [];
      Object.assign(window, { tasks });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) tasks.push(Math.round(entry.duration));
      }).observe({ entryTypes: ['longtask'] });
    });
    await page.locator('#words').pressSequentially('silver coinage and the public debt', { delay: 15 });
    await answered('silver coinage and the public debt');
    await page.waitForTimeout(300);
    expect(await page.locator('.search').getAttribute('data-words')).toBe('silver coinage and the public debt');
    const tasks = await page.evaluate(() => (window as unknown as { tasks: number[] }).tasks);
    console.log(`long tasks while typing: ${tasks.length === 0 ? 'none' : `${tasks.join(', ')} ms`}`);
  });

  test('what means nothing has nothing close, and what is nearest is marked as such', async () => {
    await page.goto(server.url);
    await page.locator('#words').fill('asdfghjkl');
    await page.locator('.search[data-words="asdfghjkl"]').waitFor();
    expect(await page.locator('.search [role=status]').innerText()).toBe('Nothing close.');
    expect(await page.locator('.results > li').first().innerText()).toBe('Nearest, but not close');
    expect(await titles()).toHaveLength(5);
    expect((await titles()).filter((title) => title.startsWith('Piramid'))).toEqual([]);
    await type('vessels of war');
    expect(await page.locator('.search [role=status]').innerText()).toMatch(/^Best 20/);
  });

  test('a word is found by its beginning, and by what it was meant to be', async () => {
    await page.goto(server.url);
    await type('slav');
    const marked = async () => (await page.locator('.results mark').allInnerTexts()).map((text) => text.toLowerCase());
    expect((await marked()).filter((text) => !text.startsWith('slav'))).toEqual([]);
    expect(await marked()).toContain('slavery');
    await type('slvaery');
    expect(await marked()).toContain('slavery');
  });

  test('where filters leave nothing, one click loosens one of them', async () => {
    await page.goto(`${server.url}?q=war&year=1861-1865&party=Democratic`);
    await page.getByText('Nothing matches these filters.').waitFor();
    await page.getByRole('button', { name: /Any party/ }).click();
    await page.locator('.why').first().waitFor();
    expect(page.url()).toContain('year=1861-1865');
    expect(page.url()).not.toContain('party');
    for (const title of await titles()) expect(title).toMatch(/, 186[1-5]$/);
  });

  test('values are chosen by their counts', async () => {
    await page.goto(`${server.url}?q=war`);
    await answered('war');
    await page.getByRole('checkbox', { name: /^William McKinley/ }).waitFor();
    const box = page.getByRole('checkbox', { name: /^Grover Cleveland/ });
    const counted = Number((await box.locator('..').locator('.num').innerText()).replace(/,/g, ''));
    await box.check();
    await page.getByText(new RegExp(`of ${counted.toLocaleString('en')} passages · Grover Cleveland`)).waitFor();
    for (const title of await titles()) expect(title).toMatch(/^Grover Cleveland/);
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await page.getByText(/^Best 20 of [\d,]+ passages$/).waitFor();
  });
});

describe('by keyboard', () => {
  test('slash, words, arrows, Enter, Escape: find a passage, read it, go back to it', async () => {
    await page.goto(server.url);
    await page.locator('.results article').first().waitFor();
    await page.keyboard.press('/'); // the words have the focus already
    expect(await page.locator('#words').inputValue()).toBe('');
    await page.keyboard.type('and/or');
    expect(await page.locator('#words').inputValue()).toBe('and/or');
    await page.getByRole('checkbox').first().focus();
    await page.keyboard.press('/');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('words');
    await page.keyboard.type('emancipation');
    await answered('emancipation');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const chosen = await page.evaluate(() => document.activeElement?.getAttribute('href'));
    expect(chosen).toContain('read=sotu-');
    const snippet = (await page.locator('.passage').nth(1).innerText()).replace(/…/g, '').trim();
    await page.keyboard.press('Enter');
    const marked = page.locator('.found').first();
    await marked.waitFor();
    expect((await page.locator('.found').allInnerTexts()).join(' ')).toContain(snippet.slice(0, 60));
    expect(await marked.evaluate((element) => element.getBoundingClientRect().top)).toBeLessThan(800);
    expect(await page.evaluate(() => scrollY)).toBeGreaterThan(300);
    const title = await page.locator('.reader h1').evaluate((element) => element.getBoundingClientRect().bottom);
    expect(title).toBeGreaterThan(80);
    expect(title).toBeLessThan(200);
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('found');
    await page.keyboard.press('Escape');
    await page.locator('.reader').waitFor({ state: 'hidden' });
    await page.waitForFunction((href) => document.activeElement?.getAttribute('href') === href, chosen);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('words');
  });
});

describe('ask', () => {
  test('an answer quotes its sources, and each citation jumps to the sentence', async () => {
    await page.goto(`${server.url}?view=ask`);
    await page.locator('.invitation a').first().waitFor();
    await page.locator('#words').fill(LINCOLN);
    await page.locator('#words').press('Enter');
    const quotation = page.locator('.answer blockquote').first();
    await quotation.waitFor();
    expect(await quotation.locator('footer').innerText()).toMatch(/^Abraham Lincoln, 186/);
    expect(await page.locator('.turn').innerText()).toContain('no language model wrote this');
    const words = (await quotation.locator('p').innerText()).split('\n')[0]!.trim();
    expect(words).toMatch(/slave/);
    await quotation.locator('.cite').click();
    await page.locator('.found').first().waitFor();
    expect(flat((await page.locator('.found').allInnerTexts()).join(' '))).toBe(flat(words));
    await page.keyboard.press('Escape');
    await quotation.waitFor();
    expect(await page.locator('.turn').count()).toBe(1);
  });

  test('what the documents do not say is not answered', async () => {
    await page.locator('.follow-up input').fill('Which smartphone has the best camera?');
    await page.locator('.follow-up input').press('Enter');
    const turn = page.locator('.turn').nth(1);
    await turn.getByText('Not found in your documents.').waitFor();
    expect(await turn.locator('blockquote').count()).toBe(0);
    expect(await turn.locator('.closest a').count()).toBeGreaterThan(0);
  });
});

describe('the library', () => {
  test('dropped Markdown and HTML files are found; a file that cannot be read says why', async () => {
    await page.goto(server.url);
    await page.locator('.results article').first().waitFor();
    await drop({
      'bees.md': '# Bees\n\nA scout bee dances to tell its hive where the clover is in bloom.\n',
      'owls.html':
        '<title>Owls <img src=x></title><script>document.title="hacked"</script><p>The barn owl hunts field mice by <b>hearing</b> alone.</p>',
      'picture.png': '\u0089PNG',
      'otters.pdf': new TextDecoder().decode(makePdf([['The otter opens shells with a stone.']], 'Otters')),
      'birds.csv': 'name,food\nHeron,fish\nFinch,seeds\n',
    });
    await page.getByText('5 of 5 files').waitFor();
    await page.locator('.documents').getByRole('link', { name: 'Otters' }).waitFor();
    expect(await page.locator('.adding li.failed').innerText()).toMatch(/picture\.png[\s\S]*cannot read \.png files/);
    await page.locator('.documents').getByRole('link', { name: 'Bees' }).waitFor();
    await page.getByRole('link', { name: 'Search', exact: true }).click();
    await type('dancing bees');
    expect((await titles())[0]).toBe('Bees');
    await type('which bird hunts mice');
    expect((await titles())[0]).toMatch(/^Owls/);
    await page.locator('.results h2 a').first().click();
    await page.locator('.found').waitFor();
    expect(flat(await page.locator('.found').innerText())).toContain('The barn owl hunts field mice by hearing alone.');
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).not.toBe('hacked');
  });

  test('a deletion can be taken back, does not outlive a reload by mistake, and is done with the next action', async () => {
    await page.goto(`${server.url}?view=library`);
    const bees = page.locator('.documents').getByRole('link', { name: 'Bees' });
    const remove = async () => {
      await page.getByRole('button', { name: 'Delete Bees' }).click();
      await page.getByText('Bees is deleted.').waitFor();
      await bees.waitFor({ state: 'detached' });
    };
    await remove();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Undo');
    await page.keyboard.press('Enter');
    await bees.waitFor();
    await remove();
    await page.reload();
    await bees.waitFor();
    await remove();
    const before = await passageCount();
    await page.getByRole('link', { name: 'Search', exact: true }).click();
    await expect.poll(passageCount).toBe(before - 1);
    await page.locator('#words').fill('dancing bees');
    await page.locator('.search[data-words="dancing bees"]').waitFor();
    expect(await titles()).not.toContain('Bees');
  });

  test("the project's own documents are searched only when someone wants that", async () => {
    await page.goto(`${server.url}?view=library`);
    const readme = page.locator('.documents').getByRole('link', { name: 'Piramid: README.md' });
    const box = page.getByRole('checkbox', { name: /documentation of Piramid/ });
    await page.locator('.documents td.passages').first().waitFor();
    expect(await readme.count()).toBe(0);
    await box.check();
    await readme.waitFor();
    await page.reload();
    await readme.waitFor();
    await expect.poll(() => box.isChecked()).toBe(true);
    await box.uncheck();
    await readme.waitFor({ state: 'detached' });
  });

  test('each size says of what it is', async () => {
    await page.goto(`${server.url}?view=library`);
    await page.locator('.library .meta', { hasText: / MB of text$/ }).waitFor();
    await page.locator('#device').click();
    const details = await page.locator('#device-details').innerText();
    expect(details).toMatch(/On disk\s+\d+(\.\d)? MB/);
    expect(details).toMatch(/In memory\s+\d+(\.\d)? MB/);
    expect(await page.locator('#device').innerText()).not.toMatch(/MB/);
  });

  test('a copy brings back what was deleted after it, and a file that is no copy changes nothing', async () => {
    await page.goto(`${server.url}?view=library`);
    const status = page.locator('.library [role=status]').first();
    const owls = page.getByRole('button', { name: 'Delete Owls' });
    await owls.waitFor();
    const before = await status.innerText();
    // Nobody is here to answer the browser's own dialog: saved as browsers do that have none.
    await page.evaluate(() => Object.assign(window, { showSaveFilePicker: undefined }));
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save a copy' }).click();
    const copy = await (await download).path();
    await page.getByText('A copy of all documents has been saved').waitFor();
    await owls.click();
    await page.getByRole('link', { name: 'Owls' }).waitFor({ state: 'detached' });
    const after = await status.innerText();
    expect(after).not.toBe(before);

    const choose = page.locator('input[accept=".piramid"]');
    await choose.setInputFiles({ name: 'photo.piramid', mimeType: '', buffer: Buffer.alloc(5000, 7) });
    await page.getByRole('button', { name: 'Keep what is here' }).click();
    await choose.setInputFiles({ name: 'photo.piramid', mimeType: '', buffer: Buffer.alloc(5000, 7) });
    await page.getByRole('button', { name: 'Replace' }).click();
    await page.getByText(/^Opening a copy failed\. .* Nothing has changed\.$/).waitFor();
    await page.reload();
    await page.locator('.documents td.passages').first().waitFor();
    expect(await status.innerText()).toBe(after);

    // A page that dies while a copy comes in, and another that opens meanwhile: either all that was, or all of the copy.
    for (const ms of [0, 30, 120]) {
      await choose.setInputFiles(copy);
      await page.getByRole('button', { name: 'Replace' }).click();
      const other = await context.newPage();
      const opening = other.goto(`${server.url}?view=library`);
      await page.waitForTimeout(ms);
      await page.reload();
      await opening;
      for (const tab of [page, other]) {
        await tab.locator('.documents td.passages').first().waitFor();
        expect([before, after]).toContain(await tab.locator('.library [role=status]').first().innerText());
      }
      await other.close();
    }

    await choose.setInputFiles(copy);
    await Promise.all([page.waitForEvent('domcontentloaded'), page.getByRole('button', { name: 'Replace' }).click()]);
    await owls.waitFor();
    expect(await status.innerText()).toBe(before);
    await type('an owl that hunts by hearing');
    expect((await titles())[0]).toMatch(/^Owls/);
  });
});

describe('the map', () => {
  test('every passage has its place, what a search finds stands out, and a point opens its passage', async () => {
    await page.goto(`${server.url}?view=map&q=gold+standard`);
    await page.locator('.map[data-done="1"][data-words="gold standard"]').waitFor({ timeout: 60_000 });
    expect(await page.locator('.map [role=status]').innerText()).toMatch(
      /^[\d,]+ passages, each near those that mean alike$/,
    );
    expect(await page.locator('#beside .results article').count()).toBe(20);
    const canvas = page.locator('.map canvas');
    // Points are seen: a canvas of one colour would be a few kilobytes.
    expect((await canvas.screenshot()).length).toBeGreaterThan(20_000);
    await page.getByLabel('Coloured by').selectOption('party');
    expect(await page.locator('.legend').innerText()).toMatch(/Republican/);
    const { width, height } = (await canvas.boundingBox())!;
    // Rows of the plane, until the pointer is at a point.
    for (let y = 0.3; y < 0.7 && (await page.locator('.map canvas.on').count()) === 0; y += 0.02)
      for (let x = 0.3; x < 0.7 && (await page.locator('.map canvas.on').count()) === 0; x += 0.05)
        await canvas.hover({ position: { x: width * x, y: height * y } });
    await page.getByText('Under the pointer').waitFor();
    expect(await page.locator('.labels span:visible').count()).toBeGreaterThan(3);
    await page.mouse.down();
    await page.mouse.up();
    await page.getByText('Chosen passage').waitFor();
    expect(await page.locator('.reader').isHidden()).toBe(true);
    await page.mouse.down();
    await page.mouse.up();
    await page.locator('.reader .found').first().waitFor();
    await page.keyboard.press('Escape');
    await canvas.focus();
    for (const key of ['+', 'ArrowLeft', '0']) await page.keyboard.press(key);
    await canvas.waitFor();
  });
});

describe('inspect', () => {
  test('a search is measured phase by phase, and what it finds against what is nearest', async () => {
    await page.goto(`${server.url}?view=inspect&q=gold+standard&year=1890-1900`);
    await page.getByRole('heading', { name: /a search for “gold standard”/ }).waitFor();
    const phases = await page.locator('.inspect .phases').first().locator('th').allInnerTexts();
    for (const phase of [
      /^Turn the question into a vector\s+embed/,
      /^Apply the filters\s+filter [\d,]+ of [\d,]+$/,
      /^Look up the words\s+words, BM25$/,
      /^Compare meanings\s+scan, WASM$/,
      /^Merge meanings and words\s+fuse$/,
      /^In all$/,
    ])
      expect(phases.filter((name) => phase.test(name))).toHaveLength(1);
    const sizes = await page.locator('.inspect .phases').nth(1).locator('th').allInnerTexts();
    expect(sizes.map((size) => size.split('\n')[0])).toEqual(['Text', 'On disk', 'In memory']);
    await page.getByText('6.7 MB').waitFor();
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.getByText('100 % of the 10 nearest of 200 passages').waitFor();
    await page.getByRole('link', { name: 'Search', exact: true }).click();
    await answered('gold standard');
  });
});

test('what the browser damaged is said, and repaired at a click', async () => {
  await page.goto(server.url);
  await page.locator('.results article').first().waitFor();
  // The first index of words that the manifest has (docs/FORMAT.md): others may be garbage that nobody reads.
  const damaged = await page.evaluate(async (headerBytes) => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve) => {
        request.onsuccess = () => resolve(request.result);
      });
    const database = await done(indexedDB.open('piramid:piramid-demo'));
    const stores = database.transaction(['manifest', 'chunks'], 'readwrite');
    const manifest: ArrayBuffer = await done(stores.objectStore('manifest').get(0));
    const { collections } = JSON.parse(new TextDecoder().decode(new Uint8Array(manifest, headerBytes))) as Manifest;
    const chunks = collections.flatMap(({ segments }) => segments.flatMap((segment) => segment.chunks));
    const { key } = chunks.find(({ kind }) => kind === 'postings')!;
    const value: ArrayBuffer = await done(stores.objectStore('chunks').get(key));
    new Uint8Array(value)[value.byteLength - 1]! ^= 1;
    await done(stores.objectStore('chunks').put(value, key));
    database.close();
    return key;
  }, HEADER_BYTES);
  expect(damaged).toBeGreaterThan(0);
  await page.reload();
  const problem = page.locator('#problem');
  await expect
    .poll(() => problem.innerText(), { timeout: 10_000 })
    .toMatch(/damaged: an index of words\. All else is found/);
  await page.locator('.results article').first().waitFor();
  await problem.getByRole('button', { name: 'Repair' }).click();
  await expect.poll(() => problem.innerText(), { timeout: 10_000 }).toMatch(/Repaired/);
  await page.reload();
  await type('slavery');
  expect((await titles()).length).toBeGreaterThan(0);
  expect(await problem.innerText()).toBe('');
});

describe('for everyone', () => {
  const views = () => [
    server.url,
    `${server.url}?q=gold+standard&year=1890-1900`,
    `${server.url}?q=war&year=1861-1865&party=Democratic`,
    `${server.url}?view=ask&q=${encodeURIComponent(LINCOLN)}`,
    `${server.url}?view=library`,
    `${server.url}?view=map&q=gold`,
    `${server.url}?view=inspect&q=gold`,
    `${server.url}?read=sotu-1862-abraham-lincoln&mark=1000-1400`,
  ];

  test('axe finds nothing serious in either theme', async () => {
    const serious: string[] = [];
    for (const url of views()) {
      await page.goto(url);
      await settled();
      await page.evaluate(axe);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(100); // the map is painted anew
        const found = await page.evaluate(async () => {
          const { axe } = window as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } };
          interface Violation {
            id: string;
            impact: string;
            nodes: { html: string }[];
          }
          const { violations } = await axe.run();
          return violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes[0]?.html }));
        });
        for (const { id, impact, html } of found) {
          if (impact === 'serious' || impact === 'critical') serious.push(`${url} ${colorScheme}: ${id}: ${html}`);
        }
      }
    }
    expect(serious).toEqual([]);
  });

  test('nothing is wider than a small phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const url of views()) {
      await page.goto(url);
      await settled();
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, url).toBeLessThanOrEqual(360);
    }
    await page.goto(`${server.url}?q=gold`);
    await answered('gold');
    const filters = page.getByRole('button', { name: 'Filters' });
    const year = page.getByLabel('Year, from');
    await filters.click();
    await year.waitFor();
    await page.keyboard.press('Escape');
    await year.waitFor({ state: 'hidden' });
    expect(await filters.evaluate((element) => element === document.activeElement)).toBe(true);
    await filters.click();
    await page.getByRole('link', { name: 'Map', exact: true }).click();
    await filters.waitFor();
    expect(await year.isVisible()).toBe(false);
    await page.setViewportSize({ width: 1280, height: 800 });
  });
});

describe('without a network', () => {
  test('the page loads, searches and answers after its server is gone', async () => {
    await page.goto(server.url);
    await offlineReady();
    const closed = server.close(); // takes no more connections from here on; those that are open run out
    await context.setOffline(true);
    await page.reload();
    await type('gold standard');
    await years(1890, 1900);
    for (const title of await titles()) expect(title).toSatisfy(isOf1890s);
    await offlineReady();
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await page.getByRole('link', { name: 'Ask', exact: true }).click();
    await page.locator('#words').fill(LINCOLN);
    await page.locator('#words').press('Enter');
    await page.locator('.answer blockquote footer').first().waitFor();
    expect(await page.locator('.answer blockquote footer').first().innerText()).toMatch(/^Abraham Lincoln/);
    await page.goto('about:blank');
    await closed;
  });
});

test('no request ever went to another origin, and the page never complained', () => {
  const others = requests.filter((url) => !url.startsWith(server.url) && !/^(data|blob):/.test(url));
  expect(others).toEqual([]);
  // Without a network the browser itself reports what it could not ask the server for.
  expect(
    complaints.filter((text) => !/Failed to load resource|ERR_INTERNET_DISCONNECTED|fetching the script/.test(text)),
  ).toEqual([]);
});

/** The real addresses of a few years, in the order of the corpus, and the docs. */
function sliceCorpus(): void {
  const read = (name: string) => readFileSync(join(mounts['/'], 'corpus', name), 'utf8');
  const lines = read('addresses.jsonl').trimEnd().split('\n');
  const addresses = lines.filter((line) => /"year":(186[0-6]|187[5-9]|188[5-9]|189\d|190[0-3]),/.test(line));
  writeFileSync(join(folder, 'addresses.jsonl'), `${addresses.join('\n')}\n`);
  writeFileSync(join(folder, 'docs.jsonl'), read('docs.jsonl'));
  const size = { documents: addresses.length, characters: addresses.join('').length };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ version: 'slice', path: 'addresses.jsonl', ...size }));
}

async function filled(): Promise<void> {
  await page.waitForFunction(() => performance.getEntriesByName('piramid:fill').length > 0, undefined, {
    timeout: 60_000,
  });
}

async function offlineReady(): Promise<void> {
  await page.locator('#device', { hasText: 'Works offline' }).waitFor();
}

async function passageCount(): Promise<number> {
  const text = await page.locator('#device', { hasText: 'passages' }).innerText();
  return Number(/([\d,]+) passages/.exec(text)?.[1]?.replace(/,/g, ''));
}

async function type(words: string): Promise<void> {
  await page.locator('#words').fill(words);
  await answered(words);
}

async function answered(words: string): Promise<void> {
  await page
    .locator(`.search[data-words=${JSON.stringify(words)}] .why`)
    .first()
    .waitFor();
}

async function titles(): Promise<string[]> {
  return page.locator('.results h2 a').allInnerTexts();
}

async function years(from: number, to: number): Promise<void> {
  for (const [label, value] of [
    ['Year, from', from],
    ['Year, to', to],
  ] as const) {
    await page.getByLabel(label).fill(String(value));
    await page.getByLabel(label).press('Enter');
  }
  await page.getByText(`from ${from} to ${to}`).waitFor();
  await page.locator('.why').first().waitFor();
}

/** Until the view that was opened shows what it is for. */
async function settled(): Promise<void> {
  await page
    .locator(
      '.results article, .loosen, .answer blockquote, .documents td.passages, .map .legend, .inspect .phases, .reader .found',
    )
    .locator('visible=true')
    .first()
    .waitFor();
  await page.locator('#device', { hasText: 'WASM' }).waitFor();
  await page.waitForTimeout(250); // the histogram follows
}

async function drop(files: Record<string, string>): Promise<void> {
  const data = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const [name, text] of Object.entries(files)) transfer.items.add(new File([text], name));
    return transfer;
  }, files);
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('body', type, { dataTransfer: data });
}

/** 1890 to 1900. */
function isOf1890s(title: string): boolean {
  return /, (1900|189\d)$/.test(title);
}

function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

// `npm start`: the demo on this machine. Installs what is missing, builds the page if its sources are newer, serves it and
// prints where. With `--once` the same main job runs in a headless Chromium and is printed: every document put in, three
// searches, one question, a screenshot. That is what a person without a display uses, and a quick check of everything.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM_ARGS } from './chromium.mjs';
import { demoMounts, serve } from './serve.mjs';
import { ensureChromium, ensureDependencies, fail, root, say } from './setup.mjs';

/** One of its own: the page keeps its documents under this origin, and other tools use the usual ports. */
const PORT = 7472;
const PORTS_TRIED = 20;
const SOURCES = ['demo', 'src', 'docs', 'models', 'tools/demo-files.ts', 'vite.config.ts', 'README.md', 'CHANGELOG.md'];
const ONCE_LIMIT_MS = 170_000;

const once = process.argv.includes('--once');
ensureDependencies();
if (isStale()) {
  say('building the demo …');
  const { buildDemo } = await import('./build.mjs');
  await buildDemo().catch((error) => fail(`could not build the demo: ${error.message}`));
}
await listModels();

if (once) {
  const server = await serve({ mounts: demoMounts() });
  const timer = setTimeout(() => fail(`the demo did not finish within ${ONCE_LIMIT_MS / 1000} s`), ONCE_LIMIT_MS);
  try {
    await runOnce(server.url);
  } catch (error) {
    fail(`the demo did not do its job: ${error.message.split('\n')[0]}`);
  }
  clearTimeout(timer);
  await server.close();
  process.exit(0);
} else {
  const server = await serveNear(PORT);
  say(`open ${server.url}`);
}

/** Whether the page was not built, or something that goes into it has changed since. */
function isStale() {
  const built = join(root, 'dist/demo/sw.js');
  if (!existsSync(built)) return true;
  const at = statSync(built).mtimeMs;
  const newer = (path) => {
    if (!existsSync(path)) return false;
    const stat = statSync(path);
    return stat.isDirectory() ? readdirSync(path).some((name) => newer(join(path, name))) : stat.mtimeMs > at;
  };
  return SOURCES.some((source) => newer(join(root, source)));
}

/** Writes down which language models this machine has now; the build wrote down those of then. */
async function listModels() {
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(join(root, 'tools/demo-files.ts'));
  writeFileSync(join(root, 'dist/demo/models/index.json'), JSON.stringify(module.languageModels()));
}

async function serveNear(port) {
  for (let tried = 0; ; tried++) {
    try {
      return await serve({ mounts: demoMounts(), port: port + tried });
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || tried === PORTS_TRIED) fail(`could not serve the demo: ${error.message}`);
    }
  }
}

async function runOnce(url) {
  const executablePath = ensureChromium();
  const { chromium } = await import('playwright');
  const browser = await chromium.launch({ ...(executablePath && { executablePath }), args: CHROMIUM_ARGS });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));

  await page.goto(url);
  const ingest = await page.waitForFunction(
    () => {
      const problem = document.getElementById('problem');
      if (problem && !problem.hidden) throw new Error(problem.innerText);
      return performance.getEntriesByName('piramid:fill').map(({ duration, detail }) => ({ duration, ...detail }))[0];
    },
    undefined,
    { timeout: ONCE_LIMIT_MS },
  );
  const { documents, passages, duration } = await ingest.jsonValue();
  const rate = Math.round(passages / (duration / 1000));
  say(
    `Chromium ${browser.version()}, ${cpus().length} cores, ${await page.locator('#device > span:last-child').innerText()}`,
  );
  say(`ingest: ${passages} passages of ${documents} documents in ${seconds(duration)} s, ${rate} passages/s`);

  await search(page, 'What did Lincoln say about slavery?');
  await search(page, 'gold standard', async () => {
    await page.getByLabel('Year, from').fill('1890');
    await page.getByLabel('Year, from').press('Enter');
    await page.getByLabel('Year, to').fill('1900');
    await page.getByLabel('Year, to').press('Enter');
    await page.getByText(/from 1890 to 1900/).waitFor();
  });
  mkdirSync(join(root, '.cache'), { recursive: true });
  const picture = join(root, '.cache/demo.png');
  await page.waitForTimeout(400); // the histogram follows the answer
  await page.screenshot({ path: picture });
  await page.getByRole('button', { name: 'Clear all filters' }).click();
  await search(page, 'a canal between two oceans');
  await question(page, 'What did Roosevelt say about fear?');

  if (errors.length > 0) throw new Error(`the page reported an error: ${errors[0]}`);
  say(`screenshot: ${picture}`);
  await browser.close();
}

/** Types words, and prints the first results as they stand on the page. */
async function search(page, words, filter) {
  await page.locator('#words').fill(words);
  if (filter) await filter();
  await page
    .locator(`.search[data-words=${JSON.stringify(words)}] .why`)
    .first()
    .waitFor();
  const [status, measure] = await page.locator('.search .meta p').allInnerTexts();
  const results = await page.locator('.results article').evaluateAll((articles) =>
    articles.slice(0, 4).map((article) => ({
      title: article.querySelector('h2 a').textContent,
      score: article.querySelector('.score').textContent,
      text: article.querySelector('.passage').textContent,
    })),
  );
  if (results.length === 0) throw new Error(`nothing was found for "${words}"`);
  console.log(`\nSearch: ${words}\n  ${status} · ${measure}`);
  for (const { title, score, text } of results) console.log(`  ${score}  ${title}: ${firstWords(text)}`);
}

/** Asks, and prints the answer with its sources. */
async function question(page, words) {
  await page.getByRole('link', { name: 'Ask', exact: true }).click();
  await page.locator('#words').fill(words);
  await page.locator('#words').press('Enter');
  const turn = page.locator('.turn', { hasText: words });
  await turn.locator('.answer > *').first().waitFor();
  console.log(`\nQuestion: ${words}\n  ${(await turn.locator('.meta').innerText()).replace(/\s*\n\s*/g, ' · ')}`);
  const parts = await turn
    .locator('.answer > *')
    .evaluateAll((elements) =>
      elements.map((element) => element.innerText.replace(/\s*\n\s*/g, ' — ').replace(/ — Source — (\d+)/, ' [$1]')),
    );
  for (const part of parts) console.log(`  ${part}`);
  console.log();
}

function firstWords(text) {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat.length > 100 ? `${flat.slice(0, 97)}…` : flat;
}

function seconds(ms) {
  return (ms / 1000).toFixed(1);
}

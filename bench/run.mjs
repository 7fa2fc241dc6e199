// `npm run bench`: measures in a real Chromium, prints a table, and appends one JSON line per figure to
// bench/results/latest.jsonl. Judges nothing and exits 0. `--quick` takes fewer rounds.
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { ensureChromium, ensureDependencies, root } from '../tools/setup.mjs';

ensureDependencies();
const executablePath = ensureChromium();
const { build, preview, runnerImport } = await import('vite');
const { chromium } = await import('playwright');

const quick = process.argv.includes('--quick');
const SHAPES = [
  { n: 10_000, d: 384 },
  { n: 100_000, d: 384 },
];

const { module: config } = await runnerImport(`${root}vite.config.ts`);
const outDir = `${root}.cache/bench`;
const site = config.page(`${root}bench`, outDir);
await build(site);
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
  for (const shape of SHAPES) {
    for (const group of ['kernels', 'store', 'queries']) {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.error(error));
      await page.goto(url);
      await page.waitForFunction('globalThis.measure');
      const measured = await page.evaluate(([g, { n, d }, q]) => globalThis.measure(g, n, d, q), [group, shape, quick]);
      figures.push(...measured);
      await page.close();
    }
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
console.log(
  `${'figure'.padEnd(26)}${SHAPES.map(({ n, d }) => `${n.toLocaleString('en')} x ${d}`.padStart(18)).join('')}  unit`,
);
for (const name of new Set(figures.map((figure) => figure.name))) {
  const values = SHAPES.map(({ n }) => figures.find((figure) => figure.name === name && figure.n === n));
  console.log(
    `${name.padEnd(26)}${values.map((figure) => format(figure?.value).padStart(18)).join('')}  ${values.find(Boolean).unit}`,
  );
}

function format(value) {
  if (value === undefined) return '';
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

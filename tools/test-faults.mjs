// `npm run test:faults`: the longer suites that continuous integration runs behind `npm test`. Crashes, failing calls, flipped
// bits, kills of worker, page and browser, tabs and GPU losses, with the counts that docs/ARCHITECTURE.md publishes. Ends with
// the table of all of them and a line that counts the tests. Counts can be set by the environment variables that the tests name, the seed by PIRAMID_SEED.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { ensureChromium, ensureDependencies, root, say } from './setup.mjs';

ensureDependencies();
const chromium = ensureChromium();
if (chromium) process.env.CHROME_PATH = chromium;

/** Suites: vitest's arguments, and counts that are not the tests' own defaults. Rows one after the other, those of a row side by side. */
const SUITES = [
  [[{ name: 'simulated and killed', args: ['--project', 'faults'] }]],
  [
    [
      {
        name: 'GPU',
        args: ['--project', 'browser', 'test/browser/gpu-loss.test.ts'],
        env: { PIRAMID_GPU_LOSSES: '200' },
      },
      {
        name: 'GPU against the oracle',
        args: [
          '--project',
          'browser',
          'test/browser/kernels.test.ts',
          'test/browser/kernels.codes.test.ts',
          '-t',
          'seeded cases',
        ],
        env: { PIRAMID_GPU_CASES: '1250' }, // of each of four tiers, in each of two layouts
      },
    ],
    [
      {
        name: 'malformed files',
        args: ['--project', 'unit', 'test/unit/transfer/hostile.test.ts'],
        env: { PIRAMID_FUZZ_FILES: '20000' },
      },
      {
        name: 'WASM against the oracle',
        args: [
          '--project',
          'unit',
          'test/unit/kernels.test.ts',
          'test/unit/codes.test.ts',
          '-t',
          'seeded cases',
          '--maxWorkers=1',
        ],
        env: { ORACLE_CASES: '10000' },
      },
      {
        name: 'tabs',
        args: ['--project', 'e2e', 'test/e2e/tabs.test.ts', '-t', 'come and go'],
        env: { PIRAMID_TAB_TRIALS: '10' },
      },
      {
        name: 'freezes',
        args: ['--project', 'e2e', 'test/e2e/freeze.test.ts', '-t', 'while it writes'],
        env: { PIRAMID_FREEZES: '12' },
      },
    ],
  ],
];

const table = [];
let passed = 0;
let failed = 0;

/** Takes what counts out of what a run said: the tests' own lines, and vitest's at its end. A run that failed without a failed test is one. */
function note(output, code) {
  let failures = 0;
  for (const line of stripVTControlCharacters(output).split('\n')) {
    table.push(...(line.match(/(?:faults\.\S+ count=\d+ .*hung=\d+|compact\.returned=.*)/g) ?? []));
    if (!/^\s*Tests\s/.test(line)) continue;
    passed += Number(line.match(/(\d+) passed/)?.[1] ?? 0);
    failures += Number(line.match(/(\d+) failed/)?.[1] ?? 0);
  }
  failed += failures || (code === 0 ? 0 : 1);
}

/** What it says is shown when it ends: another one may run beside it. */
function run(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...env, ...process.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => said.push(data));
    child.on('close', (code) => {
      const output = Buffer.concat(said).toString();
      process.stdout.write(output);
      note(output, code);
      resolve(code ?? 1);
    });
  });
}

async function runSuites(suites) {
  for (const { name, args, env = {} } of suites) {
    say(name);
    const start = Date.now();
    const code = await run(['node_modules/vitest/vitest.mjs', 'run', ...args], env);
    say(`${name}: ${code === 0 ? 'done' : 'failed'} in ${Math.round((Date.now() - start) / 1000)} s`);
  }
}

if (!existsSync(`${root}dist/piramid.js`) && (await run(['tools/build.mjs', '--lib'], {})) !== 0) process.exit(1);
for (const row of SUITES) await Promise.all(row.map(runSuites));

console.log(`\n${table.join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

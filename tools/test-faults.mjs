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

/** Suites: vitest's arguments, and counts that are not the tests' own defaults. */
const SUITES = [
  ['simulated and killed', ['--project', 'faults'], {}],
  ['malformed files', ['--project', 'unit', 'test/unit/transfer/hostile.test.ts'], { PIRAMID_FUZZ_FILES: '20000' }],
  [
    'WASM against the oracle',
    ['--project', 'unit', 'test/unit/kernels.test.ts', 'test/unit/codes.test.ts', '-t', 'seeded cases'],
    { ORACLE_CASES: '10000' },
  ],
  ['tabs', ['--project', 'e2e', 'test/e2e/tabs.test.ts'], { PIRAMID_TAB_TRIALS: '15' }],
  ['GPU', ['--project', 'browser', 'test/browser/gpu-loss.test.ts'], { PIRAMID_GPU_LOSSES: '200' }],
  [
    'GPU against the oracle',
    [
      '--project',
      'browser',
      'test/browser/kernels.test.ts',
      'test/browser/kernels.codes.test.ts',
      '-t',
      'seeded cases',
    ],
    { PIRAMID_GPU_CASES: '5000' }, // in each of two layouts
  ],
];

const table = [];
let passed = 0;
let failed = 0;

/** Takes what counts out of a line: a test's own, or vitest's at the end of a run. */
function note(line) {
  table.push(...(line.match(/(?:faults\.\S+ count=\d+ .*hung=\d+|compact\.returned=.*)/g) ?? []));
  if (!/^\s*Tests\s/.test(line)) return;
  passed += Number(line.match(/(\d+) passed/)?.[1] ?? 0);
  failed += Number(line.match(/(\d+) failed/)?.[1] ?? 0);
}

function run(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...env, ...process.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    child.stdout.on('data', (data) => {
      process.stdout.write(data);
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) note(stripVTControlCharacters(line));
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

if (!existsSync(`${root}dist/piramid.js`) && (await run(['tools/build.mjs', '--lib'], {})) !== 0) process.exit(1);
for (const [name, args, env] of SUITES) {
  say(name);
  const before = failed;
  const code = await run(['node_modules/vitest/vitest.mjs', 'run', ...args], env);
  if (code !== 0 && failed === before) failed++; // it did not come to its tests
}

console.log(`\n${table.join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

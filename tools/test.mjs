// `npm test`: everything a newcomer runs. Installs what is missing, checks types and layers, builds, then runs unit,
// browser and end-to-end tests, and closes with one line that counts them.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { ensureChromium, ensureDependencies, root, say } from './setup.mjs';

ensureDependencies();
const chromium = ensureChromium();
if (chromium) process.env.CHROME_PATH = chromium;

let passed = 0;
let failed = 0;

/** A step that passes or fails as a whole. */
async function step(name, ...command) {
  say(name);
  const code = await run(command);
  if (code === 0) passed++;
  else {
    failed++;
    console.error(`piramid: ${name}: failed`);
  }
  return code === 0;
}

/** A run of vitest, counted test by test. `isLate`: what it says is shown when it ends, because another one runs beside it. */
async function suite(project, isLate = false) {
  say(`${project} tests`);
  const report = `${root}.cache/report-${project}.json`;
  rmSync(report, { force: true });
  const command = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const code = await run(command, isLate);
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    passed += numPassedTests;
    failed += numFailedTests || (code !== 0 ? Math.max(1, numFailedTestSuites) : 0);
  } catch {
    failed++;
  }
}

function run([script, ...args], isLate = false) {
  return new Promise((resolve) => {
    const output = isLate ? 'pipe' : 'inherit';
    const child = spawn(process.execPath, [`${root}${script}`, ...args], {
      cwd: root,
      stdio: ['ignore', output, output],
    });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => said.push(data));
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(said));
      resolve(code ?? 1);
    });
  });
}

await step('format, lint and import layers', 'node_modules/@biomejs/biome/bin/biome', 'check', '.');
await step('types', 'node_modules/typescript/bin/tsc', '--noEmit');
// The browser's tests wait for it half of the time. Those of several tabs and processes want the machine for themselves.
const browserTests = suite('browser');
await suite('unit', true);
const isBuilt = await step('build', 'tools/build.mjs');
if (isBuilt) await step('the package is right for its consumers', 'tools/check-package.mjs');
await browserTests;
if (isBuilt) await suite('e2e');

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

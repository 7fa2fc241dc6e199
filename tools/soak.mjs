// `npm run soak -- --minutes M`: kills of workers, pages and browsers, and tabs, over and over with new seeds. Not part of any
// other run; each round prints its seed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ensureChromium, ensureDependencies, root } from './setup.mjs';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`piramid: --minutes: expected a number above 0, got ${values.minutes}`);
  process.exit(2);
}
ensureDependencies();
const chromium = ensureChromium();
if (chromium) process.env.CHROME_PATH = chromium;

const run = (...args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: process.env }).status ?? 1;
if (!existsSync(`${root}dist/piramid.js`) && run('tools/build.mjs', '--lib') !== 0) process.exit(1);
const end = Date.now() + minutes * 60_000;
let rounds = 0;
for (let seed = Number(values.seed ?? Date.now() % 1_000_000); Date.now() < end; seed++, rounds++) {
  console.log(`round ${rounds + 1}, seed ${seed}`);
  Object.assign(process.env, { PIRAMID_SEED: String(seed), PIRAMID_TAB_TRIALS: '5' });
  const failed =
    run('node_modules/vitest/vitest.mjs', 'run', '--project', 'faults', 'test/faults/kills') ||
    run('node_modules/vitest/vitest.mjs', 'run', '--project', 'e2e', 'test/e2e/tabs.test.ts');
  if (failed) {
    console.error(`piramid: round ${rounds + 1} failed; again: npm run soak -- --seed ${seed}`);
    process.exit(1);
  }
}
console.log(`${rounds} rounds in ${minutes} minutes, nothing lost`);

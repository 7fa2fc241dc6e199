// `npm run crash -- --points N --seed S`: crash points on the simulated disk, any number of them, from a printed seed.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { root } from './setup.mjs';

const { values } = parseArgs({ options: { points: { type: 'string' }, seed: { type: 'string' } } });
const seed = values.seed ?? String(Date.now() % 1_000_000);
const points = values.points ?? '10000';
for (const [name, value] of Object.entries({ points, seed })) {
  if (/^\d+$/.test(value)) continue;
  console.error(`piramid: --${name}: expected a whole number, got ${value}`);
  process.exit(2);
}
console.log(`points ${points}, seed ${seed} (again: npm run crash -- --points ${points} --seed ${seed})`);
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'faults',
    'test/faults/crashes.test.ts',
    '-t',
    'a crash at any moment',
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, PIRAMID_CRASH_POINTS: points, PIRAMID_SEED: seed } },
);
process.exit(status ?? 1);

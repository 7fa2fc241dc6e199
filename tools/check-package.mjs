// Checks the built packages as their consumers get them: sizes (size-limit), entry points (publint), types (attw).
import { spawnSync } from 'node:child_process';
import { root } from './setup.mjs';

const CHECKS = [
  ['node_modules/size-limit/bin.js'],
  ['node_modules/publint/src/cli.js', '--strict'],
  [
    'node_modules/@arethetypeswrong/cli/dist/index.js',
    '--pack',
    '--profile',
    'esm-only',
    '--quiet',
    '--exclude-entrypoints',
    './stemmers.js',
    './transfer.js',
    './webgpu.js',
    './worker',
    './rag-worker',
  ],
  ['models/static-en/make/script.mjs'], // as `prepack`, which publint leaves out
  ['node_modules/publint/src/cli.js', 'models/static-en', '--strict'],
  [
    'node_modules/@arethetypeswrong/cli/dist/index.js',
    '--pack',
    'models/static-en',
    '--profile',
    'esm-only',
    '--quiet',
  ],
];

for (const command of CHECKS) {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

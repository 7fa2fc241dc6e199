// `npm run test:faults`: the longer suites that continuous integration runs behind `npm test`. Crashes, failing calls, flipped
// bits, kills of worker, page and browser, tabs and GPU losses, with the counts that docs/testing.md publishes. Ends with
// the table of all of them and a line that counts the tests. Counts can be set by the environment variables that the tests name, the seed by PIRAMID_SEED.
import { runLongSuites } from './long-suites.mjs';

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

await runLongSuites(
  SUITES,
  /(?:faults\.\S+ count=\d+ .*hung=\d+|(?:enospc\.\S+|stall|eio) hung=.*|compact\.returned=.*)/g,
);

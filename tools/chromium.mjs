// Finds the Chromium that tests, `npm start -- --once` and benchmarks run in. Knows nothing of how one is installed.
import { existsSync } from 'node:fs';

/** Flags for an undisturbed headless run with WebGPU on the software adapter. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // SwiftShader compiles the zeroing of workgroup memory word by word, a second a shader; Dawn's own loop does the same.
  '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
  '--disable-background-networking',
  '--disable-sync',
  '--no-first-run',
  '--disable-component-update',
];

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** Path of a Chromium: `CHROME_PATH`, an installed one, or Playwright's own; undefined leaves the choice to Playwright. */
export function findChromium() {
  return [process.env.CHROME_PATH, ...PLACES].find((path) => path && existsSync(path));
}

// What a fresh clone lacks: dependencies, and for tests a Chromium. Installs it and says in one line what it could not.
// Runs before anything is installed, so it imports nothing but Node.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findChromium } from './chromium.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Installs dependencies where they are missing or older than the lock file. */
export function ensureDependencies() {
  const installed = `${root}node_modules/.package-lock.json`;
  const lock = `${root}package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs - 1000) return;
  // npm would empty the folder that a link leads to, under the checkout that it belongs to.
  if (lstatSync(`${root}node_modules`, { throwIfNoEntry: false })?.isSymbolicLink()) {
    return say('node_modules is a link and older than package-lock.json; going on with it');
  }
  say('installing dependencies …');
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.status !== 0) fail('could not install the dependencies: `npm ci` failed (is the npm registry reachable?)');
}

/** Path of a Chromium; installs one where there is none. Undefined means Playwright's own. */
export function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  say('looking for a Chromium …');
  const playwright = spawnSync(process.execPath, ['node_modules/playwright/cli.js', 'install', 'chromium'], {
    cwd: root,
    stdio: 'ignore',
    timeout: 180_000,
  });
  if (playwright.status === 0) return undefined;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    try {
      execFileSync('apt-get', ['update'], { stdio: 'ignore' });
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { stdio: 'ignore' });
    } catch {}
    const installed = findChromium();
    if (installed) return installed;
  }
  fail('could not find or install a Chromium: set CHROME_PATH to one, or run `npx playwright install chromium`');
}

export function say(message) {
  console.log(`piramid: ${message}`);
}

export function fail(message) {
  console.error(`piramid: ${message}`);
  process.exit(1);
}

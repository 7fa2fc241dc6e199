// Starts the Chromium of the end-to-end tests.
import { type Browser, type BrowserContext, chromium } from 'playwright';
import { CHROMIUM_ARGS, findChromium } from '../../tools/chromium.mjs';

/** Flags that choose what Chromium keeps IndexedDB in. */
export const ENGINES = {
  leveldb: ['--disable-features=IdbSqliteBackingStore,IdbSqliteOnDiskRollout'],
  sqlite: ['--enable-features=IdbSqliteBackingStore,IdbSqliteOnDiskRollout'],
} as const;
export type IndexedDbEngine = keyof typeof ENGINES;

const executablePath = findChromium();
const options = { ...(executablePath && { executablePath }), args: CHROMIUM_ARGS };

export function launch(): Promise<Browser> {
  return chromium.launch(options);
}

/** A browser whose profile lies in `folder`, so that it can be ended and started again. */
export function launchProfile(
  folder: string,
  args: readonly string[] = [],
  env?: { [name: string]: string },
): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, {
    ...options,
    args: [...CHROMIUM_ARGS, ...args],
    ...(env && { env }),
  });
}

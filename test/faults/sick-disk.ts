// A disk that fails (EIO), or never answers, below a real Chromium: a shim below it fails what it writes, or holds it up.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { ENGINES, type IndexedDbEngine, launchProfile } from '../e2e/chromium.ts';
import { compileShim } from '../power/shim.ts';
import { PAGE } from './full-disk.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
/** What the shim is told, and what the line is called. */
const FAULTS = { eio: 'E', stall: 'S' };

export function testSickDisk(engine: IndexedDbEngine, name: keyof typeof FAULTS): void {
  test(`a disk in trouble: ${name} (${engine})`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'piramid-sick-'));
    const profile = join(folder, 'profile');
    const fault = join(folder, 'fault');
    mkdirSync(profile);
    writeFileSync(join(folder, 'index.html'), PAGE);
    const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
    const environment = { ...process.env, LD_PRELOAD: compileShim(folder), POWER_FAULT: fault };
    const context = await launchProfile(profile, ENGINES[engine], environment as { [name: string]: string });
    try {
      const page = await context.newPage();
      await page.goto(site.url);
      await page.waitForFunction('globalThis.verify');
      await page.evaluate('start()');
      await page.evaluate('write(20)');
      writeFileSync(fault, FAULTS[name]);
      const sick = (await page.evaluate('whileFull()')) as { [call: string]: unknown };
      rmSync(fault);
      const after = await page.evaluate('afterwards()');
      expect(await page.evaluate('reopen()')).toBe('done');
      const verdict = (await page.evaluate('verify()')) as { lost: number; corrupt: number };
      const hung = await page.evaluate('hung');
      console.log(`${engine}, ${name}:`, { ...sick, after, ...verdict, wiped: await page.evaluate('wiped') });
      console.log(`${name} hung=${hung} engine=${engine}`);
      expect({ hung, ...verdict }).toEqual({ hung: 0, lost: 0, corrupt: 0 });
      expect(sick.refused).toMatch(/^STORAGE_F/);
    } finally {
      rmSync(fault, { force: true });
      await context.close();
      await site.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
}

// A disk that is really full, below a real Chromium: its files lie on a small file system of their own. Everything settles, what
// was acknowledged stays, and writes come back with the room.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { ENGINES, type IndexedDbEngine, launchProfile } from '../e2e/chromium.ts';
import { trials } from './report.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const CYCLES = trials('PIRAMID_FULL_DISKS', 4);
const DISK = '40m';
/** What a cycle leaves of it. */
const ROOM = 6 << 20;

/** What is done on a disk in trouble. */
export const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
  import { open } from '/dist/piramid.js';
  const DIMENSION = 384;
  /** Nothing takes longer; what does is hung. */
  const PATIENCE_MS = 150_000;
  const acknowledged = new Set();
  let next = 0;
  let db;
  let c;
  globalThis.hung = 0;
  globalThis.told = [];
  globalThis.wiped = 0;
  /** What it resolves with, or its error's code. */
  const settled = async (call) => {
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, 'hung'));
    const outcome = await Promise.race([call.then((value) => value ?? 'done', (error) => error.code ?? String(error)), late]);
    if (outcome === 'hung') hung++;
    return outcome;
  };
  globalThis.start = async () => {
    db = await open('full', { device: 'js' });
    db.on('readonly', ({ code }) => told.push(code));
    db.on('writable', () => told.push('writable'));
    // Chromium itself has deleted it, and it is told.
    db.on('dataloss', () => {
      wiped++;
      acknowledged.clear();
    });
    c = await db.collection('c', { dimension: DIMENSION });
  };
  const vector = () => Float32Array.from({ length: DIMENSION }, () => Math.random());
  const upsert = async (count, textBytes) => {
    const ids = Array.from({ length: count }, () => next++);
    const text = () => Array.from({ length: textBytes / 10 }, () => Math.random().toString(36).slice(2, 11)).join(' ');
    const outcome = await settled(c.upsert(ids.map((id) => ({ id, vector: vector(), text: 'id' + id + ' ' + text() }))));
    if (outcome === 'done') for (const id of ids) acknowledged.add(id);
    return outcome;
  };
  /** Writes until one is refused: of several sizes, or small ones alone, which LevelDB keeps itself. */
  globalThis.fill = async (isSmall) => {
    for (let i = 0; i < 1000; i++) {
      const outcome = await (isSmall || i % 4 > 1 ? upsert(5, 4_000) : i % 4 === 0 ? upsert(500, 10) : upsert(20, 20_000));
      if (outcome !== 'done') return outcome;
    }
    return 'never full';
  };
  globalThis.write = async (times) => {
    for (let i = 0; i < times; i++) await upsert(5, 4_000);
  };
  globalThis.whileFull = async () => {
    const refused = await upsert(5, 2_000);
    const found = await settled(c.query({ vector: vector(), k: 5 }).then((answer) => answer.length));
    const victims = [...acknowledged].slice(0, 3);
    const deleted = await settled(c.delete({ ids: victims }));
    for (const id of victims) if (typeof deleted === 'number') acknowledged.delete(id);
    const compacted = await settled(c.compact().then(({ rows }) => 'rows ' + rows));
    const retried = await settled(db.retryWrites());
    const after = await upsert(1, 100);
    const isReadOnly = await settled(db.stats().then((stats) => stats.isReadOnly));
    return { refused, found, deleted, compacted, retried, after, isReadOnly };
  };
  globalThis.afterwards = async () => {
    const retried = await settled(db.retryWrites());
    const written = await upsert(5, 2_000);
    return { retried, written };
  };
  globalThis.verify = async () => {
    const found = new Set();
    let cursor;
    let corrupt = 0;
    do {
      const page = await c.scroll({ limit: 500, ...(cursor && { cursor }) });
      for (const { id, text } of page.records) {
        if (!text?.startsWith('id' + id + ' ') || found.has(id)) corrupt++;
        found.add(id);
      }
      cursor = page.next;
    } while (cursor);
    const { damage } = await db.stats();
    return { lost: [...acknowledged].filter((id) => !found.has(id)).length, corrupt: corrupt + damage.length };
  };
  globalThis.reopen = async () => {
    await settled(db.close());
    const opened = await settled(start());
    await new Promise((resolve) => setTimeout(resolve, 1500)); // whether anything is lost, it asks its witness
    return opened;
  };
</script>`;

export function testFullDisk(engine: IndexedDbEngine): void {
  test(`a full disk (${engine})`, async ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'piramid-full-'));
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', disk]).status !== 0)
      return skip('a file system of its own takes the rights to mount one');
    const profile = join(folder, 'profile');
    mkdirSync(join(profile, 'Default'), { recursive: true });
    // Files of the origin's own lie there too, as on a disk that is full for all.
    for (const name of ['IndexedDB', 'File System']) {
      mkdirSync(join(disk, name));
      symlinkSync(join(disk, name), join(profile, 'Default', name));
    }
    writeFileSync(join(folder, 'index.html'), PAGE);
    const site = await serve({ mounts: { '/': folder, '/dist/': dist } });
    const context = await launchProfile(profile, ENGINES[engine]);
    const [filler, rest] = ['filler', 'rest'].map((name) => join(disk, name)) as [string, string];
    try {
      const page = await context.newPage();
      await page.goto(site.url);
      await page.waitForFunction('globalThis.verify');
      await page.evaluate('start()');
      let lost = 0;
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const { bsize, bavail } = statfsSync(disk);
        writeFileSync(filler, new Uint8Array(Math.max(0, bsize * bavail - ROOM)));
        const refused = await page.evaluate(`fill(${cycle % 2 === 1})`);
        fillUp(rest);
        const full = (await page.evaluate('whileFull()')) as { [call: string]: unknown };
        for (const file of [filler, rest]) rmSync(file);
        const after = (await page.evaluate('afterwards()')) as { [call: string]: unknown };
        expect(await page.evaluate('reopen()')).toBe('done');
        const verdict = (await page.evaluate('verify()')) as { lost: number; corrupt: number };
        lost += verdict.lost + verdict.corrupt;
        console.log(`${engine}, disk ${cycle + 1}:`, { refused, ...full, after, ...verdict });
        if (refused === 'DATA_LOSS' || Object.values({ ...full, ...after }).includes('DATA_LOSS')) continue;
        // One that cannot be opened any more has failed.
        for (const outcome of [refused, full.refused]) expect(outcome).toMatch(/^STORAGE_F/);
        expect(full.found).toBe(5);
        if (full.refused === 'STORAGE_FULL') expect(full.compacted).toBe('STORAGE_FULL');
        // Room for the reserve may be the last there is.
        expect(full.after).toMatch(full.retried === true ? /^(done|STORAGE_F.*)$/ : /^STORAGE_F/);
        expect(after).toEqual({ retried: true, written: 'done' });
      }
      const hung = await page.evaluate('hung');
      console.log(`enospc.${engine} hung=${hung} lost=${lost} wiped=${await page.evaluate('wiped')}`);
      expect({ hung, lost }).toEqual({ hung: 0, lost: 0 });
    } finally {
      await context.close();
      await site.close();
      spawnSync('umount', ['-l', disk]);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
}

/** To the last byte. */
function fillUp(file: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k']);
}

// What a browser leaves on disk: with a key, nothing of what was written can be found in any file of its profile; without,
// it can, so that the search is known to find it.
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';
import { launchProfile } from './chromium.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
  import { open } from '/dist/piramid.js';
  globalThis.write = async (canaries, key) => {
    const options = { device: 'wasm', ...(key && { key: Uint8Array.from(key) }) };
    const db = await open('secrets', options);
    const record = (i) => ({
      id: canaries.id + i,
      vector: [1, 2, i],
      text: i < 2 ? canaries.text + ' ' + i : 'filler '.repeat(2000),
      metadata: { [canaries.field]: canaries.value },
    });
    const c = await db.collection(canaries.collection, { dimension: 3, quantization: 'int8' });
    // One write for the log, one that is a segment of its own, and what compaction rewrites of them.
    await c.upsert(record(0));
    await c.upsert(Array.from({ length: 200 }, (_, i) => record(i + 1)));
    await c.delete({ ids: [canaries.id + 150] });
    await c.compact();
    await db.close();
    const again = await open('secrets', options);
    const found = await (await again.collection(canaries.collection)).query({ keywords: canaries.text, select: ['text'] });
    await again.close();
    return found.map(({ text }) => text);
  };
</script>`;

let folder: string;
let site: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'piramid-encryption-'));
  mkdirSync(join(folder, 'site'));
  writeFileSync(join(folder, 'site', 'page.html'), PAGE);
  site = await serve({ mounts: { '/': join(folder, 'site'), '/dist/': dist } });
});
afterAll(async () => {
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

/** How many letters of a canary in sequence count as the canary. */
const WINDOW = 12;

/**
 * Which of some words stand in a file of a folder, in any encoding that browsers use. Of a long word, a part is enough:
 * LevelDB cuts its log into blocks, and its tables are compressed, by which whatever four letters stood before are not
 * written out again. Either leaves a long stretch of random letters whole.
 */
function wordsIn(profile: string, words: readonly string[]): string[] {
  const found = new Set<string>();
  for (const name of readdirSync(profile, { recursive: true, encoding: 'utf8' })) {
    const path = join(profile, name);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const bytes = readFileSync(path);
    for (const word of words) {
      if (!found.has(word) && parts(word).some((part) => bytes.includes(part))) found.add(word);
    }
  }
  return [...found].sort();
}

function parts(word: string): Buffer[] {
  const starts = Array.from({ length: Math.max(1, word.length - WINDOW + 1) }, (_, start) => start);
  return starts.flatMap((start) => {
    const part = word.slice(start, start + WINDOW);
    return [Buffer.from(part), Buffer.from(part, 'utf16le'), Buffer.from(part, 'utf16le').swap16()];
  });
}

test.each(['without a key', 'with a key'])('%s, the profile folder', async (how) => {
  const isEncrypted = how === 'with a key';
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const random = () => Array.from({ length: 3 * WINDOW }, () => letters[randomInt(letters.length)]).join('');
  // Words: the inverted index keeps them, too.
  const canaries = {
    id: `id${random()}`,
    text: `text${random()}`,
    field: `field${random()}`,
    value: `value${random()}`,
    collection: `called${random()}`,
  };
  const profile = join(folder, isEncrypted ? 'encrypted' : 'plain');
  const context = await launchProfile(profile);
  const page = await context.newPage();
  await page.goto(`${site.url}page.html`);
  await page.waitForFunction('globalThis.write');
  const key = isEncrypted ? [...crypto.getRandomValues(new Uint8Array(32))] : null;
  const found = await page.evaluate(`write(${JSON.stringify(canaries)}, ${JSON.stringify(key)})`);
  expect(found).toEqual([`${canaries.text} 0`, `${canaries.text} 1`]);
  await context.close();
  const words = Object.values(canaries).sort();
  expect(wordsIn(profile, words)).toEqual(isEncrypted ? [] : words);
  // The file that has been looked for is there in both cases.
  expect(wordsIn(profile, ['PRMD'])).toEqual(['PRMD']);
});

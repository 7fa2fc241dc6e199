import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Asset, AssetsError, copyAssets } from '../../src/site/assets.ts';

vi.mock('node:fs/promises', async (original) => ({ ...(await original<typeof fs>()) }));

let folder: string;
let target: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'piramid-site-'));
  target = join(folder, 'public/piramid');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** A file to copy, with its content. */
function asset(path: string, content = path): Asset {
  const file = join(folder, path.replaceAll('/', '-'));
  writeFileSync(file, content);
  return { path, file };
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const all = (dir: string) =>
  existsSync(dir)
    ? (readdirSync(dir, { recursive: true }) as string[]).filter((name) => statSync(join(dir, name)).isFile())
    : [];

describe('copying the files that a site serves', () => {
  test('writes what is missing or outdated, and a list of all', async () => {
    const [a, b] = [asset('onnx/a.wasm'), asset('stemmers.js')];
    expect(await copyAssets(target, [a, b])).toEqual({ bytes: 22, written: ['onnx/a.wasm', 'stemmers.js'], left: [] });
    expect(JSON.parse(readFileSync(join(target, 'piramid-assets.json'), 'utf8')).files).toEqual([
      { path: 'onnx/a.wasm', bytes: 11, sha256: sha256('onnx/a.wasm') },
      { path: 'stemmers.js', bytes: 11, sha256: sha256('stemmers.js') },
    ]);
    writeFileSync(b.file, 'of the next release');
    expect((await copyAssets(target, [a, b])).written).toEqual(['stemmers.js']);
    expect(readFileSync(join(target, 'stemmers.js'), 'utf8')).toBe('of the next release');
    expect((await copyAssets(target, [a, b])).written).toEqual([]);
  });

  test('writes over nothing that another hand wrote or changed, and then nothing at all', async () => {
    const [a, b] = [asset('a.js'), asset('b.js')];
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'b.js'), 'of somebody');
    await expect(copyAssets(target, [a, b])).rejects.toThrow(/were changed since: b\.js\. Delete them/);
    expect(all(target)).toEqual(['b.js']);
    rmSync(join(target, 'b.js'));
    await copyAssets(target, [a, b]);
    writeFileSync(join(target, 'a.js'), 'changed since');
    await expect(copyAssets(target, [a, b])).rejects.toThrow(AssetsError);
    expect(readFileSync(join(target, 'a.js'), 'utf8')).toBe('changed since');
  });

  test('leaves what earlier copyings brought, and knows it', async () => {
    const [a, b] = [asset('a.js'), asset('models/m/config.json')];
    await copyAssets(target, [a, b]);
    expect((await copyAssets(target, [a])).left).toEqual(['models/m/config.json']);
    writeFileSync(b.file, 'newer');
    expect((await copyAssets(target, [b])).written).toEqual(['models/m/config.json']);
    rmSync(join(target, 'models'), { recursive: true });
    expect((await copyAssets(target, [a])).left).toEqual([]);
    expect(readFileSync(join(target, 'piramid-assets.json'), 'utf8')).not.toContain('config.json');
  });

  test('puts no file in its place that did not come out as it should', async () => {
    const a = asset('a.js');
    const copy = vi.spyOn(fs, 'copyFile').mockImplementation(async (_, to) => writeFileSync(to as string, 'half of'));
    await expect(copyAssets(target, [a])).rejects.toThrow(/a\.js was not written as it should be/);
    expect(all(target)).toEqual([]);
    copy.mockRestore();
    expect((await copyAssets(target, [a])).written).toEqual(['a.js']);
  });

  test('refuses a file that is not the one that this release reads', async () => {
    const pinned = { path: 'table', bytes: 4, sha256: sha256('good') };
    await expect(copyAssets(target, [{ ...asset('table', 'evil'), pinned }])).rejects.toThrow(
      /is not the file that piramid .* expects/,
    );
    expect(all(target)).toEqual([]);
    expect((await copyAssets(target, [{ ...asset('table', 'good'), pinned }])).written).toEqual(['table']);
  });

  test('refuses a list that is none, and a folder that is a file', async () => {
    mkdirSync(target, { recursive: true });
    for (const list of ['{', '{}', '{"files":[{"path":"../x","sha256":"y","bytes":1}]}', '{"files":[{"path":1}]}']) {
      writeFileSync(join(target, 'piramid-assets.json'), list);
      await expect(copyAssets(target, [asset('a.js')])).rejects.toThrow(/no list of copied files/);
    }
    await expect(copyAssets(asset('file').file, [])).rejects.toThrow(/is a file, not a folder/);
  });
});

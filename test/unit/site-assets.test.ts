import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Asset, AssetsError, copyAssets, modelFiles } from '../../src/site/assets.ts';

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

  test('goes on where one was cut off, also with the files of another release', async () => {
    const files = [asset('a.js', 'a1'), asset('m/b.js', 'b1'), asset('c.js', 'c1')];
    await copyAssets(target, files);
    for (const release of [2, 3]) {
      for (const { file } of files) writeFileSync(file, `${readFileSync(file, 'utf8')[0]}${release}`);
      const copy = vi.spyOn(fs, 'copyFile').mockImplementation(async (from, to) => {
        const text = readFileSync(from as string, 'utf8');
        writeFileSync(to as string, text);
        if (text.startsWith('b')) throw new Error('cut off');
      });
      await expect(copyAssets(target, files)).rejects.toThrow('cut off');
      copy.mockRestore();
      expect(readFileSync(join(target, 'a.js'), 'utf8')).toBe(`a${release}`);
    }
    for (const { file } of files) writeFileSync(file, `${readFileSync(file, 'utf8')[0]}4`);
    expect((await copyAssets(target, files)).written).toEqual(['a.js', 'm/b.js', 'c.js']);
    const list = JSON.parse(readFileSync(join(target, 'piramid-assets.json'), 'utf8')).files;
    expect(list.map(({ path }: Asset) => path)).toEqual(['a.js', 'c.js', 'm/b.js']);
    writeFileSync(join(target, 'a.js'), 'a1'); // of an older release, and no longer on the list
    await expect(copyAssets(target, files)).rejects.toThrow(/were changed since: a\.js/);
  });

  test('removes half copies of a process that has ended, and nothing else', async () => {
    const files = [asset('a.js'), asset('m/b.js'), asset('m/b.js.4194305.tmp')];
    // Linux counts processes up to 4194304; process 1 always runs.
    const names = ['a.js.4194305.tmp', 'm/b.js.4194306.tmp', 'piramid-assets.json.4194305.tmp'];
    const others = ['a.js.1.tmp', 'a.js.tmp', 'other.js.4194305.tmp', 'm/a.js.4194305.tmp'];
    mkdirSync(join(target, 'm'), { recursive: true });
    for (const name of [...names, ...others]) writeFileSync(join(target, name), 'half');
    await copyAssets(target, files);
    expect(all(target).sort()).toEqual([...others, ...files.map(({ path }) => path), 'piramid-assets.json'].sort());
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
    expect(all(target)).toEqual(['piramid-assets.json']);
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

describe('the files of a model', () => {
  const NAMES = ['config.json', 'onnx/model.onnx', 'tokenizer.json', 'tokenizer_config.json'];
  function write(dir: string, names = NAMES) {
    mkdirSync(join(dir, 'onnx'), { recursive: true });
    for (const name of names) writeFileSync(join(dir, name), name);
  }
  const link = (dir: string, name: string, to: string) => symlinkSync(to, join(dir, name));

  test('may be links within its folder, which may be a link itself', () => {
    const model = join(folder, 'model');
    write(model);
    link(model, 'onnx/model_quantized.onnx', 'model.onnx');
    link(model, 'gone.json', 'nowhere');
    link(folder, 'named', model);
    for (const dir of [model, join(folder, 'named')])
      expect(modelFiles(dir, 'model')).toEqual([NAMES[0], NAMES[1], 'onnx/model_quantized.onnx', ...NAMES.slice(2)]);
  });

  test('are refused by name where a link leads out of it, or to what is hidden', () => {
    const model = join(folder, 'model');
    write(model);
    mkdirSync(join(model, '.git'));
    writeFileSync(join(model, '.git/config'), 'token');
    mkdirSync(join(folder, 'model-2'));
    const secret = asset('id_rsa').file;
    link(model, 'vocab.txt', '../id_rsa');
    link(model, 'by-two.txt', 'vocab.txt');
    link(model, 'keys', folder);
    link(model, 'twin', '../model-2');
    link(model, 'git.json', '.git/config');
    const call = () => modelFiles(model, 'my-model');
    expect(call).toThrow(AssetsError);
    expect(call).toThrow(/^model "my-model": links that lead out of /);
    for (const part of [
      `vocab.txt -> ${secret}`,
      `by-two.txt -> ${secret}`,
      `keys -> ${folder}`,
      'twin -> ',
      'git.json -> ',
    ])
      expect(call).toThrow(part);
  });

  test('are in the blobs of the hub’s cache, and in those of no other model', () => {
    const cache = join(folder, '.cache/hub/models--owner--name');
    const model = join(cache, 'snapshots/0123');
    write(join(cache, 'blobs'));
    mkdirSync(join(model, 'onnx'), { recursive: true });
    for (const name of NAMES) link(model, name, join(cache, 'blobs', name));
    expect(modelFiles(model, 'name')).toEqual(NAMES);
    link(model, 'ref.json', '../../refs');
    writeFileSync(join(cache, 'refs'), 'x');
    link(join(cache, 'blobs'), 'far', asset('id_rsa').file);
    link(model, 'far.json', '../../blobs/far');
    expect(() => modelFiles(model, 'name')).toThrow(/far\.json -> .*id_rsa, ref\.json -> .*refs\. Delete/);
    // Only a folder of the cache has them.
    const other = join(folder, 'other');
    write(other, NAMES.slice(1));
    link(other, 'config.json', join(cache, 'blobs/config.json'));
    expect(() => modelFiles(other, 'other')).toThrow(/config\.json -> /);
  });
});

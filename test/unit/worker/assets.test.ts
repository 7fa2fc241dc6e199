// What is said of code that cannot be loaded; test/e2e/on-demand.test.ts loads the built files.
import { expect, test, vi } from 'vitest';
import { PiramidError, toPiramidError } from '../../../src/errors.ts';
import { fromWire, toWire } from '../../../src/protocol.ts';
import { type ImportAsset, importAsset, loadCode, noAssets } from '../../../src/worker/assets.ts';
import { included } from '../../../src/worker/included.ts';

const load = (importAsset: ImportAsset, patienceMs?: number) =>
  loadCode(importAsset, 'transfer.js', 'exports need', patienceMs);
const refused = (why: string) => ({
  name: 'PiramidError',
  code: 'UNSUPPORTED',
  message: `exports need transfer.js, which could not be loaded (${why}). Serve it beside the bundle, or say where it is by the option \`assets\` of open(), in the tab that runs the database. If a Content-Security-Policy forbids it, let its script-src allow that address.`,
});

test('code that is of this release is given as it is', async () => {
  expect(await load(async (file) => included[file as 'transfer.js'])).toBe(included['transfer.js']);
});

test('code that is another file, of another release, late or nowhere is refused with the reason', async () => {
  const wanted = `transfer.js ${PIRAMID_BUILD} is needed`;
  const given: [unknown, string][] = [
    [{}, `it is another file, and ${wanted}`],
    [{ release: 'transfer.js 0.0.1' }, `it is transfer.js 0.0.1, and ${wanted}`],
    [included['webgpu.js'], `it is webgpu.js ${PIRAMID_BUILD}, and ${wanted}`],
  ];
  for (const [module, why] of given) await expect(load(async () => module)).rejects.toMatchObject(refused(why));
  const nowhere: ImportAsset = (_file, { lookIn }) => {
    lookIn('https://there/transfer.js');
    return new Promise(() => {});
  };
  await expect(load(nowhere, 20)).rejects.toMatchObject(
    refused('https://there/transfer.js: it did not come within 0.02 s'),
  );
  await expect(load(noAssets)).rejects.toMatchObject(refused('there is no page to ask for it'));
});

test('a file that failed is told apart from the next attempt, and one that came is not', async () => {
  const asked: number[] = [];
  const answers = [null, {}, included['webgpu.js'], included['webgpu.js']];
  const ask = () =>
    loadCode(
      async (_file, { failures }) => {
        asked.push(failures);
        return answers.shift();
      },
      'webgpu.js',
      'the GPU needs',
    ).catch(() => null);
  for (let i = 0; i < 4; i++) await ask();
  expect(asked).toEqual([0, 1, 2, 2]);
});

test('a page that never answers is not listened to for ever', async () => {
  let ended: Promise<unknown> | undefined;
  const silent: ImportAsset = (file, asking) =>
    importAsset(file, asking, (event) => {
      if (event.type === 'asset') ended = new Promise((resolve) => event.port.addEventListener('close', resolve));
    });
  await expect(load(silent, 20)).rejects.toMatchObject(refused('it did not come within 0.02 s'));
  await ended;
});

test('an error of another copy of the class is an error of Piramid, and no other error is', async () => {
  vi.resetModules();
  const copy = await import('../../../src/errors.ts');
  expect(copy.PiramidError).not.toBe(PiramidError);
  const error = new copy.PiramidError('CLOSED', 'it is closed');
  expect(error).toBeInstanceOf(PiramidError);
  expect(new PiramidError('CLOSED', '')).toBeInstanceOf(copy.PiramidError);
  expect(toPiramidError(error, 'CORRUPT', 'reading')).toBe(error);
  expect(fromWire(toWire(error))).toMatchObject({ name: 'PiramidError', code: 'CLOSED', message: 'it is closed' });
  const alike = Object.assign(new Error('?'), { name: 'PiramidError', code: 'CLOSED' });
  for (const other of [
    alike,
    { name: 'PiramidError' },
    new DOMException('', 'AbortError'),
    null,
    undefined,
    'PiramidError',
  ])
    expect(other).not.toBeInstanceOf(PiramidError);
});

test('a subclass has its own instances only', () => {
  class Mine extends PiramidError {}
  const mine = new Mine('CLOSED', '');
  expect([mine instanceof Mine, mine instanceof PiramidError, mine instanceof Error]).toEqual([true, true, true]);
  expect(new PiramidError('CLOSED', '') instanceof Mine).toBe(false);
});

// Where the page looks for code that is loaded on demand, if this script's own address is of no use.
import { afterEach, expect, test, vi } from 'vitest';
import { assetFinder } from '../../src/api/assets.ts';
import * as place from '../../src/api/beside.ts';

vi.mock('../../src/api/beside.ts', () => ({ beside: (file: string) => new URL(file, 'blob:https://there/1').href }));

afterEach(() => vi.unstubAllGlobals());

test('a script of no address looks beside its page, or beside the script of its worker', async () => {
  expect(() => place.beside('transfer.js')).toThrow();
  vi.stubGlobal('location', { href: 'https://site/workers/own.js' });
  expect(await assetFinder(undefined)('transfer.js')).toEqual({ url: 'https://site/workers/transfer.js' });
  vi.stubGlobal('document', { baseURI: 'https://site/pages/1.html' });
  expect(await assetFinder(undefined)('transfer.js')).toEqual({ url: 'https://site/pages/transfer.js' });
});

test('where there is no address at all, that is the answer, and `assets` is what helps', async () => {
  for (const href of [undefined, 'blob:https://site/2']) {
    vi.stubGlobal('location', { href });
    const error = 'this script has no address; give `assets` to open()';
    expect(await assetFinder(undefined)('transfer.js')).toEqual({ error });
    expect(await assetFinder('https://site/files')('transfer.js')).toEqual({ url: 'https://site/files/transfer.js' });
  }
});

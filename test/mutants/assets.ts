// Mutants of the files that a site serves: how they are copied, found and checked, and how code among them is loaded.
import { breaking } from './mutant.ts';

const SITE = 'test/unit/site-assets.test.ts';
const LOADING = 'test/unit/models-loading.test.ts';
const CODE = 'test/unit/worker/assets.test.ts';

export const assets = [
  ...breaking('src/worker/assets.ts', CODE, [
    ['code of another release is refused', 'if (code.release !== wanted)', 'if (!code.release)'],
    ['code that is missing is named with its place', 'const asking = { lookIn,', 'const asking = { lookIn: () => {},'],
    ['a file that failed is asked for as another', 'asking.failures + 1', 'asking.failures'],
    ['a page that never answers is not listened to for ever', 'port1.close());', 'undefined);'],
  ]),
  ...breaking('src/worker/transfer-calls.ts', 'test/unit/transfer/loading.test.ts', [
    ['who cancels waits for no download', 'AbortSignal.any([signal, closing])', 'AbortSignal.any([closing])'],
    ['an export shows the moment of its call', 'current ? begin(current) : begun(', 'begun('],
  ]),
  ...breaking('src/errors.ts', CODE, [
    ['an error of a file that was loaded is told by its brand', '?.[BRAND] === true', '?.[BRAND] === false'],
    ['a subclass has its own instances only', 'if (this !== PiramidError)', 'if (false)'],
  ]),
  ...breaking('src/site/assets.ts', SITE, [
    [
      'what another hand wrote is not overwritten',
      'if (there && !isThere && !isKnown(path, there.sha256))',
      'if (false)',
    ],
    ['what an earlier copying wrote is overwritten', '!isKnown(path, there.sha256)', 'true'],
    ['a copying that was cut off is known', 'if (wanted.some(({ isThere }) => !isThere))', 'if (false)'],
    ['half copies of a running process stay', '|| isRunning(Number(id))', ''],
    ['no link leads out of a model', 'if (!isOwn(real))', 'if (false)'],
    ['what is there is not written again', 'if (isThere) continue;', ''],
    ['a copy is read again before it takes its place', '(await hashOf(beside)).sha256 !== sha256', 'false'],
    ['a copy that failed leaves nothing', 'await rm(beside, { force: true });', ''],
    ['the built-in embedder is the one that this release reads', 'hash.sha256 !== pinned.sha256', 'false'],
    [
      'files of earlier copyings stay in the list',
      'writeManifest(folder, [...wanted, ...left])',
      'writeManifest(folder, wanted)',
    ],
    ['a list leads out of no folder', "!path.split(/[\\\\/]/).includes('..')", 'true'],
  ]),
  ...breaking('src/models/download.ts', LOADING, [
    [
      'bytes of the page are checked',
      "return checked(new Uint8Array(await new Blob([given as BlobPart]).arrayBuffer()), file, 'models.bytes');",
      'return new Uint8Array(await new Blob([given as BlobPart]).arrayBuffer());',
    ],
    ['an index page is no file', 'response.ok && !isPage(response)', 'response.ok'],
    ['all missing files are named', "missing.join(', ')", 'missing[0]'],
    [
      'what came beside a missing file is not left open',
      'for (const item of found) (item',
      'for (const item of []) (item',
    ],
    ['what the page gave is not fetched', 'if (given)', 'if (false)'],
  ]),
];

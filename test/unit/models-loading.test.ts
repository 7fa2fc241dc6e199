import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createStaticLoader } from '../../src/models/loader.ts';
import { createSharedLoads } from '../../src/models/shared-loads.ts';
import { loading, SOURCE, STATIC_FOLDER, serveModels } from './models.files.ts';

const STATIC = { model: 'static-en' };
afterEach(() => vi.unstubAllGlobals());

/** Enough of Cache Storage to see what is kept. */
function fakeCaches(kept = new Map<string, Uint8Array<ArrayBuffer>>()) {
  const cache = {
    match: async (url: string) => (kept.has(url) ? new Response(kept.get(url)!) : undefined),
    put: async (url: string, response: Response) => void kept.set(url, new Uint8Array(await response.arrayBuffer())),
    delete: async (url: string) => kept.delete(url),
  };
  vi.stubGlobal('caches', { open: async () => cache });
  return { kept, cache };
}

describe('the plain worker’s loader', () => {
  test('names the runtime that another model needs', async () => {
    const loader = createStaticLoader(SOURCE);
    await expect(loader.embedder({ model: 'Xenova/bge-small-en-v1.5' }, loading())).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('piramid/rag-worker'),
    });
    await expect(loader.generator('some/llm', loading())).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(loader.reranker('some/reranker', loading())).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('says how to serve the files where no path is given', async () => {
    await expect(createStaticLoader({}).embedder(STATIC, loading())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/npx piramid copy-assets .*assets: '\/piramid\/'.*models: \{ bytes \}/),
    });
  });

  test('refuses options that the built-in model does not have, loaded or not', async () => {
    vi.stubGlobal('fetch', serveModels().serve);
    const loader = createStaticLoader(SOURCE);
    const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('pooling') };
    await expect(loader.embedder({ ...STATIC, pooling: 'cls' }, loading())).rejects.toMatchObject(refusal);
    await loader.embedder(STATIC, loading());
    await expect(loader.embedder({ ...STATIC, pooling: 'cls' }, loading())).rejects.toMatchObject(refusal);
  });

  test('loads once for concurrent and later calls, and shows the bytes to each that waits', async () => {
    const { serve, asked } = serveModels((_, bytes) => new Response(inTwoParts(bytes)));
    vi.stubGlobal('fetch', serve);
    const loader = createStaticLoader({ path: 'https://site.test/models/' });
    const [first, second] = [loading(), loading()];
    const [a, b] = await Promise.all([loader.embedder(STATIC, first), loader.embedder(STATIC, second)]);
    expect(b).toBe(a);
    expect(await loader.embedder(STATIC, loading())).toBe(a);
    expect(asked.toSorted()).toEqual(['raw/scales.f32', 'raw/table.u4', 'tokenizer.json']);
    expect(second.seen).toEqual(first.seen);
    const table = first.seen.filter(({ file }) => file === 'raw/table.u4');
    expect(table.at(-1)).toEqual({
      model: 'static-en',
      file: 'raw/table.u4',
      loadedBytes: 5_760_000,
      totalBytes: 5_760_000,
    });
    expect(table).toHaveLength(2);
    expect(a.info).toMatchObject({ name: 'static-en', task: 'embed', device: 'js' });
  });

  test('one caller’s signal does not stop the load for another', async () => {
    const { serve, asked } = serveModels();
    vi.stubGlobal('fetch', serve);
    const loader = createStaticLoader(SOURCE);
    const stop = new AbortController();
    const leaves = loader.embedder(STATIC, loading({ signal: stop.signal }));
    const stays = loader.embedder(STATIC, loading());
    stop.abort();
    await expect(leaves).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await stays).dimension).toBe(256);
    expect(asked).toHaveLength(3);
  });

  test('the last caller’s signal stops the downloads, and the next call loads anew', async () => {
    const signals: AbortSignal[] = [];
    vi.stubGlobal('fetch', (_: string, { signal }: { signal: AbortSignal }) => {
      signals.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const loader = createStaticLoader(SOURCE);
    const stop = new AbortController();
    const leaves = loader.embedder(STATIC, loading({ signal: stop.signal }));
    await expect.poll(() => signals).toHaveLength(3);
    stop.abort();
    await expect(leaves).rejects.toMatchObject({ code: 'ABORTED' });
    expect(signals.every((signal) => signal.aborted)).toBe(true);
    vi.stubGlobal('fetch', serveModels().serve);
    expect((await loader.embedder(STATIC, loading())).dimension).toBe(256);
  });

  test('a fired signal is refused before anything is fetched', async () => {
    const { serve, asked } = serveModels();
    vi.stubGlobal('fetch', serve);
    const load = createStaticLoader(SOURCE).embedder(STATIC, loading({ signal: AbortSignal.abort() }));
    await expect(load).rejects.toMatchObject({ code: 'ABORTED' });
    expect(asked).toEqual([]);
  });

  test('close settles what is loading and refuses what comes after', async () => {
    vi.stubGlobal('fetch', () => new Promise(() => {}));
    const loader = createStaticLoader(SOURCE);
    const load = loader.embedder(STATIC, loading());
    const settled = expect(load).rejects.toMatchObject({ code: 'CLOSED' });
    await loader.close();
    await settled;
    await expect(loader.embedder(STATIC, loading())).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('a download', () => {
  const flip = (bytes: Uint8Array<ArrayBuffer>) => {
    bytes[1000]! ^= 1;
    return bytes;
  };
  const spoiled: [string, (bytes: Uint8Array<ArrayBuffer>) => Response, RegExp][] = [
    [
      'one bit is wrong',
      (bytes) => new Response(flip(bytes)),
      /raw\/table\.u4.*expected SHA-256 1e3b9086025c.*, got [0-9a-f]{64}/,
    ],
    ['it ends early', (bytes) => new Response(bytes.subarray(0, 1000)), /expected 5760000 bytes, got 1000/],
    ['it is too long', (bytes) => new Response(new Blob([bytes, 'x'])), /expected 5760000 bytes, got more/],
    [
      'it is the index page',
      () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } }),
      /raw\/table\.u4 \(an HTML page came\)/,
    ],
    [
      'it is not there',
      () => new Response('', { status: 404 }),
      /could not get https:\/\/site\.test\/models\/static-en\/raw\/table\.u4 \(404\); /,
    ],
    [
      'the connection breaks',
      () => new Response(broken()),
      /could not read .*raw\/table\.u4 to its end \(connection lost\)/,
    ],
  ];

  test.each(spoiled)('is refused if %s, is not kept, and can be tried again', async (_, spoil, message) => {
    const { kept } = fakeCaches();
    let spoils = true;
    vi.stubGlobal(
      'fetch',
      serveModels((path, bytes) => (spoils && path === 'raw/table.u4' ? spoil(bytes) : undefined)).serve,
    );
    const loader = createStaticLoader(SOURCE);
    await expect(loader.embedder(STATIC, loading())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringMatching(message),
    });
    expect([...kept.keys()].filter((url) => url.endsWith('table.u4'))).toEqual([]);
    spoils = false;
    expect((await loader.embedder(STATIC, loading())).dimension).toBe(256);
    expect(kept.size).toBe(3);
  });

  test('is needed once: the second load works offline', async () => {
    fakeCaches();
    vi.stubGlobal('fetch', serveModels().serve);
    await createStaticLoader(SOURCE).embedder(STATIC, loading());
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    const load = loading();
    expect((await createStaticLoader(SOURCE).embedder(STATIC, load)).dimension).toBe(256);
    expect(load.seen.map(({ loadedBytes, totalBytes }) => loadedBytes === totalBytes)).toEqual([true, true, true]);
  });

  test('replaces a spoiled file of the cache', async () => {
    const { kept } = fakeCaches();
    const { serve, asked } = serveModels();
    vi.stubGlobal('fetch', serve);
    await createStaticLoader(SOURCE).embedder(STATIC, loading());
    flip(kept.get('https://site.test/models/static-en/raw/table.u4')!);
    await createStaticLoader(SOURCE).embedder(STATIC, loading());
    expect(asked.slice(3)).toEqual(['raw/table.u4']);
    await createStaticLoader(SOURCE).embedder(STATIC, loading());
    expect(asked).toHaveLength(4);
  });

  test('does without a cache that is full or forbidden', async () => {
    const { cache } = fakeCaches();
    cache.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    vi.stubGlobal('fetch', serveModels().serve);
    expect((await createStaticLoader(SOURCE).embedder(STATIC, loading())).dimension).toBe(256);
    vi.stubGlobal('caches', { open: () => Promise.reject(new DOMException('no', 'SecurityError')) });
    expect((await createStaticLoader(SOURCE).embedder(STATIC, loading())).dimension).toBe(256);
  });

  test('offline says so', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(createStaticLoader(SOURCE).embedder(STATIC, loading())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringMatching(/"static-en": could not get .*Failed to fetch/),
    });
  });
});

describe('a missing model', () => {
  test('names every missing file at once, and how to put them there', async () => {
    fakeCaches();
    const answers: Record<string, Response> = {
      'raw/table.u4': new Response('', { status: 404 }),
      'tokenizer.json': new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } }),
    };
    vi.stubGlobal('fetch', serveModels((path) => answers[path]).serve);
    const folder = 'https://site.test/models/static-en/';
    await expect(createStaticLoader(SOURCE).embedder(STATIC, loading())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining(
        `could not get ${folder}raw/table.u4 (404), ${folder}tokenizer.json (an HTML page came); copy them with`,
      ),
    });
  });

  test('leaves no download of the other files open', async () => {
    const cancelled: string[] = [];
    const open = (path: string) =>
      new ReadableStream({
        cancel() {
          cancelled.push(path);
          // As the body of a connection that broke does.
          return Promise.reject(new TypeError('gone'));
        },
      });
    vi.stubGlobal(
      'fetch',
      serveModels((path) => (path === 'tokenizer.json' ? new Response('', { status: 404 }) : new Response(open(path))))
        .serve,
    );
    await expect(createStaticLoader(SOURCE).embedder(STATIC, loading())).rejects.toThrow(
      /could not get https:\S+\/tokenizer\.json \(404\); copy/,
    );
    expect(cancelled.sort()).toEqual(['raw/scales.f32', 'raw/table.u4']);
  });
});

describe('bytes that the page gives', () => {
  const FILES = ['raw/table.u4', 'raw/scales.f32', 'tokenizer.json'];
  const given = () => Object.fromEntries(FILES.map((path) => [path, new Blob([readFileSync(STATIC_FOLDER + path)])]));

  test('are the model, without a fetch', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new Error('fetched')));
    const load = loading();
    const embedder = await createStaticLoader({ bytes: { 'static-en': given() } }).embedder(STATIC, load);
    vi.stubGlobal('fetch', serveModels().serve);
    const fetched = await createStaticLoader(SOURCE).embedder(STATIC, loading());
    const texts = ['where can I buy bread'];
    expect(await embedder.embed(texts, { kind: 'query' })).toEqual(await fetched.embed(texts, { kind: 'query' }));
    expect(load.seen.map(({ file, loadedBytes, totalBytes }) => [file, loadedBytes === totalBytes])).toEqual(
      FILES.map((path) => [path, true]),
    );
  });

  test('are refused if they are not those of this release', async () => {
    const bytes = new Uint8Array(readFileSync(`${STATIC_FOLDER}raw/scales.f32`));
    bytes[7]! ^= 1;
    const spoiled = { ...given(), 'raw/scales.f32': bytes };
    await expect(
      createStaticLoader({ bytes: { 'static-en': spoiled } }).embedder(STATIC, loading()),
    ).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringMatching(
        /models\.bytes: raw\/scales\.f32 is not the file of this release: expected SHA-256/,
      ),
    });
  });

  test('that are not all there are made up for by the server, or named', async () => {
    const { 'raw/table.u4': table } = given();
    const bytes = { 'static-en': { 'raw/table.u4': table! } };
    await expect(createStaticLoader({ bytes }).embedder(STATIC, loading())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringMatching(/raw\/scales\.f32 \(not in models\.bytes\), tokenizer\.json \(not in/),
    });
    const { serve, asked } = serveModels();
    vi.stubGlobal('fetch', serve);
    expect((await createStaticLoader({ ...SOURCE, bytes }).embedder(STATIC, loading())).dimension).toBe(256);
    expect(asked).toEqual(['raw/scales.f32', 'tokenizer.json']);
  });
});

describe('a shared load', () => {
  test('that cannot be stopped is disposed of when it arrives for nobody', async () => {
    const disposed: string[] = [];
    const loads = createSharedLoads<string>(async (thing) => void disposed.push(thing));
    let arrive = (_thing: string) => {};
    const arrival = new Promise<string>((resolve) => {
      arrive = resolve;
    });
    const stop = new AbortController();
    const call = loads.get('a', loading({ signal: stop.signal }), () => arrival);
    stop.abort();
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    arrive('late');
    await expect.poll(() => disposed).toEqual(['late']);
    expect(await loads.get('a', loading(), async () => 'anew')).toBe('anew');
    await loads.close();
    expect(disposed).toEqual(['late', 'anew']);
  });
});

function inTwoParts(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.subarray(0, 100_000));
      controller.enqueue(bytes.subarray(100_000));
      controller.close();
    },
  });
}

function broken(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1000));
      controller.error(new TypeError('connection lost'));
    },
  });
}

import { open, PiramidError } from 'piramid';
import { describe, expect, test } from 'vitest';
import { codeOf, freshName, openFresh, records } from './databases.ts';

/** A worker made from source text. */
function workerOf(source: string): () => Worker {
  return () => new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
}

describe('every call settles', () => {
  test('when the worker cannot be made', async () => {
    const worker = () => {
      throw new Error('refused by policy');
    };
    await expect(open('x', { worker })).rejects.toThrow(/the worker could not be made: refused by policy/);
  });

  test('when its script is missing', async () => {
    expect(await codeOf(open('x', { worker: () => new Worker('/no-such-worker.js', { type: 'module' }) }))).toBe(
      'WORKER_FAILED',
    );
  });

  test('when its script throws', async () => {
    expect(await codeOf(open('x', { worker: workerOf('throw new Error("broken")') }))).toBe('WORKER_FAILED');
  });

  test('when it never answers', async () => {
    expect(await codeOf(open('x', { worker: workerOf('setInterval(() => {}, 1000)'), timeout: 300 }))).toBe('TIMEOUT');
  });

  test('when it made no worker, or one of something else', async () => {
    const promised = engineWorker();
    for (const worker of [() => undefined, async () => promised])
      expect(await codeOf(open('x', { worker: worker as never }))).toBe('INVALID_ARGUMENT');
    promised.terminate();
  });

  test('and a worker that never answered is ended', async () => {
    const name = freshName();
    const channel = new BroadcastChannel(name);
    let beats = 0;
    channel.onmessage = () => beats++;
    const source = `const channel = new BroadcastChannel('${name}'); setInterval(() => channel.postMessage(1), 20)`;
    expect(await codeOf(open('x', { worker: workerOf(source), timeout: 1500 }))).toBe('TIMEOUT');
    expect(beats).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    beats = 0;
    await new Promise((resolve) => setTimeout(resolve, 200));
    channel.close();
    expect(beats).toBe(0);
  });

  test('but not because the page itself was blocked', async () => {
    // Speaks Comlink; opens after a while, and answers all else at once.
    const source = `onmessage = ({ data: { id, path = [] } }) => {
      const opens = path[0] === 'open';
      setTimeout(() => postMessage({ id, type: 'RAW', value: opens ? { device: 'wasm' } : null }), opens ? 2000 : 0);
    };
    postMessage('started')`;
    const worker = workerOf(source)();
    // A worker cannot start while its page is blocked, and on a busy machine it takes its time.
    await new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
    const opening = open('x', { worker: () => worker, timeout: 800 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const end = performance.now() + 1000;
    while (performance.now() < end);
    await (await opening).close();
  });

  test('when it is killed while calls wait', async () => {
    let worker: Worker | undefined;
    const db = await open(freshName(), { worker: () => (worker = engineWorker()), device: 'wasm' });
    const c = await db.collection('c', { dimension: 3 });
    const calls = [c.upsert(records(2000)), c.count(), c.query({ vector: [1, 0, 0] })].map((call) => codeOf(call));
    worker!.terminate();
    expect(await Promise.all(calls)).toEqual(['WORKER_FAILED', 'WORKER_FAILED', 'WORKER_FAILED']);
    expect(await codeOf(c.count())).toBe('WORKER_FAILED');
    await db.close();
  });

  test.each([
    ['at once', 0],
    ['after a rest, when the worker has to prove that it is still in office', 300],
  ])('when the database is closed %s', async (_, restMs) => {
    const db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await new Promise((resolve) => setTimeout(resolve, restMs));
    const write = c.upsert(records(500));
    const closing = Promise.all([db.close(), db.close()]);
    expect(await codeOf(c.upsert(records(1)))).toBe('CLOSED');
    await closing;
    await write; // a write that was under way is finished first
    expect(await codeOf(c.count())).toBe('CLOSED');
    expect(await codeOf(db.listCollections())).toBe('CLOSED');
  });

  test('when its signal fires, before or during the call', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(10));
    expect(await codeOf(c.query({ vector: [1, 0, 0], signal: AbortSignal.abort() }))).toBe('ABORTED');
    const controller = new AbortController();
    const query = codeOf(c.query({ vector: [1, 0, 0], signal: controller.signal }));
    controller.abort();
    expect(await query).toBe('ABORTED');
    expect(await c.count()).toBe(10);
  });

  test('a write cancelled while it waits in the queue is not written', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    const controller = new AbortController();
    const first = c.upsert(records(3000));
    const second = codeOf(c.upsert(records(10, 5000), { signal: controller.signal }));
    controller.abort();
    await first;
    expect(await second).toBe('ABORTED');
    expect(await c.count()).toBe(3000);
  });
});

describe('errors', () => {
  test('keep class, code, message and cause across the worker', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(1));
    const error = await c.upsert(records(1), { mode: 'insert' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PiramidError);
    expect(error).toMatchObject({ code: 'CONFLICT', name: 'PiramidError' });
    expect((error as Error).message).toMatch(/^record "r0" exists already/);
  });

  test('of input say what was expected, what came and where, and change nothing', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    const good = { id: 'ok', vector: [1, 2, 3] };
    const refusals: [unknown, RegExp][] = [
      [[good, { id: 'a', vector: [1, 2] }], /record "a": expected 3 numbers, got 2/],
      [[good, { id: 'a', vector: [1, Number.NaN, 0] }], /record "a": number 1 is NaN/],
      [[good, { id: 'a', vector: [1, 1e39, 0] }], /number 1 is 1e\+39, expected a finite float32/],
      [[good, { id: 'a', vector: [0, 0, 0] }], /zero vector has no direction/],
      [[good, { id: 'a', vector: [1, '2', 3] }], /number 1 is '2'/],
      [[good, { id: 'a', vector: 'abc' }], /expected a vector/],
      [
        [good, { id: 1.5, vector: [1, 2, 3] }],
        /record 1: id: expected an id that is a non-empty string or a safe integer, got 1.5/,
      ],
      [[good, { id: '', vector: [1, 2, 3] }], /expected an id/],
      [[good, good], /record "ok": duplicate id: records 0 and 1 of this call/],
      [[good, { id: 'a' }], /record "a": expected a vector or a text/],
      [[good, { id: 'a', text: 'x' }], /no embedder/],
      [[good, { id: 'a', vector: [1, 2, 3], title: 'x' }], /unknown field "title"/],
      [[good, { id: 'a', vector: [1, 2, 3], metadata: { $x: 1 } }], /\$x/],
      [[good, { id: 'a', vector: [1, 2, 3], metadata: { x: () => 1 } }], /metadata/],
      [[good, { id: 'a', vector: [1, 2, 3], text: '\ud800' }], /surrogate/],
      [[good, null], /record 1: expected an object, got null/],
    ];
    for (const [input, message] of refusals) await expect(c.upsert(input as never)).rejects.toThrow(message);
    expect(await c.count()).toBe(0);
    for (const query of [
      {},
      { vector: [1, 2, 3], k: 0 },
      { vector: [1, 2, 3], k: 10_001 },
      { vector: [1, 2, 3], nprobe: 3 },
      { vector: [1, 2, 3], where: { $foo: 1 } },
      { vector: [0, 0, 0] },
      { vector: [1, 2, 3], select: ['everything'] },
    ]) {
      expect(await codeOf(c.query(query as never))).toBe('INVALID_ARGUMENT');
    }
    expect(await codeOf(open('x', { devise: 'gpu' } as never))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(open('', {}))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(c.delete({} as never))).toBe('INVALID_ARGUMENT');
  });

  test('of arguments that no type checker saw have a code too, and nothing is silently ignored', async () => {
    await using db = await openFresh({ storage: 'memory' });
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(3));
    const loose = c as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const base = db as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const generate = (...args: unknown[]) =>
      (base.generate!(...args) as unknown as AsyncGenerator<string>).next() as Promise<unknown>;
    const holes = new Array(1);
    const refused: Promise<unknown>[] = [
      ...['abc', new Map([['a', 1]]), () => 1, 5].map((set) => loose.update!({ ids: ['r0'] }, { set })),
      loose.queryBatch!(holes),
      loose.count!({ $and: holes }),
      loose.get!(holes),
      loose.delete!({ ids: holes }),
      loose.delete!({ ids: null }),
      loose.get!(['r1'], { select: [undefined] }),
      // Each of these would be the cursor 0, and skip the first record in silence.
      ...['', null, false, [], Symbol('0'), '0x0'].map((cursor) => loose.scroll!({ cursor })),
      base.embed!(['a'], null),
      base.embed!(['a'], { kind: null }),
      base.loadModel!('embed'),
      base.loadModel!(undefined, 'static-en'),
      base.loadModel!('embed', 'static-en', { onProgress: 5 }),
      base.collection!('x', { embedder: { model: 'm', dtype: () => 1 } }),
      base.collection!('x', { embedder: { model: 'm', queryPrefix: 5 } }),
      generate([{ role: 'user', content: 'x' }]),
      generate('hello', { model: 'm' }),
      generate([{ role: 'user', content: () => 1 }], { model: 'm' }),
      generate([{ role: 'bot', content: 'x' }], { model: 'm' }),
      generate([{ role: 'user', content: 'x' }], { model: 'm', signal: 5 }),
      open('x', { models: { remote: 'no' as never } }),
      open('x', { models: { bytes: new Uint8Array(3) as never } }),
      open('x', { models: { bytes: { 'static-en': 'bytes' as never } } }),
      open('x', { models: { bytes: { 'static-en': { 'raw/table.u4': '/url' as never } } } }),
      open('x', { models: { bytes: { 'static-de': {} } as never } }),
    ];
    expect(await Promise.all(refused.map((promise) => codeOf(promise)))).toEqual(refused.map(() => 'INVALID_ARGUMENT'));
    expect((await c.scroll()).records).toHaveLength(3);
  });
});

describe('one database', () => {
  test('in memory is gone when it is closed, and needs no disk', async () => {
    const name = freshName();
    for (let i = 0; i < 2; i++) {
      await using db = await open(name, { storage: 'memory', device: 'wasm' });
      const c = await db.collection('c', { dimension: 3 });
      expect(await c.count()).toBe(0);
      await c.upsert(records(5));
      expect(await c.count()).toBe(5);
    }
    expect((await indexedDB.databases()).map((database) => database.name)).not.toContain(`piramid:${name}`);
  });

  test('that is deleted while it is open takes no more writes, and says that its data is gone', async () => {
    const name = freshName();
    const db = await open(name, { device: 'wasm' });
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(5));
    await new Promise((resolve, reject) => {
      const deletion = indexedDB.deleteDatabase(`piramid:${name}`);
      deletion.onsuccess = resolve;
      deletion.onerror = reject;
    });
    for (let i = 0; i < 2; i++) expect(await codeOf(c.upsert(records(5, 5)))).toBe('DATA_LOSS');
    expect(await c.query({ vector: [1, 0, 0], k: 5, select: [] })).toHaveLength(5); // what is in memory still answers
    await db.close();
    await using again = await open(name, { device: 'wasm' });
    expect(await again.listCollections()).toEqual([]);
  });

  test('says which device it runs on', async () => {
    for (const device of ['wasm', 'js', 'webgpu'] as const) {
      await using db = await open(freshName(), { device, storage: 'memory' });
      expect(db.device).toBe(device);
      const c = await db.collection('c', { dimension: 3 });
      await c.upsert(records(100));
      const found = await c.query({ vector: [1, 0.5, 0], k: 3, explain: true });
      expect(found.map((match) => match.id)).toEqual(['r5', 'r6', 'r4']);
      expect([found.plan!.device, found.plan!.route]).toEqual([device, `device '${device}'`]);
      const layout = device === 'webgpu' ? 'interleaved' : undefined; // a software GPU is not measured
      const { gpuBytes, gpuBudget } = await db.stats();
      if (device === 'webgpu') expect(gpuBytes).toBe((await c.stats()).bytes.gpu);
      expect([gpuBytes === undefined, gpuBudget! > gpuBytes!]).toEqual([device !== 'webgpu', device === 'webgpu']);
      expect([found.plan!.layout, (await c.stats()).layout]).toEqual([layout, layout]);
    }
    await using db = await open(freshName(), { storage: 'memory' });
    expect((await db.stats()).gpuBudget).toBeUndefined();
    expect(db.device).toBe('wasm'); // the test browser's GPU is software, which 'auto' refuses
  });
});

test('no acknowledged write is lost when the worker dies at any moment, and what is left is a prefix', async () => {
  for (let trial = 0; trial < 5; trial++) {
    const name = freshName();
    // The first: later ones cut words.
    let worker: Worker | undefined;
    const startWorker = () => {
      const started = engineWorker();
      worker ??= started;
      return started;
    };
    const db = await open(name, { worker: startWorker, device: 'wasm' });
    const c = await db.collection('c', { dimension: 3 });
    let acknowledged = 0;
    const writing = (async () => {
      for (let i = 0; ; i++) {
        await c.upsert(
          records(i % 4 === 3 ? 900 : 7, i * 1000).map((record) => ({
            ...record,
            text: 'x'.repeat(i % 4 === 3 ? 1500 : 10),
          })),
        );
        acknowledged = i + 1;
      }
    })().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 40 + trial * 80));
    worker!.terminate();
    await writing;

    await using again = await open(name, { device: 'wasm' });
    const survivors = await again.collection('c');
    const { records: kept } = await survivors.scroll({ limit: 10_000, select: ['metadata'] });
    const batches = new Map<number, number>();
    for (const { metadata } of kept) {
      const batch = Math.floor((metadata as { n: number }).n / 1000);
      batches.set(batch, (batches.get(batch) ?? 0) + 1);
    }
    expect(batches.size).toBeGreaterThanOrEqual(Math.min(acknowledged, 40));
    expect(batches.size - acknowledged).toBeLessThanOrEqual(1);
    for (let i = 0; i < batches.size; i++) expect(batches.get(i)).toBe(i % 4 === 3 ? 900 : 7);
  }
});

function engineWorker(): Worker {
  return new Worker(new URL('../../../src/worker/worker.ts', import.meta.url), { type: 'module' });
}

test('what a reactive framework would wrap because it calls itself a plain object is none', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const c = await db.collection('c', { dimension: 2 });
  expect([db, c].map((object) => Object.prototype.toString.call(object))).toEqual([
    '[object Database]',
    '[object Collection]',
  ]);
});

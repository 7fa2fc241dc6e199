// Several workers on one database, as tabs have them: one leads, all see the same, and whatever happens to the leader,
// nothing is lost and nothing is done twice. Tabs as pages, and kills at random: test/e2e/tabs.test.ts.
import { type Collection, type Database, type OpenOptions, open } from 'piramid';
import { afterEach, describe, expect, test } from 'vitest';
import { codeOf, freshName, records } from './databases.ts';
import { type Fault, NO_LOCKS } from './faults.ts';

interface Tab {
  db: Database;
  c: Collection;
  worker: Worker;
  /** Resolves when the worker has understood. */
  fault(fault: Fault): Promise<void>;
}

const workers: Worker[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

async function openTab(
  name: string,
  { locks = true, ...options }: OpenOptions & { locks?: boolean } = {},
): Promise<Tab> {
  let worker!: Worker;
  const channel = `${locks ? '' : NO_LOCKS}${crypto.randomUUID()}`;
  const db = await open(name, {
    worker: () => {
      worker = new Worker(new URL('./faulty.worker.ts', import.meta.url), { type: 'module', name: channel });
      workers.push(worker);
      return worker;
    },
    device: 'wasm',
    ...options,
  });
  const c = await db.collection('c', { dimension: 3 });
  const fault = (fault: Fault) => {
    const control = new BroadcastChannel(channel);
    return new Promise<void>((resolve) => {
      control.onmessage = () => {
        control.close();
        resolve();
      };
      control.postMessage(fault);
    });
  };
  return { db, c, worker, fault };
}

async function openTabs(count: number): Promise<Tab[]> {
  const name = freshName();
  const tabs = [await openTab(name)];
  while (tabs.length < count) tabs.push(await openTab(name));
  return tabs;
}

function deleteDatabase(name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const deletion = indexedDB.deleteDatabase(`piramid:${name}`);
    deletion.onsuccess = resolve;
    deletion.onerror = reject;
  });
}

const role = async (tab: Tab) => (await tab.db.stats()).role;

describe('tabs that share a database', () => {
  test('are all told how far a collection is that one of them opens', async () => {
    const name = freshName();
    {
      const { db, c } = await openTab(name);
      await c.upsert(records(50));
      await db.close();
    }
    const tabs = [await open(name), await open(name)];
    const told: unknown[][] = [[], []];
    for (const [i, db] of tabs.entries()) db.on('opening', (progress) => told[i]!.push(progress));
    const c = await tabs[1]!.collection('c');
    expect(await c.count()).toBe(50);
    for (const list of told) await expect.poll(() => list.at(-1)).toEqual({ collection: 'c', done: 50, total: 50 });
    for (const db of tabs) await db.close();
  });

  test('a write whose transaction the browser gave up is made again, once', async () => {
    const [a] = await openTabs(1);
    for (let n = 0; n < 2; n++) {
      await a!.fault('time out');
      await a!.c.upsert(records(5, n * 5), { mode: 'insert' });
    }
    expect(await a!.c.count()).toBe(10);
  });

  test('see what any of them has written once it is acknowledged, and answer alike', async () => {
    const tabs = await openTabs(4);
    expect(await Promise.all(tabs.map(role))).toEqual(['leader', 'follower', 'follower', 'follower']);
    for (const [i, tab] of tabs.entries()) {
      await tab.c.upsert(records(5, i * 5));
      for (const other of tabs) expect(await other.c.count()).toBe((i + 1) * 5);
    }
    const query = { vector: [1, 1.25, 0], k: 3, select: ['vector', 'metadata', 'text'] } as const;
    const answers = await Promise.all(tabs.map(async ({ c }) => [...(await c.query(query))]));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]![0]!.vector).toBeInstanceOf(Float32Array);
    expect(await tabs[3]!.c.update({ where: { even: true } }, { set: { 'a.b': new Date(7) } })).toBe(10);
    expect((await tabs[1]!.c.get('r4'))!.metadata).toEqual({ n: 4, even: true, a: { b: new Date(7) } });
    expect(await tabs[2]!.c.delete({ where: { even: true } })).toBe(10);
    expect(await tabs[0]!.c.facets({ field: 'even' })).toEqual([{ value: false, count: 10 }]);
  });

  test('that open at the same moment all get it', async () => {
    const name = freshName();
    const tabs = await Promise.all(Array.from({ length: 6 }, () => openTab(name)));
    expect((await Promise.all(tabs.map(role))).filter((it) => it === 'leader')).toHaveLength(1);
    await Promise.all(tabs.map(({ c }, i) => c.upsert(records(50, i * 50))));
    for (const { c } of tabs) expect(await c.count()).toBe(300);
  });

  test('get the errors of the one that leads as their own', async () => {
    const [, b] = await openTabs(2);
    await b!.c.upsert(records(1));
    const error = await b!.c.upsert(records(1), { mode: 'insert' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'PiramidError', code: 'CONFLICT' });
    expect((error as Error).message).toMatch(/^record "r0" exists already/);
    expect(await codeOf(b!.db.collection('c', { dimension: 4 }))).toBe('CONFIG_MISMATCH');
  });

  test('open, rename and delete collections for all', async () => {
    const [a, b] = await openTabs(2);
    await b!.db.renameCollection('c', 'd');
    expect((await a!.db.listCollections()).map(({ name }) => name)).toEqual(['d']);
    expect(await a!.db.deleteCollection('d')).toBe(true);
    expect(await codeOf(b!.c.count())).toBe('NOT_FOUND');
    expect(await codeOf(a!.c.upsert(records(1)))).toBe('NOT_FOUND');
  });

  test('cancel their own calls, and only those', async () => {
    const [a, b] = await openTabs(2);
    const controller = new AbortController();
    // The leader finds calls and cancellations together when it goes on. The second write of each waits in its queue behind the
    // first; 100 more wait in their own tab for room.
    await a!.fault({ freezeMs: 1000 });
    const kept = [a!.c.upsert(records(3000)), a!.c.upsert(records(10, 3000))];
    const first = b!.c.upsert(records(3000, 4000));
    const others = Array.from({ length: 100 }, (_, i) =>
      codeOf(b!.c.upsert(records(1, 8000 + i), { signal: controller.signal })),
    );
    controller.abort();
    expect(new Set(await Promise.all(others))).toEqual(new Set(['ABORTED']));
    await Promise.all([...kept, first]);
    expect(await a!.c.count()).toBe(6010);
  });

  test('send large batches, and more calls at a time than are let through', async () => {
    const [a, b] = await openTabs(2);
    const text = 'a long text '.repeat(500);
    await b!.c.upsert(records(5000).map((record) => ({ ...record, text }))); // 30 MB
    await Promise.all(Array.from({ length: 300 }, (_, i) => b!.c.upsert(records(1, 5000 + i), { mode: 'insert' })));
    expect(await a!.c.count()).toBe(5300);
    expect((await a!.c.get('r4999', { select: ['text'] }))!.text).toBe(text);
  });

  test('hear how far a model is that the leader loads for them', async () => {
    const name = freshName();
    const models = { path: '/models/' };
    const [leader, follower] = [await openTab(name, { models }), await openTab(name, { models })];
    const heard: string[] = [];
    const c = await follower.db.collection(
      'e',
      { embedder: 'static-en' },
      { onProgress: ({ file }) => heard.push(file) },
    );
    expect(heard.length).toBeGreaterThan(0);
    await c.upsert([
      { id: 'whale', text: 'a whale in the sea' },
      { id: 'tax', text: 'a law about taxes' },
    ]);
    const found = await (await leader.db.collection('e')).query({ text: 'ocean animals', k: 1 });
    expect(found[0]!.id).toBe('whale');
  });

  test('embed by the bytes that they brought, once they lead', async () => {
    const name = freshName();
    const files = ['raw/table.u4', 'raw/scales.f32', 'tokenizer.json'].map(
      async (path) => [path, await (await fetch(`/models/static-en/${path}`)).blob()] as const,
    );
    const bytes = { 'static-en': Object.fromEntries(await Promise.all(files)) };
    const leader = await openTab(name, { models: { path: '/models/' } });
    const follower = await openTab(name, { models: { bytes } });
    const c = await follower.db.collection('e', { embedder: 'static-en' });
    await c.upsert([
      { id: 'whale', text: 'a whale in the sea' },
      { id: 'tax', text: 'a law about taxes' },
    ]);
    await leader.db.close();
    expect((await c.query({ text: 'ocean animals', k: 1 }))[0]!.id).toBe('whale');
  });

  test('but never one in memory', async () => {
    const name = freshName();
    const tabs = [await openTab(name, { storage: 'memory' }), await openTab(name, { storage: 'memory' })];
    await tabs[0]!.c.upsert(records(3));
    expect(await tabs[1]!.c.count()).toBe(0);
    expect(await Promise.all(tabs.map(role))).toEqual(['leader', 'leader']);
  });
});

describe('when the leader goes', () => {
  test('by closing, it finishes what it writes, and the others go on without an error', async () => {
    const [a, b, c] = await openTabs(3);
    const writes = [a, b, c].flatMap((tab, t) =>
      Array.from({ length: 100 }, (_, i) => tab!.c.upsert(records(1, t * 100 + i), { mode: 'insert' })),
    );
    const reads = [b, c].flatMap((tab) => Array.from({ length: 50 }, () => tab!.c.count()));
    await a!.db.close();
    await Promise.all([...writes, ...reads]);
    expect(await c!.c.count()).toBe(300);
    expect(await role(b!)).toBe('leader');
    expect(await codeOf(a!.c.count())).toBe('CLOSED');
    // A follower closes as quietly, and finishes its writes.
    const last = c!.c.upsert(records(1, 300));
    await c!.db.close();
    await last;
    expect(await b!.c.count()).toBe(301);
  });

  test('by dying, again and again, calls in flight are answered by the next', async () => {
    const name = freshName();
    const tabs = [await openTab(name), await openTab(name)];
    for (let i = 0; i < 6; i++) {
      const [leader, follower] = tabs as [Tab, Tab];
      const writes = Array.from({ length: 20 }, (_, j) =>
        follower.c.upsert(records(1, i * 20 + j), { mode: 'insert' }),
      );
      await writes[i];
      leader.worker.terminate();
      await Promise.all(writes);
      expect(await follower.c.count()).toBe((i + 1) * 20);
      tabs.shift();
      tabs.push(await openTab(name));
    }
  });

  test('between a write and its answer, no write is applied twice', async () => {
    const large = records(3000).map((record) => ({ ...record, text: 'x'.repeat(500) }));
    const writes: [what: string, write: (tab: Tab) => Promise<unknown>, answer: unknown][] = [
      ['an insert', ({ c }) => c.upsert(records(1, 10), { mode: 'insert' }), undefined],
      ['a large insert', ({ c }) => c.upsert(large.slice(10), { mode: 'insert' }), undefined],
      ['an update', ({ c }) => c.update({ where: { n: 1 } }, { set: { n: -1 } }), 1],
      ['a deletion', ({ c }) => c.delete({ where: { n: { $lt: 5 } } }), 5],
      ['the deletion of a collection', ({ db }) => db.deleteCollection('c'), true],
      ['a renaming', ({ db }) => db.renameCollection('c', 'd'), undefined],
      ['the making of a collection', ({ db }) => db.collection('e', { dimension: 1 }).then(({ name }) => name), 'e'],
    ];
    await Promise.all(
      writes.map(async ([what, write, answer]) => {
        const [a, b] = await openTabs(2);
        await b!.c.upsert(records(10));
        await a!.fault('die before the next answer');
        expect(await write(b!), what).toEqual(answer);
        expect(await role(b!), what).toBe('leader');
      }),
    );
  });

  test('by standing still, its place is taken; when it goes on, it neither writes late nor answers from its memory', async () => {
    const late = async () => {
      const [a, b] = await openTabs(2);
      await a!.c.upsert(records(5));
      await a!.fault({ freezeBeforeCommitMs: 8000 });
      const write = a!.c.upsert(records(1, 5), { mode: 'insert' });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await b!.c.upsert(records(5, 10));
      expect(await role(b!)).toBe('leader');
      expect(await b!.c.count()).toBe(10); // the late write has not happened
      await write; // once, by way of b
      expect(await b!.c.count()).toBe(11);
      expect(await role(a!)).toBe('follower');
    };
    const outOfDate = async () => {
      const [a, b] = await openTabs(2);
      await a!.c.upsert(records(5));
      const frozen = a!.fault({ freezeMs: 7500 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await b!.c.upsert(records(5, 5));
      expect(await a!.c.count()).toBe(10); // asked while it stands still
      await frozen;
      await a!.c.upsert(records(5, 10));
      expect(await b!.c.count()).toBe(15);
    };
    await Promise.all([late(), outOfDate()]);
  });

  test('and the database was deleted meanwhile, nothing is written into a new one by mistake', async () => {
    const name = freshName();
    const [a, b] = [await openTab(name), await openTab(name)];
    await a.c.upsert(records(5));
    await deleteDatabase(name);
    for (const { c } of [a, b]) expect(await codeOf(c.upsert(records(1)))).toBe('DATA_LOSS');
    a.worker.terminate();
    expect(await codeOf(b.c.upsert(records(1)))).toBe('DATA_LOSS');
    await b.db.close();
    const again = await openTab(name);
    expect(await again.c.count()).toBe(0);
  });
});

test('without Web Locks the newest opener has the database, and older ones lose nothing but their turn', async () => {
  const name = freshName();
  const older = await openTab(name, { locks: false });
  await older.c.upsert(records(5));
  const newer = await openTab(name, { locks: false });
  expect(await codeOf(older.c.upsert(records(5, 100)))).toBe('BLOCKED');
  expect(await newer.c.count()).toBe(5);
  await newer.c.upsert(records(5, 5));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await codeOf(older.c.count())).toBe('BLOCKED'); // what it remembers is out of date
  await older.db.close();
  const again = await openTab(name, { locks: false });
  expect(await again.c.count()).toBe(10);
  await again.c.upsert(records(1, 10));
  expect(await codeOf(newer.c.upsert(records(1, 11)))).toBe('BLOCKED');
});

test('without Web Locks, who had the database before it was deleted writes nothing into the one that was made after it', async () => {
  const name = freshName();
  const older = await openTab(name, { locks: false });
  await older.c.upsert(records(5));
  await deleteDatabase(name);
  const newer = await openTab(name, { locks: false });
  await newer.c.upsert(records(3));
  expect(await codeOf(older.c.upsert(records(5, 100)))).toBe('DATA_LOSS');
  expect(await codeOf(older.db.collection('d', { dimension: 3 }))).toBe('DATA_LOSS');
  await newer.c.upsert(records(1, 3));
  const again = await openTab(name, { locks: false });
  expect(await again.c.count()).toBe(4);
  expect((await again.db.listCollections()).map((collection) => collection.name)).toEqual(['c']);
});

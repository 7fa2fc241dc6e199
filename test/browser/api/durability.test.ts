// What becomes of a database when its browser loses, damages or bounds what it stores.
import { type Damage, type Database, type DataLoss, open } from 'piramid';
import { expect, test, vi } from 'vitest';
import { codeOf, freshName, records } from './databases.ts';

const DEVICE = { device: 'wasm' } as const;

/** Enough text that the records are chunks of their own, not a log entry. */
function longRecords(count: number) {
  return records(count).map((record) => ({ ...record, text: `${record.text} ${'x'.repeat(8000)}` }));
}

function eventsOf(db: Database) {
  const damages: Damage[] = [];
  const losses: DataLoss[] = [];
  db.on('damage', (damage) => damages.push(damage));
  db.on('dataloss', (loss) => losses.push(loss));
  return { damages, losses };
}

async function inStore<T>(name: string, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(`piramid:${name}`);
  await new Promise((resolve) => {
    opening.onsuccess = resolve;
  });
  const transaction = opening.result.transaction('chunks', 'readwrite');
  const request = use(transaction.objectStore('chunks'));
  await new Promise((resolve) => {
    transaction.oncomplete = resolve;
  });
  opening.result.close();
  return request.result;
}

/** Flips a bit in the last byte of the first chunk of a kind (see docs/FORMAT.md). */
async function damageChunk(name: string, kind: number): Promise<void> {
  for (const key of await inStore(name, (store) => store.getAllKeys())) {
    const value = (await inStore(name, (store) => store.get(key))) as ArrayBuffer;
    if (new Uint8Array(value)[5] !== kind) continue;
    new Uint8Array(value)[value.byteLength - 1]! ^= 1;
    await inStore(name, (store) => store.put(value, key));
    return;
  }
  throw new Error(`no chunk of kind ${kind}`);
}

test('compaction takes deleted records out of memory and disk, and shows how far it is', async () => {
  const name = freshName();
  await using db = await open(name, DEVICE);
  const c = await db.collection('c', { dimension: 384 });
  const list = Array.from({ length: 8000 }, (_, i) => ({ id: i, vector: new Float32Array(384).fill(i + 1) }));
  await c.upsert(list);
  const stored = (await c.stats()).bytes.disk;
  await c.delete({ ids: list.filter(({ id }) => id % 2 === 0).map(({ id }) => id) });
  const done: number[] = [];
  const { rows, bytesAfter } = await c.compact({ onProgress: (progress) => done.push(progress.done / progress.total) });
  // It may have begun by itself, and then there is little left to do.
  expect((await c.stats()).rows).toBe(4000);
  if (rows > 0) expect(done.at(-1)).toBe(1);
  expect(bytesAfter).toBeLessThan(stored * 0.55);
  expect(await c.count()).toBe(4000);
  expect((await c.query({ vector: new Float32Array(384).fill(1), k: 3 })).length).toBe(3);
}, 60_000);

test('a damaged part is told, and left out; the rest is found, and repair ends it', async () => {
  const name = freshName();
  {
    await using db = await open(name, DEVICE);
    await (await db.collection('c', { dimension: 3 })).upsert(longRecords(300));
    await (await db.collection('d', { dimension: 3 })).upsert(records(3));
  }
  await damageChunk(name, 6); // text
  await damageChunk(name, 7); // postings
  {
    await using db = await open(name, DEVICE);
    const { damages } = eventsOf(db);
    const c = await db.collection('c');
    const found = await c.query({ vector: [1, 0, 0], k: 300 });
    expect(found.map(({ id }) => id)).toHaveLength(300);
    const silent = found.filter(({ text }) => text === undefined).length;
    expect(silent).toBeGreaterThan(0);
    expect(silent).toBeLessThan(100);
    await expect.poll(() => damages.map(({ what }) => what).sort()).toEqual(['nothing', 'texts']);
    expect(damages.find(({ what }) => what === 'texts')).toMatchObject({ collection: 'c', records: silent });
    expect((await db.stats()).damage).toHaveLength(2);
    // A tab that comes later hears of it, too.
    await using other = await open(name, DEVICE);
    const told = eventsOf(other).damages;
    await expect.poll(() => told.map(({ what }) => what).sort()).toEqual(['nothing', 'texts']);
    expect(await c.query({ keywords: 'number' })).toHaveLength(0);
    expect(await (await db.collection('d')).query({ keywords: 'number' })).toHaveLength(3);
    await c.upsert({ id: 'new', vector: [0, 0, 1], text: 'new number' });
    expect(await db.repair()).toHaveLength(2);
    expect((await db.stats()).damage).toEqual([]);
    expect((await c.query({ keywords: 'number', k: 1000 })).length).toBe(301 - silent);
  }
  await using db = await open(name, DEVICE);
  const { damages } = eventsOf(db);
  const c = await db.collection('c');
  expect((await c.query({ keywords: 'number', k: 1000 })).length).toBeGreaterThan(200);
  expect(await c.count()).toBe(301);
  expect(damages).toEqual([]);
});

async function deleteDatabase(name: string): Promise<void> {
  await new Promise((resolve) => {
    indexedDB.deleteDatabase(`piramid:${name}`).onsuccess = resolve;
  });
}

const FORGET = {
  nothing: async () => {},
  localStorage: async () => localStorage.clear(),
  'the file': async () => {
    const directory = await navigator.storage.getDirectory();
    // Row files of other tests may be there, and in use.
    for await (const name of directory.keys()) if (name.endsWith('.json')) await directory.removeEntry(name);
  },
};

test.each(Object.entries(FORGET))(
  'a database that the browser lost is not taken for a first visit, where %s is lost with it',
  async (_, forget) => {
    const name = freshName();
    {
      await using db = await open(name, DEVICE);
      const { losses } = eventsOf(db);
      await (await db.collection('c', { dimension: 3 })).upsert(records(20));
      expect(losses).toEqual([]);
    }
    await forget();
    {
      await using db = await open(name, DEVICE);
      const { losses } = eventsOf(db);
      expect(await (await db.collection('c')).count()).toBe(20);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(losses).toEqual([]);
    }
    await forget();
    await deleteDatabase(name);
    {
      await using db = await open(name, DEVICE);
      const { losses } = eventsOf(db);
      await expect.poll(() => losses).toEqual([{ what: 'everything', recordsBefore: 20, recordsNow: 0 }]);
    }
    // Told once: from now on, the new one counts.
    await using db = await open(name, DEVICE);
    const { losses } = eventsOf(db);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(losses).toEqual([]);
  },
);

test('a worker that opens a database notices its loss too', async () => {
  const name = freshName();
  const openedByWorker = async () => {
    const worker = new Worker(new URL('./opener.worker.ts', import.meta.url), { type: 'module' });
    const losses = await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(name);
    });
    worker.terminate();
    return losses;
  };
  expect(await openedByWorker()).toEqual([]);
  expect(await openedByWorker()).toEqual([]);
  await deleteDatabase(name);
  expect(await openedByWorker()).toEqual([{ what: 'everything', recordsBefore: 5, recordsNow: 0 }]);
});

test('where nothing remembers a database, or nothing can, a lost one opens as a new one', async () => {
  const getDirectory = vi
    .spyOn(navigator.storage, 'getDirectory')
    .mockRejectedValue(new DOMException('no', 'SecurityError'));
  const getItem = vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
    throw new DOMException('no', 'SecurityError');
  });
  const name = freshName();
  for (let round = 0; round < 2; round++) {
    await using db = await open(name, DEVICE);
    const { losses } = eventsOf(db);
    await (await db.collection('c', { dimension: 3 })).upsert(records(2));
    expect(losses).toEqual([]);
    await db.close();
    await deleteDatabase(name);
  }
  expect(getDirectory).toHaveBeenCalled();
  getDirectory.mockRestore();
  getItem.mockRestore();
});

test('a file that never comes delays no opening, and what localStorage says is told', async () => {
  const name = freshName();
  {
    await using db = await open(name, DEVICE);
    await (await db.collection('c', { dimension: 3 })).upsert(records(5));
  }
  await deleteDatabase(name);
  const getDirectory = vi.spyOn(navigator.storage, 'getDirectory').mockReturnValue(new Promise(() => {}));
  await using db = await open(name, DEVICE);
  const { losses } = eventsOf(db);
  await (await db.collection('c', { dimension: 3 })).upsert(records(2));
  await expect
    .poll(() => losses, { timeout: 60_000 })
    .toEqual([{ what: 'everything', recordsBefore: 5, recordsNow: 0 }]);
  await db.close();
  getDirectory.mockRestore();
});

test('the browser is asked once to keep the storage, at the first write', async () => {
  const persist = vi.spyOn(navigator.storage, 'persist').mockResolvedValue(true);
  await using db = await open(freshName(), DEVICE);
  const c = await db.collection('c', { dimension: 3 });
  expect(persist).toHaveBeenCalledTimes(0);
  await c.upsert(records(1));
  await c.upsert(records(2));
  expect(persist).toHaveBeenCalledTimes(1);
  await using other = await open(freshName(), { ...DEVICE, persist: false });
  await (await other.collection('c', { dimension: 3 })).upsert(records(1));
  expect(persist).toHaveBeenCalledTimes(1);
  expect((await other.stats()).isPersistent).toBeTypeOf('boolean');
  persist.mockRestore();
});

test('events are named, and their listeners are functions', async () => {
  await using db = await open(freshName(), { ...DEVICE, storage: 'memory' });
  expect(await codeOf((async () => db.on('dammage' as never, () => {}))())).toBe('INVALID_ARGUMENT');
  expect(await codeOf((async () => db.on('damage', 1 as never))())).toBe('INVALID_ARGUMENT');
});

// Who may write, and which writes of other tabs have been applied already.
import { expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import { countOf, decodeOrigin, encodeOrigin, type Origin, withAnswer } from '../../../src/store/answered.ts';
import type { Backend, Place, Write } from '../../../src/store/backend.ts';
import { type FencedBackend, openFenced } from '../../../src/store/fence.ts';
import { emptyManifest, manifestWrites } from '../../../src/store/manifest.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import {
  ANSWERED_CLIENTS_MAX,
  FENCE_KEY_FIRST,
  FENCES_MAX,
  FORMAT_VERSION,
  OLD_FENCE_KEY,
  STORES,
  type StoreName,
} from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Bitset } from '../../../src/structures/bitset.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { wrapped } from './wrapped.ts';

const CLIENT = '01234567-89ab-4cde-8f01-23456789abcd';
const origin = (call: number, settled = 1, client = CLIENT): Origin => ({ client, call, settled });
const open = (backend: MemoryBackend) => Store.open(backend, (blocks) => blocks[0]!.bytes);

/** Tells a write that was run from one that was remembered. */
const applied = (write: Promise<void>) => write.then(() => -1);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything in a backend, to see that nothing was changed. */
async function contents(backend: MemoryBackend) {
  const values = [];
  for (const store of STORES)
    for (const key of await backend.keys(store))
      values.push([store, key, [...new Uint8Array((await backend.read(store, key))!)]]);
  return values;
}

function rows(firstRow: number, rowCount: number) {
  const values = new Float32Array(rowCount * 256);
  return {
    firstRow,
    rowCount,
    ids: Array.from({ length: rowCount }, (_, i) => firstRow + i),
    vectors: { dimension: 256, values, present: Bitset.full(rowCount) },
    metadata: new Array<null>(rowCount).fill(null),
    texts: new Array<null>(rowCount).fill(null),
    postings: null,
  };
}

test('whoever opens has the database alone: who opened it before writes nothing more, not even what it repairs', async () => {
  const backend = new MemoryBackend();
  const openers = [];
  for (let i = 0; i < 3; i++) {
    const fenced = await openFenced(backend);
    openers.push({ fenced, store: await Store.open(fenced, (blocks) => blocks[0]!.bytes) });
    if (i === 0) await openers[0]!.store.createCollection('c', { dimension: 256, metric: 'dot', embedder: null });
  }
  const [oldest, older, newest] = openers;
  const id = 1;
  const before = await contents(backend);
  for (const { store, fenced } of [oldest!, older!, oldest!]) {
    const writes = [
      () => store.append(id, rows(0, 3), []),
      () => store.append(id, rows(0, 5000), []),
      () => store.createCollection('d', { dimension: 1, metric: 'dot', embedder: null }),
      () => store.deleteCollection(id),
      () => store.fold(),
    ];
    for (const write of writes) await expect(write()).rejects.toThrow(/^.*taken the database over/);
    await expect(fenced.checkFence()).rejects.toMatchObject({ code: 'BLOCKED' });
  }
  expect(await contents(backend)).toEqual(before);
  await newest!.fenced.checkFence();
  await newest!.store.append(id, rows(0, 3), []);
});

const fencesOf = async (backend: Backend) => (await backend.keys('manifest')).filter((key) => key >= FENCE_KEY_FIRST);

test('of openers that come at once, the last has the database, and each of the others is fenced off', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const backend = new MemoryBackend();
    /** Each step of an opener at another time. */
    const late = <T>(run: () => Promise<T>) => pause(random.below(4)).then(run);
    const slow = wrapped(backend, {
      read: (store: StoreName, key: number) => late(() => backend.read(store, key)),
      keys: (store: StoreName) => late(() => backend.keys(store)),
      commit: (writes: readonly Write[], vacant?: Place) => late(() => backend.commit(writes, vacant)),
    });
    const openers = await Promise.all(Array.from({ length: 6 }, () => openFenced(slow)));
    const write: Write = { store: 'chunks', key: 1, value: new ArrayBuffer(1) };
    const written = await Promise.allSettled(openers.map((opener) => opener.commit([write])));
    expect(written.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    expect(await fencesOf(backend)).toHaveLength(6);
  }
});

test('fences are taken away when nobody needs them, but for the last, by which they are counted', async () => {
  const backend = new MemoryBackend();
  let areOthersGone = false;
  const open = () => openFenced(backend, async () => areOthersGone);
  const frozen = await open();
  for (let i = 0; i < FENCES_MAX + 20; i++) await open();
  const before = await fencesOf(backend);
  expect(before).toHaveLength(FENCES_MAX + 21);
  const write: Write = { store: 'chunks', key: 1, value: new ArrayBuffer(1) };
  await expect(frozen.commit([write])).rejects.toMatchObject({ code: 'BLOCKED' });
  areOthersGone = true;
  const last = await open();
  const newest = before.at(-1)!;
  expect(await fencesOf(backend)).toEqual([newest, newest + 1]);
  await last.commit([write]);
  for (let i = 0; i < 100; i++) await open();
  expect((await fencesOf(backend)).length).toBeLessThanOrEqual(FENCES_MAX + 1);
});

class Full extends MemoryBackend {
  isFull = false;
  override async commit(writes: readonly Write[], vacant?: Place): Promise<void> {
    if (this.isFull && (vacant || writes.some((write) => 'value' in write)))
      throw new PiramidError('QUOTA_EXCEEDED', 'full');
    return super.commit(writes, vacant);
  }
}

test('on a storage without any room for a fence, what is there is read, and nothing is written before it is read anew', async () => {
  const write: Write = { store: 'chunks', key: 1, value: new ArrayBuffer(1) };
  const remove: Write = { store: 'log', key: 6, delete: true };
  const operations: ((fenced: FencedBackend) => Promise<void>)[] = [
    (fenced) => fenced.commit([write]),
    (fenced) => fenced.commit([remove]),
    (fenced) => fenced.checkFence(),
  ];
  for (const [i, operation] of operations.entries()) {
    const backend = new Full();
    const old = await openFenced(backend);
    await old.commit([{ store: 'log', key: 6, value: new ArrayBuffer(1) }, ...manifestWrites(emptyManifest())]);
    backend.isFull = true;
    const fenced = await openFenced(backend);
    expect([old.full, fenced.full?.code]).toEqual([null, 'QUOTA_EXCEEDED']);
    expect(await fenced.keys('log')).toEqual([6]);
    await fenced.checkFence();
    const before = await contents(backend);
    for (const writes of [[write], [remove]])
      await expect(fenced.commit(writes)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    expect(await contents(backend)).toEqual(before);
    backend.isFull = false;
    // Whoever had it before may find room first.
    if (i > 0) await old.commit([{ store: 'log', key: 7, value: new ArrayBuffer(1) }]);
    await expect(operation(fenced)).rejects.toMatchObject({ code: 'BLOCKED' });
    for (const again of operations) await expect(again(fenced)).rejects.toMatchObject({ code: 'BLOCKED' });
    await expect(old.commit([write])).rejects.toMatchObject({ code: 'BLOCKED' });
    expect([await backend.keys('chunks'), await backend.keys('log')]).toEqual([[], i > 0 ? [6, 7] : [6]]);
    const next = await openFenced(backend);
    await next.commit([write]);
  }
});

test('what is only deleted needs no room, and is fenced all the same', async () => {
  const backend = new Full();
  const fenced = await openFenced(backend);
  await fenced.commit([{ store: 'chunks', key: 1, value: new ArrayBuffer(1) }]);
  backend.isFull = true;
  await fenced.commit([{ store: 'chunks', key: 1, delete: true }]);
  expect(await backend.keys('chunks')).toEqual([]);
  backend.isFull = false;
  await openFenced(backend);
  await backend.commit([{ store: 'chunks', key: 1, value: new ArrayBuffer(1) }]);
  await expect(fenced.commit([{ store: 'chunks', key: 1, delete: true }])).rejects.toMatchObject({ code: 'BLOCKED' });
  expect(await backend.keys('chunks')).toEqual([1]);
});

test('an opener of a release that had the one fence of format 3 finds it gone', async () => {
  const backend = new MemoryBackend();
  await backend.commit([{ store: 'manifest', key: OLD_FENCE_KEY, value: new ArrayBuffer(56) }]);
  await openFenced(backend);
  expect(await backend.read('manifest', OLD_FENCE_KEY)).toBeUndefined();
});

test('a database that cannot be opened is left as it is', async () => {
  const backend = new MemoryBackend();
  const manifest = { ...emptyManifest(), generation: 2, reader: FORMAT_VERSION + 1 };
  await backend.commit(manifestWrites(manifest));
  const before = await contents(backend);
  await expect(openFenced(backend)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
  expect(await contents(backend)).toEqual(before);
});

test('a write is known by its origin in whatever form it was stored, after folds and reopens too', async () => {
  const backend = new MemoryBackend();
  let store = await open(backend);
  const { id } = await store.createCollection('c', { dimension: 256, metric: 'dot', embedder: null });
  const never = () => Promise.reject(new Error('applied twice'));
  const again = (count: number) => count;
  const small = () => applied(store.append(id, rows(0, 3), []));
  const large = () => applied(store.append(id, rows(3, 5000), [0]));
  const deleting = () => applied(store.delete(id, [1, 2]));
  const renaming = () => applied(store.renameCollection(id, 'd'));
  expect(await store.once(origin(3), small, again)).toBe(-1);
  expect(await store.once(origin(4), large, again)).toBe(-1);
  expect(await store.once(origin(6), deleting, again)).toBe(-1);
  expect(await store.once(origin(7), renaming, again)).toBe(-1);
  for (let round = 0; round < 3; round++) {
    for (const [call, count] of [
      [3, 3],
      [4, 5000],
      [6, 2],
      [7, 0],
    ] as const)
      expect(await store.once(origin(call), never, again)).toBe(count);
    // What failed, or another tab's, is not taken for it.
    await expect(store.once(origin(5), never, again)).rejects.toThrow('applied twice');
    await expect(store.once(origin(3, 1, CLIENT.replace('0', '1')), never, again)).rejects.toThrow('applied twice');
    if (round === 1) await store.fold();
    store = await open(backend);
  }
  // What the other tab has had its answer of is forgotten.
  expect(await store.once(origin(8, 7), () => applied(store.delete(id, [3])), again)).toBe(-1);
  await expect(store.once(origin(6), never, again)).rejects.toThrow('applied twice');
  expect(await store.once(origin(7), never, again)).toBe(0);
});

test('a write that failed is not remembered', async () => {
  const backend = new MemoryBackend();
  const store = await open(backend);
  const { id } = await store.createCollection('c', { dimension: 256, metric: 'dot', embedder: null });
  const { commit } = backend;
  backend.commit = () => Promise.reject(new Error('full'));
  const write = () => applied(store.append(id, rows(0, 3), []));
  await expect(store.once(origin(1), write, (count) => count)).rejects.toThrow('full');
  backend.commit = commit;
  expect(await store.once(origin(1), write, (count) => count)).toBe(-1);
});

test('the memory of other tabs is bounded, and keeps those that wrote last', () => {
  const client = (i: number) => CLIENT.slice(0, -4) + i.toString().padStart(4, '0');
  let answered: ReturnType<typeof withAnswer> = [];
  for (let i = 0; i < ANSWERED_CLIENTS_MAX * 2; i++) {
    answered = withAnswer(answered, origin(i + 1, 1, client(0)), i);
    answered = withAnswer(answered, origin(1, 1, client(i)), 7);
  }
  expect(answered).toHaveLength(ANSWERED_CLIENTS_MAX);
  expect(countOf(answered, origin(ANSWERED_CLIENTS_MAX * 2, 1, client(0)))).toBe(ANSWERED_CLIENTS_MAX * 2 - 1);
  expect(countOf(answered, origin(1, 1, client(ANSWERED_CLIENTS_MAX * 2 - 1)))).toBe(7);
  expect(countOf(answered, origin(1, 1, client(1)))).toBeUndefined();
});

test('an origin survives its bytes', () => {
  const bytes = encodeOrigin(origin(4_000_000_000, 3_999_999_999), 12);
  expect(decodeOrigin(bytes)).toEqual({ origin: origin(4_000_000_000, 3_999_999_999), count: 12 });
});

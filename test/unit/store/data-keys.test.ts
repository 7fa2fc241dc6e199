// A data key encrypts so many values, and then the next one does: none is lost on the way, and none is encrypted that was not counted.
import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Backend, Place, Write } from '../../../src/store/backend.ts';
import { openEncryption, type Unlocked, unlock } from '../../../src/store/encryption.ts';
import { openFenced } from '../../../src/store/fence.ts';
import { decodeBlock, encodeBlock, HEADER_BYTES, keyNumberOf } from '../../../src/store/format.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import {
  FENCE_KEY_FIRST,
  KEY_KEY,
  LATER_KEY_READER,
  STORES,
  VALUE_READER,
  VALUES_COUNTED_AHEAD,
  VALUES_PER_KEY_MAX,
} from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Disk, type DiskState } from '../../faults/disk.ts';
import { wrapped } from './wrapped.ts';

const LIMIT = 10;
const AHEAD = 4;

const newKey = () => crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);

interface Limits {
  limit?: number;
  ahead?: number;
  known?: Unlocked;
}

/** As the engine opens a database. */
async function open(inner: Backend, key: CryptoKey | null, { limit = LIMIT, ahead = AHEAD, known }: Limits = {}) {
  const encryption = (await openEncryption(inner, key, known, limit, ahead))!;
  const backend = await openFenced(encryption.backend);
  await encryption.establish(backend);
  return { encryption, backend, store: await Store.open(backend, (blocks) => blocks[0]!.bytes) };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** One more record: a log entry, and a fold now and then. */
async function write({ store }: Opened, i: number): Promise<void> {
  const { id } =
    store.collections[0] ?? (await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null }));
  const batch = { rowCount: 1, ids: [i], vectors: null, metadata: [null], texts: [`text ${i}`], postings: null };
  await store.append(id, { ...batch, firstRow: store.rowCount(id) }, []);
  if (i % 7 === 6) await store.fold();
}

async function texts({ store }: Opened): Promise<(string | null)[]> {
  const [collection] = store.collections;
  if (!collection) return [];
  return store.readTexts(
    collection.id,
    Array.from({ length: store.rowCount(collection.id) }, (_, i) => i),
  );
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`);

/** Values that were encrypted so far, by key, whether or not they arrived. */
type Usage = ReadonlyMap<number, number>;

const isSecret = ({ store, key }: Place) => store !== 'manifest' || (key < FENCE_KEY_FIRST && key !== KEY_KEY);

const countIn = (block: ArrayBuffer) => new DataView(block).getUint32(20, true);

const anyValue = () =>
  encodeBlock({ kind: 'log', collection: 0, key: 0, firstRow: 0, rowCount: 0 }, Uint8Array.of(1, 2, 3));

/** A backend that looks at what it is given: whether the key block that is stored by then counts it. */
function watched(disk: Backend, before: Usage = new Map(), limit = LIMIT) {
  const usage = new Map(before);
  let keyBlocks = 0;
  const commit = async (writes: readonly Write[], vacant?: Place) => {
    const block = await stored(disk);
    for (const write of writes) {
      if (write.store === 'manifest' && write.key === KEY_KEY) keyBlocks++;
      if (!('value' in write) || !isSecret(write)) continue;
      const keyNumber = keyNumberOf(write.value);
      const used = (usage.get(keyNumber) ?? 0) + 1;
      usage.set(keyNumber, used);
      expect(used).toBeLessThanOrEqual(limit);
      const isCounted = keyNumber < keyNumberOf(block) || (keyNumber === keyNumberOf(block) && used <= countIn(block));
      expect(isCounted, `value ${used} under key ${keyNumber}`).toBe(true);
      // Releases that know one key alone refuse the database by its key block, which they read first.
      const reader = keyNumber > 0 ? LATER_KEY_READER : VALUE_READER;
      expect(new Uint8Array(write.value)[4]).toBe(reader);
      if (keyNumber > 0) expect(new Uint8Array(block)[4]).toBe(LATER_KEY_READER);
    }
    await disk.commit(writes, vacant);
  };
  return Object.assign(wrapped(disk, { commit }), { usage, keyBlocks: () => keyBlocks });
}

const stored = async (inner: Backend) => (await inner.read('manifest', KEY_KEY))!;

async function fingerprint(inner: Backend): Promise<string[]> {
  const values = [];
  for (const store of STORES)
    for (const key of await inner.keys(store))
      values.push(`${store} ${key} ${Buffer.from((await inner.read(store, key))!).toString('hex')}`);
  return values;
}

test('values go under the next data key when one has as many as it may; all can be read, and by the right key alone', async () => {
  const [key, other] = await Promise.all([newKey(), newKey()]);
  const disk = watched(new Disk());
  for (let i = 0; i < 60; i += 20) {
    const opened = await open(disk, key);
    expect(await texts(opened)).toEqual(upTo(i));
    for (let n = i; n < i + 20; n++) await write(opened, n);
    expect(await texts(opened)).toEqual(upTo(i + 20));
  }
  expect(disk.usage.size).toBeGreaterThan(5);
  const before = await fingerprint(disk);
  for (const wrong of [other, null]) await expect(open(disk, wrong)).rejects.toMatchObject({ code: 'WRONG_KEY' });
  expect(await fingerprint(disk)).toEqual(before);
  expect(await texts(await open(disk, key))).toEqual(upTo(60));
});

test('one commit of more values than a key may have goes under several', async () => {
  const key = await newKey();
  const disk = watched(new Disk());
  const opened = await open(disk, key);
  const plain = anyValue();
  await opened.backend.commit(Array.from({ length: 35 }, (_, i) => ({ store: 'log', key: 1000 + i, value: plain })));
  expect([...disk.usage]).toEqual([
    [0, 10],
    [1, 10],
    [2, 10],
    [3, 5],
  ]);
  const read = await opened.backend.readAll('log', 1000);
  for (const value of read.values())
    expect(new Uint8Array(value, HEADER_BYTES)).toEqual(new Uint8Array(plain, HEADER_BYTES));
  expect(read.size).toBe(35);
});

test('a key that is not full leaves the database to older releases; values are counted in advance, many in one write', async () => {
  const key = await newKey();
  const disk = watched(new Disk(), new Map(), 1000);
  for (let round = 0; round < 2; round++) {
    const opened = await open(disk, key, { limit: 1000, ahead: 50 });
    for (let i = 0; i < 100; i++) await write(opened, round * 100 + i);
  }
  const values = disk.usage.get(0)!;
  expect(disk.usage.size).toBe(1);
  expect(disk.keyBlocks()).toBeLessThanOrEqual(Math.ceil(values / 50) + 2);
  expect(new Uint8Array(await stored(disk))[4]).toBe(VALUE_READER);
  expect(keyNumberOf(await stored(disk))).toBe(0);
  // What is read alone costs nothing.
  const before = disk.keyBlocks();
  await texts(await open(disk, key, { limit: 1000, ahead: 50 }));
  expect(disk.keyBlocks()).toBe(before);
});

test('the limits are those of FORMAT.md', async () => {
  expect(VALUES_PER_KEY_MAX).toBe(2 ** 28);
  const disk = new Disk();
  await write(await open(disk, await newKey(), { limit: VALUES_PER_KEY_MAX, ahead: VALUES_COUNTED_AHEAD }), 0);
  expect(countIn(await stored(disk))).toBe(4096);
});

test('a crash at any commit loses nothing and goes on counting, whichever key was next', async () => {
  const key = await newKey();
  const disk = new Disk();
  const trace = watched(disk);
  const points: { state: DiskState; usage: Usage; written: number }[] = [];
  let written = 0;
  const look = () => points.push({ state: disk.state, usage: new Map(trace.usage), written });
  disk.onCommit = look;
  // A crash in the middle of a commit: it was tried, and has not arrived.
  disk.faultOf = (what) => {
    if (what === 'commit' && written > 0) look();
    return null;
  };
  for (let round = 0; round < 2; round++) {
    const opened = await open(trace, key);
    for (let i = 0; i < 12; i++) {
      await write(opened, written);
      written++;
    }
  }
  expect(points.length).toBeGreaterThan(60);
  for (const { state, usage, written } of points) {
    const survivor = watched(new Disk(state), usage);
    const opened = await open(survivor, key);
    const found = await texts(opened);
    expect([upTo(written), upTo(written + 1)]).toContainEqual(found);
    for (let i = found.length; i < found.length + 8; i++) await write(opened, i);
    expect(await texts(await open(survivor, key))).toEqual(upTo(found.length + 8));
  }
});

test.each([
  { what: 'failed' },
  { what: 'quota' },
  { what: 'lost connection', arrived: true },
  { what: 'lost connection', arrived: false },
] as const)(
  'a commit that fails ($what), whichever it is, fails its write alone: $arrived',
  async (fault) => {
    const key = await newKey();
    for (let failAt = 0, failed = true; failed; failAt++) {
      const disk = new Disk();
      const trace = watched(disk);
      const opened = await open(trace, key);
      failed = false;
      let commits = 0;
      disk.faultOf = (what) => {
        if (what !== 'commit' || commits++ !== failAt) return null;
        failed = true;
        return fault;
      };
      const acknowledged: string[] = [];
      for (let i = 0; i < 15; i++) {
        const done = await write(opened, i).then(
          () => true,
          () => false,
        );
        if (!done && opened.store.full) await opened.store.retryWrites();
        if (done) acknowledged.push(`text ${i}`);
      }
      // Until something is written, nobody can tell whether a write without an answer has arrived.
      disk.faultOf = () => null;
      await write(opened, 15);
      acknowledged.push('text 15');
      // A fold that fails fails its write here, which stands.
      const found = await texts(opened);
      expect(found).toEqual(expect.arrayContaining(acknowledged));
      expect(found.length).toBeLessThanOrEqual(16);
      expect(await texts(await open(trace, key))).toEqual(found);
    }
  },
  60_000,
);

test("the caller's key is exchanged once for all data keys, and who knew the database goes on", async () => {
  const [first, second] = await Promise.all([newKey(), newKey()]);
  const disk = watched(new Disk());
  const opened = await open(disk, first);
  const { unlocked: known } = opened.encryption;
  for (let i = 0; i < 25; i++) await write(opened, i);
  const before = await fingerprint(disk);
  const block = await stored(disk);
  await opened.encryption.rotate(opened.backend, second);
  const changed = (await fingerprint(disk)).filter((value) => !before.includes(value));
  expect(changed.map((value) => value.split(' ', 2).join(' '))).toEqual([`manifest ${KEY_KEY}`]);
  expect(keyNumberOf(await stored(disk))).toBe(keyNumberOf(block));
  expect(new Uint8Array(await stored(disk))[4]).toBe(LATER_KEY_READER);
  for (let i = 25; i < 50; i++) await write(opened, i);
  await expect(open(disk, first)).rejects.toMatchObject({ code: 'WRONG_KEY' });
  // A tab that proved the old key before there was a second data key.
  const follower = await open(disk, first, { known });
  expect(await texts(follower)).toEqual(upTo(50));
  for (let i = 50; i < 75; i++) await write(follower, i);
  expect(await texts(await open(disk, second))).toEqual(upTo(75));
});

test("neither of an exchange of the caller's key and values that are counted meanwhile undoes the other", async () => {
  const keys = await Promise.all(Array.from({ length: 6 }, newKey));
  const disk = watched(new Disk());
  let isSlow = false;
  // The first of two changes arrives behind the second, unless that one waits for it.
  const commit = async (writes: readonly Write[], vacant?: Place) => {
    if (isSlow && writes.some(({ store, key }) => store === 'manifest' && key === KEY_KEY)) {
      isSlow = false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await disk.commit(writes, vacant);
  };
  const opened = await open(wrapped(disk, { commit }), keys[0]!);
  let at = 1000;
  const value = () => opened.backend.commit([{ store: 'log', key: at++, value: anyValue() }]);
  for (const key of keys) {
    isSlow = true;
    const values = Array.from({ length: AHEAD + 2 }, value);
    await Promise.all([...values, opened.encryption.rotate(opened.backend, key), value()]);
    await expect(unlock(await stored(disk), key)).resolves.toBeTruthy();
    expect(new DataView(opened.encryption.keyBlock)).toEqual(new DataView(await stored(disk)));
  }
});

test("an exchange of the caller's key that failed and arrived all the same is not undone by what is counted next", async () => {
  const [first, second] = await Promise.all([newKey(), newKey()]);
  const disk = new Disk();
  const opened = await open(watched(disk), first);
  disk.faultOf = (what) => (what === 'commit' ? { what: 'lost connection', arrived: true } : null);
  await expect(opened.encryption.rotate(opened.backend, second)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  disk.faultOf = () => null;
  for (let i = 0; i < 15; i++) await write(opened, i);
  expect(await texts(await open(disk, second))).toEqual(upTo(15));
});

test('an opener that read the key block before another one changed it undoes nothing', async () => {
  const [first, second] = await Promise.all([newKey(), newKey()]);
  const disk = watched(new Disk());
  const early = await open(disk, first);
  await write(early, 0);
  const late = (await openEncryption(disk, first, null, LIMIT, AHEAD))!;
  for (let i = 1; i < 25; i++) await write(early, i);
  await early.encryption.rotate(early.backend, second);
  const backend = await openFenced(late.backend);
  await late.establish(backend);
  const before = await fingerprint(disk);
  // Often enough for values that are not counted yet.
  for (let i = 0; i < 10; i++) await expect(write(early, 25)).rejects.toMatchObject({ code: 'BLOCKED' });
  expect(await fingerprint(disk)).toEqual(before);
  const opened = { encryption: late, backend, store: await Store.open(backend, (blocks) => blocks[0]!.bytes) };
  for (let i = 25; i < 50; i++) await write(opened, i);
  expect(await texts(await open(disk, second))).toEqual(upTo(50));
});

test('a damaged key block is told, whichever byte it is, and nothing is changed', async () => {
  const key = await newKey();
  const disk = new Disk();
  const opened = await open(disk, key);
  for (let i = 0; i < 25; i++) await write(opened, i);
  const block = await stored(disk);
  for (let byte = 0; byte < block.byteLength; byte++) {
    const damaged = block.slice(0);
    new Uint8Array(damaged)[byte]! ^= 1;
    await disk.commit([{ store: 'manifest', key: KEY_KEY, value: damaged }]);
    const before = await fingerprint(disk);
    await expect(open(disk, key)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/^key 3: /),
    });
    expect(await fingerprint(disk)).toEqual(before);
  }
  // Who has it open puts it right.
  for (let i = 25; i < 35; i++) await write(opened, i);
  expect(await texts(await open(disk, key))).toEqual(upTo(35));
});

test('later keys are derived as FORMAT.md says', async () => {
  const key = await newKey();
  const inner = new MemoryBackend();
  const opened = await open(inner, key);
  for (let i = 0; i < 40; i++) await write(opened, i);
  const { salt, dataKey } = opened.encryption.unlocked;
  const first = Buffer.from(await crypto.subtle.exportKey('raw', dataKey));
  const keyNumbers = new Set<number>();
  for (const [at, value] of await inner.readAll('log', 0)) {
    const keyNumber = keyNumberOf(value);
    if (keyNumber === 0) continue;
    keyNumbers.add(keyNumber);
    const raw = createHmac('sha256', first)
      .update(`piramid data key ${keyNumber + 1} ${salt}\x01`)
      .digest();
    const later = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
    const place = Uint8Array.of(2, ...new Uint8Array(Uint32Array.of(at).buffer), ...new Uint8Array(value, 0, 28));
    const iv = new Uint8Array(value, HEADER_BYTES, 12);
    const additionalData = Uint8Array.of(...place, ...new TextEncoder().encode(salt));
    const bytes = new Uint8Array(value, HEADER_BYTES + 12);
    await expect(crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, later, bytes)).resolves.toBeDefined();
  }
  expect(keyNumbers.size).toBeGreaterThan(0);
  expect(decodeBlock(await stored(inner), { kind: 'key' }).payload).toHaveLength(76);
});

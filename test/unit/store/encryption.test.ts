// What is stored with a key can be read with that key alone, and each value in its own place only.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { importKey } from '../../../src/api/key.ts';
import type { Backend, Write } from '../../../src/store/backend.ts';
import { openEncryption, unlock } from '../../../src/store/encryption.ts';
import { openFenced } from '../../../src/store/fence.ts';
import {
  decodeBlock,
  decodeHeader,
  HEADER_BYTES,
  recodedBlock,
  recodedHeader,
  spoiledBlock,
} from '../../../src/store/format.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { FENCE_KEY_FIRST, KEY_KEY, STORES, type StoreName } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Bitset } from '../../../src/structures/bitset.ts';

afterEach(() => void vi.unstubAllGlobals());

const CANARY = 'canary-5f1e';

const newKey = () => crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);

/** As the engine opens a database. */
async function open(inner: Backend, key: CryptoKey | null) {
  const encryption = await openEncryption(inner, key);
  const backend = await openFenced(encryption?.backend ?? inner);
  await encryption?.establish(backend);
  return { encryption: encryption!, backend, store: await Store.open(backend, (blocks) => blocks[0]!.bytes) };
}

/** A segment and a log entry that say the canary in every way. */
async function fill(store: Store) {
  const { id } = await store.createCollection(CANARY, { dimension: 2, metric: 'dot', embedder: null });
  for (const weight of [1, 400_000]) {
    const firstRow = store.rowCount(id);
    const batch = {
      firstRow,
      rowCount: 1,
      ids: [`${CANARY} ${firstRow}`],
      vectors: { dimension: 2, values: Float32Array.of(1, 2), present: Bitset.full(1) },
      metadata: [`{"${CANARY}":"${CANARY}"}`],
      texts: [CANARY.repeat(weight)],
      postings: null,
    };
    await store.append(id, batch, []);
  }
  return id;
}

async function values(inner: Backend) {
  const all: { store: StoreName; key: number; value: ArrayBuffer }[] = [];
  for (const store of STORES)
    for (const key of await inner.keys(store)) all.push({ store, key, value: (await inner.read(store, key))! });
  return all;
}

const bytesOf = async (inner: Backend) =>
  (await values(inner)).map(({ store, key, value }) => `${store} ${key} ${Buffer.from(value).toString('latin1')}`);

test('nothing that was written can be read from the stored bytes, which say it all without a key', async () => {
  for (const key of [null, await newKey()]) {
    const inner = new MemoryBackend();
    const { store } = await open(inner, key);
    const id = await fill(store);
    expect((await bytesOf(inner)).some((text) => text.includes(CANARY))).toBe(key === null);
    const again = await open(inner, key);
    expect(await again.store.readTexts(id, [0])).toEqual([CANARY]);
    expect(again.store.collections[0]!.name).toBe(CANARY);
  }
});

test('a page on plain http is told what it lacks', async () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues });
  await expect(importKey(new Uint8Array(32))).rejects.toThrow(/^.*https/);
});

test('no two values are encrypted alike', async () => {
  const inner = new MemoryBackend();
  const { encryption } = await open(inner, await newKey());
  const plain = spoiledBlock(new ArrayBuffer(HEADER_BYTES + 100));
  const write = (key: number): Write => ({ store: 'chunks', key, value: plain.slice(0) });
  await encryption.backend.commit([write(1), write(2)]);
  const first = Buffer.from((await inner.read('chunks', 1))!).toString('hex');
  await encryption.backend.commit([write(1)]);
  const second = Buffer.from((await inner.read('chunks', 1))!).toString('hex');
  const other = Buffer.from((await inner.read('chunks', 2))!).toString('hex');
  expect(new Set([first, second, other].map((hex) => hex.slice(HEADER_BYTES * 2))).size).toBe(3);
});

test('another key, no key, or one for a database without encryption is WRONG_KEY, and nothing is changed', async () => {
  const [mine, other] = await Promise.all([newKey(), newKey()]);
  const encrypted = new MemoryBackend();
  await fill((await open(encrypted, mine)).store);
  const plain = new MemoryBackend();
  await fill((await open(plain, null)).store);
  const cases = [
    [encrypted, other, /^.*another key/],
    [encrypted, null, /^.*open it with its key/],
    [plain, mine, /^.*not encrypted/],
  ] as const;
  for (const [inner, key, message] of cases) {
    const before = await bytesOf(inner);
    await expect(open(inner, key)).rejects.toThrow(message);
    expect(await bytesOf(inner)).toEqual(before);
  }
});

test('the key is exchanged without touching a value; who knew the database goes on, the old key opens nothing', async () => {
  const [first, second] = await Promise.all([newKey(), newKey()]);
  const inner = new MemoryBackend();
  const { store, encryption, backend } = await open(inner, first);
  await fill(store);
  const known = encryption.unlocked;
  const before = await bytesOf(inner);
  await encryption.rotate(backend, second);
  const changed = (await bytesOf(inner)).filter((text) => !before.includes(text));
  expect(changed.map((text) => text.split(' ', 2).join(' '))).toEqual([`manifest ${KEY_KEY}`]);
  await expect(open(inner, first)).rejects.toMatchObject({ code: 'WRONG_KEY' });
  const again = await open(inner, second);
  expect(await again.store.readTexts(1, [0])).toEqual([CANARY]);
  expect((await openEncryption(inner, first, known))!.unlocked.salt).toBe(known.salt);
  // Of another database, nothing is known.
  const other = new MemoryBackend();
  await open(other, second);
  await expect(openEncryption(other, first, known)).rejects.toMatchObject({ code: 'WRONG_KEY' });
  await expect(unlock(undefined, first, known)).rejects.toMatchObject({ code: 'WRONG_KEY' });
  // Who has lost the database cannot exchange its key.
  await expect(encryption.rotate(backend, first)).rejects.toMatchObject({ code: 'BLOCKED' });
});

test('who was slower to make a database finds the key of who was quicker, and writes nothing over it', async () => {
  const [mine, other] = await Promise.all([newKey(), newKey()]);
  for (const [quicker, slower] of [
    [mine, mine],
    [mine, other],
    [null, other],
  ] as const) {
    for (const isFencedFirst of [false, true]) {
      const inner = new MemoryBackend();
      const late = (await openEncryption(inner, slower))!;
      let backend = isFencedFirst ? await openFenced(late.backend) : late.backend;
      await fill((await open(inner, quicker)).store);
      const before = await bytesOf(inner);
      const opening = async () => {
        if (!isFencedFirst) backend = await openFenced(backend);
        await late.establish(backend);
        return Store.open(backend, (blocks) => blocks[0]!.bytes);
      };
      if (quicker === slower) expect((await opening()).collections[0]!.name).toBe(CANARY);
      else {
        await expect(opening()).rejects.toMatchObject({ code: 'WRONG_KEY' });
        expect(await bytesOf(inner)).toEqual(before);
      }
      expect((await open(inner, quicker)).store.collections[0]!.name).toBe(CANARY);
    }
  }
});

test('two that make a database at once end with one key', async () => {
  const [mine, other] = await Promise.all([newKey(), newKey()]);
  for (const keys of [
    [mine, mine],
    [mine, other],
    [mine, null],
  ]) {
    const inner = new MemoryBackend();
    const opened = await Promise.allSettled(keys.map((key) => open(inner, key!)));
    const values = opened.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const written = [];
    for (const { store } of values) written.push(await fill(store).catch((error) => error.code));
    // One of them has it, and whoever opens it next finds what that one wrote.
    expect(written.filter((result) => result === 1).length).toBeLessThanOrEqual(1);
    const stored = await inner.read('manifest', KEY_KEY);
    const codes = await Promise.all(
      [...new Set(keys)].map((key) =>
        unlock(stored, key!).then(
          () => 'opens',
          (error) => error.code,
        ),
      ),
    );
    expect(codes.filter((code) => code === 'opens')).toHaveLength(1);
    const holder = [...new Set(keys)][codes.indexOf('opens')]!;
    const { store } = await open(inner, holder);
    if (written.includes(1)) expect(await store.readTexts(1, [0])).toEqual([CANARY]);
  }
});

describe('a value', () => {
  async function written() {
    const inner = new MemoryBackend();
    const { store, encryption } = await open(inner, await newKey());
    await fill(store);
    await store.fold();
    return {
      inner,
      encryption,
      all: (await values(inner)).filter(({ store, key }) => store !== 'manifest' || key < 2),
    };
  }

  test('that has been damaged is found by its checksum without the key, and by the key whatever its checksums say', async () => {
    const { inner, encryption, all } = await written();
    for (const { store, key, value } of all) {
      for (const [at, sealed] of [
        [HEADER_BYTES + 3, false],
        [value.byteLength - 1, true],
        [17, true],
      ] as const) {
        const bytes = new Uint8Array(value.slice(0));
        bytes[at]! ^= 4;
        // A forger makes checksums fit.
        const header = recodedHeader(bytes.buffer, 1, bytes.length - HEADER_BYTES);
        const spoiled = sealed ? recodedBlock(header, bytes.subarray(HEADER_BYTES)) : bytes.buffer;
        await inner.commit([{ store, key, value: spoiled }]);
        const read = (await encryption.backend.read(store, key))!;
        const kind = kindOf(value);
        expect(() => decodeBlock(read, { kind }), `${store} ${key} ${at}`).toThrow(
          expect.objectContaining({ code: 'CORRUPT' }),
        );
      }
      await inner.commit([{ store, key, value }]);
      const read = (await encryption.backend.read(store, key))!;
      expect(decodeBlock(read, { kind: kindOf(value) }).payload.length).toBe(value.byteLength - HEADER_BYTES - 28);
    }
  });

  test('that stands in another place, or is not encrypted, is damaged; its header can be read', async () => {
    const { inner, encryption, all } = await written();
    const chunks = all.filter(({ store }) => store === 'chunks');
    for (const { key, value } of chunks) {
      const foreign = { store: 'chunks', key: key + 1000, value } as const;
      await inner.commit([foreign]);
      const read = (await encryption.backend.read('chunks', key + 1000))!;
      expect(decodeHeader(read, { kind: kindOf(value) }).key).toBe(key);
      expect(() => decodeBlock(read, { kind: kindOf(value) })).toThrow(/^.*payload fails its checksum/);
      // In the clear, as a forger without the key could put it there.
      const clear = (await encryption.backend.read('chunks', key))!;
      await inner.commit([{ store: 'chunks', key, value: clear }]);
      const planted = (await encryption.backend.read('chunks', key))!;
      expect(() => decodeBlock(planted, { kind: kindOf(value) })).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    }
    expect(chunks.length).toBeGreaterThan(3);
    expect((await inner.read('manifest', FENCE_KEY_FIRST))!.byteLength).toBe(HEADER_BYTES);
  });
});

test('what is encrypted is bound to its place and its database, as FORMAT.md says', async () => {
  const inner = new MemoryBackend();
  const key = await newKey();
  const { store, encryption } = await open(inner, key);
  await fill(store);
  const block = (await inner.read('manifest', KEY_KEY))!;
  const { payload } = decodeBlock(block, { kind: 'key', key: KEY_KEY });
  const salt = payload.slice(0, 16);
  const decrypt = (by: CryptoKey, bound: Uint8Array<ArrayBuffer>, bytes: Uint8Array<ArrayBuffer>) =>
    crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes.slice(0, 12), additionalData: bound }, by, bytes.slice(12));
  const label = new TextEncoder().encode('piramid data key 1');
  const raw = await decrypt(key, Uint8Array.of(...label, ...salt), payload.slice(16));
  const dataKey = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
  const name = new TextEncoder().encode(encryption.unlocked.salt);
  const encrypted = (await values(inner)).filter(({ store, key }) => store !== 'manifest' || key < 2);
  for (const { store, key, value } of encrypted) {
    const place = new Uint8Array(5);
    place[0] = STORES.indexOf(store);
    new DataView(place.buffer).setUint32(1, key, true);
    const bound = Uint8Array.of(...place, ...new Uint8Array(value, 0, 28), ...name);
    await expect(decrypt(dataKey, bound, new Uint8Array(value.slice(HEADER_BYTES)))).resolves.toBeDefined();
  }
  expect(new Set(encrypted.map(({ store }) => store)).size).toBe(STORES.length);
});

function kindOf(value: ArrayBuffer) {
  const kinds = [
    'manifest',
    'log',
    'ids',
    'vectors',
    'metadata',
    'text',
    'postings',
    'tombstones',
    'codes',
    'fence',
    'ballast',
  ] as const;
  return kinds[new DataView(value).getUint8(5) - 1]!;
}

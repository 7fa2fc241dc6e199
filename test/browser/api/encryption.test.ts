// Databases with a key, through the public API: who may open them, and tabs that share one.
import { type OpenOptions, open } from 'piramid';
import { expect, test } from 'vitest';
import { HEADER_BYTES, keyNumberOf, recodedBlock, recodedHeader } from '../../../src/store/format.ts';
import { KEY_KEY, VALUES_PER_KEY_MAX } from '../../../src/store/schema.ts';
import { codeOf, freshName, openFresh, records } from './databases.ts';

const bytes = (fill: number) => new Uint8Array(32).fill(fill);
const imported = (fill: number) =>
  crypto.subtle.importKey('raw', bytes(fill), 'AES-GCM', false, ['encrypt', 'decrypt']);
const openWith = (name: string, key?: OpenOptions['key']) => open(name, { device: 'wasm', ...(key && { key }) });

test('a database opens with its key alone, as bytes or as a CryptoKey, and says what is wrong otherwise', async () => {
  const name = freshName();
  {
    await using db = await openWith(name, bytes(1));
    await (await db.collection('c', { dimension: 3 })).upsert(records(2000));
    expect(await codeOf(openWith(name, bytes(2)))).toBe('WRONG_KEY');
    expect(await codeOf(openWith(name))).toBe('WRONG_KEY');
  }
  await expect(openWith(name, bytes(2))).rejects.toThrow(/^.*another key/);
  await expect(openWith(name)).rejects.toThrow(/^.*open it with its key/);
  await using db = await openWith(name, await imported(1));
  const c = await db.collection('c');
  expect(await c.count()).toBe(2000);
  expect((await c.query({ keywords: '1234' }))[0]!.text).toBe('record number 1234');
  expect((await c.get('r5'))!.metadata).toEqual({ n: 5, even: false });

  await using plain = await openFresh();
  await plain.collection('c', {});
  expect(await codeOf(openWith(plain.name, bytes(1)))).toBe('WRONG_KEY');
  expect(await codeOf(plain.rotateKey(bytes(1)))).toBe('WRONG_KEY');
  await plain.close();
  expect(await codeOf(openWith(plain.name, bytes(1)))).toBe('WRONG_KEY');
});

test('what is no key is refused before anything is opened', async () => {
  const signing = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const oneWay = await crypto.subtle.importKey('raw', bytes(1), 'AES-GCM', false, ['encrypt']);
  for (const key of [new Uint8Array(16), 'a password', signing, oneWay])
    expect(await codeOf(openWith(freshName(), key as never))).toBe('INVALID_ARGUMENT');
});

test('tabs share it; its key is exchanged by any of them, and those that have it open stay', async () => {
  const name = freshName();
  const leader = await openWith(name, bytes(1));
  await using follower = await openWith(name, await imported(1));
  const c = await follower.collection('c', { dimension: 3 });
  await c.upsert(records(10));
  expect((await follower.stats()).role).toBe('follower');
  await follower.rotateKey(bytes(2));
  expect(await codeOf(openWith(name, bytes(1)))).toBe('WRONG_KEY');
  await using late = await openWith(name, bytes(2));
  expect(await (await late.collection('c')).count()).toBe(10);
  await leader.close();
  // The next one in the queue proved the old key when it was the key.
  await c.upsert(records(10, 10));
  expect((await follower.stats()).role).toBe('leader');
  expect(await (await late.collection('c')).count()).toBe(20);
  await follower.close();
  expect(await (await late.collection('c')).count()).toBe(20);
  await late.close();
  expect(await codeOf(openWith(name, bytes(1)))).toBe('WRONG_KEY');
  await using again = await openWith(name, bytes(2));
  expect(await (await again.collection('c')).count()).toBe(20);
});

test('a file of it is in the clear, and goes into a database with another key', async () => {
  await using db = await openFresh({ key: bytes(1) });
  await (await db.collection('c', { dimension: 3 })).upsert(records(100));
  const file = await new Response(db.export()).blob();
  expect(await file.text()).toContain('record number 17');
  await using other = await openFresh({ key: bytes(2) });
  expect(await other.import(file)).toEqual({ collections: ['c'], records: 100 });
  expect((await (await other.collection('c')).get('r17'))!.text).toBe('record number 17');
});

test('tabs go on where a data key is full, also one that opened the database before; its file goes into another', async () => {
  const name = freshName();
  {
    await using db = await openWith(name, bytes(1));
    await (await db.collection('c', { dimension: 3 })).upsert(records(10));
  }
  // As after 268 million values.
  await changeKeyBlock(name, (block) => {
    const header = recodedHeader(block, 0, block.byteLength - HEADER_BYTES);
    new DataView(header.buffer).setUint32(20, VALUES_PER_KEY_MAX - 2, true);
    return recodedBlock(header, new Uint8Array(block, HEADER_BYTES));
  });
  const leader = await openWith(name, bytes(1));
  await using follower = await openWith(name, bytes(1));
  const c = await follower.collection('c');
  for (let i = 1; i < 6; i++) await c.upsert(records(10, 10 * i));
  await leader.rotateKey(bytes(2));
  expect((await follower.stats()).role).toBe('follower');
  await leader.close();
  await c.upsert(records(10, 60));
  expect((await follower.stats()).role).toBe('leader');
  expect(await c.count()).toBe(70);
  const file = await new Response(follower.export()).blob();
  await follower.close();
  await changeKeyBlock(name, (block) => {
    expect(keyNumberOf(block)).toBe(1);
    return block;
  });
  expect(await codeOf(openWith(name, bytes(1)))).toBe('WRONG_KEY');
  await using again = await openWith(name, bytes(2));
  const found = await (await again.collection('c')).get(records(70).map(({ id }) => id));
  expect(found.map((record) => record?.text)).toEqual(records(70).map(({ text }) => text));
  await using other = await openFresh({ key: bytes(3) });
  expect(await other.import(file)).toEqual({ collections: ['c'], records: 70 });
});

/** In a database that nobody has open. */
async function changeKeyBlock(name: string, change: (block: ArrayBuffer) => ArrayBuffer): Promise<void> {
  const done = <T>(request: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const database = await done(indexedDB.open(`piramid:${name}`));
  const store = () => database.transaction('manifest', 'readwrite').objectStore('manifest');
  const block = await done<ArrayBuffer>(store().get(KEY_KEY));
  await done(store().put(change(block), KEY_KEY));
  database.close();
}

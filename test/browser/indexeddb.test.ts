// The backend on IndexedDB: its transactions are all or nothing, and as durable as they were asked to be.
import { open } from 'piramid';
import { afterEach, expect, test } from 'vitest';
import type { Write } from '../../src/store/backend.ts';
import { openIndexedDb } from '../../src/store/indexeddb.ts';
import { freshName } from './api/databases.ts';

const { transaction } = IDBDatabase.prototype;
afterEach(() => {
  IDBDatabase.prototype.transaction = transaction;
});

const value = (byte: number) => Uint8Array.of(byte).buffer;
const chunk = (key: number, byte: number): Write => ({ store: 'chunks', key, value: value(byte) });
const gone = (key: number): Write => ({ store: 'chunks', key, delete: true });

test('a commit is as durable as the database', async () => {
  const begun: string[] = [];
  IDBDatabase.prototype.transaction = function (...args) {
    const made = transaction.apply(this, args);
    if (made.mode === 'readwrite') begun.push(made.durability);
    return made;
  };
  for (const durability of ['strict', 'relaxed'] as const) {
    begun.length = 0;
    const backend = await openIndexedDb(freshName(), durability);
    await backend.commit([chunk(1, 1)]);
    await backend.commit([gone(1), { store: 'log', key: 1, value: value(1) }], { store: 'manifest', key: 20 });
    // In Chromium, what is strict is put twice (docs/FORMAT.md, "Writing").
    expect(begun).toEqual(new Array(durability === 'strict' ? 4 : 2).fill(durability));
    backend.close();
  }
});

test('a database is strict unless told otherwise', async () => {
  const sent: string[] = [];
  class Overheard extends Worker {
    override postMessage(message: unknown, transfer?: unknown): void {
      sent.push(JSON.stringify(message));
      super.postMessage(message, transfer as Transferable[]);
    }
  }
  const worker = () => new Overheard(new URL('../../src/worker/worker.ts', import.meta.url), { type: 'module' });
  await (await open(freshName(), { worker, device: 'js' })).close();
  expect(sent.filter((message) => message.includes('"durability":"strict"'))).toHaveLength(1);
});

test('a value that cannot be stored takes the ones before it back', async () => {
  const backend = await openIndexedDb(freshName(), 'strict');
  const unstorable = { store: 'log', key: 1, value: (() => {}) as unknown as ArrayBuffer } as const;
  await expect(backend.commit([chunk(1, 1), unstorable])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(await backend.keys('chunks')).toEqual([]);
  backend.close();
});

test('a commit whose vacant place is taken changes nothing', async () => {
  const backend = await openIndexedDb(freshName(), 'strict');
  const place = { store: 'manifest', key: 20 } as const;
  await backend.commit([chunk(1, 1)], place);
  await backend.commit([{ ...place, value: value(1) }]);
  await expect(backend.commit([chunk(2, 2)], place)).rejects.toMatchObject({ code: 'BLOCKED' });
  expect(await backend.keys('chunks')).toEqual([1]);
  backend.close();
});

test('many chunks are put and deleted, and no other', async () => {
  const backend = await openIndexedDb(freshName(), 'strict');
  await backend.commit(Array.from({ length: 20 }, (_, i) => chunk(i, i)));
  await backend.commit([1, 2, 4, 6, 8, 10, 12].map(gone));
  expect(await backend.keys('chunks')).toEqual([0, 3, 5, 7, 9, 11, 13, 14, 15, 16, 17, 18, 19]);
  await backend.commit([chunk(3, 7), gone(5), chunk(5, 8), chunk(3, 9), gone(7)]);
  const read = async (key: number) => new Uint8Array((await backend.read('chunks', key)) ?? new ArrayBuffer(0))[0];
  expect(await Promise.all([3, 5, 7, 9].map(read))).toEqual([9, 8, undefined, 9]);
  backend.close();
});

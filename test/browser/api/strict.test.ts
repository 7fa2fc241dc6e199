// That each commit, of whatever kind, is one that the disk has confirmed: what transactions the backend begins, seen from below.
import { afterEach, expect, test } from 'vitest';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { freshName } from './databases.ts';

const { transaction } = IDBDatabase.prototype;
const { put } = IDBObjectStore.prototype;
afterEach(() => {
  IDBDatabase.prototype.transaction = transaction;
  IDBObjectStore.prototype.put = put;
});

interface Seen {
  database: string;
  durability: string;
  /** Store and key of each value. */
  puts: { place: string; bytes: number }[];
}

/** Transactions that write, from now on. */
function watch(): Seen[] {
  const all: Seen[] = [];
  const seen = new Map<IDBTransaction, Seen>();
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    const begun = transaction.call(this, stores, mode, options);
    if (mode !== 'readwrite') return begun;
    const one = { database: this.name, durability: begun.durability, puts: [] };
    all.push(one);
    seen.set(begun, one);
    return begun;
  };
  IDBObjectStore.prototype.put = function (value, key) {
    seen
      .get(this.transaction)
      ?.puts.push({ place: `${this.name} ${String(key)}`, bytes: (value as ArrayBuffer).byteLength });
    return put.call(this, value, key);
  };
  return all;
}

async function openEngine(name: string, durability: 'strict' | 'relaxed', key?: CryptoKey): Promise<LocalEngine> {
  const engine = createEngine(() => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: async () => {},
  }));
  const options = { name, storage: 'indexeddb', device: 'js', durability, models: {} } as const;
  await engine.open({ ...options, ...(key && { key }) }, () => {});
  return engine;
}

const newKey = () => crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);

/** Everything that commits; resolves with the names of what it did. */
async function commitEverything(durability: 'strict' | 'relaxed'): Promise<{ [kind: string]: Seen[] }> {
  const seen = watch();
  const kinds: { [kind: string]: Seen[] } = {};
  let call = 0;
  const doing = async <T>(kind: string, run: () => Promise<T>): Promise<T> => {
    seen.length = 0;
    const result = await run();
    kinds[kind] = [...seen];
    return result;
  };
  const engine = await doing('open', async () => openEngine(freshName(), durability, await newKey()));
  const request = { dimension: 4, metric: 'cosine', quantization: 'none', embedder: null, mustExist: false } as const;
  const { id } = await doing('create', () => engine.openCollection('c', request, ++call));
  const upsert = (count: number, textBytes: number) => {
    const ids = Array.from({ length: count }, (_, i) => i);
    const packed = {
      ids,
      vectors: new Float32Array(count * 4).fill(1),
      sources: null,
      texts: ids.map((i) => `${i} ${'lorem '.repeat(textBytes / 6)}`),
      metadata: ids.map((n) => JSON.stringify({ n })),
    };
    return engine.upsert(id, packed, 'upsert', ++call);
  };
  await doing('small upsert', () => upsert(3, 60));
  await doing('medium upsert', () => upsert(30, 30_000));
  await doing('large upsert', () => upsert(90, 30_000));
  await doing('larger upsert that replaces', () => upsert(150, 30_000));
  await doing('update', () => engine.update(id, { ids: [1] }, { set: { m: 1 } }, ++call));
  await doing('delete', () => engine.delete(id, { ids: [1, 2] }, ++call));
  await doing('compact', () => engine.compact(id, ++call)); // folds the log as well
  await doing('rename', () => engine.renameCollection('c', 'd', ++call));
  await doing('rotate', async () => engine.rotateKey(await newKey(), ++call));
  await doing('retry', () => engine.retryWrites());
  await doing('delete collection', () => engine.deleteCollection('d', ++call));
  await engine.close();
  return kinds;
}

test('each kind of commit is strict, and what LevelDB keeps itself is put twice, or its log turns', async () => {
  const kinds = await commitEverything('strict');
  let turns = 0;
  for (const [kind, all] of Object.entries(kinds)) {
    const transactions = all.filter(({ database }) => database.startsWith('piramid:'));
    const noise = all.filter(({ database }) => database === 'piramid-log-renewal').flatMap((one) => one.puts);
    expect(all.length, kind).toBe(transactions.length + all.filter(({ database }) => !database.includes(':')).length);
    expect(transactions.length, kind).toBeGreaterThan(0);
    expect(new Set(transactions.map(({ durability }) => durability)), kind).toEqual(new Set(['strict']));
    const puts = transactions.flatMap((one) => one.puts);
    // Fences are keys of the manifest store from 16 on.
    const inline = puts.filter(({ place, bytes }) => bytes < 65_536 && !/^manifest (1[6-9]|[2-9]\d)$/.test(place));
    // More than LevelDB has in one log.
    const isTurned = noise.reduce((sum, { bytes }) => sum + bytes, 0) > 4 << 20;
    if (isTurned) turns++;
    for (const { place } of inline) {
      if (isTurned && place.startsWith('chunks')) continue;
      const times = puts.filter((other) => other.place === place).length;
      expect(times, `${kind}: ${place}`).toBeGreaterThan(1);
      expect(times % 2, `${kind}: ${place}`).toBe(0);
    }
  }
  expect(turns).toBeGreaterThan(0);
  // No manifest is in one transaction with the chunks that it names.
  for (const { puts } of kinds['large upsert']!)
    expect(new Set(puts.map(({ place }) => place.split(' ')[0])).size).toBeLessThan(2);
});

test('a relaxed database commits once, relaxed', async () => {
  const kinds = await commitEverything('relaxed');
  for (const [kind, transactions] of Object.entries(kinds))
    expect(new Set(transactions.map(({ durability }) => durability)), kind).toEqual(new Set(['relaxed']));
  expect(kinds['small upsert']!.length).toBeLessThan(3);
});

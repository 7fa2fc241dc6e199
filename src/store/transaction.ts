// Transactions that no freeze can leave half made. A browser may freeze a worker in the middle of its JavaScript (Chromium does
// so by an interrupt of V8), and a transaction that was begun and never told to commit holds up the writes of all other tabs,
// in Chromium for a minute. V8 looks for interrupts where a function or a turn of a loop begins. So between the beginning of a
// transaction and its `commit` here are calls of the browser's own functions alone, one after the other: no function of ours, not
// even `bind`, and a loop only for what is left where a transaction has more than 16 requests beside those of chunks.
// `test/e2e/freeze.test.ts` freezes a leader that does nothing but write.
import type { Place, Write } from './backend.ts';
import { STORES, type StoreName } from './schema.ts';

/** More chunks than this are put, or deleted, by `forEach`, which looks for interrupts once, before the first. */
const FEW_CHUNKS = 4;

const { apply } = Reflect;

/** A request of a transaction, ready to be made. */
interface Prepared {
  method: (...args: never[]) => IDBRequest;
  /** Place of its store among the transaction's. */
  store: number;
  args: readonly unknown[];
}

/** Begins a transaction, makes its one request, and tells it to commit. */
export function readOnce(db: IDBDatabase, name: StoreName, method: 'get', key: number): IDBRequest<unknown>;
export function readOnce(db: IDBDatabase, name: StoreName, method: 'getAllKeys'): IDBRequest<unknown>;
export function readOnce(db: IDBDatabase, name: StoreName, method: 'get' | 'getAllKeys', key?: number): IDBRequest {
  const transaction = db.transaction(name);
  const store = transaction.objectStore(name);
  const request = method === 'get' ? store.get(key!) : store.getAllKeys();
  transaction.commit();
  return request;
}

/** The same, of all keys from one on and of their values, which are as many. */
export function readAllOnce(
  db: IDBDatabase,
  name: StoreName,
  firstKey: number,
): { keys: IDBRequest<IDBValidKey[]>; values: IDBRequest<unknown[]> } {
  const range = IDBKeyRange.lowerBound(firstKey);
  const transaction = db.transaction(name);
  const store = transaction.objectStore(name);
  const requests = { keys: store.getAllKeys(range), values: store.getAll(range) };
  transaction.commit();
  return requests;
}

/**
 * Begins a transaction of `writes`, and tells it to commit. It is aborted where a value stands at `vacant`: `add` fails there,
 * and with it the transaction. Of two writes to one key, the last counts.
 */
export function writeOnce(
  db: IDBDatabase,
  writes: readonly Write[],
  vacant: Place | undefined,
  durability: 'strict' | 'relaxed',
): IDBTransaction {
  const { names, requests, chunks, ranges } = prepare(writes, vacant);
  const putChunk = IDBObjectStore.prototype.put as (value: ArrayBuffer, key: number) => void;
  const deleteRange = IDBObjectStore.prototype.delete as (range: IDBKeyRange) => void;
  const [first, second, third] = names;
  const chunkStore = names.indexOf('chunks');
  const [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15, ...rest] = requests;
  const options = { durability };

  const transaction = db.transaction(names, 'readwrite', options);
  try {
    const stores = [
      transaction.objectStore(first!),
      second && transaction.objectStore(second),
      third && transaction.objectStore(third),
    ];
    if (ranges) ranges.forEach(deleteRange, stores[chunkStore]);
    if (chunks) chunks.forEach(putChunk, stores[chunkStore]);
    if (r0) apply(r0.method, stores[r0.store], r0.args);
    if (r1) apply(r1.method, stores[r1.store], r1.args);
    if (r2) apply(r2.method, stores[r2.store], r2.args);
    if (r3) apply(r3.method, stores[r3.store], r3.args);
    if (r4) apply(r4.method, stores[r4.store], r4.args);
    if (r5) apply(r5.method, stores[r5.store], r5.args);
    if (r6) apply(r6.method, stores[r6.store], r6.args);
    if (r7) apply(r7.method, stores[r7.store], r7.args);
    if (r8) apply(r8.method, stores[r8.store], r8.args);
    if (r9) apply(r9.method, stores[r9.store], r9.args);
    if (r10) apply(r10.method, stores[r10.store], r10.args);
    if (r11) apply(r11.method, stores[r11.store], r11.args);
    if (r12) apply(r12.method, stores[r12.store], r12.args);
    if (r13) apply(r13.method, stores[r13.store], r13.args);
    if (r14) apply(r14.method, stores[r14.store], r14.args);
    if (r15) apply(r15.method, stores[r15.store], r15.args);
    if (rest.length > 0) for (const request of rest) apply(request.method, stores[request.store], request.args);
    transaction.commit();
  } catch (error) {
    // A put that throws would leave the ones before it to be committed.
    try {
      transaction.abort();
    } catch {} // it is over already
    throw error;
  }
  return transaction;
}

/** `ranges`, `chunks`: chunks to be deleted, and put, before all else; null where there are few. */
function prepare(writes: readonly Write[], vacant: Place | undefined) {
  const { add, put, delete: remove } = IDBObjectStore.prototype;
  const places = vacant ? [...writes, vacant] : writes;
  const names = STORES.filter((name) => places.some(({ store }) => store === name));
  const requests: Prepared[] = [];
  if (vacant) {
    const store = names.indexOf(vacant.store);
    requests.push({ method: add, store, args: [new ArrayBuffer(0), vacant.key] });
    requests.push({ method: remove, store, args: [vacant.key] });
  }
  let chunks: Map<number, ArrayBuffer> | null = null;
  let ranges: IDBKeyRange[] | null = null;
  for (const [store, name] of names.entries()) {
    const last = new Map(writes.filter((write) => write.store === name).map((write) => [write.key, write]));
    const puts = [...last.values()].filter((write) => 'value' in write);
    const deleted = [...last.values()].filter((write) => !('value' in write)).map(({ key }) => key);
    const deletedRanges = rangesOf(deleted);
    if (name === 'chunks' && deletedRanges.length > FEW_CHUNKS) ranges = deletedRanges;
    else for (const range of deletedRanges) requests.push({ method: remove, store, args: [range] });
    if (name === 'chunks' && puts.length > FEW_CHUNKS) chunks = new Map(puts.map(({ key, value }) => [key, value]));
    else for (const { key, value } of puts) requests.push({ method: put, store, args: [value, key] });
  }
  return { names, requests, chunks, ranges };
}

/** Keys that follow each other as one. */
function rangesOf(keys: readonly number[]): IDBKeyRange[] {
  const ranges: [first: number, last: number][] = [];
  for (const key of [...keys].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range?.[1] === key - 1) range[1] = key;
    else ranges.push([key, key]);
  }
  return ranges.map(([first, last]) => IDBKeyRange.bound(first, last));
}

// Durable insert, reopening and small writes through the public API, beside raw chunk writes and reads in the same run.
import { wrap } from 'comlink';
import { type Collection, type Database, open, type VectorRecord } from 'piramid';
import type { Data } from './data.ts';
import type { Mirror } from './mirror.worker.ts';
import MirrorWorker from './mirror.worker.ts?worker';
import { type Figure, median, timed } from './statistics.ts';

const CHUNK_BYTES = 4 << 20;
/** Records of one upsert call. */
const BATCH = 10_000;
/** Nearly as many small writes as a log ever holds. */
const LOG_ENTRIES = 1900;

export async function measureStore(data: Data, shape: { n: number; d: number }, rounds: number): Promise<Figure[]> {
  const insert: number[] = [];
  const rawWrite: number[] = [];
  const reopen: number[] = [];
  const rawRead: number[] = [];
  let upsertBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const raw = await rawChunks(shape.n * shape.d * 4);
    rawWrite.push(raw.writeMs);
    const name = `bench-${round}-${Math.random()}`;
    const records = Array.from({ length: shape.n }, (_, i) => ({
      id: `record-${i}`,
      vector: data.vectors.subarray(i * shape.d, (i + 1) * shape.d),
      metadata: { group: i % 100, title: `title of record ${i}` },
    }));
    {
      await using db = await open(name, { device: 'wasm' });
      const collection = await db.collection('c', { dimension: shape.d });
      insert.push(await timed(() => insertAll(collection, records)));
      upsertBytes = await bytesOfUpsert(db, collection, records.slice(0, 10));
    }
    rawRead.push(await raw.read());
    reopen.push(
      await timed(async () => {
        await using db = await open(name, { device: 'wasm' });
        const collection = await db.collection('c');
        await collection.query({ vector: data.queries.subarray(0, shape.d), k: 10 });
      }),
    );
    await deleteDatabase(`piramid:${name}`);
  }
  const figure = (figureName: string, value: number, unit: string): Figure => ({
    name: figureName,
    value,
    unit,
    ...shape,
  });
  return [
    figure('raw.write_ms', median(rawWrite), 'ms'),
    figure('insert.ms', median(insert), 'ms'),
    figure('insert.vs_raw', median(insert.map((ms, i) => ms / rawWrite[i]!)), 'ratio'),
    figure('raw.read_ms', median(rawRead), 'ms'),
    figure('reopen.ms', median(reopen), 'ms'),
    figure('reopen.vs_raw', median(reopen.map((ms, i) => ms / rawRead[i]!)), 'ratio'),
    figure('reopen.long_log_ms', await measureLongLog(data, shape.d, rounds), 'ms'),
    figure('upsert10.bytes', upsertBytes, 'bytes'),
    ...(await measureMirror(shape.d, upsertBytes, rounds)).map(([name, ms]) => figure(name, ms, 'ms')),
  ];
}

/** What it would cost to write the bytes of a small commit, and of a batch, to a file of the origin's as well, and to sync it. */
async function measureMirror(dimension: number, smallBytes: number, rounds: number): Promise<[string, number][]> {
  const worker = new MirrorWorker();
  const mirror = wrap<Mirror>(worker);
  const small = await mirror.append(smallBytes, 20 * rounds);
  const batch = await mirror.append(BATCH * dimension * 4, 3 * rounds);
  await mirror.remove();
  worker.terminate();
  return [
    ['mirror.upsert10_ms', median(small)],
    ['mirror.batch_ms', median(batch)],
  ];
}

/** Two calls in flight: while the worker makes one batch durable, the page packs the next. */
async function insertAll(collection: Collection, records: VectorRecord[]): Promise<void> {
  let before: Promise<void> | undefined;
  for (let start = 0; start < records.length; start += BATCH) {
    const current = collection.upsert(records.slice(start, start + BATCH));
    await before;
    before = current;
  }
  await before;
}

/** From `open` to the first answer where each record, with a text, was written by itself. */
async function measureLongLog(data: Data, dimension: number, rounds: number): Promise<number> {
  const name = `bench-log-${Math.random()}`;
  const vector = data.vectors.subarray(0, dimension);
  const reopen: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const begun = performance.now();
    await using db = await open(name, { device: 'wasm' });
    const collection = await db.collection('c', { dimension });
    await collection.query({ vector, k: 10 });
    if (round > 0) reopen.push(performance.now() - begun);
    else
      await Promise.all(
        Array.from({ length: LOG_ENTRIES }, (_, id) => collection.upsert({ id, vector, text: `some words ${id}` })),
      );
  }
  await deleteDatabase(`piramid:${name}`);
  return median(reopen);
}

async function bytesOfUpsert(db: Database, collection: Collection, records: VectorRecord[]): Promise<number> {
  const before = (await db.stats()).bytesWritten;
  await collection.upsert(records);
  return (await db.stats()).bytesWritten - before;
}

/** Writes as many bytes in chunks, each in a strict transaction of its own, as fast as IndexedDB alone can. */
async function rawChunks(bytes: number): Promise<{ writeMs: number; read: () => Promise<number> }> {
  const name = `raw-${Math.random()}`;
  const db = await request(
    (() => {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('chunks');
      return opening;
    })(),
  );
  const chunks = Math.ceil(bytes / CHUNK_BYTES);
  const chunk = crypto.getRandomValues(new Uint8Array(65_536));
  const values = Array.from({ length: chunks }, () => {
    const value = new Uint8Array(CHUNK_BYTES);
    for (let i = 0; i < CHUNK_BYTES; i += chunk.length) value.set(chunk, i);
    return value.buffer;
  });
  const writeMs = await timed(async () => {
    for (const [key, value] of values.entries()) {
      const transaction = db.transaction('chunks', 'readwrite', { durability: 'strict' });
      transaction.objectStore('chunks').put(value, key);
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
    }
  });
  const read = async () => {
    const ms = await timed(async () => {
      for (let key = 0; key < chunks; key++) await request(db.transaction('chunks').objectStore('chunks').get(key));
    });
    db.close();
    await deleteDatabase(name);
    return ms;
  };
  return { writeMs, read };
}

function request<T>(waiting: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.onsuccess = () => resolve(waiting.result);
    waiting.onerror = () => reject(waiting.error);
  });
}

async function deleteDatabase(name: string): Promise<void> {
  await request(indexedDB.deleteDatabase(name));
}

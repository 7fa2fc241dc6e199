// Writes beside which queries are asked, through the public API: how long the queries wait, and how long the writes take.
// bench/writes.mjs traces `run` as well, and reads from the trace how long the worker was held at a time.
import { type Collection, type Database, open } from 'piramid';
import { seededRandom } from '../src/structures/random.ts';
import { type Figure, median, percentile } from './statistics.ts';

export interface WriteScenario {
  name: string;
  /** Records in the collection before. */
  rows: number;
  /** Records of one write. */
  records: number;
  /** Fields of a record's metadata. */
  fields: number;
  words: number;
  quantization?: 'int8' | 'binary';
  /** @default upsert */
  call?: 'upsert' | 'replace' | 'update' | 'delete';
  /** Whether filters are used, so that payload columns are kept. */
  filters?: boolean;
}

const DIMENSION = 384;
const WRITES = 5;
/** Of the lists that records are drawn from; as many words as a small corpus has. */
const VOCABULARY = 20_000;

let database: Database;
let collection: Collection<Record<string, unknown>>;
let scenario: WriteScenario;
let batches: ReturnType<typeof recordsOf>[];

function recordsOf(first: number, count: number, { fields, words }: WriteScenario, seed: number) {
  const random = seededRandom(seed);
  const word = () => `w${Math.floor(VOCABULARY * random.next() ** 3).toString(36)}`;
  return Array.from({ length: count }, (_, i) => ({
    id: `record-${first + i}`,
    vector: Float32Array.from({ length: DIMENSION }, () => random.next() - 0.5),
    text: Array.from({ length: words }, word).join(' '),
    metadata: Object.fromEntries(
      Array.from({ length: fields }, (_, f) => [
        `field${f}`,
        f % 4 === 0 ? i + f : f % 4 === 1 ? word() : f % 4 === 2 ? [word(), word()] : new Date(1e12 + i * 1e6),
      ]),
    ),
  }));
}

/** Opens a database as the scenario wants it, and makes the records of its writes. */
export async function prepareWrites(wanted: WriteScenario): Promise<void> {
  scenario = wanted;
  const { rows, records, call = 'upsert' } = wanted;
  const name = `bench-writes-${Math.random()}`;
  database = await open(name, { device: 'wasm' });
  const { quantization } = wanted;
  collection = await database.collection('c', { dimension: DIMENSION, ...(quantization && { quantization }) });
  const kept = Math.max(rows, 100);
  for (let first = 0; first < kept; first += 2000)
    await collection.upsert(recordsOf(first, Math.min(2000, kept - first), wanted, 1 + first));
  const start = (write: number) => (call === 'upsert' ? kept + write * records : (write * records) % kept);
  batches = Array.from({ length: WRITES }, (_, write) => recordsOf(start(write), records, wanted, 77 + write));
  if (wanted.filters) await collection.facets({ field: 'field1' });
  for (let i = 0; i < 20; i++) await ask();
}

const query = Float32Array.from({ length: DIMENSION }, (_, i) => Math.sin(i));
const ask = () => collection.query({ vector: query, k: 10, select: [] });

/** Carries the writes out, while queries are asked one after the other. */
export async function runWrites(): Promise<Figure[]> {
  const waits: number[] = [];
  const writes: number[] = [];
  let isDone = false;
  const asking = (async () => {
    while (!isDone) {
      const start = performance.now();
      await ask();
      waits.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 0.5));
    }
  })();
  for (const batch of batches) {
    const start = performance.now();
    if (scenario.call === 'update')
      await collection.update(
        batch.map(({ id }) => id),
        { set: { seen: true } },
      );
    else if (scenario.call === 'delete') await collection.delete(batch.map(({ id }) => id));
    else await collection.upsert(batch);
    writes.push(performance.now() - start);
  }
  isDone = true;
  await asking;
  return [
    { name: 'beside.p50_ms', value: median(waits), unit: 'ms' },
    { name: 'beside.p99_ms', value: percentile(waits, 0.99), unit: 'ms' },
    { name: 'beside.queries', value: waits.length, unit: 'n' },
    { name: 'write.ms', value: median(writes), unit: 'ms' },
  ];
}

/** The same writes with no queries beside them. */
export async function runAlone(): Promise<Figure[]> {
  const start = performance.now();
  for (const batch of batches) await collection.upsert(batch);
  return [{ name: 'write.ms', value: (performance.now() - start) / batches.length, unit: 'ms' }];
}

export async function closeWrites(): Promise<void> {
  const { name } = database;
  await database.close();
  await new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(`piramid:${name}`);
    request.onsuccess = request.onerror = resolve;
  });
}

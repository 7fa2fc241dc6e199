// Collections whose float32 numbers are in a row file answer as those that have them in memory, whatever becomes of the file.
import { expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { EngineQuery } from '../../../src/protocol.ts';
import { decodeBlock, KINDS } from '../../../src/store/format.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { DIRECTORY_BYTES } from '../../../src/store/rows/layout.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import type { DatabaseStats, Metric } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { SimulatedFile } from '../store/simulated-file.ts';

const DIMENSION = 24;
let call = 0;

/** Where an engine finds its file. */
class Folder {
  file = new SimulatedFile();
  isLocked = false;
  /** Names of databases, as they were asked for. */
  readonly asked: string[] = [];

  readonly open = async (database: string) => {
    this.asked.push(database);
    if (this.isLocked) return null;
    const { room } = this.file;
    this.file = this.file.reopened();
    this.file.room = room;
    return this.file;
  };
}

async function openEngine(
  backend: MemoryBackend,
  folder: Folder | null,
  memory: number,
  key?: CryptoKey,
): Promise<LocalEngine> {
  const models = () => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: async () => {},
  });
  const engine = createEngine(models, { openBackend: async () => backend, openRowHandle: folder?.open ?? null });
  const options = { name: 'x', storage: 'indexeddb', device: 'auto', durability: 'strict', models: {} } as const;
  await engine.open({ ...options, memory, ...(key && { key }) }, () => {});
  return engine;
}

type Quantization = 'int8' | 'binary' | 'auto';

async function openCollection(engine: LocalEngine, quantization: Quantization = 'int8', metric: Metric = 'cosine') {
  const request = { dimension: DIMENSION, metric, quantization, embedder: null, mustExist: false } as const;
  return (await engine.openCollection('c', request, ++call)).id;
}

function query(vector: Float32Array, changes: Partial<EngineQuery> = {}): EngineQuery {
  return {
    vector,
    embed: null,
    words: null,
    k: 10,
    offset: 0,
    minScore: null,
    where: null,
    fusion: { rrf: {} },
    select: ['vector'],
    exact: false,
    oversample: 1,
    explain: false,
    ...changes,
  };
}

const placeOf = async (engine: LocalEngine, id: number) => (await engine.collectionStats(id)).originals;

/** Until the rows that have just been written have gone there. */
const untilIn = (place: 'memory' | 'file', engine: LocalEngine, id: number) =>
  expect.poll(() => placeOf(engine, id)).toBe(place);

/** The same records in a database with a file and in one that has all in memory. */
class Twins {
  readonly random: ReturnType<typeof seededRandom>;
  readonly folder = new Folder();
  readonly #backends = [new MemoryBackend(), new MemoryBackend()] as const;
  readonly #metric: Metric;
  readonly #quantization: Quantization;
  memory = 1;
  engines: LocalEngine[] = [];
  id = 0;
  readonly ids = new Set<number>();

  constructor(seed: number, quantization: Quantization, metric: Metric) {
    this.random = seededRandom(seed);
    this.#quantization = quantization;
    this.#metric = metric;
  }

  async open(): Promise<void> {
    for (const engine of this.engines) await engine.close();
    const [filed, plain] = this.#backends;
    this.engines = [await openEngine(filed, this.folder, this.memory), await openEngine(plain, null, 2 ** 40)];
    for (const engine of this.engines) this.id = await openCollection(engine, this.#quantization, this.#metric);
  }

  vector(): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: DIMENSION }, () => this.random.normal());
  }

  async write(count: number, range = 60_000): Promise<void> {
    const ids = [...new Set(Array.from({ length: count }, () => this.random.below(range)))];
    const vectors = Float32Array.from(ids.flatMap(() => [...this.vector()]));
    const sources = Uint8Array.from(ids, () => (this.random.below(20) === 0 ? 2 : 0));
    for (const [i, source] of sources.entries()) if (source === 2) vectors.fill(0, i * DIMENSION, (i + 1) * DIMENSION);
    for (const id of ids) this.ids.add(id);
    const metadata = ids.map((id) => JSON.stringify({ n: id % 5 }));
    for (const engine of this.engines) {
      const records = { ids: [...ids], vectors: vectors.slice(), sources: sources.slice(), texts: null, metadata };
      await engine.upsert(this.id, records, 'upsert', ++call);
    }
  }

  async delete(share: number): Promise<void> {
    const ids = [...this.ids].filter(() => this.random.below(100) < share * 100);
    for (const id of ids) this.ids.delete(id);
    for (const engine of this.engines) await engine.delete(this.id, { ids }, ++call);
  }

  async update(): Promise<void> {
    const where = { n: this.random.below(5) };
    for (const engine of this.engines) await engine.update(this.id, { where }, { set: { seen: call } }, call);
  }

  async compact(): Promise<void> {
    for (const engine of this.engines) await engine.compact(this.id, ++call);
  }

  /** All that can be asked has the same answer. */
  async compare(why: string): Promise<void> {
    const queries = Array.from({ length: 6 }, (_, i) =>
      query(this.vector(), {
        k: i === 3 ? 400 : 10,
        exact: i % 3 === 2,
        minScore: i === 4 ? 0 : null,
        where: i === 1 ? { n: 2 } : null,
      }),
    );
    const ids = [...this.ids].slice(0, 50);
    const answers = await Promise.all(
      this.engines.map(async (engine) => {
        const found = await engine.query(this.id, queries, ++call);
        const got = await engine.get(this.id, ids, ['vector', 'metadata']);
        const count = await engine.count(this.id, null);
        return { found: found.map(({ took: _, ...answer }) => answer), got, count };
      }),
    );
    expect(answers[0], why).toEqual(answers[1]);
    expect(answers[0]!.found[0]!.ids.length).toBeGreaterThan(0);
  }
}

test.each([
  ['int8', 'cosine'],
  ['binary', 'l2'],
  ['binary', 'dot'],
] as const)(
  '%s, %s: answers are the same through writes, deletions, compactions and openings',
  async (quantization, metric) => {
    const twins = new Twins(5, quantization, metric);
    await twins.open();
    await twins.write(3000);
    for (let step = 0; step < 20; step++) {
      const what = twins.random.below(10);
      if (what < 3) await twins.write(30);
      else if (what < 5) await twins.write(12_000);
      else if (what === 5) await twins.delete(0.3);
      else if (what === 6) await twins.update();
      else if (what === 7) await twins.compact();
      else {
        // What may happen to a file between two openings.
        const { file } = twins.folder;
        const fate = twins.random.below(7);
        if (fate === 0) file.bytes[file.bytes.length - 1 - twins.random.below(400_000)]! ^= 4;
        if (fate === 1) file.truncate(twins.random.below(file.bytes.length));
        if (fate === 2) twins.folder.file = new SimulatedFile();
        if (fate === 3) for (let at = DIRECTORY_BYTES; at < file.bytes.length; at += 3000) file.bytes[at]! ^= 128;
        twins.folder.isLocked = fate === 4;
        await twins.open();
        await untilIn(fate === 4 ? 'memory' : 'file', twins.engines[0]!, twins.id);
      }
      await twins.compare(`step ${step}, ${what}`);
    }
    expect((await twins.engines[0]!.stats()).memory.file).toBeGreaterThan(0);
    for (const engine of twins.engines) await engine.close();
  },
);

/** Counts what is read of the database's chunks, by kind. */
class CountingBackend extends MemoryBackend {
  readonly kinds: number[] = [];

  override async read(...place: Parameters<MemoryBackend['read']>): ReturnType<MemoryBackend['read']> {
    const value = await super.read(...place);
    if (place[0] === 'chunks' && value) this.kinds.push(new Uint8Array(value)[5]!);
    return value;
  }

  get vectorReads(): number {
    return this.kinds.filter((kind) => kind === KINDS.vectors).length;
  }
}

async function fill(engine: LocalEngine, id: number, count = 30_000): Promise<void> {
  const random = seededRandom(count);
  const vectors = Float32Array.from({ length: count * DIMENSION }, () => random.normal());
  const ids = [...Array(count).keys()];
  await engine.upsert(id, { ids, vectors, sources: null, texts: null, metadata: null }, 'upsert', ++call);
}

const vector = Float32Array.from({ length: DIMENSION }, (_, i) => Math.sin(i));

test('a database is opened, asked and written to without reading its float32 numbers', async () => {
  const backend = new CountingBackend();
  const folder = new Folder();
  let engine = await openEngine(backend, folder, 1);
  let id = await openCollection(engine);
  await fill(engine, id);
  await untilIn('file', engine, id);
  await engine.close();

  backend.kinds.length = 0;
  engine = await openEngine(backend, folder, 1);
  id = await openCollection(engine);
  for (const exact of [false, true])
    expect((await engine.query(id, [query(vector, { exact })], ++call))[0]!.ids).toHaveLength(10);
  await fill(engine, id, 40);
  const { memory, collections } = await engine.stats();
  expect(memory.file).toBeGreaterThan(30_000 * DIMENSION * 4);
  expect(collections[0]!.originals).toBe('file');
  expect(memory).not.toHaveProperty('why');
  expect(backend.vectorReads).toBe(0);
  expect(backend.kinds.filter((kind) => kind === KINDS.codes).length).toBeGreaterThan(0);
  await engine.close();

  // A file that is not there is made from the chunks, each of which is read once.
  folder.file = new SimulatedFile();
  backend.kinds.length = 0;
  engine = await openEngine(backend, folder, 1);
  id = await openCollection(engine);
  await untilIn('file', engine, id);
  const reads = backend.vectorReads;
  expect(reads).toBeGreaterThan(0);
  await engine.query(id, [query(vector, { exact: true })], ++call);
  expect(backend.vectorReads).toBe(reads);
  await engine.close();
});

test('what no longer fits goes to the file while it is used, and comes back when there is none', async () => {
  const folder = new Folder();
  const backend = new MemoryBackend();
  const engine = await openEngine(backend, folder, 12_000_000);
  const id = await openCollection(engine, 'binary');
  await fill(engine, id, 20_000);
  const before = await engine.query(id, [query(vector, { k: 100 })], ++call);
  expect(await placeOf(engine, id)).toBe('memory');
  expect(folder.asked).toEqual([]);
  await fill(engine, id, 21_000);
  await fill(engine, id, 22_000);
  const other = await engine.query(id, [query(vector, { k: 100 })], ++call);
  await fill(engine, id, 100_000);
  await untilIn('file', engine, id);
  const inFile = await engine.query(id, [query(vector, { k: 100, exact: true })], ++call);
  expect(before[0]!.ids).not.toEqual(other[0]!.ids);
  expect((await engine.stats()).memory.bytes).toBeLessThan(14_000_000);

  // On a full disk the file goes first, and the write stands.
  folder.file.room = folder.file.bytes.length;
  await fill(engine, id, 99_000);
  await untilIn('memory', engine, id);
  expect(folder.file.bytes).toHaveLength(0);
  await fill(engine, id, 100_000);
  const inMemory = await engine.query(id, [query(vector, { k: 100, exact: true })], ++call);
  expect(inMemory[0]!.scores).toEqual(inFile[0]!.scores);
  const { memory, isReadOnly } = await engine.stats();
  expect(isReadOnly).toBe(false);
  expect(memory.file).toBe(0);
  await engine.close();
});

test('compaction and deletion give the file’s room back', async () => {
  const folder = new Folder();
  const engine = await openEngine(new MemoryBackend(), folder, 1);
  const id = await openCollection(engine);
  await fill(engine, id);
  await untilIn('file', engine, id);
  const fileBytes = async () => (await engine.stats()).memory.file;
  const full = await fileBytes();
  await engine.delete(id, { ids: Array.from({ length: 29_000 }, (_, i) => i) }, ++call);
  await engine.compact(id, ++call);
  await expect.poll(fileBytes).toBeLessThan(DIRECTORY_BYTES + full / 8);
  expect((await engine.query(id, [query(vector)], ++call))[0]!.ids).toHaveLength(10);
  await engine.deleteCollection('c', ++call);
  await expect.poll(fileBytes).toBe(DIRECTORY_BYTES);
  await engine.close();
});

test('where there can be no file, memory says why', async () => {
  const outcomes: DatabaseStats['memory'][] = [];
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  for (const options of [
    {},
    { folder: new Folder(), key },
    { folder: Object.assign(new Folder(), { isLocked: true }) },
  ]) {
    const { folder = null, key = undefined } = options as { folder?: Folder; key?: CryptoKey };
    const engine = await openEngine(new MemoryBackend(), folder, 1000, key);
    const id = await openCollection(engine);
    await fill(engine, id, 2000);
    expect(await placeOf(engine, id)).toBe('memory');
    await expect.poll(async () => (await engine.stats()).memory).toHaveProperty('why');
    outcomes.push((await engine.stats()).memory);
    await engine.close();
  }
  expect(outcomes.map(({ limit, file }) => [limit, file])).toEqual([
    [1000, 0],
    [1000, 0],
    [1000, 0],
  ]);
  expect(outcomes.map(({ why }) => why!.slice(0, 25))).toEqual([
    'no file could be opened, ',
    'the database is encrypted',
    'no file could be opened, ',
  ]);
});

test('vectors that are damaged in the file and in the database are gone, and told, and nothing is written without them', async () => {
  const backend = new MemoryBackend();
  const folder = new Folder();
  let engine = await openEngine(backend, folder, 1);
  let id = await openCollection(engine);
  await fill(engine, id, 50_000);
  await untilIn('file', engine, id);
  await engine.close();
  const keys = await backend.keys('chunks');
  const vectors: number[] = [];
  for (const key of keys)
    if (new Uint8Array((await backend.read('chunks', key))!)[5] === KINDS.vectors) vectors.push(key);
  const value = (await backend.read('chunks', vectors[0]!))!;
  new Uint8Array(value)[5000]! ^= 1;
  expect(() => decodeBlock(value, { kind: 'vectors' })).toThrow('checksum');

  // The file has them still.
  engine = await openEngine(backend, folder, 1);
  id = await openCollection(engine);
  const whole = await engine.query(id, [query(vector, { exact: true, k: 50_000 })], ++call);
  expect(whole[0]!.ids).toHaveLength(50_000);
  expect((await engine.stats()).damage).toEqual([]);
  await engine.close();

  for (let at = DIRECTORY_BYTES + 100_000; at < folder.file.bytes.length; at += 5000) folder.file.bytes[at]! ^= 1;
  engine = await openEngine(backend, folder, 1);
  id = await openCollection(engine);
  const update = () => engine.update(id, { ids: [1] }, { text: 'another' }, ++call);
  await expect(update()).rejects.toMatchObject({ code: 'CORRUPT' });
  const left = await engine.query(id, [query(vector, { exact: true, k: 50_000 })], ++call);
  expect(left[0]!.ids.length).toBeLessThan(50_000);
  const lost = 50_000 - left[0]!.ids.length;
  const { damage } = await engine.stats();
  expect(damage).toMatchObject([{ what: 'vectors', records: lost }]);
  const { rows } = await engine.get(id, [0, 49_999], ['vector']);
  expect([rows.vectors![0], rows.vectors![1]!.length]).toEqual([null, DIMENSION]);
  expect(await engine.count(id, null)).toBe(50_000);
  await engine.close();
});

test('a chunk that is damaged everywhere takes nothing else out of the first answer', async () => {
  const backend = new MemoryBackend();
  const folder = new Folder();
  let engine = await openEngine(backend, folder, 1);
  let id = await openCollection(engine);
  await fill(engine, id, 50_000);
  await untilIn('file', engine, id);
  await engine.close();
  for (const key of await backend.keys('chunks')) {
    const value = (await backend.read('chunks', key))!;
    if (new Uint8Array(value)[5] !== KINDS.vectors) continue;
    new Uint8Array(value)[5000]! ^= 1;
    break;
  }
  // What opening needs of the chunk is whole, and its rows are not.
  for (let at = DIRECTORY_BYTES + 500_000; at < DIRECTORY_BYTES + 4_000_000; at += 5000) folder.file.bytes[at]! ^= 1;
  engine = await openEngine(backend, folder, 1);
  id = await openCollection(engine);
  const ask = async (exact: boolean) => (await engine.query(id, [query(vector, { exact, select: [] })], ++call))[0]!;
  const first = await ask(false);
  expect(first.ids).toHaveLength(10);
  expect(first.ids).toEqual((await ask(true)).ids);
  await engine.close();
});

test('on a storage that the file has filled it is the file that goes', async () => {
  const sizes = new Map<string, number>();
  const folder = new Folder();
  const used = () => folder.file.bytes.length + [...sizes.values()].reduce((sum, size) => sum + size, 0);
  class Full extends MemoryBackend {
    override async commit(...args: Parameters<MemoryBackend['commit']>): Promise<void> {
      const puts = args[0].flatMap((write) => ('value' in write ? [write] : []));
      const added = puts.map(({ store, key, value }) => value.byteLength - (sizes.get(store + key) ?? 0));
      if (used() + added.reduce((sum, size) => sum + size, 0) > 13_000_000)
        throw new PiramidError('QUOTA_EXCEEDED', 'the disk is full');
      await super.commit(...args);
      for (const write of args[0])
        if ('value' in write) sizes.set(write.store + write.key, write.value.byteLength);
        else sizes.delete(write.store + write.key);
    }
  }
  const engine = await openEngine(new Full(), folder, 1);
  const id = await openCollection(engine);
  await fill(engine, id, 40_000);
  await untilIn('file', engine, id);
  await fill(engine, id, 39_000);
  expect((await engine.stats()).isReadOnly).toBe(false);
  expect((await engine.query(id, [query(vector)], ++call))[0]!.ids).toHaveLength(10);
  await engine.close();
});

import { describe, expect, test, vi } from 'vitest';
import type { LoadedEmbedder, LoadOptions, ModelLoader } from '../../../src/models/model.ts';
import { createSharedLoads } from '../../../src/models/shared-loads.ts';
import type { CollectionRequest, EngineQuery, PackedRecords } from '../../../src/protocol.ts';
import { BALLAST_KEY, LOG_BYTES_LONG, LOG_BYTES_MAX, LOG_ENTRIES_MAX } from '../../../src/store/schema.ts';
import { createEngine, type Environment, type LocalEngine } from '../../../src/worker/engine.ts';
import { Disk } from '../../faults/disk.ts';

/** Loads that arrive when the test says so, by model. */
function slowModels() {
  const arrive = new Map<string, () => void>();
  const loads = createSharedLoads<LoadedEmbedder>(async () => {});
  const loader: ModelLoader = {
    embedder: ({ model }, load) =>
      loads.get(model, load, (_shared: LoadOptions) => {
        return new Promise((resolve) => {
          arrive.set(model, () => resolve(embedderOf(model)));
        });
      }),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: () => loads.close(),
  };
  return { arrive, loader };
}

function embedderOf(model: string): LoadedEmbedder {
  return {
    dimension: 2,
    fingerprint: model,
    info: { name: model, task: 'embed', device: 'js', loadMs: 0 },
    async embed(texts, { signal }) {
      await nextTask();
      signal?.throwIfAborted();
      return texts.map(() => Float32Array.of(1, 2));
    },
  };
}

async function openEngine(
  loader: ModelLoader = slowModels().loader,
  environment: Environment = {},
): Promise<LocalEngine> {
  const engine = createEngine(() => loader, environment);
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
  return engine;
}

const request = (changes: Partial<CollectionRequest>): CollectionRequest => ({
  dimension: null,
  metric: null,
  quantization: null,
  embedder: null,
  mustExist: false,
  ...changes,
});
const texts = (...ids: string[]): PackedRecords => ({
  ids,
  vectors: new Float32Array(ids.length * 2),
  sources: new Uint8Array(ids.length).fill(1),
  texts: ids,
  metadata: null,
});
const query = (changes: Partial<EngineQuery>): EngineQuery => ({
  vector: null,
  embed: null,
  words: null,
  k: 10,
  offset: 0,
  minScore: null,
  where: null,
  fusion: { rrf: {} },
  select: [],
  exact: false,
  oversample: 1,
  explain: false,
  ...changes,
});
const nextTask = () => new Promise((resolve) => setTimeout(resolve));
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => error.code,
  );

describe('a model that is on its way', () => {
  test('holds up no writes to other collections', async () => {
    const { arrive, loader } = slowModels();
    const engine = await openEngine(loader);
    const embedded = engine.openCollection('embedded', request({ embedder: { model: 'm' } }), 1);
    const { id } = await engine.openCollection('other', request({ dimension: 2 }), 2);
    await engine.upsert(id, { ...texts('a'), vectors: Float32Array.of(1, 0), sources: null }, 'upsert', 3);
    expect(await engine.count(id, null)).toBe(1);
    arrive.get('m')!();
    expect(await embedded).toMatchObject({ dimension: 2, embeds: 'worker' });
  });

  test('does not keep the database from closing', async () => {
    const engine = await openEngine();
    const opening = codeOf(engine.openCollection('embedded', request({ embedder: { model: 'm' } }), 1));
    await engine.close();
    expect(await opening).toBe('CLOSED');
  });
});

test('closing finishes writes under way, texts that wait for their vectors too; all else is CLOSED', async () => {
  const { arrive, loader } = slowModels();
  const engine = await openEngine(loader);
  const opening = engine.openCollection('c', request({ embedder: { model: 'm' } }), 1);
  await nextTask();
  arrive.get('m')!();
  const { id } = await opening;
  const writes = [engine.upsert(id, texts('a'), 'upsert', 2), engine.upsert(id, texts('b'), 'upsert', 3)];
  const never = codeOf(engine.loadModel('embed', { model: 'other' }, 4));
  await engine.close();
  expect(await Promise.all(writes)).toEqual([undefined, undefined]);
  expect(await never).toBe('CLOSED');
});

test('a long batch of queries lets other calls in, a cancel among them', async () => {
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({ dimension: 2 }), 1);
  const n = 2000;
  const records = { ...texts(...Array.from({ length: n }, (_, i) => `r${i}`)), sources: null, texts: null };
  await engine.upsert(id, { ...records, vectors: Float32Array.from({ length: n * 2 }, (_, i) => i + 1) }, 'upsert', 2);
  const batch = codeOf(engine.query(id, new Array(100_000).fill(query({ vector: Float32Array.of(1, 1) })), 3));
  await nextTask();
  engine.cancel(3);
  expect(await batch).toBe('ABORTED');
});

test('words are found alike before and after a full log is folded', async () => {
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({}), 1);
  let seed = 1;
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const text = () => Array.from({ length: 60 }, () => `word${Math.floor(Math.exp(random() * 10))}`).join(' ');
  const write = (row: number, what: string) =>
    engine.upsert(id, { ids: [row], vectors: null, sources: null, texts: [what], metadata: null }, 'upsert', row);
  const find = async () => {
    const [answer] = await engine.query(id, [query({ words: 'word1 word20 word300', k: 500 })], 0);
    return [answer!.ids, [...answer!.scores]];
  };
  const bytesOnDisk = async () => (await engine.collectionStats(id)).bytes.disk;
  for (let row = 1; row < LOG_ENTRIES_MAX; row++) await write(row, text());
  const [bytes, found] = [await bytesOnDisk(), await find()];
  await write(LOG_ENTRIES_MAX, '…'); // no word in it
  await engine.renameCollection('c', 'd', 99); // behind the fold in the queue
  expect(await bytesOnDisk()).toBeLessThan(bytes);
  expect(await find()).toEqual(found);
});

test('a long log is folded when nobody writes, and in its turn when it is too long', async () => {
  const disk = new Disk();
  const engine = await openEngine(undefined, { openBackend: async () => disk });
  const { id } = await engine.openCollection('c', request({}), 1);
  let calls = 1;
  const write = async (bytes: number) => {
    const records = { ids: [++calls], vectors: null, sources: null, metadata: null, texts: ['.'.repeat(bytes)] };
    await engine.upsert(id, records, 'upsert', calls);
  };
  const chunks = () => [...disk.state.get('chunks')!.keys()].filter((key) => key !== BALLAST_KEY).length;
  while (calls * 1_000_000 < LOG_BYTES_LONG) await write(1_000_000);
  expect(chunks()).toBe(0);
  await write(1_000_000);
  await vi.waitFor(() => expect(chunks()).toBeGreaterThan(0), { timeout: 60_000 });
  await engine.renameCollection('c', 'd', ++calls); // its manifest deletes the entries
  expect(disk.state.get('log')!.size).toBe(0);

  const folded = chunks();
  let longest = 0;
  disk.onCommit = () => {
    const bytes = [...disk.state.get('log')!.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    longest = Math.max(longest, bytes);
  };
  // However many wait in the queue. What has been folded goes with the manifest after it.
  await Promise.all(Array.from({ length: (3 * LOG_BYTES_MAX) / 1_000_000 }, () => write(1_000_000)));
  expect(chunks()).toBeGreaterThan(folded);
  expect(longest).toBeLessThan(2 * LOG_BYTES_MAX + 2_000_000);
  const { generation } = await engine.testify();
  await engine.close();

  const again = await openEngine(undefined, { openBackend: async () => disk });
  expect((await again.testify()).generation).toBe(generation); // nothing was folded after the end
  await again.close();
});

test('texts are embedded ahead of their turn, and written in the order of the calls', async () => {
  const order: string[] = [];
  const held = new Map<string, () => void>();
  const model = embedderOf('m');
  model.embed = async (texts) => {
    order.push(`embed ${texts[0]}`);
    await new Promise<void>((resolve) => held.set(texts[0]!, resolve));
    return texts.map(() => Float32Array.of(1, 2));
  };
  const engine = await openEngine({
    embedder: async () => model,
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: async () => {},
  });
  const { id } = await engine.openCollection('c', request({ embedder: { model: 'm' } }), 1);
  const write = (call: number, key: string, embedded = true) => {
    const records = texts(key);
    if (!embedded) records.sources = new Uint8Array([0]);
    return engine.upsert(id, { ...records, ids: ['one'] }, 'upsert', call).then(() => order.push(`written ${key}`));
  };
  const writes = [write(2, 'a'), write(3, 'b'), write(4, 'c', false)];
  const read = async () => (await engine.get(id, ['one'], ['text'])).rows.texts![0];
  await vi.waitFor(() => expect(held.has('a')).toBe(true));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(order).toEqual(['embed a']); // one at a time: the first is not to wait for the last
  held.get('a')!();
  // The second is embedded while the first is written. The third needs nothing, and waits.
  await vi.waitFor(() => expect(order).toEqual(['embed a', 'embed b', 'written a']));
  expect(await read()).toBe('a');
  held.get('b')!();
  await Promise.all(writes);
  expect(order.slice(3)).toEqual(['written b', 'written c']);
  expect(await read()).toBe('c');
  // One that is cancelled while it is embedded fails alone.
  const cancelled = codeOf(write(5, 'd'));
  const last = write(6, 'e');
  await vi.waitFor(() => expect(held.has('d')).toBe(true));
  engine.cancel(5);
  held.get('d')!();
  await vi.waitFor(() => expect(held.has('e')).toBe(true));
  held.get('e')!();
  await last;
  expect(await cancelled).toBe('ABORTED');
  expect(await read()).toBe('e');
  await engine.close();
});

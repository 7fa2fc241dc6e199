// Words of large writes by another worker: the same postings as the engine's own, and whatever becomes of that worker, every write is in.
import { afterEach, expect, test, vi } from 'vitest';
import { openCpu } from '../../../src/kernels/devices.ts';
import { createPart } from '../../../src/kernels/shards/part.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { analysisOf, analyzerOf, ENGLISH } from '../../../src/text/analyzer.ts';
import { buildPostings } from '../../../src/text/postings.ts';
import { moveBlock } from '../../../src/text/postings-writer.ts';
import { createEngine } from '../../../src/worker/engine.ts';
import { WordBuilder } from '../../../src/worker/word-builder.ts';
import { openShardHere, type ShardHere } from '../shard-worker.ts';

const cpu = await openCpu('js');
let opened: ShardHere[] = [];

afterEach(() => {
  for (const { port } of opened) port.close();
  opened = [];
  vi.useRealTimers();
});

async function openWorker(): Promise<ShardHere> {
  const shard = openShardHere((options) => createPart(options, cpu));
  opened.push(shard);
  return shard;
}

function textsOf(seed: number): (string | null)[] {
  const random = seededRandom(seed);
  const word = () => 'abcdefgh'[random.below(8)]!.repeat(1 + random.below(9));
  return Array.from({ length: 300 }, () => (random.below(9) === 0 ? null : Array.from({ length: 60 }, word).join(' ')));
}

/** The first large write starts the worker and is the caller's own. */
async function ready(builder: WordBuilder): Promise<void> {
  expect(await builder.build(textsOf(0), ENGLISH)).toBeNull();
  await vi.waitFor(async () => expect(await builder.build(textsOf(0), ENGLISH)).not.toBeNull());
}

test('a block built elsewhere is the block built here, for any first row', async () => {
  const builder = new WordBuilder(openWorker, 3);
  await ready(builder);
  for (const [seed, firstRow] of [
    [1, 0],
    [2, 1],
    [3, 70_000],
  ] as const) {
    const texts = textsOf(seed);
    const { analysis, postings } = (await builder.build(texts, ENGLISH))!;
    expect(analysis).toBe(ENGLISH);
    expect(moveBlock(postings, firstRow)).toEqual(atOnce(buildPostings(texts, firstRow, analyzerOf(ENGLISH))));
  }
  expect(opened).toHaveLength(1);
  builder.close();
});

test('what is not worth it is left to the caller', async () => {
  const builder = new WordBuilder(openWorker, 3);
  await ready(builder);
  expect(await builder.build(['few words'], ENGLISH)).toBeNull();
  expect(await builder.build(textsOf(1), analysisOf('none'))).toBeNull();
  builder.close();
  for (const other of [
    new WordBuilder(openWorker, 0),
    new WordBuilder(null, 3),
    new WordBuilder(async () => null, 3),
  ]) {
    for (let i = 0; i < 3; i++) expect(await other.build(textsOf(1), ENGLISH)).toBeNull();
    other.close();
  }
  expect(opened).toHaveLength(1);
});

test('a worker that ends answers nobody, and is not missed', async () => {
  const builder = new WordBuilder(openWorker, 3);
  await ready(builder);
  const asked = builder.build(textsOf(1), ENGLISH);
  opened[0]!.kill();
  expect(await asked).toBeNull();
  expect(await builder.build(textsOf(2), ENGLISH)).toBeNull();
  builder.close();
});

test('it is ended when nothing has come for a while, and started again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const builder = new WordBuilder(openWorker, 3);
  await builder.build(textsOf(0), ENGLISH);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(await builder.build(textsOf(0), ENGLISH)).not.toBeNull();
  vi.advanceTimersByTime(20_000);
  expect(await builder.build(textsOf(0), ENGLISH)).not.toBeNull();
  vi.advanceTimersByTime(31_000);
  expect(await builder.build(textsOf(0), ENGLISH)).toBeNull();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(await builder.build(textsOf(0), ENGLISH)).not.toBeNull();
  expect(opened).toHaveLength(2);
  builder.close();
});

test('a worker at work is not ended, and is asked for one write at a time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const turns = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const { port1: port, port2 } = new MessageChannel();
  const asked: { id: number }[] = [];
  port2.onmessage = ({ data }) => asked.push(data);
  const builder = new WordBuilder(async () => ({ port, lost: new Promise<void>(() => {}) }), 3);
  await builder.build(textsOf(0), ENGLISH);
  await turns();
  const building = [1, 2, 3].map((seed) => builder.build(textsOf(seed), ENGLISH));
  await turns();
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(90_000);
  for (let i = 0; i < 3; i++) {
    port2.postMessage({ id: asked[i]!.id, value: Uint8Array.of(i) });
    await turns();
    vi.advanceTimersByTime(20_000);
  }
  expect((await Promise.all(building)).map((built) => built?.postings[0])).toEqual([0, 1, 2]);
  // Then it may be.
  await turns();
  vi.advanceTimersByTime(31_000);
  await turns();
  expect(asked.at(-1)).toBe('end');
  port2.close();
});

test('answers are the same with and without, whenever the worker ends', async () => {
  const models = () => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: async () => {},
  });
  const builds = vi.spyOn(WordBuilder.prototype, 'build');
  const engines = await Promise.all(
    [1, 0].map(async (count) => {
      const engine = createEngine(models, {
        openBackend: async () => new MemoryBackend(),
        openShard: openWorker,
        shards: { count },
      });
      await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
      const request = { dimension: null, metric: null, quantization: null, embedder: null, mustExist: false };
      const { id } = await engine.openCollection('c', request, 1);
      return { engine, id };
    }),
  );
  let call = 10;
  for (let round = 0; round < 8; round++) {
    const texts = textsOf(round);
    // Half of the records of the last round are replaced.
    const ids = texts.map((_, i) => round * 150 + i);
    const records = { ids, vectors: null, sources: null, texts, metadata: null };
    call += 2;
    await Promise.all(engines.map(({ engine, id }) => engine.upsert(id, structuredClone(records), 'upsert', call)));
    if (round === 4) opened[0]!.kill();
    const none = {
      vector: null,
      embed: null,
      where: null,
      minScore: null,
      exact: false,
      oversample: 1,
      explain: false,
    };
    const query = { ...none, words: 'aaa bbbb hhhhhhh', k: 500, offset: 0, fusion: { rrf: {} }, select: [] };
    const [a, b] = await Promise.all(engines.map(({ engine, id }) => engine.query(id, [query], call + 1)));
    expect(a![0]!.ids).toEqual(b![0]!.ids);
    expect(a![0]!.scores).toEqual(b![0]!.scores);
  }
  const built = await Promise.all(builds.mock.results.map(({ value }) => value));
  expect(built.filter(Boolean).length).toBeGreaterThan(1);
  for (const { engine } of engines) await engine.close();
});

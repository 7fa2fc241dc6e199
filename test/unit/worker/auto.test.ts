// 'auto': a collection grows and shrinks through every precision, and is asked all the while: the answers are those of a plain list.
import { expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { Tier } from '../../../src/kernels/codes/coder.ts';
import { createCoder } from '../../../src/kernels/codes/js.ts';
import { createSharedLoads } from '../../../src/models/shared-loads.ts';
import type { EngineQuery } from '../../../src/protocol.ts';
import { decodeBlock, KINDS } from '../../../src/store/format.ts';
import { readManifest } from '../../../src/store/manifest.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import type { Metric, Precision } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';

const DIMENSION = 8;
/** Float32 up to 500 rows, int8 up to 2000. */
const SCAN_BUDGET = 500 * DIMENSION * 4;
let call = 0;

async function openEngine(backend = new MemoryBackend(), scanBudget = SCAN_BUDGET): Promise<LocalEngine> {
  const models = () => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: () => createSharedLoads(async () => {}).close(),
  });
  const engine = createEngine(models, { openBackend: async () => backend });
  const options = { name: 'x', storage: 'memory', device: 'auto', durability: 'strict', models: {} } as const;
  await engine.open({ ...options, scanBudget }, () => {});
  return engine;
}

async function openCollection(engine: LocalEngine, metric: Metric = 'dot'): Promise<number> {
  const request = { dimension: DIMENSION, metric, quantization: 'auto', embedder: null, mustExist: false } as const;
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
    oversample: 1000, // all rows become candidates, so that codes answer exactly, too
    explain: true,
    ...changes,
  };
}

/** Whole numbers, so that scores tie often and are exact. */
class Rows {
  readonly vectors: Map<number, Float32Array>;
  private readonly random = seededRandom(11);
  private readonly engine: LocalEngine;
  private readonly id: number;

  constructor(engine: LocalEngine, id: number, vectors = new Map<number, Float32Array>()) {
    this.engine = engine;
    this.id = id;
    this.vectors = vectors;
  }

  vector(): Float32Array {
    return Float32Array.from({ length: DIMENSION }, () => this.random.below(7) - 3);
  }

  async write(from: number, count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, i) => from + i);
    const rows = ids.map(() => this.vector());
    const vectors = Float32Array.from(rows.flatMap((row) => [...row]));
    await this.engine.upsert(this.id, { ids, vectors, sources: null, texts: null, metadata: null }, 'upsert', ++call);
    for (const [i, row] of rows.entries()) {
      this.vectors.delete(from + i);
      this.vectors.set(from + i, row);
    }
  }

  async delete(ids: number[]): Promise<void> {
    await this.engine.delete(this.id, { ids }, ++call);
    for (const id of ids) this.vectors.delete(id);
  }

  /** Asks, and returns what was scanned. */
  async ask(engine = this.engine): Promise<Precision | undefined> {
    const vector = this.vector();
    const [answer] = await engine.query(this.id, [query(vector)], ++call);
    const expected = [...this.vectors]
      .map(([id, row]) => ({ id, row, score: row.reduce((sum, x, i) => sum + x * vector[i]!, 0) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10);
    expect(answer!.ids).toEqual(expected.map(({ id }) => id));
    expect([...answer!.scores]).toEqual(expected.map(({ score }) => score + 0));
    expect(answer!.rows.vectors).toEqual(expected.map(({ row }) => row));
    const { tier, why } = answer!.plan!;
    expect(answer!.exact).toBe(tier !== 'binary');
    expect(why).toMatch(/scanBudget \d+/);
    return tier;
  }

  /** Asks until that is scanned. */
  async until(tier: Precision): Promise<void> {
    while ((await this.ask()) !== tier) await new Promise((resolve) => setImmediate(resolve));
  }
}

test('what is scanned follows the size, up by appends and down by compaction, and after it is opened again', async () => {
  const backend = new MemoryBackend();
  const engine = await openEngine(backend);
  const id = await openCollection(engine);
  const rows = new Rows(engine, id);
  const tier = async (of = engine) => (await of.collectionStats(id)).tier;

  await rows.write(0, 500);
  expect(await rows.ask()).toBe('none');
  await rows.write(500, 1);
  await rows.until('int8');
  expect(await tier()).toBe('int8');
  for (let n = 501; n < 2000; n += 300) {
    await rows.write(n - 20, 300); // some are replaced, and their old rows count until compaction
    await rows.ask();
  }
  await rows.write(2000, 2000);
  await rows.until('binary');
  const { why, quantization } = await engine.collectionStats(id);
  expect(quantization).toBe('auto');
  expect(why).toMatch(/^\d+ bytes of float32 numbers, scanBudget 16000$/);
  const check = await engine.recallCheck(id, { sample: 20, k: 5 }, ++call);
  expect(check.recall).toBeGreaterThan(0.5);
  const [exact] = await engine.query(id, [query(rows.vector(), { exact: true })], ++call);
  expect([exact!.exact, exact!.plan!.tier, exact!.plan!.why]).toEqual([true, 'none', undefined]);

  await rows.delete([...rows.vectors.keys()].filter((key) => key % 4 > 0));
  await engine.compact(id, ++call);
  expect(await rows.ask()).toBe('int8');
  await rows.delete([...rows.vectors.keys()].filter((key) => key % 8 > 0));
  await engine.compact(id, ++call);
  expect(await rows.ask()).toBe('none');
  expect(rows.vectors.size).toBeGreaterThan(400);

  await rows.write(5000, 300);
  await rows.until('int8');
  await engine.close();
  const again = await openEngine(backend);
  expect(await openCollection(again)).toBe(id);
  expect(await rows.ask(again)).toBe('int8');
  expect(await tier(again)).toBe('int8');
  await again.close();
});

/** How codes were made, of each chunk of vectors on disk. */
async function schemesOnDisk(backend: MemoryBackend): Promise<(number | undefined)[]> {
  const { manifest } = await readManifest(backend);
  const { segments } = manifest!.collections[0]!;
  for (const { kind, key } of segments.flatMap(({ chunks }) => chunks)) {
    const { header } = decodeBlock(await backend.read('chunks', key), { kind, key });
    expect(header.kind).toBe(kind);
  }
  return segments.flatMap(({ chunks }) =>
    chunks
      .filter(({ kind }) => kind === 'vectors')
      .map(({ firstRow }) => chunks.find((chunk) => chunk.kind === 'codes' && chunk.firstRow === firstRow)?.scheme),
  );
}

async function settled(backend: MemoryBackend, scheme: number | undefined): Promise<void> {
  await expect
    .poll(async () => {
      const schemes = await schemesOnDisk(backend);
      return schemes.length > 0 && schemes.every((one) => one === scheme);
    })
    .toBe(true);
}

test('codes on disk follow what is scanned, and are not made again when the collection is opened', async () => {
  const schemeOf = (tier: Tier) => createCoder({ tier, dimension: DIMENSION, metric: 'dot' }).scheme;
  const backend = new MemoryBackend();
  let engine = await openEngine(backend);
  const id = await openCollection(engine);
  const rows = new Rows(engine, id);
  await rows.write(0, 400);
  await engine.compact(id, ++call); // folds the log into a segment
  expect(await schemesOnDisk(backend)).toEqual([undefined]);
  await rows.write(400, 400);
  await engine.compact(id, ++call);
  await settled(backend, schemeOf('int8'));
  await rows.write(800, 1300);
  await engine.compact(id, ++call);
  await settled(backend, schemeOf('binary'));
  await engine.close();

  engine = await openEngine(backend);
  await openCollection(engine);
  expect(await rows.ask(engine)).toBe('binary');
  await engine.close();
  const { manifest } = await readManifest(backend);
  const chunks = new Set(manifest!.collections[0]!.segments.flatMap((segment) => segment.chunks.map(({ key }) => key)));
  const kept = (await backend.keys('chunks')).filter((key) => key > 0 && !manifest!.garbage.chunks.includes(key));
  expect(kept).toEqual([...chunks].sort((a, b) => a - b)); // nothing is left over

  // Opened where less may be scanned, it has others, and without anything being written.
  engine = await openEngine(backend, SCAN_BUDGET * 8);
  await openCollection(engine);
  await settled(backend, undefined);
  await engine.close();
  engine = await openEngine(backend, SCAN_BUDGET * 2);
  await openCollection(engine);
  await settled(backend, schemeOf('int8'));
  const { generation } = (await readManifest(backend)).manifest!;
  await engine.close();
  engine = await openEngine(backend, SCAN_BUDGET * 2);
  await openCollection(engine);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await readManifest(backend)).manifest!.generation).toBe(generation);
  await engine.close();
});

test('codes that find no room cost no write its place, and are written another time', async () => {
  class Tight extends MemoryBackend {
    refusals = Number.POSITIVE_INFINITY;
    refused = 0;

    override async commit(...args: Parameters<MemoryBackend['commit']>): Promise<void> {
      const hasCodes = args[0].some(
        (write) =>
          'value' in write && write.store === 'chunks' && new DataView(write.value).getUint8(5) === KINDS.codes,
      );
      // The first of them fits.
      if (hasCodes && ++this.refused > 1 && this.refused < this.refusals)
        throw new PiramidError('QUOTA_EXCEEDED', 'no room for codes');
      return super.commit(...args);
    }
  }
  const backend = new Tight();
  let engine = await openEngine(backend, SCAN_BUDGET * 8);
  const id = await openCollection(engine);
  const rows = new Rows(engine, id);
  for (let n = 0; n < 600; n += 200) {
    await rows.write(n, 200);
    await engine.compact(id, ++call); // a segment each
  }
  await engine.close();
  const before = await backend.keys('chunks');
  engine = await openEngine(backend);
  await openCollection(engine); // begins to write codes
  const next = new Rows(engine, id, rows.vectors);
  await Promise.all([next.write(600, 10), next.write(610, 10), next.write(620, 10)]);
  await expect.poll(() => backend.refused).toBe(2);
  await next.write(630, 10);
  expect((await engine.stats()).isReadOnly).toBe(false);
  await next.ask();
  await engine.close();
  const { manifest } = await readManifest(backend);
  const kept = (await backend.keys('chunks')).filter((key) => !manifest!.garbage.chunks.includes(key));
  expect(kept).toEqual(before);
  backend.refusals = 0;
  engine = await openEngine(backend);
  await openCollection(engine);
  await expect.poll(async () => (await schemesOnDisk(backend)).every((scheme) => scheme !== undefined)).toBe(true);
  await engine.close();
});

test('codes of damaged vectors are left alone, and those of all others are written', async () => {
  const backend = new MemoryBackend();
  let engine = await openEngine(backend);
  const id = await openCollection(engine);
  const rows = new Rows(engine, id);
  for (let n = 0; n < 400; n += 200) {
    await rows.write(n, 200);
    await engine.compact(id, ++call); // a segment each
  }
  await engine.close();
  const { segments } = (await readManifest(backend)).manifest!.collections[0]!;
  const { key } = segments[0]!.chunks.find(({ kind }) => kind === 'vectors')!;
  const value = (await backend.read('chunks', key))!.slice(0);
  new Uint8Array(value)[value.byteLength - 1]! ^= 1;
  await backend.commit([{ store: 'chunks', key, value }]);
  let generation = 0;
  for (let opening = 0; opening < 3; opening++) {
    engine = await openEngine(backend, SCAN_BUDGET / 4);
    await openCollection(engine);
    const schemes = async () =>
      (await readManifest(backend)).manifest!.collections[0]!.segments.map(({ chunks }) =>
        chunks.some(({ kind }) => kind === 'codes'),
      );
    await expect.poll(schemes).toEqual([false, true]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await engine.close();
    const { manifest } = await readManifest(backend);
    if (opening > 0) expect(manifest!.generation).toBe(generation); // nothing is written in vain
    generation = manifest!.generation;
  }
});

test('a collection whose codes are being written is compacted, grows, and is deleted all the same', async () => {
  const backend = new MemoryBackend();
  let engine = await openEngine(backend);
  const id = await openCollection(engine);
  const rows = new Rows(engine, id);
  for (let n = 0; n < 400; n += 100) {
    await rows.write(n, 100);
    await engine.compact(id, ++call); // a segment each
  }
  await engine.close();
  for (const budget of [SCAN_BUDGET / 8, SCAN_BUDGET / 2, SCAN_BUDGET]) {
    engine = await openEngine(backend, budget);
    await openCollection(engine); // begins to write other codes
    const next = new Rows(engine, id, rows.vectors);
    await next.write(50, 20);
    await next.delete([1, 2, 3].map((i) => i + budget));
    await engine.compact(id, ++call);
    await next.ask();
    await engine.close();
  }
  engine = await openEngine(backend, SCAN_BUDGET / 2);
  await openCollection(engine);
  await engine.deleteCollection('c', ++call);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await readManifest(backend)).manifest!.collections).toEqual([]);
  await engine.close();
});

test('writes and queries go on while the codes are made', async () => {
  const engine = await openEngine();
  const rows = new Rows(engine, await openCollection(engine));
  const seen = new Set<Precision | undefined>();
  for (let n = 0; n < 4000; n += 150) {
    const writing = rows.write(n, 150);
    await writing;
    for (let i = 0; i < 3; i++) {
      seen.add(await rows.ask());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await rows.delete([n + 1, n + 2]);
  }
  await rows.until('binary');
  expect([...seen]).toEqual(['none', 'int8', 'binary']);
  await engine.close();
});

test('a metric without codes is scanned exactly, whatever the size', async () => {
  const engine = await openEngine();
  const id = await openCollection(engine, 'l1');
  await new Rows(engine, id).write(0, 3000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { tier, why } = await engine.collectionStats(id);
  expect(tier).toBe('none');
  expect(why).toBe("metric 'l1' is scanned over float32 numbers");
  const [answer] = await engine.query(id, [query(new Float32Array(DIMENSION).fill(1))], ++call);
  expect([answer!.exact, answer!.plan!.tier]).toEqual([true, 'none']);
  await engine.close();
});

test('a collection that is deleted while its codes are made is gone', async () => {
  const engine = await openEngine();
  const rows = new Rows(engine, await openCollection(engine));
  await rows.write(0, 3000);
  await engine.deleteCollection('c', ++call);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await engine.listCollections()).toEqual([]);
  const next = new Rows(engine, await openCollection(engine));
  expect(await engine.count(await openCollection(engine), null)).toBe(0);
  await next.write(0, 10).then(() => engine.close());
});

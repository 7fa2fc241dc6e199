// Rows over several workers under a whole engine: whatever is done to a collection, and whenever a worker that holds rows of
// it ends, calls are answered as if there were one place.
import { afterEach, expect, test } from 'vitest';
import { openCpu } from '../../../src/kernels/devices.ts';
import { createPart } from '../../../src/kernels/shards/part.ts';
import { createSharedLoads } from '../../../src/models/shared-loads.ts';
import type { EngineQuery } from '../../../src/protocol.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { type SeededRandom, seededRandom } from '../../../src/structures/random.ts';
import type { Quantization } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { openShardHere, type ShardHere } from '../shard-worker.ts';

const DIMENSION = 8;
const cpu = await openCpu('js');
let opened: ShardHere[] = [];
let call = 0;

afterEach(() => {
  for (const { port } of opened) port.close();
  opened = [];
});

async function openEngine(): Promise<LocalEngine> {
  const models = () => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: () => createSharedLoads(async () => {}).close(),
  });
  const engine = createEngine(models, {
    openBackend: async () => new MemoryBackend(),
    openShard: async () => {
      const shard = openShardHere((options) => createPart(options, cpu));
      opened.push(shard);
      return shard;
    },
    shards: { count: 2, layout: { blockRows: 32, localBytes: 0 } },
  });
  const options = { name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} } as const;
  await engine.open({ ...options, scanBudget: 500 * DIMENSION * 4 }, () => {});
  return engine;
}

async function openCollection(engine: LocalEngine, quantization: Quantization): Promise<number> {
  const request = { dimension: DIMENSION, metric: 'dot', quantization, embedder: null, mustExist: false } as const;
  return (await engine.openCollection('c', request, ++call)).id;
}

function query(vector: Float32Array): EngineQuery {
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
  };
}

/** Whole numbers, so that scores tie often and are exact. */
function vectorOf(random: SeededRandom): Float32Array {
  return Float32Array.from({ length: DIMENSION }, () => random.below(7) - 3);
}

/** Ends a worker some messages from now, in the middle of what is done meanwhile. */
function endLater(victim: ShardHere, messages: number): void {
  const { port1, port2 } = new MessageChannel();
  let left = messages;
  port1.onmessage = () => {
    if (left-- > 0) return port2.postMessage(null);
    port1.close();
    victim.kill();
  };
  port2.postMessage(null);
}

/** A collection and the plain list of what is to be in it. */
class Subject {
  readonly vectors = new Map<number, Float32Array>();
  constructor(
    readonly engine: LocalEngine,
    readonly id: number,
    readonly random: SeededRandom,
  ) {}

  async write(from: number, count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, i) => from + i);
    const rows = ids.map(() => vectorOf(this.random));
    const vectors = Float32Array.from(rows.flatMap((row) => [...row]));
    const written = { ids, vectors, sources: null, texts: null, metadata: null };
    await this.engine.upsert(this.id, written, 'upsert', ++call);
    for (const [i, row] of rows.entries()) {
      this.vectors.delete(from + i);
      this.vectors.set(from + i, row);
    }
  }

  async delete(ids: number[]): Promise<void> {
    expect(await this.engine.delete(this.id, { ids }, ++call)).toBe(ids.filter((id) => this.vectors.delete(id)).length);
  }

  /** Writes a record again, with the vector that is in memory. */
  async touch(id: number): Promise<void> {
    const vector = this.vectors.get(id)!;
    expect(await this.engine.update(this.id, { ids: [id] }, { text: 'touched' }, ++call)).toBe(1);
    this.vectors.delete(id);
    this.vectors.set(id, vector);
  }

  async ask(): Promise<number | undefined> {
    const vectors = [vectorOf(this.random), vectorOf(this.random), vectorOf(this.random)];
    const answers = await this.engine.query(this.id, vectors.map(query), ++call);
    for (const [i, { ids, scores, rows }] of answers.entries()) {
      const expected = [...this.vectors]
        .map(([id, row]) => ({ id, row, score: row.reduce((sum, x, j) => sum + x * vectors[i]![j]!, 0) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);
      expect(ids).toEqual(expected.map(({ id }) => id));
      expect([...scores]).toEqual(expected.map(({ score }) => score + 0));
      expect(rows.vectors).toEqual(expected.map(({ row }) => row));
    }
    return answers[0]!.plan!.workers;
  }
}

test('a collection is spread through every precision, up by appends and down by compaction', async () => {
  const engine = await openEngine();
  const subject = new Subject(engine, await openCollection(engine, 'auto'), seededRandom(3));
  const tier = async () => (await engine.collectionStats(subject.id)).tier;
  const until = async (wanted: string) => {
    while ((await tier()) !== wanted) await new Promise((resolve) => setImmediate(resolve));
    expect(await subject.ask()).toBe(3);
  };
  await subject.write(0, 400);
  await until('none');
  await subject.write(300, 1000);
  await until('int8');
  await subject.delete([1, 2, 1100]);
  await subject.touch(700);
  await subject.write(2000, 1500);
  await until('binary');
  await subject.delete([...subject.vectors.keys()].filter((id) => id % 3 > 0));
  await engine.compact(subject.id, ++call);
  await until('int8');
  await subject.delete([...subject.vectors.keys()].filter((id) => id % 4 > 0));
  await engine.compact(subject.id, ++call);
  await until('none');
  await engine.close();
});

test.each(['none', 'int8', 'binary'] as const)(
  'whenever a worker ends, writes are done once and reads are answered, %s',
  { timeout: 120_000 },
  async (quantization) => {
    for (let seed = 0; seed < 40; seed++) {
      const random = seededRandom(seed);
      const engine = await openEngine();
      const subject = new Subject(engine, await openCollection(engine, quantization), random);
      await subject.write(0, 300);
      expect(await subject.ask()).toBe(3);
      const victim = opened.at(-1 - random.below(2))!;
      const fatalStep = random.below(4);
      for (let step = 0; step < 4; step++) {
        if (step === fatalStep) endLater(victim, random.below(60));
        const reading = [
          engine.count(subject.id, null),
          engine.get(subject.id, [7], ['vector']),
          engine.query(subject.id, [query(vectorOf(random))], ++call),
        ];
        const kind = random.below(6);
        if (kind === 0) await subject.write(random.below(300), 70);
        else if (kind === 1)
          await subject.delete([random.below(300), random.below(300)].filter((id, i, ids) => ids.indexOf(id) === i));
        else if (kind === 2) await subject.touch([...subject.vectors.keys()][random.below(subject.vectors.size)]!);
        else if (kind === 3) await engine.compact(subject.id, ++call);
        else if (kind === 4) {
          // The one loads the rows anew when it finds them lost; the other is about to renumber them, and must not any more.
          await subject.delete([...subject.vectors.keys()].filter((id) => id % 5 === step));
          const touched = [...subject.vectors.keys()].filter((_, i) => i % 90 === step);
          const compacted = engine.compact(subject.id, ++call);
          for (const id of touched) await subject.touch(id);
          await compacted;
        } else await Promise.all([subject.write(400 + step * 40, 40), engine.compact(subject.id, ++call)]);
        await Promise.all(reading);
        await subject.ask();
      }
      await engine.close();
    }
  },
);

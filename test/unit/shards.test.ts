import { afterAll, expect, test, vi } from 'vitest';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import { createShardedIndex } from '../../src/indexes/sharded.ts';
import { createJsCodes } from '../../src/kernels/codes/js.ts';
import { openDevices } from '../../src/kernels/devices.ts';
import { createJsRows } from '../../src/kernels/js.ts';
import { type Cpu, createPart, type Part, type PartOptions } from '../../src/kernels/shards/part.ts';
import { createShardPool, LostRows, type ShardPool } from '../../src/kernels/shards/pool.ts';
import { createShardedRows } from '../../src/kernels/shards/rows.ts';
import { createWasmCodes, loadWasmCodes } from '../../src/kernels/wasm/codes.ts';
import { createWasmRows, loadWasm } from '../../src/kernels/wasm/rows.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { ALL_METRICS, found, makeVectors, oracle, seededCase } from './kernels.oracle.ts';
import { openShardHere } from './shard-worker.ts';

const module = await loadWasm();
const wasmCodes = await loadWasmCodes();
const jsCpu: Cpu = { createCpuRows: createJsRows, createCodeRows: createJsCodes };
const wasmCpu: Cpu = {
  createCpuRows: (options) => createWasmRows(module!, options),
  createCodeRows: (coder) => createWasmCodes(wasmCodes!, coder),
};
const ports: MessagePort[] = [];

afterAll(() => {
  for (const port of ports) port.close();
});

/** Other ends in this thread. `kill` ends one. */
function poolOf(
  count: number,
  create: (options: PartOptions) => Part = (options) => createPart(options, jsCpu),
): { pool: ShardPool; kill: (() => void)[] } {
  const kill: (() => void)[] = [];
  const openWorker = async () => {
    const worker = openShardHere(create);
    ports.push(worker.port);
    kill.push(worker.kill);
    return worker;
  };
  const pool = createShardPool(openWorker, { count });
  return { pool, kill };
}

test('rows in several places give the oracle’s answer, as they come and go, in 150 seeded cases', async () => {
  for (const count of [1, 3]) {
    const { pool } = poolOf(count);
    for (let seed = count; seed < 225; seed += 3) {
      const example = seededCase(seed, 300, ALL_METRICS);
      const { name, dimension, metric, vectors, rowCount, query, k, mask } = example;
      const random = seededRandom(seed);
      const local = createPart({ dimension, metric, tier: null }, seed % 2 ? jsCpu : wasmCpu);
      const rows = createShardedRows(local, {
        ...pool,
        layout: { blockRows: 32, localBytes: random.below(2) * 64 * dimension * 4 },
      });
      for (let row = 0; row < rowCount; ) {
        const end = Math.min(rowCount, row + 1 + random.below(100));
        await rows.reserve(end);
        rows.append(vectors.subarray(row * dimension, end * dimension), null);
        row = random.below(3) ? end : Math.max(row, end - random.below(40));
        rows.truncate(row);
      }
      expect(rows.rowCount).toBe(rowCount);
      const search = (end: number) => rows.searchAll([{ query, k, rowCount: end, ...(mask && { mask }) }]);
      const [hits] = await search(rowCount);
      expect(found(hits!), name).toEqual(oracle(example));
      // Newer rows are not seen.
      const [less, fewer] = [Math.floor(rowCount / 2), Math.floor(rowCount / 3)];
      const [older] = await search(less);
      expect(found(older!), name).toEqual(oracle({ ...example, rowCount: less }));
      expect(await rows.vectors([less, fewer].slice(0, rowCount)), name).toEqual(
        [less, fewer].slice(0, rowCount).map((row) => vectors.slice(row * dimension, (row + 1) * dimension)),
      );
      rows.close();
    }
  }
});

test.each(['int8', 'binary'] as const)(
  '%s codes in several places have the candidates and the answers of one, as rows come and go, in 120 seeded cases',
  async (tier) => {
    const devices = await openDevices('wasm');
    const { pool } = poolOf(2);
    for (let seed = 0; seed < 120; seed++) {
      const { name, dimension, metric, vectors, rowCount, query, k, mask } = seededCase(seed, 300);
      const random = seededRandom(seed);
      const options = { dimension, metric, tier };
      const one = createQuantizedIndex(options, devices);
      const layout = { blockRows: 32, localBytes: 1000 * random.below(3) };
      const several = createShardedIndex(options, devices, { ...pool, layout });
      for (let row = 0; row < rowCount; ) {
        const end = Math.min(rowCount, row + 1 + random.below(100));
        const part = vectors.subarray(row * dimension, end * dimension);
        row = random.below(3) ? end : Math.max(row, end - random.below(40));
        for (const index of [one, several]) {
          await index.reserve(end);
          index.append(part, random.below(2) ? index.encode(part) : null);
          index.truncate(row);
        }
      }
      const searches = Array.from({ length: 4 }, (_, i) => ({
        query: i === 3 ? makeVectors('random', random, 1, dimension) : query,
        k: 1 + (k % 40),
        // So few candidates that which they are decides about the answer.
        oversample: [0.02, 0.2, 1, 0.1][i]!,
        rowCount: i === 2 ? Math.floor(rowCount / 2) : rowCount,
        exact: i === 2 && seed % 5 === 0,
        ...(mask && i !== 1 && { mask }),
      }));
      const together = await Promise.all(searches.map((search) => several.search(search)));
      for (const [i, search] of searches.entries()) {
        const alone = await one.search(search);
        expect(found(together[i]!), `${name}, search ${i}`).toEqual(found(alone));
        expect(together[i]!.tier, name).toBe(alone.tier);
        // How many are in doubt depends on what each place has seen of the others.
        if (tier === 'binary') expect(together[i]!.candidates, name).toBe(alone.candidates);
      }
      const some = [0, rowCount - 1].slice(0, rowCount);
      expect(await several.vectors(some), name).toEqual(await one.vectors(some));
      one.close();
      several.close();
    }
    devices.close();
  },
);

test('a search in flight over several places is answered after close, and a later one is refused', async () => {
  const devices = await openDevices('wasm');
  const { pool } = poolOf(1);
  const index = createShardedIndex({ dimension: 1, metric: 'dot', tier: 'int8' }, devices, {
    ...pool,
    layout: { blockRows: 32, localBytes: 0 },
  });
  await index.reserve(100);
  index.append(Float32Array.from({ length: 100 }, (_, i) => i));
  const search = () => index.search({ query: Float32Array.of(1), k: 2 });
  const answer = search();
  index.close();
  expect([...(await answer).rows]).toEqual([99, 98]);
  await expect(search()).rejects.toMatchObject({ code: 'CLOSED' });
});

test('a search while rows are spread for the first time is answered', async () => {
  const { pool } = poolOf(2);
  const rows = createShardedRows(createPart({ dimension: 2, metric: 'dot', tier: null }, wasmCpu), {
    ...pool,
    layout: { blockRows: 32, localBytes: 32 * 8 },
  });
  await rows.reserve(32);
  rows.append(makeVectors('random', seededRandom(1), 32, 2), null);
  const search = async () => (await rows.searchAll([{ query: Float32Array.of(1, 2), k: 3, rowCount: 32 }]))[0]!.rows;
  const before = await search();
  const answers: Promise<Uint32Array>[] = [];
  let isSpread = false;
  const spread = Promise.resolve(rows.reserve(32 * 8)).then(() => {
    isSpread = true;
  });
  while (!isSpread) {
    answers.push(search());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await spread;
  expect(rows.workers).toBe(3);
  expect(answers.length).toBeGreaterThan(0);
  for (const answer of answers) expect(await answer).toEqual(before);
  rows.close();
});

test('rows are spread evenly, and small ones stay', async () => {
  const { pool } = poolOf(3);
  const rows = createShardedRows(createPart({ dimension: 4, metric: 'dot', tier: null }, wasmCpu), {
    ...pool,
    layout: { blockRows: 32, localBytes: 32 * 16 },
  });
  await rows.reserve(32);
  expect(rows.workers).toBe(1);
  await rows.reserve(32 * 8);
  expect(rows.workers).toBe(4);
  rows.append(makeVectors('random', seededRandom(1), 32 * 8, 4), null);
  // Each place can hold its share.
  expect(rows.bytes).toBeGreaterThan(4 * 65_536);
});

test('a worker that ends is LostRows to those who wait and to those who come, and to nobody who does not need it', async () => {
  const { pool, kill } = poolOf(1);
  const layout = { blockRows: 32, localBytes: 0 };
  const create = () =>
    createShardedRows(createPart({ dimension: 2, metric: 'dot', tier: null }, wasmCpu), { ...pool, layout });
  const rows = create();
  await rows.reserve(100);
  rows.append(makeVectors('random', seededRandom(1), 100, 2), null);
  const search = async () => (await rows.searchAll([{ query: Float32Array.of(1, 2), k: 3, rowCount: 100 }]))[0]!;
  expect((await search()).rows).toHaveLength(3);
  const waiting = search();
  kill[0]!();
  await expect(waiting).rejects.toBeInstanceOf(LostRows);
  expect(rows.isLost).toBe(true);
  await expect(search()).rejects.toBeInstanceOf(LostRows);
  await expect(rows.vectors([0, 40])).rejects.toBeInstanceOf(LostRows);
  await expect(rows.vectors([0])).resolves.toHaveLength(1);
  // Writes go on: the disk has them.
  await rows.reserve(200);
  rows.append(new Float32Array(200), null);
  rows.truncate(150);
  rows.close();
  // Its like is not tried again.
  const again = create();
  await again.reserve(100);
  expect(again.workers).toBe(1);
});

test.each(['copy', 'message'] as const)(
  'a place is as good as gone to which there is no memory for a %s',
  async (what) => {
    const { pool } = poolOf(1);
    const part = createPart({ dimension: 2, metric: 'dot', tier: null }, jsCpu);
    const rows = createShardedRows(part, { ...pool, layout: { blockRows: 32, localBytes: 0 } });
    await rows.reserve(100);
    const fail = () => {
      throw new RangeError('Array buffer allocation failed');
    };
    const spy =
      what === 'copy'
        ? vi.spyOn(Float32Array.prototype, 'slice').mockImplementation(fail)
        : vi.spyOn(MessagePort.prototype, 'postMessage').mockImplementation(fail);
    try {
      rows.append(new Float32Array(200), null);
    } finally {
      spy.mockRestore();
    }
    expect(rows.rowCount).toBe(100);
    expect(rows.isLost).toBe(true);
    await expect(rows.searchAll([{ query: Float32Array.of(1, 2), k: 3, rowCount: 100 }])).rejects.toBeInstanceOf(
      LostRows,
    );
  },
);

test('a place without room for its rows is as good as gone', async () => {
  const { pool } = poolOf(1, (options) => ({
    codes: null,
    rows: {
      ...createJsRows(options),
      reserve(rowCount) {
        if (rowCount > 64) throw new RangeError('no memory');
      },
    },
  }));
  const part = createPart({ dimension: 2, metric: 'dot', tier: null }, jsCpu);
  const rows = createShardedRows(part, { ...pool, layout: { blockRows: 32, localBytes: 0 } });
  await rows.reserve(128);
  expect(rows.isLost).toBe(false);
  await rows.reserve(200);
  expect(rows.isLost).toBe(true);
});

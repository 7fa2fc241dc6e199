// Measures a query in two workers against one over the same rows, in turns: float32 rows, and codes with what comes after.
// Judges nothing.
import { createQuantizedIndex } from '../src/indexes/quantized.ts';
import { createShardedIndex } from '../src/indexes/sharded.ts';
import type { Tier } from '../src/kernels/codes/coder.ts';
import { openDevices } from '../src/kernels/devices.ts';
import { createShardPool } from '../src/kernels/shards/pool.ts';
import { createShardedRows, type ShardedRows } from '../src/kernels/shards/rows.ts';
import { createWasmRows, loadWasm } from '../src/kernels/wasm/rows.ts';
import { seededRandom } from '../src/structures/random.ts';
import { createRoof } from './kernel-measures.ts';
import ShardWorker from './shard.worker.ts?worker';
import { type Figure, median, timed } from './statistics.ts';

export async function measureShards(shape: { n: number; d: number }, rounds: number): Promise<Figure[]> {
  const { n, d } = shape;
  const module = (await loadWasm())!;
  const half = (n * d * 4) / 2;
  const { worker, pool, done } = openWorker(half);
  const create = () => createWasmRows(module, { dimension: d, metric: 'cosine' });
  const one = create();
  const two: ShardedRows = createShardedRows({ rows: create(), codes: null }, pool);
  const random = seededRandom(1);
  const batch = 10_000;
  await two.reserve(n);
  for (let row = 0; row < n; row += batch) {
    const vectors = new Float32Array(batch * d).map(() => random.next() - 0.5);
    one.append(vectors);
    two.append(vectors, null);
  }
  const roof = await createRoof(half);
  const readBoth = () => {
    const other = done();
    worker.postMessage('read');
    roof();
    return other;
  };
  const ceilings: number[] = [];
  const oneMs: number[] = [];
  const twoMs: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const query = Float32Array.from({ length: d }, () => random.normal());
    const search = { query, k: 10, rowCount: n };
    const alone = await timed(() => one.search(search));
    const together = await timed(() => two.searchAll([search]));
    const readAlone = await timed(roof);
    const readTogether = await timed(readBoth);
    // The first rounds warm up.
    if (round < 0) continue;
    oneMs.push(alone);
    twoMs.push(together);
    ceilings.push((2 * readAlone) / readTogether);
  }
  worker.terminate();
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d });
  return [
    figure('wasm.workers1.ms', median(oneMs), 'ms'),
    figure('wasm.workers2.ms', median(twoMs), 'ms'),
    figure('wasm.workers2.gb_per_s', (n * d * 4) / 1e6 / median(twoMs), 'GB/s'),
    figure('wasm.workers2.roof_speedup', median(ceilings), 'ratio'), // what memory gives two that do nothing but read
    figure('wasm.workers2.speedup', median(oneMs.map((ms, i) => ms / twoMs[i]!)), 'ratio'),
  ];
}

export async function measureCodeShards(
  tier: Tier,
  { n, d }: { n: number; d: number },
  rounds: number,
): Promise<Figure[]> {
  const { worker, pool } = openWorker(64);
  const devices = await openDevices('wasm');
  const options = { dimension: d, metric: 'cosine', tier } as const;
  const one = createQuantizedIndex(options, devices);
  const two = createShardedIndex(options, devices, pool);
  const random = seededRandom(1);
  const batch = 10_000;
  await two.reserve(n);
  for (let row = 0; row < n; row += batch) {
    const vectors = new Float32Array(batch * d).map(() => random.next() - 0.5);
    const codes = one.encode(vectors);
    one.append(vectors, codes);
    two.append(vectors, codes);
  }
  const oneMs: number[] = [];
  const twoMs: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const search = { query: Float32Array.from({ length: d }, () => random.normal()), k: 10 };
    const alone = await timed(() => one.search(search));
    const together = await timed(() => two.search(search));
    if (round < 0) continue;
    oneMs.push(alone);
    twoMs.push(together);
  }
  worker.terminate();
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d });
  const name = tier === 'int8' ? 'int8' : 'bin';
  return [
    figure(`${name}.workers1.ms`, median(oneMs), 'ms'),
    figure(`${name}.workers2.ms`, median(twoMs), 'ms'),
    figure(`${name}.workers2.speedup`, median(oneMs.map((ms, i) => ms / twoMs[i]!)), 'ratio'),
  ];
}

/** A worker for rows, which reads `bytes` for nothing when asked. */
function openWorker(bytes: number) {
  const worker = new ShardWorker();
  const done = () => new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
  const open = async () => {
    const { port1: port, port2 } = new MessageChannel();
    const ready = done();
    worker.postMessage({ port: port2, bytes }, [port2]);
    await ready;
    return { port, lost: new Promise<void>(() => {}) };
  };
  return { worker, pool: createShardPool(open, { count: 1 }), done };
}

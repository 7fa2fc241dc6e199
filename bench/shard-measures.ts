// Measures a scan in two workers against one over the same rows, in turns. Judges nothing.
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
  const worker = new ShardWorker();
  const half = (n * d * 4) / 2;
  const done = () => new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
  const pool = createShardPool(
    async () => {
      const { port1: port, port2 } = new MessageChannel();
      const ready = done();
      worker.postMessage({ port: port2, bytes: half }, [port2]);
      await ready;
      return { port, lost: new Promise(() => {}) };
    },
    { count: 1 },
  );
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

// Which layout of rows an adapter scans faster, and how fast: measured once per precision over a buffer of zeros that each layout's
// scan takes for its rows, and kept. No software adapter is measured: what it is used for is the same answers.
import type { Layout } from '../../types.ts';
import { type Gpu, nudged } from './device.ts';
import { getPipelines, type Precision } from './pipelines.ts';
import { SEARCH_WORDS } from './scanner.ts';
import { GROUP_ROWS } from './shards.ts';

export interface ScanRate {
  layout: Layout;
  bytesPerMs: number;
}

/** Beyond the caches of most GPUs. */
const BYTES = 64 << 20;
/** Of 384 float32 numbers. */
const PIECES = 96;
/** Row-major is taken where it is so much faster: less may be chance. */
const GAIN_MIN = 1.05;
/** So long that the way to the GPU and back and the clock's grain count for little. */
const RUN_MS = 2;
const ROUNDS = 3;
/** After so long no third round begins, and no second one where a single run takes longer: opening measures for some 20 ms. */
const BUDGET_MS = 12;
const DISPATCHES_MAX = 256;
const WORKGROUPS = 1024;
const COUNTS_BYTES = 3 * 2048 * 4;

/** How rows of so many pieces are to lie on this adapter. */
export async function layoutFor(gpu: Gpu, precision: Precision, pieces: number): Promise<Layout> {
  // Of a row that is shorter than a subgroup is wide, some threads would have nothing to read.
  if (gpu.isSoftware || gpu.subgroupSize === null || pieces < gpu.subgroupSize.max) return 'interleaved';
  try {
    return (await measuredScan(gpu, precision)).layout;
  } catch {
    // A driver that cannot compile one of them is trusted with the plainer.
    return 'interleaved';
  }
}

/** Both layouts' rates, as measured now or before. */
export function measuredRates(gpu: Gpu, precision: Precision): ReturnType<typeof calibrateScan> {
  return gpu.measurements.once(`scan ${precision}`, ['interleaved', 'rowMajor'], () => calibrateScan(gpu, precision));
}

/** The faster layout. */
export async function measuredScan(gpu: Gpu, precision: Precision): Promise<ScanRate> {
  const rates = await measuredRates(gpu, precision);
  return rates.rowMajor > rates.interleaved * GAIN_MIN
    ? { layout: 'row-major', bytesPerMs: rates.rowMajor }
    : { layout: 'interleaved', bytesPerMs: rates.interleaved };
}

/** Bytes that each layout's scan reads in a millisecond; without subgroups, the one layout's for both. */
export async function calibrateScan(
  gpu: Gpu,
  precision: Precision,
  bytes = BYTES,
): Promise<{ interleaved: number; rowMajor: number }> {
  const layouts: Layout[] = gpu.subgroupSize ? ['interleaved', 'row-major'] : ['interleaved'];
  const scans = await createScans(gpu, precision, layouts, bytes);
  let isLost = false;
  gpu.lost.then(() => {
    isLost = true;
  });
  try {
    let dispatches = 1;
    for (const run of scans.runs) await run(dispatches);
    const start = performance.now();
    let ms = await scans.runs[0]!(dispatches);
    while (ms < RUN_MS && dispatches < DISPATCHES_MAX) {
      // Round-trip time dominates small batches.
      dispatches = Math.min(DISPATCHES_MAX, dispatches * Math.min(8, Math.ceil(RUN_MS / Math.max(ms, 0.1))));
      ms = await scans.runs[0]!(dispatches);
    }
    const best = scans.runs.map(() => Number.POSITIVE_INFINITY);
    const roundsMin = ms > BUDGET_MS ? 1 : 2;
    for (let round = 0; round < ROUNDS; round++) {
      if (round >= roundsMin && performance.now() - start > BUDGET_MS) break;
      const order = [...scans.runs.entries()];
      if (round % 2 === 1) order.reverse(); // a GPU that is still getting faster favours neither
      for (const [i, run] of order) best[i] = Math.min(best[i]!, await run(dispatches));
    }
    // What a lost device is given is done at once.
    if (isLost) throw new Error('the GPU was lost');
    const [interleaved, rowMajor = interleaved] = best.map((ms) => (dispatches * scans.bytes) / Math.max(ms, 0.1));
    return { interleaved: interleaved!, rowMajor: rowMajor! };
  } finally {
    scans.close();
  }
}

/** A scan for each layout over one buffer. `run` takes so many of them at once, and resolves to milliseconds. */
async function createScans(gpu: Gpu, precision: Precision, layouts: readonly Layout[], bytesMax: number) {
  const { device } = gpu;
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const groupBytes = PIECES * 16 * GROUP_ROWS;
  const groups = Math.floor(Math.min(bytesMax, maxBufferSize, maxStorageBufferBindingSize) / groupBytes);
  const rowCount = groups * GROUP_ROWS;
  const factorCount = precision === 'int8' ? 2 : 1;
  const format = { precision, metric: 'cosine', pieces: PIECES, factorCount } as const;
  const pipelines = await Promise.all(layouts.map((layout) => getPipelines(gpu, { ...format, layout })));
  const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
  const buffers: GPUBuffer[] = [];
  const buffer = (size: number, words: number[] = [], usage = STORAGE) => {
    const created = device.createBuffer({ label: 'calibration', size, usage: usage | COPY_DST });
    device.queue.writeBuffer(created, 0, Uint32Array.from(words));
    buffers.push(created);
    return created;
  };
  device.pushErrorScope('out-of-memory');
  const bind = (layout: GPUBindGroupLayout, resources: GPUBuffer[]) =>
    device.createBindGroup({ layout, entries: resources.map((one, binding) => ({ binding, resource: one })) });
  const search = bind(pipelines[0]!.layouts.scan, [
    buffer(SEARCH_WORDS * 4, [rowCount]),
    // Up to four pieces for one of a row.
    buffer(PIECES * 16 * 4),
    buffer(16),
    buffer(rowCount * 4),
    buffer(COUNTS_BYTES),
  ]);
  const shard = bind(pipelines[0]!.layouts.shard, [
    buffer(16, [0, groups, 0, PIECES], UNIFORM),
    buffer(groups * groupBytes),
    buffer(rowCount * 4 * factorCount),
  ]);
  const noRoom = await device.popErrorScope();
  if (noRoom) {
    for (const one of buffers) one.destroy();
    throw new Error(noRoom.message);
  }

  const runs = pipelines.map(({ scan }) => async (dispatches: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({ label: 'calibration' });
    pass.setPipeline(scan);
    pass.setBindGroup(0, search);
    pass.setBindGroup(1, shard, [0]);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(Math.min(WORKGROUPS, Math.ceil(groups / 4)));
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await nudged(device, device.queue.onSubmittedWorkDone());
    return performance.now() - start;
  });
  return {
    bytes: groups * groupBytes,
    runs,
    close: () => {
      for (const one of buffers) one.destroy();
    },
  };
}

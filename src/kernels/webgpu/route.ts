// Measures what routing needs to know, once per adapter, and keeps it: how long a GPU's answer is on its way, and how much each device
// scans in a millisecond.
import { seededRandom } from '../../structures/random.ts';
import type { CpuRows, RowsOptions } from '../kernel.ts';
import type { Route } from '../routing.ts';
import { measuredScan } from './calibration.ts';
import { type Gpu, nudged } from './device.ts';

const DIMENSION = 256;
const ROWS = 4096;
const CPU_ROUNDS = 8;
const GPU_ROUNDS = 3;

/** What was measured now or before. Now: takes the thread for a few milliseconds, and some 20 in all. */
export function measuredRoute(gpu: Gpu, createCpuRows: (options: RowsOptions) => CpuRows): Promise<Route> {
  return gpu.measurements.once('route', ['wayMs', 'cpuBytesPerMs', 'gpuBytesPerMs'], async () => {
    const { bytesPerMs: gpuBytesPerMs } = await measuredScan(gpu, 'f32');
    const wayMs = await measureWay(gpu.device);
    return { wayMs, cpuBytesPerMs: measureScan(createCpuRows), gpuBytesPerMs };
  });
}

/** The median. */
async function measureWay(device: GPUDevice): Promise<number> {
  const query = new Float32Array(DIMENSION);
  const { COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const source = device.createBuffer({ size: query.byteLength, usage: COPY_SRC | COPY_DST });
  const target = device.createBuffer({ size: query.byteLength, usage: COPY_DST | MAP_READ });
  const times: number[] = [];
  try {
    for (let round = 0; round < GPU_ROUNDS; round++) {
      const start = performance.now();
      device.queue.writeBuffer(source, 0, query);
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, target, 0, query.byteLength);
      device.queue.submit([encoder.finish()]);
      await nudged(device, target.mapAsync(GPUMapMode.READ));
      target.unmap();
      times.push(performance.now() - start);
    }
  } finally {
    source.destroy();
    target.destroy();
  }
  // A clock of 0.1 ms may see none at all.
  return Math.max(0.05, times.sort((a, b) => a - b)[GPU_ROUNDS >> 1]!);
}

/** Bytes that are scanned in a millisecond: the best of a few, since the first are not optimised yet. */
function measureScan(createCpuRows: (options: RowsOptions) => CpuRows): number {
  const rows = createCpuRows({ dimension: DIMENSION, metric: 'dot' });
  const random = seededRandom(1);
  rows.append(Float32Array.from({ length: ROWS * DIMENSION }, () => random.next() - 0.5));
  const query = Float32Array.from({ length: DIMENSION }, () => random.next() - 0.5);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < CPU_ROUNDS; round++) {
    const { scanMs } = rows.search({ query, k: 10, rowCount: ROWS });
    best = Math.min(best, scanMs);
  }
  rows.close();
  return (ROWS * DIMENSION * 4) / Math.max(best, 0.05);
}

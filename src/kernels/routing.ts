// Which device answers a search: both are measured once, by how long a GPU's answer is on its way and how much the CPU scans
// in that time. Above that many bytes a GPU is asked.
import { seededRandom } from '../structures/random.ts';
import type { CpuRows, RowsOptions } from './kernel.ts';
import type { Gpu } from './webgpu/device.ts';

/** Until both are measured: what one core of most machines scans in half a millisecond. */
export const GPU_BYTES_UNMEASURED = 10_000_000;
/** Whatever was measured: less never pays, and more always does. */
const GPU_BYTES_MIN = 1_000_000;
const GPU_BYTES_MAX = 256_000_000;

const DIMENSION = 256;
const ROWS = 4096;
const CPU_ROUNDS = 8;
const GPU_ROUNDS = 5;

/** Bytes from which the GPU answers first. Takes the thread for a few milliseconds, and about ten in all. */
export async function measureRouting(gpu: Gpu, createCpuRows: (options: RowsOptions) => CpuRows): Promise<number> {
  const wayMs = await measureWay(gpu.device);
  const bytes = wayMs * measureScan(createCpuRows);
  return Math.max(GPU_BYTES_MIN, Math.min(GPU_BYTES_MAX, Math.round(bytes)));
}

/** Milliseconds from a submit to its bytes here, when there is next to nothing to do: the median. */
async function measureWay(device: GPUDevice): Promise<number> {
  const source = device.createBuffer({ size: 256, usage: GPUBufferUsage.COPY_SRC });
  const target = device.createBuffer({ size: 256, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const times: number[] = [];
  try {
    for (let round = 0; round < GPU_ROUNDS; round++) {
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, target, 0, 256);
      device.queue.submit([encoder.finish()]);
      await target.mapAsync(GPUMapMode.READ);
      target.unmap();
      times.push(performance.now() - start);
    }
  } finally {
    source.destroy();
    target.destroy();
  }
  return times.sort((a, b) => a - b)[GPU_ROUNDS >> 1]!;
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
  // A clock of 0.1 ms may see none at all.
  return (ROWS * DIMENSION * 4) / Math.max(best, 0.05);
}

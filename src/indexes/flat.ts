// The exact index: every row is looked at. Owns where the rows are (always in memory, and on the GPU where that pays)
// and which device answers. Knows nothing of arithmetic.
import { PiramidError } from '../errors.ts';
import type { Devices } from '../kernels/devices.ts';
import { type CpuRows, isProductMetric, type RowSearch } from '../kernels/kernel.ts';
import type { Room } from '../kernels/webgpu/budget.ts';
import type { Gpu } from '../kernels/webgpu/device.ts';
import { createLifetime } from './lifetime.ts';
import { createMirror } from './mirror.ts';
import { gathered, TOGETHER_ON_GPU, togetherOnCpu } from './together.ts';
import type { VectorHits, VectorIndex, VectorIndexOptions, VectorSearch } from './vector-index.ts';

export interface FlatIndexOptions extends VectorIndexOptions {
  /** Float16 on a GPU, from the start. Otherwise it is what is tried where float32 does not fit. @default false */
  isHalf?: boolean;
}

export function createFlatIndex(options: FlatIndexOptions, devices: Devices): VectorIndex {
  const { dimension, metric, isHalf = false } = options;
  const cpu = devices.createCpuRows(options);
  const searchCpu = gathered(cpu.searchAll);
  const precisions = isHalf ? (['f16'] as const) : (['f32', 'f16'] as const);
  const ways = precisions.map((precision) => ({
    precision,
    create: (gpu: Gpu, room: Room) => devices.gpuKernels!.createGpuRows(gpu, cpu, { precision, room }),
  }));
  const mirror = createMirror(devices, isProductMetric(metric) ? ways : []);
  const rowBytes = dimension * 4;
  const lifetime = createLifetime(() => {
    mirror.close();
    cpu.close();
  });

  function append(vectors: Float32Array): void {
    lifetime.check();
    checkRows(vectors, dimension);
    cpu.append(vectors);
    mirror.follow(cpu.rowCount * rowBytes);
  }

  async function find({ batch = 1, ...search }: VectorSearch): Promise<VectorHits> {
    const request = rowSearchOf(search, cpu.rowCount);
    const { rowCount, mask } = request;
    const looked = mask ? Math.min(rowCount, mask.count()) : rowCount;
    const { answer, route } = await mirror.ask({ rowCount, bytes: looked * rowBytes, batch }, async (gpu) => {
      const hits = await gpu.search(request);
      return hits && { hits, tier: gpu.precision === 'f16' ? ('f16' as const) : ('none' as const), layout: gpu.layout };
    });
    if (!answer) return { ...(await searchCpu(request)), device: cpu.device, route, tier: 'none' };
    const { hits, tier, layout } = answer;
    return { ...hits, device: 'webgpu', route, tier, layout };
  }

  return {
    dimension,
    metric,
    tier: isHalf ? 'f16' : 'none',
    get rowCount() {
      return cpu.rowCount;
    },
    deviceFor: (batch) => (mirror.answers(cpu.rowCount * rowBytes, batch) ? 'webgpu' : cpu.device),
    get layout() {
      return mirror.layout;
    },
    get bytes() {
      return { gpu: mirror.bytes, memory: cpu.bytes };
    },
    together(batch) {
      const bytes = cpu.rowCount * rowBytes;
      return mirror.answers(bytes, batch) ? TOGETHER_ON_GPU : togetherOnCpu(bytes);
    },
    append,
    encode: () => null,
    reserve(rowCount) {
      lifetime.check();
      cpu.reserve(rowCount);
    },
    truncate(rowCount) {
      cpu.truncate(rowCount);
      mirror.restart();
    },
    vectors: async (rows) => Array.from(rows, (row) => copyOf(cpu, row, dimension)),
    search: (search) => lifetime.within(() => find(search)),
    close: lifetime.close,
  };
}

/** What rows are to find for a search; of all `rowCount` that there are, if it does not say. */
export function rowSearchOf({ query, k, rowCount, mask, minScore }: VectorSearch, all: number): RowSearch {
  return {
    query,
    k,
    rowCount: rowCount ?? all,
    ...(mask && { mask }),
    ...(minScore !== undefined && { minScore }),
  };
}

export function checkRows(vectors: Float32Array, dimension: number): void {
  if (vectors.length % dimension !== 0) {
    throw new PiramidError('DIMENSION_MISMATCH', `expected rows of ${dimension} numbers, got ${vectors.length} in all`);
  }
}

export function copyOf(rows: CpuRows, row: number, dimension: number): Float32Array<ArrayBuffer> {
  const offset = rows.offset(row);
  return new Float32Array(rows.values(row).subarray(offset, offset + dimension));
}

// The exact index: every row is looked at. Owns where the rows are (always in memory, and on the GPU where that pays)
// and which device answers. Knows nothing of arithmetic.
import { PiramidError } from '../errors.ts';
import type { Devices } from '../kernels/devices.ts';
import type { CpuRows, RowSearch } from '../kernels/kernel.ts';
import { createMirror } from './mirror.ts';
import type { VectorHits, VectorIndex, VectorIndexOptions, VectorSearch } from './vector-index.ts';

/** Below this, a GPU's answer costs more on its way (0.5 to 1 ms) than one core needs to scan. */
const GPU_BYTES_MIN = 10_000_000;

export function createFlatIndex(options: VectorIndexOptions, devices: Devices): VectorIndex {
  const { dimension, metric } = options;
  const cpu = devices.createCpuRows(options);
  const always = devices.wanted === 'webgpu';
  const mirror = createMirror(cpu, devices);
  let inFlight = 0;
  let closed = false;

  function paysOnGpu(rowCount: number): boolean {
    return always || rowCount * dimension * 4 >= GPU_BYTES_MIN;
  }

  function append(vectors: Float32Array): void {
    checkOpen();
    checkRows(vectors, dimension);
    cpu.append(vectors);
    if (paysOnGpu(cpu.rowCount)) mirror.follow();
  }

  async function search({ query, k, rowCount = cpu.rowCount, mask }: VectorSearch): Promise<VectorHits> {
    checkOpen();
    const request: RowSearch = { query, k, rowCount, ...(mask ? { mask } : {}) };
    inFlight++;
    try {
      return (await searchGpu(request)) ?? { ...cpu.search(request), device: cpu.device, tier: 'none' };
    } finally {
      inFlight--;
      free();
    }
  }

  /** Null: the CPU is to answer. */
  async function searchGpu(request: RowSearch): Promise<VectorHits | null> {
    const { rowCount, mask } = request;
    if (rowCount === 0 || !paysOnGpu(mask ? Math.min(rowCount, mask.count()) : rowCount)) return null;
    // Asked for by name, the GPU is waited for. Otherwise it answers once its pipelines and rows are there.
    const rows = always ? await mirror.ready() : mirror.rows;
    if (!rows || rows.rowCount < rowCount) return null;
    try {
      const hits = await rows.search(request);
      return hits && { ...hits, device: 'webgpu', tier: 'none' };
    } catch {
      mirror.drop(rows);
      return null;
    }
  }

  function checkOpen(): void {
    if (closed) throw new PiramidError('CLOSED', 'the index has been closed');
  }

  function free(): void {
    if (!closed || inFlight > 0) return;
    mirror.close();
    cpu.close();
  }

  return {
    dimension,
    metric,
    get rowCount() {
      return cpu.rowCount;
    },
    get device() {
      const onGpu = always ? mirror.possible : mirror.rows && paysOnGpu(cpu.rowCount);
      return onGpu ? 'webgpu' : cpu.device;
    },
    get bytes() {
      return { gpu: mirror.rows?.bytes ?? 0, memory: cpu.bytes };
    },
    append,
    encode: () => null,
    reserve(rowCount) {
      checkOpen();
      cpu.reserve(rowCount);
    },
    truncate(rowCount) {
      cpu.truncate(rowCount);
      mirror.restart();
    },
    vector: (row) => copyOf(cpu, row, dimension),
    search,
    close() {
      if (closed) return;
      closed = true;
      free();
    },
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

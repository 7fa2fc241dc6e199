// Rows in GPU buffers: finds candidates in one submit and one read-back, and leaves the canonical score to the CPU.
// Owns the buffers of a search (keys, histograms, staging). Any failure rejects: the caller has a CPU.
import { approximate } from '../bounds.ts';
import { type Candidates, candidateCount, certify, eligibleCount } from '../candidates.ts';
import { vectorNorm } from '../js.ts';
import type { CpuRows, GpuCounters, GpuRows, RowHits, RowSearch } from '../kernel.ts';
import type { Gpu } from './device.ts';
import { getPipelines } from './pipelines.ts';
import { createShards, GROUP_ROWS } from './shards.ts';

/** More are the CPU's: reading them back would cost more than it saves. */
export const GPU_K_MAX = 4096;
const WANTED_MAX = candidateCount(GPU_K_MAX);
const HEADER_BYTES = 16;
const HISTOGRAM_BYTES = 3 * 2048 * 4;
const STATE_BYTES = 20;
const SEARCH_BYTES = 24;
const FOUND_BYTES = HEADER_BYTES + WANTED_MAX * 8;
const SELECT_WORKGROUPS_MAX = 1024;
const SCAN_WORKGROUPS_MAX = 1024;
const STAGING_KEPT_MAX = 4;
/** Browsers end a GPU process that hangs for about as long; not all of them. */
const TIMEOUT_MS = 10_000;

export interface GpuRowsOptions {
  /** Tests lower it, to have several shards. @default 2 ** 30 */
  shardBytesMax?: number;
}

/** Resolves when the pipelines are compiled; the rows come with `sync`. */
export async function createGpuRows(gpu: Gpu, cpu: CpuRows, options: GpuRowsOptions = {}): Promise<GpuRows> {
  const { device } = gpu;
  const { dimension, metric } = cpu;
  const pieces = (dimension + 3) >>> 2;
  const { scan, select, layouts } = await getPipelines(device, metric);
  const shards = createShards(device, cpu, layouts.shard, options.shardBytesMax);
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const fixed = {
    search: createBuffer('search', SEARCH_BYTES, UNIFORM | COPY_DST),
    query: createBuffer('query', pieces * 16, STORAGE | COPY_DST),
    histogram: createBuffer('histogram', HISTOGRAM_BYTES, STORAGE | COPY_DST),
    state: createBuffer('state', STATE_BYTES, STORAGE),
    tieCounts: createBuffer('tie counts', SELECT_WORKGROUPS_MAX * 4, STORAGE),
    found: createBuffer('found', FOUND_BYTES, STORAGE | COPY_DST | COPY_SRC),
  };
  let perRow = createPerRow(GROUP_ROWS * 64);
  let staging: GPUBuffer[] = [];
  let rowCount = 0;
  let syncing = Promise.resolve();
  let token = 0;
  let counters: GpuCounters = { dispatches: 0, submits: 0, maps: 0, bytesRead: 0 };

  function createBuffer(label: string, size: number, usage: number): GPUBuffer {
    return device.createBuffer({ label, size, usage });
  }

  /** Buffers as long as the rows, with nothing in them to keep. */
  function createPerRow(capacity: number) {
    const keys = createBuffer('keys', capacity * 4, STORAGE);
    const mask = createBuffer('mask', capacity / 8, STORAGE | COPY_DST);
    const { search, query, histogram, state, tieCounts, found } = fixed;
    return {
      capacity,
      keys,
      mask,
      scan: bind(layouts.scan, { 0: search, 1: query, 2: mask, 3: keys, 4: histogram }),
      select: bind(layouts.select, { 0: search, 3: keys, 4: histogram, 5: state, 6: tieCounts, 7: found }),
    };
  }

  function bind(layout: GPUBindGroupLayout, buffers: Record<number, GPUBuffer>): GPUBindGroup {
    const entries = Object.entries(buffers).map(([binding, buffer]) => ({
      binding: Number(binding),
      resource: { buffer },
    }));
    return device.createBindGroup({ layout, entries });
  }

  function sync(): Promise<void> {
    syncing = syncing.then(copyNewRows);
    return syncing;
  }

  async function copyNewRows(): Promise<void> {
    const end = cpu.rowCount;
    if (end === rowCount) return;
    await shards.upload(rowCount, end);
    if (end > perRow.capacity) {
      const { capacity, keys, mask } = perRow;
      perRow = createPerRow(Math.ceil(Math.max(end, capacity * 2) / GROUP_ROWS) * GROUP_ROWS);
      keys.destroy();
      mask.destroy();
    }
    rowCount = end;
  }

  async function search(request: RowSearch): Promise<RowHits | null> {
    const start = performance.now();
    const { query, k } = request;
    const eligible = eligibleCount(request);
    const wanted = Math.min(candidateCount(k), eligible);
    const approximation = approximate(metric, query, vectorNorm(query, 0, dimension), cpu.norms);
    if (!approximation || eligible === 0 || wanted > WANTED_MAX) return null;

    const found = await candidates(request, approximation.query, wanted);
    if (wanted === eligible) found.floor = Number.NEGATIVE_INFINITY;
    const scanned = performance.now();
    const { hits, certain } = certify(cpu, request, approximation, found);
    if (!certain) return null;
    return { ...hits, scanMs: scanned - start, rescoreMs: performance.now() - scanned };
  }

  async function candidates(request: RowSearch, query: Float32Array<ArrayBuffer>, wanted: number): Promise<Candidates> {
    const expected = ++token;
    const bytes = HEADER_BYTES + wanted * 8;
    const buffer = takeStaging(bytes);
    submit(request, query, wanted, expected, buffer);
    await mapped(buffer, bytes);
    const found = read(buffer, bytes, wanted, expected);
    buffer.unmap();
    if (staging.length < STAGING_KEPT_MAX) staging.push(buffer);
    else buffer.destroy();
    return found;
  }

  function submit(
    { rowCount: end, mask }: RowSearch,
    query: Float32Array<ArrayBuffer>,
    wanted: number,
    expected: number,
    target: GPUBuffer,
  ): void {
    const chunk = Math.ceil(end / SELECT_WORKGROUPS_MAX / 1024) * 1024;
    const { queue } = device;
    queue.writeBuffer(fixed.search, 0, Uint32Array.of(end, mask ? 1 : 0, wanted, expected, chunk, pieces));
    queue.writeBuffer(fixed.query, 0, query);
    if (mask) queue.writeBuffer(perRow.mask, 0, mask.words, 0, Math.min(mask.words.length, (end + 31) >>> 5));

    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(fixed.histogram);
    encoder.clearBuffer(fixed.found, 0, HEADER_BYTES);
    const pass = encoder.beginComputePass();
    let dispatches = 0;
    pass.setPipeline(scan);
    pass.setBindGroup(0, perRow.scan);
    for (const { bindGroup, groupCount } of shards.list) {
      pass.setBindGroup(1, bindGroup);
      pass.dispatchWorkgroups(Math.min(SCAN_WORKGROUPS_MAX, Math.ceil(groupCount / 4)));
      dispatches++;
    }
    pass.setBindGroup(0, perRow.select);
    for (const step of select) {
      pass.setPipeline(step);
      pass.dispatchWorkgroups(Math.ceil(end / chunk));
      dispatches++;
    }
    pass.end();
    const bytesRead = HEADER_BYTES + wanted * 8;
    encoder.copyBufferToBuffer(fixed.found, 0, target, 0, bytesRead);
    queue.submit([encoder.finish()]);
    counters = { dispatches, submits: 1, maps: 1, bytesRead };
  }

  /** A buffer that no read-back is under way to. */
  function takeStaging(bytes: number): GPUBuffer {
    const free = staging.find(({ size }) => size >= bytes);
    if (free) {
      staging = staging.filter((buffer) => buffer !== free);
      return free;
    }
    return createBuffer('staging', Math.max(1024, 2 ** Math.ceil(Math.log2(bytes))), MAP_READ | COPY_DST);
  }

  /** Only this proves that the GPU did its work: on a lost device it rejects, and nothing else fails. */
  async function mapped(buffer: GPUBuffer, bytes: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        // A device that hangs seldom comes back by itself; a lost one is opened anew.
        device.destroy();
        reject(new Error(`the GPU gave no answer in ${TIMEOUT_MS} ms`));
      }, TIMEOUT_MS);
    });
    try {
      await Promise.race([buffer.mapAsync(GPUMapMode.READ, 0, bytes), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  function read(buffer: GPUBuffer, bytes: number, wanted: number, expected: number): Candidates {
    const words = new Uint32Array(buffer.getMappedRange(0, bytes));
    const [foundToken, border, above, total] = words;
    // A command that failed validation leaves an older answer in the buffer.
    if (foundToken !== expected || total !== wanted || above! >= wanted) {
      buffer.destroy();
      throw new Error('the GPU did not answer this search');
    }
    const rows = new Uint32Array(wanted);
    for (let i = 0; i < wanted; i++) rows[i] = words[HEADER_BYTES / 4 + i * 2]!;
    return { rows, floor: similarityOf(border!) };
  }

  function close(): void {
    shards.close();
    for (const buffer of [...Object.values(fixed), perRow.keys, perRow.mask, ...staging]) buffer.destroy();
    staging = [];
  }

  return {
    device: 'webgpu',
    dimension,
    metric,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      const buffers = [...Object.values(fixed), perRow.keys, perRow.mask, ...staging];
      return buffers.reduce((sum, { size }) => sum + size, shards.bytes);
    },
    get counters() {
      return counters;
    },
    sync,
    search,
    candidates,
    close,
  };
}

/** The number whose ordered key (see scan.wgsl) this is. */
function similarityOf(key: number): number {
  const bits = key & 0x80000000 ? key & 0x7fffffff : ~key;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}

// What a worker can compute on, opened once and shared by every index and model in it. Owns the GPU's loss and return.
import { PiramidError } from '../errors.ts';
import type { Device } from '../types.ts';
import { findAdapter } from './adapter.ts';
import type { CodeRows, Coder } from './codes/coder.ts';
import { createJsCodes } from './codes/js.ts';
import { createJsRows } from './js.ts';
import type { CpuRows, RowsOptions } from './kernel.ts';
import { gpuFromBytes, type Route } from './routing.ts';
import { createShardPool, type ShardPool, type ShardPoolOptions, type ShardWorker } from './shards/pool.ts';
import { createWasmCodes, loadWasmCodes } from './wasm/codes.ts';
import { createWasmRows, loadWasm } from './wasm/rows.ts';
import { createGpuBudget, type GpuBudget } from './webgpu/budget.ts';
import type { Gpu } from './webgpu/device.ts';

/** What `webgpu.js` has. */
export type GpuKernels = typeof import('./webgpu/webgpu.ts');

export interface Devices {
  /** What the user asked for. */
  readonly wanted: 'auto' | Device;
  /** Where the originals live. */
  readonly cpu: 'wasm' | 'js';
  /** The GPU to use now. Null where there is none, or where it was lost and is not back. */
  readonly gpu: Gpu | null;
  /** What it computes with. Null where there never was a GPU. */
  readonly gpuKernels: GpuKernels | null;
  /** Why there is no GPU, where that is more than that the machine has none. */
  readonly gpuMissing?: string;
  /** The GPU as its driver names it, also while it is lost; absent where there never was one. */
  readonly adapter?: string;
  /** Who may have how much of the GPU's memory. */
  readonly gpuBudget: GpuBudget;
  /** Other workers for rows; null where a GPU scans them, or none can be had. */
  readonly shards: ShardPool | null;
  createCpuRows(options: RowsOptions): CpuRows;
  createCodeRows(coder: Coder): CodeRows;
  /** Each of so many searches of one turn through so many bytes is the GPU's. A guess until it is measured, soon after opening. */
  gpuFromBytes(batch: number): number;
  /** Calls `listener` when the GPU is back after a loss. Returns how to stop that. */
  onGpuBack(listener: (gpu: Gpu) => void): () => void;
  /** Destroys the GPU device, with all that is on it. */
  close(): void;
}

export interface OpenDevicesOptions {
  /** Loads what computes on a GPU, where there is one. Left out: no GPU is used. */
  loadGpuKernels?: (() => Promise<GpuKernels>) | undefined;
  /** How long to wait before each attempt to get a lost GPU back. @default [1000, 4000, 16000, 64000, 256000] */
  retryMs?: readonly number[];
  /** What all copies on the GPU may take, unless it has less. WebGPU does not say how much there is. @default half of `memoryBytes()` */
  gpuBytesMax?: number;
  /** Starts a worker that serves rows. Left out: there are none. */
  openShard?: () => Promise<ShardWorker | null>;
  /** How many of them, and how rows lie in them. */
  shards?: ShardPoolOptions;
}

/** Where the browser does not say, GiB. */
const MEMORY_DEFAULT = 4;

/** The machine's memory, as far as the browser says: browsers round it, and end at 8 GiB or 32. */
export function memoryBytes(): number {
  const { deviceMemory = MEMORY_DEFAULT } = (globalThis.navigator ?? {}) as { deviceMemory?: number };
  return deviceMemory * 2 ** 30;
}

/** What makes rows on this thread's processor: WASM, or JavaScript where there is no WASM SIMD or `js` is asked for. */
export async function openCpu(
  wanted: 'auto' | Device,
): Promise<Pick<Devices, 'cpu' | 'createCpuRows' | 'createCodeRows'>> {
  const [wasm, wasmCodes] = wanted === 'js' ? [] : await Promise.all([loadWasm(), loadWasmCodes()]);
  return {
    cpu: wasm ? 'wasm' : 'js',
    createCpuRows: (rows) => (wasm ? createWasmRows(wasm, rows) : createJsRows(rows)),
    createCodeRows: (coder) => (wasmCodes ? createWasmCodes(wasmCodes, coder) : createJsCodes(coder)),
  };
}

/** `UNSUPPORTED` if a device asked for by name is missing. `auto` takes a real GPU beside WASM, or else JavaScript. */
export async function openDevices(wanted: 'auto' | Device, options: OpenDevicesOptions = {}): Promise<Devices> {
  const { retryMs = [1000, 4000, 16_000, 64_000, 256_000], gpuBytesMax = memoryBytes() / 2 } = options;
  const { openShard, loadGpuKernels } = options;
  const software = wanted === 'webgpu';
  let gpuKernels: GpuKernels | null = null;
  let gpuMissing: string | undefined;

  /** Null where there is none. Rejects where there is one, and what computes on it cannot be loaded. */
  async function openGpu(): Promise<Gpu | null> {
    if (!loadGpuKernels) return null;
    const adapter = await findAdapter({ software });
    if (!adapter) return null;
    gpuKernels ??= await loadGpuKernels();
    return gpuKernels.openGpu(adapter);
  }

  /** Without the GPU, answers are the same: only who asked for it by name is refused. */
  function goOnWithout(error: PiramidError): null {
    if (software) throw error;
    console.warn(`Piramid: vectors are searched on the CPU, with the same answers. ${error.message}`);
    gpuMissing = 'webgpu.js could not be loaded';
    return null;
  }

  const [{ cpu, createCpuRows, createCodeRows }, found] = await Promise.all([
    openCpu(wanted),
    wanted === 'auto' || software ? openGpu().catch(goOnWithout) : null,
  ]);
  let gpu = found;
  if (wanted === 'wasm' && cpu !== 'wasm')
    throw new PiramidError(
      'UNSUPPORTED',
      "device: 'wasm' needs WebAssembly with SIMD, which a Content-Security-Policy has to allow ('wasm-unsafe-eval')",
    );
  if (wanted === 'webgpu' && !gpu) {
    throw new PiramidError('UNSUPPORTED', "device: 'webgpu' needs a GPU adapter, and this browser gives none");
  }

  const adapter = gpu?.description;
  const gpuBudget = createGpuBudget(gpuBytesMax);
  const shards = openShard && !gpu ? createShardPool(openShard, options.shards) : null;
  const listeners = new Set<(gpu: Gpu) => void>();
  let closed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function watch(current: Gpu): void {
    current.lost.then(() => {
      if (closed) return;
      gpu = null;
      retry(0);
    });
  }

  function retry(attempt: number): void {
    const wait = retryMs[attempt];
    if (wait === undefined) return;
    timer = setTimeout(async () => {
      const back = await openGpu();
      if (!back) return closed || retry(attempt + 1);
      if (closed) return back.device.destroy();
      gpu = back;
      watch(back);
      for (const listener of listeners) listener(back);
    }, wait);
  }

  let route: Route | null = null;
  if (gpu) watch(gpu);
  if (gpu && wanted === 'auto') {
    // Nobody waits for it. A GPU that is lost meanwhile leaves the guess.
    gpuKernels!.measuredRoute(gpu, createCpuRows).then(
      (measured) => {
        route = measured;
      },
      () => {},
    );
  }
  return {
    wanted,
    cpu,
    gpuKernels,
    ...(gpuMissing === undefined ? {} : { gpuMissing }),
    gpuBudget,
    shards,
    gpuFromBytes: (batch) => gpuFromBytes(route, batch),
    get gpu() {
      return gpu;
    },
    ...(adapter === undefined ? {} : { adapter }),
    createCpuRows,
    createCodeRows,
    onGpuBack(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      listeners.clear();
      gpu?.device.destroy();
      gpu = null;
      shards?.close();
    },
  };
}

// What a worker can compute on, opened once and shared by every index and model in it. Owns the GPU's loss and return.
import { PiramidError } from '../errors.ts';
import type { Device } from '../types.ts';
import type { CodeRows, Coder } from './codes/coder.ts';
import { createJsCodes } from './codes/js.ts';
import { createJsRows } from './js.ts';
import type { CpuRows, RowsOptions } from './kernel.ts';
import { GPU_BYTES_UNMEASURED, measureRouting } from './routing.ts';
import { createShardPool, type ShardPool, type ShardPoolOptions, type ShardWorker } from './shards/pool.ts';
import { createWasmCodes, loadWasmCodes } from './wasm/codes.ts';
import { createWasmRows, loadWasm } from './wasm/rows.ts';
import { type Gpu, openGpu } from './webgpu/device.ts';

export interface Devices {
  /** What the user asked for. */
  readonly wanted: 'auto' | Device;
  /** Where the originals live. */
  readonly cpu: 'wasm' | 'js';
  /** The GPU to use now. Null where there is none, or where it was lost and is not back. */
  readonly gpu: Gpu | null;
  /** The GPU as its driver names it, also while it is lost; absent where there never was one. */
  readonly adapter?: string;
  /** Other workers for rows; null where a GPU scans them, or none can be had. */
  readonly shards: ShardPool | null;
  createCpuRows(options: RowsOptions): CpuRows;
  createCodeRows(coder: Coder): CodeRows;
  /** A search through so many bytes is the GPU's. Measured once the GPU is open; until then a guess. */
  readonly gpuFromBytes: number;
  /** Calls `listener` when the GPU is back after a loss. Returns how to stop that. */
  onGpuBack(listener: (gpu: Gpu) => void): () => void;
  /** Destroys the GPU device, with all that is on it. */
  close(): void;
}

export interface OpenDevicesOptions {
  /** How long to wait before each attempt to get a lost GPU back. @default [1000, 4000, 16000, 64000, 256000] */
  retryMs?: readonly number[];
  /** Starts a worker that serves rows. Left out: there are none. */
  openShard?: () => Promise<ShardWorker | null>;
  /** How many of them, and how rows lie in them. */
  shards?: ShardPoolOptions;
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
  const { retryMs = [1000, 4000, 16_000, 64_000, 256_000], openShard } = options;
  const software = wanted === 'webgpu';
  const { cpu, createCpuRows, createCodeRows } = await openCpu(wanted);
  let gpu = wanted === 'auto' || wanted === 'webgpu' ? await openGpu({ software }) : null;
  if (wanted === 'wasm' && cpu !== 'wasm')
    throw new PiramidError('UNSUPPORTED', "device: 'wasm' needs WebAssembly with SIMD");
  if (wanted === 'webgpu' && !gpu) {
    throw new PiramidError('UNSUPPORTED', "device: 'webgpu' needs a GPU adapter, and this browser gives none");
  }

  const adapter = gpu?.description;
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
      const back = await openGpu({ software });
      if (!back) return closed || retry(attempt + 1);
      if (closed) return back.device.destroy();
      gpu = back;
      watch(back);
      for (const listener of listeners) listener(back);
    }, wait);
  }

  let gpuFromBytes = GPU_BYTES_UNMEASURED;
  if (gpu) watch(gpu);
  if (gpu && wanted === 'auto') {
    // Nobody waits for it. A GPU that is lost meanwhile leaves the guess.
    measureRouting(gpu, createCpuRows).then(
      (bytes) => {
        gpuFromBytes = bytes;
      },
      () => {},
    );
  }
  return {
    wanted,
    cpu,
    shards,
    get gpuFromBytes() {
      return gpuFromBytes;
    },
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

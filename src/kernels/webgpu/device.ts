// Opens the one GPUDevice of a worker: for the search kernels here, and for the models (give it to ONNX Runtime).
// Owns which features and limits are asked for.
import { isSoftware } from '../adapter.ts';
import { createMeasurements, type Measurements } from './measurements.ts';

export interface Gpu {
  readonly device: GPUDevice;
  /** The adapter as its driver names it. */
  readonly description: string;
  readonly isSoftware: boolean;
  readonly measurements: Measurements;
  /** Resolves once when the device is gone, for whatever reason. Nothing else tells: `submit` does not throw. */
  readonly lost: Promise<GPUDeviceLostInfo>;
  /** How many threads a subgroup has, at least and at most; null where WGSL has no subgroups. */
  readonly subgroupSize: { min: number; max: number } | null;
  /** WGSL has `dot4I8Packed`. */
  readonly hasPackedDot: boolean;
  /** How often it has finished what it was waited for. While that goes up, whoever waits longer waits for others' work. */
  finished: number;
  /** How much it scans in a millisecond, as far as it has been seen; so that no dispatch holds up the screen. */
  bytesPerMs: number;
}

/** Before anything was measured: what a slow integrated GPU reads. */
const BYTES_PER_MS = 20e6;

/** Wanted where present; nothing here depends on one. The models do better with the first two, the scans with the second. */
const FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];

/** Asked for at the adapter's maximum; the defaults would end at 128 MB. Higher ones cost nothing. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
  'maxUniformBufferBindingSize',
  'maxBindGroups',
  'maxBindingsPerBindGroup',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Null where its driver gives no device. */
export async function openGpu(adapter: GPUAdapter): Promise<Gpu | null> {
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
    });
    return {
      device,
      description: describe(adapter.info),
      isSoftware: isSoftware(adapter),
      measurements: createMeasurements(nameOf(adapter.info)),
      lost: device.lost,
      subgroupSize: device.features.has('subgroups') ? subgroupSizeOf(adapter.info) : null,
      hasPackedDot: navigator.gpu.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product') ?? false,
      finished: 0,
      bytesPerMs: BYTES_PER_MS,
    };
  } catch {
    // Blocked drivers throw. There is a CPU.
    return null;
  }
}

function subgroupSizeOf({ subgroupMinSize, subgroupMaxSize }: GPUAdapterInfo): { min: number; max: number } {
  // What WGSL allows, where the adapter does not say.
  return { min: subgroupMinSize || 4, max: subgroupMaxSize || 128 };
}

function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return [vendor, architecture, device, description].join('|');
}

function describe({ description, vendor, architecture }: GPUAdapterInfo): string {
  return description || [vendor, architecture].filter(Boolean).join(' ') || 'unknown GPU';
}

/** An answer that takes longer may be there already, unnoticed: Firefox looks every 100 ms, and at every submit. */
export const NUDGE_MS = 2;

/** Waits for what the GPU is to do, and has the browser look whether it is done. */
export async function nudged<T>(device: GPUDevice, done: Promise<T>): Promise<T> {
  const timer = setInterval(() => device.queue.submit([]), NUDGE_MS);
  try {
    return await done;
  } finally {
    clearInterval(timer);
  }
}

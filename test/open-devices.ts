// What `openDevices` is in a worker that has the code for GPUs inside.
import { findAdapter } from '../src/kernels/adapter.ts';
import { type Devices, type OpenDevicesOptions, openDevices as open } from '../src/kernels/devices.ts';
import type { Gpu } from '../src/kernels/webgpu/device.ts';
import * as webgpu from '../src/kernels/webgpu/webgpu.ts';
import type { Device } from '../src/types.ts';

export function openDevices(wanted: 'auto' | Device, options: OpenDevicesOptions = {}): Promise<Devices> {
  return open(wanted, { loadGpuKernels: async () => webgpu, ...options });
}

/** Null where there is none that is good enough. */
export async function openGpu(wanted: { software: boolean }): Promise<Gpu | null> {
  const adapter = await findAdapter(wanted);
  return adapter && webgpu.openGpu(adapter);
}

// Rows in GPU buffers. Being written.
import type { CpuRows, GpuRows } from '../kernel.ts';
import type { Gpu } from './device.ts';

export async function createGpuRows(_gpu: Gpu, _cpu: CpuRows): Promise<GpuRows> {
  throw new Error('not yet');
}

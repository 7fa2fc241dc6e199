// What is measured of an adapter: which layout its scans are faster with, and that it is measured once.
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Devices } from '../../src/kernels/devices.ts';
import { calibrateScan } from '../../src/kernels/webgpu/calibration.ts';
import type { Gpu } from '../../src/kernels/webgpu/device.ts';
import { createMeasurements, type Measurements } from '../../src/kernels/webgpu/measurements.ts';
import { createGpuRows } from '../../src/kernels/webgpu/rows.ts';
import { openDevices, openGpu } from '../open-devices.ts';

let devices: Devices;
const errors: string[] = [];

beforeAll(async () => {
  devices = await openDevices('webgpu');
  devices.gpu!.device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

afterAll(async () => {
  devices.close();
  await caches.delete('piramid-gpu');
  expect(errors).toEqual([]);
});

/** The software adapter, as one of hardware would be treated, on which these rates were measured. */
function hardware(rates: { interleaved: number; rowMajor: number }, more: Partial<Gpu> = {}) {
  const once = vi.fn(async () => rates);
  const measurements = { once } as unknown as Measurements;
  return { gpu: { ...devices.gpu!, isSoftware: false, measurements, ...more }, once };
}

async function layoutOn(gpu: Gpu, dimension: number): Promise<string> {
  const cpu = devices.createCpuRows({ dimension, metric: 'cosine' });
  const rows = await createGpuRows(gpu, cpu);
  rows.close();
  cpu.close();
  return rows.layout;
}

test('a device that is lost while it is timed gives no rates: what it is given is done at once', async () => {
  for (const dispatches of [0, 1, 4]) {
    const gpu = (await openGpu({ software: true }))!;
    const submit = vi.spyOn(gpu.device.queue, 'submit').mockImplementation((buffers) => {
      if ([...buffers].length > 0 && submit.mock.calls.filter(([given]) => [...given].length > 0).length > dispatches)
        gpu.device.destroy();
      return GPUQueue.prototype.submit.call(gpu.device.queue, buffers);
    });
    await expect(calibrateScan(gpu, 'f32', 1 << 20)).rejects.toThrow('the GPU was lost');
    expect((await gpu.lost).reason).toBe('destroyed');
  }
});

test('both layouts are timed over the same bytes, at every precision, and nothing is left behind', async () => {
  const live = new Set<GPUBuffer>();
  const { createBuffer } = GPUDevice.prototype;
  const create = vi.spyOn(devices.gpu!.device, 'createBuffer').mockImplementation((descriptor) => {
    const buffer = createBuffer.call(devices.gpu!.device, descriptor);
    const { destroy } = buffer;
    live.add(buffer);
    buffer.destroy = () => {
      live.delete(buffer);
      return destroy.call(buffer);
    };
    return buffer;
  });
  for (const precision of ['f32', 'f16', 'int8', 'binary'] as const) {
    const { interleaved, rowMajor } = await calibrateScan(devices.gpu!, precision, 1 << 20);
    // From 10 kB to 10 TB a second.
    for (const rate of [interleaved, rowMajor]) expect(Math.abs(Math.log10(rate) - 5.5)).toBeLessThan(4.5);
  }
  expect(create.mock.calls.length).toBeGreaterThan(0);
  create.mockRestore();
  expect(live.size).toBe(0);
  const alone = await calibrateScan({ ...devices.gpu!, subgroupSize: null }, 'f32', 1 << 20);
  expect(alone.rowMajor).toBe(alone.interleaved);
});

test('a slow adapter is timed once and no more: what opening measures is to take 20 ms', async () => {
  const { queue } = devices.gpu!.device;
  const done = vi.spyOn(queue, 'onSubmittedWorkDone').mockImplementation(async () => {
    await GPUQueue.prototype.onSubmittedWorkDone.call(queue);
    await new Promise((resolve) => setTimeout(resolve, 15));
  });
  await calibrateScan(devices.gpu!, 'f32', 1 << 20);
  // One of each layout to warm up, one to see how long it takes, and one of each that counts.
  expect(done).toHaveBeenCalledTimes(5);
  done.mockRestore();
});

test('rows lie as the adapter scans them faster, where they are as long as its subgroups are wide', async () => {
  const faster = hardware({ interleaved: 100, rowMajor: 120 }).gpu;
  expect(await layoutOn(faster, 384)).toBe('row-major');
  expect(await layoutOn({ ...faster, subgroupSize: { min: 32, max: 128 } }, 384)).toBe('interleaved');
  expect(await layoutOn({ ...faster, subgroupSize: null }, 384)).toBe('interleaved');
  expect(await layoutOn(hardware({ interleaved: 100, rowMajor: 103 }).gpu, 384)).toBe('interleaved');
});

test('a software adapter is not measured, and one that cannot be has the plainer layout', async () => {
  const software = hardware({ interleaved: 1, rowMajor: 2 }, { isSoftware: true });
  expect(await layoutOn(software.gpu, 384)).toBe('interleaved');
  expect(software.once).not.toHaveBeenCalled();
  expect(devices.gpu!.isSoftware).toBe(true);
  const broken = hardware({ interleaved: 1, rowMajor: 2 });
  broken.once.mockRejectedValue(new Error('cannot be compiled'));
  expect(await layoutOn(broken.gpu, 384)).toBe('interleaved');
  expect(broken.once).toHaveBeenCalledOnce();
});

test('an adapter is measured once, and again by another release or after a month', async () => {
  const adapter = crypto.randomUUID();
  const older = 'https://piramid.invalid/0.0.1/some-gpu/route';
  await (await caches.open('piramid-gpu')).put(older, Response.json({ at: Date.now(), a: 1 }));
  const measure = vi.fn(async () => ({ a: 7 }));
  const visit = () => createMeasurements(adapter).once('route', ['a'], measure);
  expect(await visit()).toEqual({ a: 7 });
  // Nobody waits for what is kept, nor for what is cleared away.
  await vi.waitFor(async () => {
    expect(await caches.match(older)).toBeUndefined();
  }, 60_000);
  expect(await visit()).toEqual({ a: 7 });
  expect(measure).toHaveBeenCalledOnce();
  // Another adapter, and another thing.
  await createMeasurements(`${adapter} 2`).once('route', ['a'], measure);
  await createMeasurements(adapter).once('scan', ['a'], measure);
  expect(measure).toHaveBeenCalledTimes(3);
  // What this release does not find complete was not written by it.
  await createMeasurements(adapter).once('route', ['b'], async () => ({ b: (await measure()).a }));
  expect(measure).toHaveBeenCalledTimes(4);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 24 * 3600 * 1000 });
  await createMeasurements(adapter).once('scan', ['a'], measure);
  expect(measure).toHaveBeenCalledTimes(5);
});

test('what cannot be kept is measured at each visit, and once in each', async () => {
  vi.stubGlobal('caches', undefined);
  const measure = vi.fn(async () => ({ a: 1 }));
  for (let visit = 1; visit <= 2; visit++) {
    const measurements = createMeasurements('gpu');
    for (let i = 0; i < 3; i++) expect(await measurements.once('route', ['a'], measure)).toEqual({ a: 1 });
    expect(measure).toHaveBeenCalledTimes(visit);
  }
  const measurements = createMeasurements('gpu');
  await expect(measurements.once('route', ['a'], async () => Promise.reject(new Error('lost')))).rejects.toThrow(
    'lost',
  );
  expect(await measurements.once('route', ['a'], measure)).toEqual({ a: 1 });
});

// Which device answers, and that nobody waits for a GPU that is not ready: the software adapter, taken for one of hardware.
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { createFlatIndex } from '../../src/indexes/flat.ts';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import type { CpuRows, RowsOptions } from '../../src/kernels/kernel.ts';
import type { Measurements } from '../../src/kernels/webgpu/measurements.ts';
import { measuredRoute } from '../../src/kernels/webgpu/route.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { openDevices } from '../open-devices.ts';
import { found, makeVectors, oracle } from '../unit/kernels.oracle.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(() => caches.delete('piramid-gpu'));

test('right after opening, queries are answered on the CPU while pipelines compile', async () => {
  vi.spyOn(GPUAdapterInfo.prototype, 'isFallbackAdapter', 'get').mockReturnValue(false);
  const { createComputePipelineAsync } = GPUDevice.prototype;
  let compile = () => {};
  const compiling = new Promise<void>((resolve) => {
    compile = resolve;
  });
  const pipelines = vi.spyOn(GPUDevice.prototype, 'createComputePipelineAsync').mockImplementation(async function (
    this: GPUDevice,
    descriptor,
  ) {
    await compiling;
    return createComputePipelineAsync.call(this, descriptor);
  });
  const opened = await openDevices('auto');
  expect(opened.gpu!.isSoftware).toBe(false);
  const auto: Devices = { ...opened, gpu: opened.gpu, gpuFromBytes: () => 1_000_000 };
  const example = { name: '', metric: 'cosine', dimension: 16, rowCount: 20_000, k: 10 } as const;
  const vectors = makeVectors('random', seededRandom(1), example.rowCount, 16);
  const query = makeVectors('random', seededRandom(2), 1, 16);
  const truth = oracle({ ...example, vectors, query });
  const flat = createFlatIndex(example, auto);
  const coded = createQuantizedIndex({ dimension: 512, metric: 'dot', tier: 'int8' }, auto);
  flat.append(vectors);
  coded.append(makeVectors('random', seededRandom(3), 3000, 512));
  const codedQuery = makeVectors('random', seededRandom(4), 1, 512);
  for (let i = 0; i < 3; i++) {
    for (const hits of [await flat.search({ query, k: 10 }), await coded.search({ query: codedQuery, k: 10 })]) {
      expect([hits.device, hits.route]).toEqual(['wasm', 'the rows are on their way to the GPU']);
    }
    expect(found(await flat.search({ query, k: 10 }))).toEqual(truth);
    expect(flat.deviceFor(1)).toBe('wasm');
    // The first query may come before it is known what was measured at an earlier visit.
    await vi.waitFor(() => expect(pipelines).toHaveBeenCalled(), 50_000);
  }
  compile();
  await vi.waitFor(async () => {
    expect((await flat.search({ query, k: 10 })).device).toBe('webgpu');
    expect((await coded.search({ query: codedQuery, k: 10 })).device).toBe('webgpu');
  }, 50_000);
  const hits = await flat.search({ query, k: 10 });
  expect(found(hits)).toEqual(truth);
  expect(hits.route).toBe('1280000 bytes to scan, the GPU pays from 1000000');
  flat.close();
  coded.close();
  opened.close();
});

test('the way to the GPU and what the CPU scans are measured', async () => {
  const devices = await openDevices('webgpu');
  const rates: Record<string, number> = { interleaved: 1000, rowMajor: 2000 };
  const measurements = {
    once: (name: string, _keys: string[], measure: () => unknown) => (name === 'route' ? measure() : rates),
  } as unknown as Measurements;
  const gpu = { ...devices.gpu!, measurements };
  const { wayMs, cpuBytesPerMs, gpuBytesPerMs } = await measuredRoute(gpu, devices.createCpuRows);
  expect(gpuBytesPerMs).toBe(2000);
  expect(wayMs).toBeGreaterThan(0);
  expect(wayMs).toBeLessThan(10_000);
  const slow = (options: RowsOptions): CpuRows => {
    const rows = devices.createCpuRows(options);
    return { ...rows, search: (wish) => ({ ...rows.search(wish), scanMs: 10_000 }) };
  };
  const slower = await measuredRoute(gpu, slow);
  expect(slower.cpuBytesPerMs).toBeLessThan(cpuBytesPerMs);
  expect(slower.cpuBytesPerMs).toBeCloseTo((4096 * 256 * 4) / 10_000);
  devices.close();
});

import { expect, test } from 'vitest';
import { createMirror } from '../../src/indexes/mirror.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import type { GpuCopy } from '../../src/kernels/kernel.ts';
import type { Gpu } from '../../src/kernels/webgpu/device.ts';

const gpu = { lost: new Promise(() => {}) } as unknown as Gpu;
const devices = { wanted: 'webgpu', gpu, onGpuBack: () => () => {} } as unknown as Devices;

/** A copy that has room for so many rows. */
function copyOf(name: string, room: number, rows: { count: number }) {
  let rowCount = 0;
  let isClosed = false;
  const copy: GpuCopy & { name: string; readonly isClosed: boolean } = {
    name,
    device: 'webgpu',
    layout: 'interleaved',
    get rowCount() {
      return rowCount;
    },
    get isClosed() {
      return isClosed;
    },
    bytes: 1,
    counters: { dispatches: 0, submits: 0, maps: 0, bytesRead: 0 },
    async sync() {
      if (rows.count > room) throw new RangeError('out of memory');
      rowCount = rows.count;
    },
    close() {
      isClosed = true;
    },
  };
  return copy;
}

test('a copy that does not fit gives way to a smaller one, and the last to the CPU', async () => {
  const rows = { count: 10 };
  const copies = [copyOf('large', 100, rows), copyOf('small', 200, rows)];
  const mirror = createMirror(
    devices,
    copies.map((copy) => async () => copy),
  );
  const ask = async () =>
    (await mirror.ask({ rowCount: rows.count, bytes: 1000, batch: 1 }, async ({ name }) => name)).answer;
  mirror.follow(1000);
  expect(await ask()).toBe('large');
  rows.count = 150;
  mirror.follow(1000);
  expect(await ask()).toBe('small');
  expect(copies[0]!.isClosed).toBe(true);
  expect(mirror.answers(1000, 1)).toBe(true);
  rows.count = 250;
  expect(await ask()).toBeNull();
  expect(copies[1]!.isClosed).toBe(true);
  expect(mirror.answers(1000, 1)).toBe(false);
  mirror.close();
});

test('the GPU is asked where that pays, for a batch sooner, and says why it is not', async () => {
  let answer: string | null = 'found';
  let lost: Gpu | null = gpu;
  const auto = {
    ...devices,
    wanted: 'auto',
    adapter: 'some GPU',
    get gpu() {
      return lost;
    },
    gpuFromBytes: (batch: number) => 1000 / batch,
  } as Devices;
  const rows = { count: 10 };
  const mirror = createMirror(auto, [async () => copyOf('copy', 100, rows)]);
  const ask = (bytes: number, batch: number) =>
    mirror.ask({ rowCount: rows.count, bytes, batch }, async () => {
      if (answer === 'failure') throw new Error(answer);
      return answer;
    });
  mirror.follow(500);
  expect(await ask(500, 1)).toEqual({ answer: null, route: '500 bytes to scan, the GPU pays from 1000' });
  expect(mirror.answers(500, 4)).toBe(false);
  // It pays now, and begins.
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the rows are on their way to the GPU' });
  await new Promise((resolve) => setTimeout(resolve));
  const route = '500 bytes to scan for each of 4, the GPU pays from 250';
  expect(await ask(500, 4)).toEqual({ answer: 'found', route });
  expect([mirror.answers(500, 4), mirror.answers(500, 1)]).toEqual([true, false]);
  answer = null;
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU could not prove its answer' });
  answer = 'failure';
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU failed' });
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU has no room, or failed' });
  lost = null;
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU was lost' });
  mirror.close();
});

test('without a GPU, it says so', async () => {
  const search = { rowCount: 1, bytes: 1e9, batch: 1 };
  const routes = [];
  for (const wanted of ['auto', 'js'] as const) {
    const none = { ...devices, wanted, gpu: null, gpuFromBytes: () => 1 } as Devices;
    routes.push(
      (await createMirror(none, [async () => copyOf('copy', 1, { count: 1 })]).ask(search, async () => 1)).route,
    );
  }
  routes.push((await createMirror(devices, []).ask(search, async () => 1)).route);
  expect(routes).toEqual(['no GPU', "device 'js'", 'its metric is the CPU’s']);
});

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
  const ask = () => mirror.ask(rows.count, 1000, async ({ name }) => name);
  mirror.follow(1000);
  expect(await ask()).toBe('large');
  rows.count = 150;
  mirror.follow(1000);
  expect(await ask()).toBe('small');
  expect(copies[0]!.isClosed).toBe(true);
  expect(mirror.answers(1000)).toBe(true);
  rows.count = 250;
  expect(await ask()).toBeNull();
  expect(copies[1]!.isClosed).toBe(true);
  expect(mirror.answers(1000)).toBe(false);
  mirror.close();
});

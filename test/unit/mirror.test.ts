import { expect, test } from 'vitest';
import { createMirror } from '../../src/indexes/mirror.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import type { GpuCopy } from '../../src/kernels/kernel.ts';
import { createGpuBudget, type Room } from '../../src/kernels/webgpu/budget.ts';
import type { Gpu } from '../../src/kernels/webgpu/device.ts';
import type { Precision } from '../../src/kernels/webgpu/pipelines.ts';
import { NoRoom } from '../../src/kernels/webgpu/shards.ts';

const gpu = { lost: new Promise(() => {}) } as unknown as Gpu;
const devices = devicesWith(Number.POSITIVE_INFINITY);

/** With a GPU that was asked for by name, of so many bytes, whose copies are idle at once. */
function devicesWith(bytes: number): Devices {
  const gpuBudget = createGpuBudget(bytes, 0);
  return { wanted: 'webgpu', gpu, adapter: 'some GPU', gpuBudget, onGpuBack: () => () => {} } as unknown as Devices;
}

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
      if (rows.count > room) throw new NoRoom('out of memory');
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
    copies.map((copy, i) => ({ precision: i === 0 ? 'f32' : 'f16', create: async () => copy })),
  );
  const asked = () => mirror.ask({ rowCount: rows.count, bytes: 1000, batch: 1 }, async ({ name }) => name);
  const ask = async () => (await asked()).answer;
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
  expect((await asked()).route).toMatch(/^the GPU is full, its budget/);
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
  const mirror = createMirror(auto, [{ precision: 'f32', create: async () => copyOf('copy', 100, rows) }]);
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
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU failed' });
  lost = null;
  expect(await ask(500, 4)).toEqual({ answer: null, route: 'the GPU was lost' });
  mirror.close();
});

test('without a GPU, it says so', async () => {
  const search = { rowCount: 1, bytes: 1e9, batch: 1 };
  const routes = [];
  for (const wanted of ['auto', 'js'] as const) {
    const none = { ...devices, wanted, gpu: null, adapter: undefined, gpuFromBytes: () => 1 } as unknown as Devices;
    routes.push(
      (
        await createMirror(none, [{ precision: 'f32', create: async () => copyOf('copy', 1, { count: 1 }) }]).ask(
          search,
          async () => 1,
        )
      ).route,
    );
  }
  routes.push((await createMirror(devices, []).ask(search, async () => 1)).route);
  expect(routes).toEqual(['no GPU', "device 'js'", 'metric not supported on the GPU']);
});

/** An index of so many rows, each a byte as float32 or code and half a byte as float16, of which pipelines compile until `compiled`. */
function indexOn(
  devices: Devices,
  count: number,
  precisions: readonly Precision[] = ['f32', 'f16'],
  compiled = Promise.resolve(),
) {
  let rowCount = 0;
  const create = async (precision: Precision, room: Room) => {
    const size = precision === 'f16' ? count / 2 : count;
    if (precision === 'f16') await compiled;
    const copy = { ...copyOf(precision, count, { count }), bytes: 0, rowCount: 0, isClosed: false };
    copy.sync = async () => {
      await Promise.resolve();
      if (copy.bytes === 0 && !room.take(size)) throw new NoRoom();
      copy.bytes = size;
      copy.rowCount = count;
    };
    copy.close = () => {
      copy.isClosed = true;
    };
    return copy;
  };
  const mirror = createMirror(
    devices,
    precisions.map((precision) => ({ precision, create: (_gpu: Gpu, room: Room) => create(precision, room) })),
  );
  rowCount = count;
  return {
    mirror,
    async ask() {
      const { answer, route } = await mirror.ask({ rowCount, bytes: count, batch: 1 }, async (copy) => {
        if (copy.isClosed) throw new Error('closed');
        return copy.name;
      });
      return answer ?? route;
    },
  };
}

type Index = ReturnType<typeof indexOn>;

const FULL = 'the GPU is full, its budget 100 bytes';

test('a copy that was not used for longest becomes smaller for another, and later gives way to it', async () => {
  const devices = devicesWith(100);
  let compile = () => {};
  const compiled = new Promise<void>((resolve) => {
    compile = resolve;
  });
  const [a, b] = [40, 40].map((count) => indexOn(devices, count, ['f32', 'f16'], compiled)) as [Index, Index];
  const [c, d] = [indexOn(devices, 60), indexOn(devices, 60)];
  expect([await a.ask(), await b.ask(), await a.ask()]).toEqual(['f32', 'f32', 'f32']);
  // 60 and twice 20, which count before they are there.
  expect(await c.ask()).toBe('f32');
  expect([a.mirror.bytes, b.mirror.bytes, devices.gpuBudget.bytes]).toEqual([0, 0, 100]);
  compile();
  expect([await a.ask(), await b.ask(), await c.ask()]).toEqual(['f16', 'f16', 'f32']);
  expect([a.mirror.bytes, b.mirror.bytes, c.mirror.bytes]).toEqual([20, 20, 60]);
  // What c gives is not enough for 60, but for 30.
  expect([await d.ask(), await c.ask()]).toEqual(['f16', 'f16']);
  expect([a, b, c, d].map(({ mirror }) => mirror.bytes)).toEqual([20, 20, 30, 30]);
  // Then the ones that are idle longest go.
  const codes = indexOn(devices, 40, ['int8']);
  expect(await codes.ask()).toBe('int8');
  expect([a, b, c, d].map(({ mirror }) => mirror.bytes)).toEqual([0, 0, 30, 30]);
  for (const { mirror } of [a, b, c, d, codes]) mirror.close();
  expect(devices.gpuBudget.bytes).toBe(0);
});

test('a copy that gave way is made again when there is room', async () => {
  const devices = devicesWith(100);
  const [codes, rows] = [indexOn(devices, 90, ['int8']), indexOn(devices, 100)];
  expect(await rows.ask()).toBe('f32');
  expect(await codes.ask()).toBe('int8');
  expect(await rows.ask()).toBe(FULL);
  expect(rows.mirror.answers(100, 1)).toBe(false);
  codes.mirror.close();
  expect(await rows.ask()).toBe('f32');
});

test('a smaller copy that cannot be made takes no room', async () => {
  const devices = devicesWith(100);
  const failing = indexOn(devices, 100, ['f32', 'f16'], Promise.reject(new Error('no pipelines')));
  const other = indexOn(devices, 50);
  expect([await failing.ask(), await other.ask()]).toEqual(['f32', 'f32']);
  expect(await failing.ask()).toBe('the GPU failed');
  expect(devices.gpuBudget.bytes).toBe(50);
});

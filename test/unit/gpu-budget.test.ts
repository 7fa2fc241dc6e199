import { expect, test, vi } from 'vitest';
import { createGpuBudget, type GpuBudget, type Tenant } from '../../src/kernels/webgpu/budget.ts';
import type { Precision } from '../../src/kernels/webgpu/pipelines.ts';

/** Has so many bytes, and half of them after it has given way, if it is float32; then none. */
function tenant(precision: Precision, bytes: number, log: string[]): Tenant {
  let holdings = [{ precision, bytes }];
  if (precision === 'f32') holdings.push({ precision: 'f16', bytes: bytes / 2 });
  return {
    holdings: () => holdings,
    giveWay() {
      log.push(`${precision} ${bytes}`);
      holdings = holdings.slice(1);
    },
  };
}

/** Time goes on by a millisecond whenever someone looks. */
function ticking(): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now++);
}

function filled(budget: GpuBudget, ...all: [Precision, number][]) {
  const log: string[] = [];
  const seats = all.map(([precision, bytes]) => budget.join(tenant(precision, bytes, log)));
  return { log, seats, asking: budget.join({ holdings: () => [], giveWay: () => log.push('asking') }) };
}

test('float32 copies give way first, then float16 ones, then codes, each kind as it was used, and no more than needed', () => {
  ticking();
  const all: [Precision, number][] = [
    ['int8', 10],
    ['f16', 12],
    ['f32', 20],
    ['binary', 8],
    ['f32', 30],
    ['f16', 20],
  ];
  const given = (bytes: number) => {
    const { log, seats, asking } = filled(createGpuBudget(100, 0), ...all);
    seats[1]!.used();
    expect(asking.fits('int8', bytes)).toBe(asking.room('int8').take(bytes));
    return log;
  };
  expect(given(0)).toEqual([]);
  expect(given(10)).toEqual(['f32 20']);
  expect(given(11)).toEqual(['f32 20', 'f32 30']);
  expect(given(26)).toEqual(['f32 20', 'f32 30', 'f32 20']);
  const rows = ['f32 20', 'f32 30', 'f32 20', 'f32 30', 'f16 20', 'f16 12'];
  expect(given(82)).toEqual(rows);
  expect(given(83)).toEqual([...rows, 'int8 10']);
  expect(given(100)).toEqual([...rows, 'int8 10', 'binary 8']);
  // Nobody gives way in vain.
  expect(given(101)).toEqual([]);
  vi.restoreAllMocks();
});

test('who asks for the first kind to give way takes nothing from the others', () => {
  ticking();
  const { log, seats, asking } = filled(createGpuBudget(40, 0), ['f32', 20], ['f16', 10], ['int8', 10]);
  expect(asking.room('f32').take(15)).toBe(false);
  expect(asking.room('f32').take(10)).toBe(true);
  expect(log).toEqual(['f32 20']);
  // Of its own kind only those that were used before it.
  seats[1]!.used();
  expect(asking.room('f16').take(21)).toBe(false);
  expect(asking.room('f16').take(20)).toBe(true);
  expect(log).toEqual(['f32 20', 'f32 20']);
  asking.used();
  expect(asking.room('f16').take(30)).toBe(true);
  expect(log).toEqual(['f32 20', 'f32 20', 'f16 10']);
  seats[2]!.leave();
  expect(asking.room('f32').hasFree(40)).toBe(true);
  expect(asking.room('f32').hasFree(41)).toBe(false);
  vi.restoreAllMocks();
});

test('a copy that was used a moment ago becomes smaller, but is not given up', () => {
  const { log, asking } = filled(createGpuBudget(100), ['f32', 40], ['f16', 30], ['int8', 30]);
  asking.used();
  expect(asking.room('int8').take(21)).toBe(false);
  expect(asking.room('int8').take(20)).toBe(true);
  expect(log).toEqual(['f32 40']);
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 61_000);
  asking.used();
  expect(asking.room('int8').take(100)).toBe(true);
  expect(log).toEqual(['f32 40', 'f32 40', 'f16 30', 'int8 30']);
  vi.restoreAllMocks();
});

test('what the GPU could not allocate is more than there is, from then on', () => {
  ticking();
  const budget = createGpuBudget(Number.POSITIVE_INFINITY, 0);
  const { log, asking } = filled(budget, ['f32', 40]);
  expect(asking.room('f32').take(1000)).toBe(true);
  const refused = () => [asking.room('f16').refused(1000), budget.limit, budget.bytes];
  // Others give way one after the other, as long as there are any.
  expect(refused()).toEqual([true, 1039, 20]);
  expect(refused()).toEqual([true, 1019, 0]);
  expect(refused()).toEqual([false, 999, 0]);
  expect(log).toEqual(['f32 40', 'f32 40']);
  expect(asking.room('f16').take(999)).toBe(true);
  expect(asking.room('f16').take(1000)).toBe(false);
  vi.restoreAllMocks();
});

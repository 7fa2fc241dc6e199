import { expect, test } from 'vitest';
import { gpuFromBytes } from '../../src/kernels/routing.ts';

const route = { wayMs: 1, cpuBytesPerMs: 10e6, gpuBytesPerMs: 100e6 };

test('a GPU is asked from the bytes on that the CPU would still be scanning when it answers', () => {
  // 1 ms + x / 100 = x / 10
  expect(gpuFromBytes(route, 1)).toBe(11_111_111);
  expect(gpuFromBytes({ ...route, wayMs: 2 }, 1)).toBe(22_222_222);
  expect(gpuFromBytes(null, 1)).toBe(10_000_000);
});

test('a batch pays sooner, because a GPU reads the rows once for eight queries, and the CPU takes nearly half as long for each more', () => {
  // 1 ms + x / 100 = 4.15 x / 10
  expect(gpuFromBytes(route, 8)).toBe(2_469_136);
  // 1 ms + 2 x / 100 = 4.6 x / 10
  expect(gpuFromBytes(route, 9)).toBe(2_272_727);
  expect(gpuFromBytes(null, 10)).toBe(1_980_198);
});

test('little never pays, and much always does', () => {
  expect(gpuFromBytes({ ...route, wayMs: 0.001 }, 1)).toBe(1_000_000);
  expect(gpuFromBytes({ ...route, wayMs: 0.001 }, 64)).toBe(15_625);
  expect(gpuFromBytes({ ...route, wayMs: 1000 }, 1)).toBe(256_000_000);
  // Slower a byte than the CPU, and slower until it has several queries for each.
  const slow = { ...route, gpuBytesPerMs: 5e6 };
  expect(gpuFromBytes(slow, 1)).toBe(256_000_000);
  expect(gpuFromBytes(slow, 8)).toBe(4_651_163);
});

// Which device answers a search. Known of each adapter (`webgpu/route.ts`): how long a GPU's answer is on its way, and how much
// each device scans in a millisecond. A GPU is asked from the bytes on that the CPU would still be scanning when it answers.
import { BLOCK_QUERIES } from './kernel.ts';

export interface Route {
  /** From a query in memory, where it is even if its text was embedded here, to its answer, next to nothing to scan. */
  wayMs: number;
  cpuBytesPerMs: number;
  gpuBytesPerMs: number;
}

/** Until they are measured: what one core of most machines scans in half a millisecond. */
const BYTES_UNMEASURED = 10_000_000;
/** Whatever was measured: less never pays, and more always does, if only because the thread is free meanwhile. */
const BYTES_MIN = 1_000_000;
const BYTES_MAX = 256_000_000;

/** Of the time of a search by itself, what each of many takes on the CPU that share a reading of the rows (docs/BENCHMARKS.md). */
const TOGETHER_SHARE = 0.45;

/** Bytes to be scanned for each of `batch` searches of one turn, from which a GPU answers them first. */
export function gpuFromBytes(route: Route | null, batch: number): number {
  const onCpu = 1 + (batch - 1) * TOGETHER_SHARE;
  if (!route) return Math.round(BYTES_UNMEASURED / onCpu);
  // The GPU hardly computes longer for several that it reads the rows for together.
  const gain = onCpu / route.cpuBytesPerMs - Math.ceil(batch / BLOCK_QUERIES) / route.gpuBytesPerMs;
  const bytes = gain > 0 ? route.wayMs / gain : BYTES_MAX;
  return Math.round(Math.max(BYTES_MIN / batch, Math.min(BYTES_MAX, bytes)));
}

// Percentiles, and the shape of a figure.

/** One measured figure: one line of bench/results/latest.jsonl. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** Rows and dimension it was measured on, where that means something. */
  n?: number;
  d?: number;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Milliseconds that `run` takes. */
export async function timed(run: () => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

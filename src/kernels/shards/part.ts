// What one place holds of a collection's rows: their float32 numbers and, where they are quantised, their codes.
import type { CodeRows, Coder, Tier } from '../codes/coder.ts';
import { createCoder } from '../codes/js.ts';
import { type CpuRows, productMetric, type RowsOptions } from '../kernel.ts';

export interface PartOptions extends RowsOptions {
  /** Of the codes; null for none. */
  tier: Tier | null;
}

export interface Part {
  readonly rows: CpuRows;
  readonly codes: CodeRows | null;
}

/** What parts are made with. */
export interface Cpu {
  createCpuRows(options: RowsOptions): CpuRows;
  createCodeRows(coder: Coder): CodeRows;
}

export function createPart({ dimension, metric, tier }: PartOptions, cpu: Cpu): Part {
  const coder = tier && createCoder({ tier, dimension, metric: productMetric(metric) });
  return { rows: cpu.createCpuRows({ dimension, metric }), codes: coder && cpu.createCodeRows(coder) };
}

/** Bytes held. */
export function bytesOf({ rows, codes }: Part): number {
  return rows.bytes + (codes?.bytes ?? 0);
}

/** See `CpuRows.reserve`. Both or none: an append that follows cannot fail half way. */
export function reservePart({ rows, codes }: Part, rowCount: number): void {
  rows.reserve(rowCount);
  codes?.reserve(rowCount);
}

/** `records`: what the coder makes of the vectors; null where there are no codes. */
export function appendToPart({ rows, codes }: Part, vectors: Float32Array, records: Uint8Array | null): void {
  rows.append(vectors);
  if (records) codes?.append(records);
}

export function truncatePart({ rows, codes }: Part, rowCount: number): void {
  rows.truncate(rowCount);
  codes?.truncate(rowCount);
}

export function closePart({ rows, codes }: Part): void {
  rows.close();
  codes?.close();
}

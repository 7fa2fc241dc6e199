// What queries of a collection scan: what its options say or, with 'auto', the finest precision that the scan budget allows.
import { memoryBytes } from '../kernels/devices.ts';
import { isProductMetric } from '../kernels/kernel.ts';
import type { CollectionConfig } from '../store/manifest.ts';
import type { Precision } from '../types.ts';

/** Of the memory, this share is scanned for one query: at 10 GB/s, 13 ms for 4 GiB. */
const BUDGET_SHARE = 1 / 32;
/** Numbers that fit where a float32 does. */
const INT8_SHARE = 4;

/** What 'auto' multiplies candidates by: real vectors lie closer together than the default for one bit a number is made for. */
const OVERSAMPLE: Record<Precision, number> = { none: 1, f16: 1, int8: 1, binary: 2 };

/** Bytes that a query of an 'auto' collection may scan, if nobody says. */
export function defaultScanBudget(): number {
  return memoryBytes() * BUDGET_SHARE;
}

/** What queries of a collection with so many rows are to scan. */
export function precisionFor(config: CollectionConfig, rowCount: number, scanBudget: number): Precision {
  const { dimension, metric, quantization = 'none' } = config;
  if (quantization !== 'auto') return quantization;
  if (!isProductMetric(metric)) return 'none';
  const bytes = rowCount * (dimension ?? 0) * 4;
  if (bytes <= scanBudget) return 'none';
  return bytes <= scanBudget * INT8_SHARE ? 'int8' : 'binary';
}

/** Why 'auto' has them scan that. */
export function explainPrecision(
  { dimension, metric }: CollectionConfig,
  precision: Precision,
  rowCount: number,
  scanBudget: number,
): string {
  if (!isProductMetric(metric)) return `metric '${metric}' is scanned over float32 numbers`;
  const bytes = rowCount * (dimension ?? 0) * 4;
  const what = `${bytes} bytes of float32 numbers, scanBudget ${scanBudget}`;
  const wanted = precisionFor({ dimension, metric, embedder: null, quantization: 'auto' }, rowCount, scanBudget);
  return wanted === precision ? what : `${what}: '${wanted}' is being made`;
}

export function oversampleOf({ quantization }: CollectionConfig, precision: Precision): number {
  return quantization === 'auto' ? OVERSAMPLE[precision] : 1;
}

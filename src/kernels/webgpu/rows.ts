// Rows as numbers on the GPU, float32 or float16: finds candidates there, and leaves the canonical score to the CPU. Owns the
// proof that no better row was left out.
import type { Layout } from '../../types.ts';
import { approximate, inverseOf } from '../bounds.ts';
import { candidateCount, certify, eligibleCount } from '../candidates.ts';
import { vectorNorm } from '../js.ts';
import { BLOCK_QUERIES, type CpuRows, type GpuRows, productMetric, type RowHits, type RowSearch } from '../kernel.ts';
import { layoutFor } from './calibration.ts';
import type { Gpu } from './device.ts';
import { halfOf, numberOf } from './half.ts';
import { QUERY_PIECES, type RowFormat, tilePieces } from './pipelines.ts';
import { createScanner, PAIRS_MAX, type ScannerOptions, similarityOf } from './scanner.ts';
import { GROUP_ROWS, type RowSource, stridesOf } from './shards.ts';

export interface GpuRowsOptions extends ScannerOptions {
  /** `'f16'` takes half the memory and time. Answers are as exact: where its rounding leaves doubt, more rows are looked at. @default 'f32' */
  precision?: 'f32' | 'f16';
  /** @default the one that was measured to be faster on this adapter */
  layout?: Layout;
}

/** Resolves when the pipelines are compiled; the rows come with `sync`. */
export async function createGpuRows(gpu: Gpu, cpu: CpuRows, options: GpuRowsOptions = {}): Promise<GpuRows> {
  const { precision = 'f32' } = options;
  const { dimension } = cpu;
  const layout = options.layout ?? (await layoutFor(gpu, precision, piecesOf(precision, dimension)));
  const metric = productMetric(cpu.metric);
  const source = precision === 'f32' ? createFloatSource(cpu, layout) : createHalfSource(cpu, layout);
  const scanner = await createScanner(gpu, source, options);
  const queryWords = source.pieces * QUERY_PIECES[precision] * 4;
  // A sum a tile, one after the other, and then a sum of these sums; f16 has two roundings a piece. The threads of a subgroup share
  // a tile, and sum their sums in whatever order.
  const { min, max } = layout === 'row-major' ? gpu.subgroupSize! : { min: 1, max: 0 };
  const depths = [1, BLOCK_QUERIES].map((queries) => {
    const tile = Math.min(source.pieces, tilePieces(precision, queries));
    return Math.ceil(tile / min) * QUERY_PIECES[precision] + max + Math.ceil(source.pieces / tile);
  });
  const depth = Math.max(...depths);

  async function search(request: RowSearch): Promise<RowHits | null> {
    const { query, k, rowCount, mask } = request;
    const eligible = eligibleCount(request);
    const arithmetic = { depth, stored: source.stored, expanded: precision === 'f16' };
    const approximation = approximate(metric, query, vectorNorm(query, 0, dimension), cpu.norms, arithmetic);
    if (!approximation || eligible === 0) return null;
    const padded = new Float32Array(queryWords);
    padded.set(approximation.query);
    let scanMs = 0;
    let rescoreMs = 0;
    for (const enough of precision === 'f32' ? [candidateCount(k)] : [candidateCount(k) * 2, candidateCount(k) * 32]) {
      const wanted = Math.min(enough, eligible);
      if (wanted > PAIRS_MAX) return null;
      const scanStart = performance.now();
      const { rows, border } = await scanner.scan({ rowCount, eligible, wanted, query: padded, ...(mask && { mask }) });
      const floor = wanted === eligible ? Number.NEGATIVE_INFINITY : similarityOf(border);
      const scanned = performance.now();
      const { hits, certain } = certify(cpu, request, approximation, { rows, floor });
      scanMs += scanned - scanStart;
      rescoreMs += performance.now() - scanned;
      if (certain) return { ...hits, scanMs, rescoreMs };
    }
    return null;
  }

  return {
    device: 'webgpu',
    precision,
    layout,
    dimension,
    metric,
    get rowCount() {
      return scanner.rowCount;
    },
    get bytes() {
      return scanner.bytes;
    },
    get counters() {
      return scanner.counters;
    },
    sync: scanner.sync,
    search,
    close: scanner.close,
  };
}

function piecesOf(precision: 'f32' | 'f16', dimension: number): number {
  return Math.ceil(dimension / (precision === 'f32' ? 4 : 8));
}

type FloatSource = RowSource & { readonly stored: number };

/** Odd rows stay zero: their candidates come from the list of odd rows, and here they could overflow. */
function createFloatSource(cpu: CpuRows, layout: Layout): FloatSource {
  const { dimension, norms } = cpu;
  const metric = productMetric(cpu.metric);
  const format: RowFormat = {
    precision: 'f32',
    layout,
    metric,
    pieces: piecesOf('f32', dimension),
    factorCount: metric === 'cosine' ? 1 : 0,
  };
  const strides = stridesOf(format);
  return {
    ...format,
    stored: 0,
    get rowCount() {
      return cpu.rowCount;
    },
    write(first, end, words, factors) {
      const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
      for (let row = first; row < end; row++) {
        if (norms.isOdd(row)) continue;
        const lane = row - first;
        const values = cpu.values(row);
        const offset = cpu.offset(row);
        let to = lane * strides.row;
        for (let i = 0; i < dimension; i += 4, to += strides.piece) {
          const last = Math.min(4, dimension - i);
          for (let j = 0; j < last; j++) floats[to + j] = values[offset + i + j]!;
        }
        if (metric === 'cosine') factors[lane] = inverseOf(vectorNorm(values, offset, dimension));
      }
    },
  };
}

/** Each row times a power of two of its own, which lifts its largest number to 2 ** 14 or above: float16 ends at 2 ** 16. */
function createHalfSource(cpu: CpuRows, layout: Layout): FloatSource {
  const { dimension, norms } = cpu;
  const metric = productMetric(cpu.metric);
  const format: RowFormat = {
    precision: 'f16',
    layout,
    metric,
    pieces: piecesOf('f16', dimension),
    factorCount: metric === 'l2' ? 2 : 1,
  };
  const strides = stridesOf(format);
  let stored = 0;
  return {
    ...format,
    get stored() {
      return stored;
    },
    get rowCount() {
      return cpu.rowCount;
    },
    write(first, end, words, factors) {
      const halves = new Uint16Array(words.buffer, words.byteOffset, words.length * 2);
      for (let row = first; row < end; row++) {
        if (norms.isOdd(row)) continue;
        const lane = row - first;
        const values = cpu.values(row);
        const offset = cpu.offset(row);
        const scale = 2 ** liftOf(values, offset, dimension);
        let rest = 0;
        for (let i = 0; i < dimension; i++) {
          const x = values[offset + i]!;
          const half = halfOf(x * scale);
          halves[((i >>> 3) * strides.piece + lane * strides.row) * 2 + (i & 7)] = half;
          rest += (x - numberOf(half) / scale) ** 2;
        }
        const norm = vectorNorm(values, offset, dimension);
        // Of a shorter row all may be lost: that is less than what the bound allows for subnormal numbers.
        if (norm >= 2 ** -120) stored = Math.max(stored, Math.sqrt(rest) / norm);
        if (metric === 'cosine') factors[lane] = norm === 0 ? 0 : 1 / scale / norm;
        else factors[lane] = (metric === 'l2' ? 2 : 1) / scale;
        if (metric === 'l2') factors[GROUP_ROWS + lane] = norm * norm;
      }
    },
  };
}

/** The power of two, at most one that a float32 can divide by. */
function liftOf(values: Float32Array, offset: number, dimension: number): number {
  let largest = 0;
  for (let i = offset; i < offset + dimension; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest === 0 ? 0 : Math.min(126, 14 - Math.floor(Math.log2(largest)));
}

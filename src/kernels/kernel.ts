// The contract of the kernels: one set of float32 rows that lives on one device and finds the k nearest to a query.
// js.ts is the truth; wasm/ and webgpu/ give the same rows in the same order with the same score bits, faster.
import { PiramidError } from '../errors.ts';
import type { Bitset } from '../structures/bitset.ts';
import type { Device, Layout, Metric } from '../types.ts';
import type { Norms } from './bounds.ts';
import type { CandidateSearch, CodedQuery, CodeHits } from './codes/coder.ts';

/** Those that come down to dot products: what codes and GPUs are made for. */
export type ProductMetric = Extract<Metric, 'cosine' | 'dot' | 'l2'>;

export function isProductMetric(metric: Metric): metric is ProductMetric {
  return metric === 'cosine' || metric === 'dot' || metric === 'l2';
}

/** Throws `UNSUPPORTED` for the others. */
export function productMetric(metric: Metric): ProductMetric {
  if (isProductMetric(metric)) return metric;
  throw new PiramidError('UNSUPPORTED', `metric '${metric}' runs on the CPU, over float32 numbers`);
}

export interface RowsOptions {
  dimension: number;
  metric: Metric;
}

export interface RowSearch {
  /** Shape: (dimension). Finite. */
  query: Float32Array;
  k: number;
  /** Rows before this one. Rows appended while the search runs on a GPU are not looked at by its CPU fallback either. */
  rowCount: number;
  /** Only these rows. Holds at least `rowCount`. */
  mask?: Bitset;
  /** Rows that score less may be left out. A float32. */
  minScore?: number;
}

/** Best first: score descending, then row ascending. Scores are canonical, see `js.ts`. */
export interface CanonicalHits {
  rows: Uint32Array<ArrayBuffer>;
  scores: Float32Array<ArrayBuffer>;
}

export interface RowHits extends CanonicalHits {
  /** Milliseconds to find candidates. */
  scanMs: number;
  /** Milliseconds to score them canonically, order them and, where needed, widen the search. */
  rescoreMs: number;
}

/** What every device's rows have. */
export interface ResidentRows {
  readonly device: Device;
  readonly dimension: number;
  readonly metric: Metric;
  readonly rowCount: number;
  /** Bytes held on the device. */
  readonly bytes: number;
  /** Frees them. Nothing may be called after. */
  close(): void;
}

/** Where the float32 originals are, row by row, for the canonical score. */
export interface Originals {
  /** An array that holds the row. Valid until the next append. */
  values(row: number): Float32Array;
  /** Where in that array the row begins. */
  offset(row: number): number;
}

/** Rows in memory: the originals, from which any other copy can be made again. */
export interface CpuRows extends ResidentRows, Originals {
  readonly device: 'wasm' | 'js';
  readonly norms: Norms;
  /** Makes room, so that appends up to that many rows cannot fail. Throws `UNSUPPORTED` where there is none. */
  reserve(rowCount: number): void;
  /** Adds rows after the last. Shape: (n, dimension), row-major, finite. Copied. */
  append(vectors: Float32Array): void;
  /** Takes back the rows from `rowCount` on. */
  truncate(rowCount: number): void;
  search(search: RowSearch): RowHits;
  /** The same answers, from rows that are read together where that pays. `scanMs` is then the time of all. */
  searchAll(searches: readonly RowSearch[]): RowHits[];
  /** The best k of these rows, each of which stands there once. */
  best(query: Float32Array, among: Iterable<number>, k: number): CanonicalHits;
}

/** A copy in GPU buffers of what is in memory. */
export interface GpuCopy {
  readonly device: 'webgpu';
  /** How the rows lie there, see `CollectionStats.layout`. */
  readonly layout: Layout;
  /** Rows that are there. */
  readonly rowCount: number;
  readonly bytes: number;
  /** What the last search, or the searches that went with it, cost; for tests and benchmarks. */
  readonly counters: Readonly<GpuCounters>;
  /** Copies the rows that came since the last call; `rowCount` tells how far it is. */
  sync(): Promise<void>;
  /** Frees the buffers. Nothing may be called after. */
  close(): void;
}

/** A copy of a `CpuRows`. */
export interface GpuRows extends GpuCopy {
  readonly precision: 'f32' | 'f16';
  readonly dimension: number;
  readonly metric: Metric;
  /**
   * Searches that are called in one turn read the rows together. Null where the GPU's arithmetic cannot prove the answer (ties
   * at the border, out-of-range magnitudes): ask the CPU. Rejects when the device is lost or fails.
   */
  search(search: RowSearch): Promise<RowHits | null>;
}

/** A copy of a `CodeRows`. */
export interface GpuCodes extends GpuCopy {
  /** As `CodeRows.candidates`: the same rows and similarities. Null where more are wanted than it finds at a time. */
  candidates(query: CodedQuery, search: CandidateSearch): Promise<CodeHits | null>;
}

export interface GpuCounters {
  dispatches: number;
  submits: number;
  maps: number;
  bytesRead: number;
}

/** Queries for which a GPU reads the rows once. More would not fit a thread's registers. */
export const BLOCK_QUERIES = 8;

/** Name of the error of a copy that the GPU has no memory for. */
export const NO_ROOM = 'NoRoom';

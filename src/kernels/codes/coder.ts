// The contract of coded rows: a small copy of the rows, a quarter or a thirtieth of their bytes, that is scanned instead of
// them to find candidates. Codes are made by one piece of JavaScript (`int8.ts`, `binary.ts`); `js.ts` is the truth about
// scanning them, and `../wasm/codes.ts` gives the same candidates, because integer scores leave nothing to round.
import type { Bitset } from '../../structures/bitset.ts';
import type { Precision, Quantization } from '../../types.ts';
import type { ProductMetric } from '../kernel.ts';

/** The largest number below Infinity. */
export const FLOAT32_MAX = 3.4028234663852886e38;

/** What has codes. */
export type Tier = Extract<Precision, 'int8' | 'binary'>;

export function isTier(quantization: Quantization): quantization is Tier {
  return quantization === 'int8' || quantization === 'binary';
}

/** Whether an answer of such a scan is certain: float32 and float16 numbers prove theirs, and so do int8 codes. */
export function isCertain(precision: Precision): boolean {
  return precision !== 'binary';
}

/**
 * Turns vectors into records: one to three float32 factors, then the codes. Of a row and a query comes an integer, and
 *
 *     similarity = float32(integer) * factor[0]             cosine, dot
 *     similarity = float32(integer) * factor[0] * scale     l2
 *     similarity += factor[i] * weights[i - 1]              for each further factor
 *
 * each operation rounded to float32. binary: it orders rows as their scores do, up to the error of the codes. int8: it is a bound
 * that no score exceeds, see `proof.ts`.
 */
export interface Coder {
  readonly tier: Tier;
  readonly metric: ProductMetric;
  /** Names the way of coding where codes are stored. Another number: other codes. */
  readonly scheme: number;
  /** Length of a row's codes, a multiple of 8. */
  readonly codeBytes: number;
  readonly factorCount: 1 | 2 | 3;
  /** Of a row's factors and codes: a multiple of 4. */
  readonly recordBytes: number;
  /** Shape of vectors: (n, dimension). Shape of the result: (n, recordBytes). */
  encode(vectors: Float32Array): Uint8Array<ArrayBuffer>;
  encodeQuery(query: Float32Array, norm: number): CodedQuery;
  /** The truth: the integer of a query and the codes that begin at `offset`. */
  integer(query: CodedQuery, codes: Uint8Array, offset: number): number;
}

export interface CodedQuery {
  /** int8: a code for each of a row's, padded like them. binary: for each 4 bits of a row, the sums of their 16 patterns. */
  table: Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
  /** binary: from what twice the sum is taken. */
  constant: number;
  /** A float32, for l2. */
  scale: number;
  /** Float32 numbers, for factors after the first. */
  weights: readonly [number, number];
  /** int8: what `proof.ts` needs to know of how the query was rounded. */
  rounding?: Rounding;
}

/** A vector as a multiple of its codes. In units of its length for cosine and dot. */
export interface Rounding {
  /** What a code of 1 stands for. */
  step: number;
  /** The length of what is lost, or more. */
  lost: number;
}

export interface CandidateSearch {
  /** Only rows before this one. */
  rowCount: number;
  /** Only these rows. Holds at least `rowCount`. */
  mask?: Bitset;
  /** How many to find. */
  wanted: number;
  /** Only rows whose similarity is not below. A float32; a GPU does not know it. @default all that have one */
  least?: number;
}

export interface CodeSearch extends CandidateSearch {
  query: CodedQuery;
}

/** Rows with the highest similarities, in no order. */
export interface CodeHits {
  rows: Uint32Array;
  /** As `Coder` defines them, the same bits on every device. */
  similarities: Float32Array;
}

/** Coded rows in memory. */
export interface CodeRows {
  readonly device: 'wasm' | 'js';
  readonly coder: Coder;
  readonly rowCount: number;
  readonly bytes: number;
  /** Makes room, so that appends up to that many rows cannot fail. Throws `UNSUPPORTED` where there is none. */
  reserve(rowCount: number): void;
  /** Adds records of `coder.encode` after the last. Copied. */
  append(records: Uint8Array): void;
  /** Takes back the rows from `rowCount` on. */
  truncate(rowCount: number): void;
  /** A copy of the records of rows first .. end-1, as they were appended. */
  records(first: number, end: number): Uint8Array<ArrayBuffer>;
  /** Copies a row's record to the beginning of `target`. */
  copyRecord(row: number, target: Uint32Array<ArrayBuffer>): void;
  /** Of equal ones at the border the lowest rows. A similarity that overflows to NaN or -Infinity is not found. */
  candidates(query: CodedQuery, search: CandidateSearch): CodeHits;
  /** The same of each, from codes that are read together where that pays. */
  candidatesOfAll(searches: readonly CodeSearch[]): CodeHits[];
  close(): void;
}

export interface CoderOptions {
  tier: Tier;
  dimension: number;
  metric: ProductMetric;
}

/** The similarity of an integer, as `Coder` defines it. `at`: where the row's factors begin. */
export function similarityOf(
  { metric, factorCount }: Pick<Coder, 'metric' | 'factorCount'>,
  { scale, weights }: CodedQuery,
  integer: number,
  factors: Float32Array,
  at: number,
): number {
  let similarity = Math.fround(Math.fround(integer) * factors[at]!);
  if (metric === 'l2') similarity = Math.fround(similarity * scale);
  for (let i = 1; i < factorCount; i++)
    similarity = Math.fround(similarity + Math.fround(factors[at + i]! * weights[i - 1]!));
  return similarity + 0; // never -0
}

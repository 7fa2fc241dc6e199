// What indexes over codes have in common: the records of rows, and which queries are answered by codes, from how many candidates.
import { type Coder, FLOAT32_MAX, type Tier } from '../kernels/codes/coder.ts';
import type { DoubtSearch } from '../kernels/codes/doubt.ts';
import { createCoder } from '../kernels/codes/js.ts';
import { createProof } from '../kernels/codes/proof.ts';
import { vectorNorm } from '../kernels/js.ts';
import type { ProductMetric } from '../kernels/kernel.ts';
import type { Codes, VectorIndexOptions, VectorSearch } from './vector-index.ts';

/**
 * How many candidates a scan is asked for. int8: as many as are in doubt at most in nearly all cases (10 of 100 000 clustered
 * rows leave 50, 10 of a million 100); where they do not prove the answer, a second scan finds the others. binary, before
 * `oversample`: the more rows there are the more of them are as near as its error: 300 find all 10 of 100 000 clustered rows, 89 %
 * of a million's.
 */
const CANDIDATES: Record<Tier, (k: number, rowCount: number) => number> = {
  int8: (k) => Math.max(4 * k, 200),
  binary: (k, rowCount) => Math.max(20 * k, 300, Math.sqrt(rowCount)),
};

/** More than so many, if they are also one row in so many, are found sooner among the float32 numbers. */
const INT8_K_MAX = 1000;
const INT8_SHARE = 64;

/** A longer query would overflow the float32 similarities of l2, and a shorter one vanish in them. */
const QUERY_NORM_MAX = 2 ** 60;
const L2_QUERY_NORM_MIN = 2 ** -60;

export interface CodingOptions extends VectorIndexOptions {
  metric: ProductMetric;
  tier: Tier;
}

export interface Coding {
  readonly coder: Coder;
  encode(vectors: Float32Array): Codes;
  /** Whether these are the records of so many rows by this coder. */
  isOurs(known: Codes, rowCount: number): boolean;
  /** The rows' records: the known ones, if they are of this coder. */
  recordsOf(vectors: Float32Array, known: Codes | null | undefined): Uint8Array<ArrayBuffer>;
  /** The search for candidates; null where the float32 numbers of every row are to be looked at. */
  searchOf(search: VectorSearch & { rowCount: number }): DoubtSearch | null;
}

export function createCoding(options: CodingOptions): Coding {
  const { dimension, metric, tier } = options;
  const coder = createCoder(options);
  const isOurs = ({ scheme, records }: Codes, rowCount: number) =>
    scheme === coder.scheme && records.length === rowCount * coder.recordBytes;
  return {
    coder,
    isOurs,
    encode: (vectors) => ({ scheme: coder.scheme, records: coder.encode(vectors) }),
    recordsOf(vectors, known) {
      return known && isOurs(known, vectors.length / dimension) ? known.records : coder.encode(vectors);
    },
    searchOf({ query: vector, k, rowCount, mask, exact, minScore = Number.NEGATIVE_INFINITY, oversample = 1 }) {
      const norm = vectorNorm(vector, 0, dimension);
      // A query without direction has nothing to estimate.
      if (exact || norm === 0 || norm > QUERY_NORM_MAX || (metric === 'l2' && norm < L2_QUERY_NORM_MIN)) return null;
      const isInt8 = tier === 'int8';
      if (isInt8 && minScore < -FLOAT32_MAX && k > INT8_K_MAX && k * INT8_SHARE > rowCount) return null;
      const enough = CANDIDATES[tier](k, rowCount);
      const wanted = isInt8 ? enough : Math.max(k, Math.ceil(enough * oversample));
      const query = coder.encodeQuery(vector, norm);
      return {
        vector,
        query,
        k,
        rowCount,
        wanted,
        minScore,
        ...(isInt8 && { least: createProof(coder, vector, query).reach(minScore) }),
        ...(mask && { mask }),
      };
    },
  };
}

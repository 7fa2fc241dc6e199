// What indexes over codes have in common: the records of rows, and which queries are answered by codes, from how many candidates.
import type { Coder, CodeSearch, Tier } from '../kernels/codes/coder.ts';
import { createCoder } from '../kernels/codes/js.ts';
import { vectorNorm } from '../kernels/js.ts';
import type { ProductMetric } from '../kernels/kernel.ts';
import type { Codes, VectorIndexOptions, VectorSearch } from './vector-index.ts';

/**
 * How many candidates, before `oversample`. A byte a number hardly ever confuses neighbours. A bit does, and the more rows
 * there are the more of them are as near as its error: 300 find all 10 of 100 000 clustered rows, 89 % of a million's.
 */
const CANDIDATES: Record<Tier, (k: number, rowCount: number) => number> = {
  int8: (k) => Math.max(4 * k, 64),
  binary: (k, rowCount) => Math.max(20 * k, 300, Math.sqrt(rowCount)),
};

/** A longer query would overflow the float32 similarities of l2. */
const QUERY_NORM_MAX = 2 ** 60;

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
  searchOf(search: VectorSearch & { rowCount: number }): CodeSearch | null;
}

export function createCoding(options: CodingOptions): Coding {
  const { dimension, tier } = options;
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
    searchOf({ query, k, rowCount, mask, exact, oversample = 1 }) {
      const norm = vectorNorm(query, 0, dimension);
      // A query without direction has nothing to estimate.
      if (exact || norm === 0 || norm > QUERY_NORM_MAX) return null;
      const wanted = Math.max(k, Math.ceil(CANDIDATES[tier](k, rowCount) * oversample));
      return { query: coder.encodeQuery(query, norm), rowCount, wanted, ...(mask && { mask }) };
    },
  };
}

// One signed byte a number: each row is a multiple of its codes and a rest, whose length is kept beside them. The integer of a row
// and a query is the dot product of their codes: exact in 32 bits up to 65 536 dimensions. `proof.ts` tells what follows from it.
import { ceilFloat32, floorFloat32 } from '../bounds.ts';
import type { ProductMetric } from '../kernel.ts';
import type { CodedQuery, Coder } from './coder.ts';
import { weightsOf } from './proof.ts';

const CODE_MAX = 127;

export function createInt8Coder({ dimension, metric }: { dimension: number; metric: ProductMetric }): Coder {
  const codeBytes = (dimension + 31) & ~31;
  const factorCount = metric === 'cosine' ? 2 : 3;
  const recordBytes = factorCount * 4 + codeBytes;

  function encode(vectors: Float32Array): Uint8Array<ArrayBuffer> {
    const rowCount = vectors.length / dimension;
    const records = new Uint8Array(rowCount * recordBytes);
    const codes = new Int8Array(records.buffer);
    const factors = new Float32Array(records.buffer);
    for (let row = 0; row < rowCount; row++) {
      const record = row * recordBytes;
      const at = record / 4;
      const sums = quantize(vectors, row * dimension, dimension, codes, record + factorCount * 4);
      if (sums.codes === 0) continue;
      const unit = metric === 'cosine' ? Math.sqrt(sums.squares) : 1;
      factors[at] = sums.products / sums.codes / unit;
      const scale = factors[at]!;
      factors[at + 1] = ceilFloat32(lostLength(sums, scale * unit, dimension) / unit);
      if (metric === 'dot') factors[at + 2] = ceilFloat32(scale * Math.sqrt(sums.codes));
      if (metric === 'l2') factors[at + 2] = floorFloat32(sums.squares);
    }
    return records;
  }

  function encodeQuery(query: Float32Array, norm: number): CodedQuery {
    const table = new Int8Array(codeBytes);
    const sums = quantize(query, 0, dimension, table, 0);
    const unit = metric === 'l2' ? 1 : norm;
    const scale = Math.fround((2 * sums.products) / sums.codes);
    const step = metric === 'l2' ? scale / 2 : sums.products / sums.codes / unit;
    const rounding = { step, lost: lostLength(sums, step * unit, dimension) / unit };
    return { table, constant: 0, scale, weights: weightsOf(metric, norm, rounding), rounding };
  }

  function integer({ table }: CodedQuery, codes: Uint8Array, offset: number): number {
    let sum = 0;
    // A shift up and down gives a byte its sign.
    for (let i = 0; i < codeBytes; i++) sum += table[i]! * ((codes[offset + i]! << 24) >> 24);
    return sum;
  }

  return {
    tier: 'int8',
    metric,
    scheme: 3,
    codeBytes,
    factorCount,
    recordBytes,
    encode,
    encodeQuery,
    integer,
  };
}

/** Of a vector x with codes c. */
interface Sums {
  /** sum(x * x) */
  squares: number;
  /** sum(x * c) */
  products: number;
  /** sum(c * c); 0 for a zero vector alone. */
  codes: number;
}

/** Writes a vector's codes: its numbers in parts of the largest of them. */
function quantize(vector: Float32Array, from: number, dimension: number, codes: Int8Array, at: number): Sums {
  let largest = 0;
  for (let i = from; i < from + dimension; i++) {
    const size = Math.abs(vector[i]!);
    if (size > largest) largest = size;
  }
  const inverse = largest === 0 ? 0 : CODE_MAX / largest;
  const sums = { squares: 0, products: 0, codes: 0 };
  for (let i = 0; i < dimension; i++) {
    const x = vector[from + i]!;
    // Rounded to the nearest, as a number above 0 that loses its fraction: Math.round takes six times as long.
    const code = ((x * inverse + 128.5) | 0) - 128;
    codes[at + i] = code;
    sums.squares += x * x;
    sums.products += x * code;
    sums.codes += code * code;
  }
  return sums;
}

/** The length of x - scale * c, or more: a sum of n float64 numbers is off by at most n * 2 ** -53 of their sizes' sum. */
function lostLength({ squares, products, codes }: Sums, scale: number, dimension: number): number {
  const lost = squares - 2 * scale * products + scale * scale * codes;
  return Math.sqrt(Math.max(0, lost) + squares * (dimension + 16) * 2 ** -50);
}

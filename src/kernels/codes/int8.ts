// One signed byte a number: each row is divided by a scale of its own, its largest number over 127. The integer of a row and
// a query is the dot product of their codes: exact in 32 bits up to 65 536 dimensions.
import { vectorNorm } from '../js.ts';
import type { ProductMetric } from '../kernel.ts';
import type { CodedQuery, Coder } from './coder.ts';

const CODE_MAX = 127;

export function createInt8Coder({ dimension, metric }: { dimension: number; metric: ProductMetric }): Coder {
  const codeBytes = (dimension + 31) & ~31;
  const factorCount = metric === 'l2' ? 2 : 1;
  const recordBytes = factorCount * 4 + codeBytes;

  function encode(vectors: Float32Array): Uint8Array<ArrayBuffer> {
    const rowCount = vectors.length / dimension;
    const records = new Uint8Array(rowCount * recordBytes);
    const codes = new Int8Array(records.buffer);
    const factors = new Float32Array(records.buffer);
    for (let row = 0; row < rowCount; row++) {
      const from = row * dimension;
      const record = row * recordBytes;
      const scale = quantize(vectors, from, dimension, codes, record + factorCount * 4);
      const norm = vectorNorm(vectors, from, dimension);
      if (metric === 'cosine') factors[record / 4] = norm === 0 ? 0 : scale / norm;
      else factors[record / 4] = scale;
      if (metric === 'l2') factors[record / 4 + 1] = norm * norm;
    }
    return records;
  }

  // |q - x|^2 = |q|^2 - (2 q.x - |x|^2), and |q|^2 is the same for every row.
  function encodeQuery(query: Float32Array): CodedQuery {
    const table = new Int8Array(codeBytes);
    const scale = quantize(query, 0, dimension, table, 0);
    return { table, constant: 0, scale: Math.fround(2 * scale) };
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
    scheme: 1,
    codeBytes,
    factorCount,
    recordBytes,
    encode,
    encodeQuery,
    integer,
  };
}

/** Writes a vector's codes and returns what a code of 1 stands for, 0 for a zero vector. */
function quantize(vector: Float32Array, from: number, dimension: number, codes: Int8Array, at: number): number {
  let largest = 0;
  for (let i = from; i < from + dimension; i++) {
    const size = Math.abs(vector[i]!);
    if (size > largest) largest = size;
  }
  const inverse = largest === 0 ? 0 : CODE_MAX / largest;
  // Rounded to the nearest, as numbers above 0 that lose their fraction: Math.round takes six times as long.
  for (let i = 0; i < dimension; i++) codes[at + i] = ((vector[from + i]! * inverse + 128.5) | 0) - 128;
  return largest / CODE_MAX;
}

// One bit a number, as RaBitQ has it (Gao & Long 2024, "RaBitQ: quantizing high-dimensional vectors with a theoretical error
// bound"): rows are rotated at random, so that no direction is special, and of each number only its sign is kept. The
// estimate of q.x is sum(sign(x') * q') * |x|^2 / |x'|_1: unbiased, with a standard error of about 0.75 / sqrt(bits) for
// unit vectors. The query keeps 4 bits a number, whose rounding is small beside that.
import { seededRandom } from '../../structures/random.ts';
import { vectorNorm } from '../js.ts';
import type { ProductMetric } from '../kernel.ts';
import type { CodedQuery, Coder } from './coder.ts';

/** Part of the stored format: other numbers are other codes. */
const ROTATION_SEED = 0x5242_5131;
const ROUNDS = 3;
const BITS_MULTIPLE = 64;

/** A number of the query is a level 0 .. 15, which stands for (level - 7.5) steps. */
const LEVEL_MAX = 15;
/** Sums for the 16 patterns of 4 bits. */
const LUT_ENTRIES = 16;

export function createBinaryCoder({ dimension, metric }: { dimension: number; metric: ProductMetric }): Coder {
  const bits = Math.ceil(dimension / BITS_MULTIPLE) * BITS_MULTIPLE;
  const codeBytes = bits / 8;
  const factorCount = metric === 'l2' ? 2 : 1;
  const recordBytes = factorCount * 4 + codeBytes;
  const rotate = createRotation(dimension, bits);

  function encode(vectors: Float32Array): Uint8Array<ArrayBuffer> {
    const rowCount = vectors.length / dimension;
    const records = new Uint8Array(rowCount * recordBytes);
    const factors = new Float32Array(records.buffer);
    for (let row = 0; row < rowCount; row++) {
      const norm = vectorNorm(vectors, row * dimension, dimension);
      const record = row * recordBytes;
      if (metric === 'l2') factors[record / 4 + 1] = norm * norm;
      if (norm === 0) continue;
      const rotated = rotate(vectors, row * dimension);
      const ratio = putSigns(rotated, records, record + factorCount * 4);
      factors[record / 4] = metric === 'cosine' ? ratio : ratio * norm;
    }
    return records;
  }

  // With signs b of 0 or 1 and levels u, sum((2 b - 1) (u - 7.5)) = 7.5 bits - sum(b ? 15 - u : u), and the kernel adds up
  // the latter from tables of 4 dimensions each. Doubled, all of it is whole.
  function encodeQuery(query: Float32Array, norm: number): CodedQuery {
    const rotated = rotate(query, 0);
    let largest = 0;
    for (let i = 0; i < bits; i++) largest = Math.max(largest, Math.abs(rotated[i]!));
    const step = largest / (LEVEL_MAX / 2);
    const table = new Uint8Array((bits / 4) * LUT_ENTRIES);
    for (let i = 0; i < bits; i++) {
      const level = Math.min(LEVEL_MAX, Math.max(0, Math.round(rotated[i]! / step + LEVEL_MAX / 2)));
      const first = (i >> 2) * LUT_ENTRIES;
      for (let entry = 0; entry < LUT_ENTRIES; entry++) {
        table[first + entry]! += (entry >> (i & 3)) & 1 ? LEVEL_MAX - level : level;
      }
    }
    // l2: 2 q.x. The integer counts half steps, and the rotation has lengthened the query.
    const scale = Math.fround((norm * step) / length(rotated));
    return { table, constant: LEVEL_MAX * bits, scale, weights: [-1, 0] };
  }

  function integer({ table, constant }: CodedQuery, codes: Uint8Array, offset: number): number {
    let sum = 0;
    for (let i = 0; i < codeBytes; i++) {
      const byte = codes[offset + i]!;
      sum += table[i * 2 * LUT_ENTRIES + (byte & 15)]! + table[(i * 2 + 1) * LUT_ENTRIES + (byte >> 4)]!;
    }
    return constant - 2 * sum;
  }

  return {
    tier: 'binary',
    metric,
    scheme: 2,
    codeBytes,
    factorCount,
    recordBytes,
    encode,
    encodeQuery,
    integer,
  };
}

function length(rotated: Float64Array): number {
  return Math.sqrt(rotated.reduce((sum, x) => sum + x * x, 0));
}

/** Writes the signs, lowest bit first, and returns |x|_2 / |x|_1. */
function putSigns(x: Float64Array, target: Uint8Array, at: number): number {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    sum += Math.abs(value);
    squares += value * value;
    // No branch: half of them would be guessed wrong.
    target[at + (i >> 3)]! |= Number(value > 0) << (i & 7);
  }
  return Math.sqrt(squares) / sum;
}

/**
 * A fixed random rotation (times a constant): rounds of a random permutation with random signs, then Walsh-Hadamard
 * transforms of blocks as large as the length allows. The result is valid until the next call. In float64, where no
 * float32 overflows; only additions and changes of sign, so the same bits everywhere.
 */
function createRotation(dimension: number, bits: number) {
  const random = seededRandom(ROTATION_SEED);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    order: Uint32Array.from(random.shuffle(Array.from({ length: bits }, (_, i) => i))),
    signs: Float64Array.from({ length: bits }, () => random.below(2) * 2 - 1),
  }));
  const blockLength = bits & -bits;
  let current = new Float64Array(bits);
  let next = new Float64Array(bits);

  return (vectors: Float32Array, from: number): Float64Array => {
    current.fill(0, dimension);
    for (let i = 0; i < dimension; i++) current[i] = vectors[from + i]!;
    for (const { order, signs } of rounds) {
      for (let i = 0; i < bits; i++) next[i] = current[order[i]!]! * signs[i]!;
      for (let block = 0; block < bits; block += blockLength) hadamard(next, block, blockLength);
      [current, next] = [next, current];
    }
    return current;
  };
}

/** The unnormalised Walsh-Hadamard transform of one block, in place. Two of its levels at a time. */
function hadamard(x: Float64Array, from: number, length: number): void {
  const end = from + length;
  let half = 1;
  for (; half * 4 <= length; half *= 4) {
    for (let start = from; start < end; start += half * 4) {
      for (let i = start; i < start + half; i++) {
        const a = x[i]!;
        const b = x[i + half]!;
        const c = x[i + half * 2]!;
        const d = x[i + half * 3]!;
        const ab = a + b;
        const cd = c + d;
        const a_b = a - b;
        const c_d = c - d;
        x[i] = ab + cd;
        x[i + half] = a_b + c_d;
        x[i + half * 2] = ab - cd;
        x[i + half * 3] = a_b - c_d;
      }
    }
  }
  if (half < length) {
    for (let i = from; i < from + half; i++) {
      const a = x[i]!;
      const b = x[i + half]!;
      x[i] = a + b;
      x[i + half] = a - b;
    }
  }
}

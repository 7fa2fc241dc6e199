// The built-in embedder: English, 256 numbers, no ML runtime. A text's vector is the sum of its words' rows in a table
// of 4-bit numbers, made unit length; models/static-en/README.md has the model's card. Knows nothing of workers.
//
// The sum is exact (rows are 4-bit integers times a float32 scale, added in float64), so the vector does not depend on
// the order of the words or on the machine, up to some 300,000 words a text; beyond that it rounds like any sum.
import { throwIfAborted } from '../errors.ts';
import { nextTask, SLICE_MS } from '../structures/slices.ts';
import type { Embedder, ModelInfo, ModelSource } from '../types.ts';
import { download } from './download.ts';
import type { LoadedEmbedder, LoadOptions } from './model.ts';
import { STATIC_MODEL, STATIC_SCALES, STATIC_TABLE, STATIC_TOKENIZER } from './model-files.ts';
import { createWordPieces, type Encode, type WordPieceFile } from './word-pieces.ts';

/** What `raw/static.json` says of the table, fixed by the hashes in model-files.ts. */
const DIMENSION = 256;
const HALF = DIMENSION / 2;
export const STATIC_FINGERPRINT = `static-en@1;d=${DIMENSION};mean;sha256=${STATIC_TABLE.sha256.slice(0, 12)}`;

/** Loads the model from where `source` says. Failures are `MODEL_FAILED`. */
export async function loadStaticEmbedder(source: ModelSource, load: LoadOptions): Promise<LoadedEmbedder> {
  const start = performance.now();
  const files = [STATIC_TABLE, STATIC_SCALES, STATIC_TOKENIZER];
  const [table, scales, tokenizer] = await download(STATIC_MODEL, files, source, load);
  const encode = createWordPieces(JSON.parse(new TextDecoder().decode(tokenizer)) as WordPieceFile);
  const info: ModelInfo = { name: STATIC_MODEL, task: 'embed', device: 'js', loadMs: performance.now() - start };
  return { info, ...createStaticEmbedder(table!, readFloats(scales!), encode) };
}

function createStaticEmbedder(table: Uint8Array, scales: Float32Array, encode: Encode): Embedder {
  const sum = new Float64Array(DIMENSION);

  function embedOne(text: string): Float32Array | null {
    const ids = encode(text);
    sum.fill(0);
    addRows(sum, table, scales, ids);
    return unitVector(sum);
  }

  return {
    dimension: DIMENSION,
    fingerprint: STATIC_FINGERPRINT,
    // Queries and documents are embedded alike: the model knows no prefixes.
    async embed(texts, { signal }) {
      throwIfAborted(signal);
      const vectors: (Float32Array | null)[] = [];
      let turnEnds = performance.now() + SLICE_MS;
      for (const text of texts) {
        if (performance.now() > turnEnds) {
          await nextTask();
          throwIfAborted(signal);
          turnEnds = performance.now() + SLICE_MS;
        }
        vectors.push(embedOne(text));
      }
      return vectors;
    },
  };
}

/**
 * Adds the rows `ids` to `sum`. table: (rows, HALF), byte k holds column k in its low and column k + HALF in its high
 * four bits; a column's value is (bits - 7.5) * scale. Four rows a pass: the sums are read and written a quarter as often.
 */
function addRows(sum: Float64Array, table: Uint8Array, scales: Float32Array, ids: Uint16Array): void {
  let i = 0;
  let middle = 0;
  for (; i + 4 <= ids.length; i += 4) {
    const a = ids[i]! * HALF;
    const b = ids[i + 1]! * HALF;
    const c = ids[i + 2]! * HALF;
    const d = ids[i + 3]! * HALF;
    const scaleA = scales[ids[i]!]!;
    const scaleB = scales[ids[i + 1]!]!;
    const scaleC = scales[ids[i + 2]!]!;
    const scaleD = scales[ids[i + 3]!]!;
    middle += scaleA + scaleB + scaleC + scaleD;
    for (let k = 0; k < HALF; k++) {
      const byteA = table[a + k]!;
      const byteB = table[b + k]!;
      const byteC = table[c + k]!;
      const byteD = table[d + k]!;
      sum[k]! += (byteA & 15) * scaleA + (byteB & 15) * scaleB + (byteC & 15) * scaleC + (byteD & 15) * scaleD;
      sum[k + HALF]! += (byteA >> 4) * scaleA + (byteB >> 4) * scaleB + (byteC >> 4) * scaleC + (byteD >> 4) * scaleD;
    }
  }
  for (; i < ids.length; i++) {
    const row = ids[i]! * HALF;
    const scale = scales[ids[i]!]!;
    middle += scale;
    for (let k = 0; k < HALF; k++) {
      const byte = table[row + k]!;
      sum[k]! += (byte & 15) * scale;
      sum[k + HALF]! += (byte >> 4) * scale;
    }
  }
  middle *= 7.5;
  for (let k = 0; k < DIMENSION; k++) sum[k]! -= middle;
}

/** `sum` with length 1; null if it has no direction: no word was known (the rows of [PAD] and [UNK] are zero). */
function unitVector(sum: Float64Array): Float32Array | null {
  let squares = 0;
  for (let k = 0; k < sum.length; k++) squares += sum[k]! * sum[k]!;
  if (squares === 0) return null;
  const length = Math.sqrt(squares);
  const vector = new Float32Array(sum.length);
  for (let k = 0; k < sum.length; k++) vector[k] = sum[k]! / length;
  return vector;
}

/** The file is little-endian, whatever the machine. */
function readFloats(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

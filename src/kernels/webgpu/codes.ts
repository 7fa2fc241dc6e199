// Coded rows on the GPU: the same candidates as on the CPU, because everything until the key is done in integers.
import type { Layout } from '../../types.ts';
import { eligibleCount } from '../candidates.ts';
import type { CandidateSearch, CodedQuery, CodeHits, CodeRows } from '../codes/coder.ts';
import type { GpuCodes } from '../kernel.ts';
import { layoutFor } from './calibration.ts';
import type { Gpu } from './device.ts';
import type { RowFormat } from './pipelines.ts';
import { createScanner, PAIRS_MAX, type ScannerOptions, similarityOf } from './scanner.ts';
import { GROUP_ROWS, type RowSource, stridesOf } from './shards.ts';

/** Bits of a binary query's level. */
const LEVEL_BITS = 4;
const LUT_ENTRIES = 16;
const LEVEL_MAX = 15;
/** The key of a row that is asked for and has no similarity. */
const KEY_NONE = 1;

export interface GpuCodesOptions extends ScannerOptions {
  /** @default the one that was measured to be faster on this adapter */
  layout?: Layout;
}

/** Resolves when the pipelines are compiled; the codes come with `sync`. */
export async function createGpuCodes(gpu: Gpu, codes: CodeRows, options: GpuCodesOptions = {}): Promise<GpuCodes> {
  const { coder } = codes;
  const pieces = Math.ceil(coder.codeBytes / 16);
  const layout = options.layout ?? (await layoutFor(gpu, coder.tier, pieces));
  const source = createCodeSource(codes, layout);
  const scanner = await createScanner(gpu, source, options);

  async function candidates(query: CodedQuery, search: CandidateSearch): Promise<CodeHits | null> {
    const { rowCount, mask } = search;
    const eligible = eligibleCount(search);
    const wanted = Math.min(search.wanted, eligible);
    if (wanted > PAIRS_MAX) return null;
    if (wanted === 0) return { rows: new Uint32Array(), similarities: new Float32Array() };
    const { scale, constant, weights } = query;
    const words = coder.tier === 'int8' ? packCodes(query, source.pieces) : packLevels(query, source.pieces);
    const found = await scanner.scan({
      rowCount,
      eligible,
      wanted,
      query: words,
      scale,
      constant,
      weights,
      ...(mask && { mask }),
    });
    const some = found.border > KEY_NONE ? found.keys.length : found.keys.filter((key) => key > KEY_NONE).length;
    // Those without a similarity are at the border, which comes last.
    return {
      rows: found.rows.subarray(0, some),
      similarities: Float32Array.from(found.keys.subarray(0, some), similarityOf),
    };
  }

  return {
    device: 'webgpu',
    layout,
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
    candidates,
    close: scanner.close,
  };
}

function createCodeSource(codes: CodeRows, layout: Layout): RowSource {
  const { tier, metric, codeBytes, recordBytes, factorCount } = codes.coder;
  const recordWords = recordBytes / 4;
  const codeWords = codeBytes / 4;
  const format: RowFormat = { precision: tier, layout, metric, pieces: Math.ceil(codeBytes / 16), factorCount };
  const strides = stridesOf(format);
  return {
    ...format,
    get rowCount() {
      return codes.rowCount;
    },
    write(first, end, words, factors) {
      const records = codes.records(first, end);
      const from = new Uint32Array(records.buffer);
      const factorWords = new Uint32Array(factors.buffer, factors.byteOffset, factors.length);
      for (let lane = 0, at = 0; lane < end - first; lane++, at += recordWords) {
        for (let factor = 0; factor < factorCount; factor++) {
          factorWords[factor * GROUP_ROWS + lane] = from[at + factor]!;
        }
        for (let i = 0; i < codeWords; i++) {
          words[(i >>> 2) * strides.piece + lane * strides.row + (i & 3)] = from[at + factorCount + i]!;
        }
      }
    },
  };
}

/** Codes as they are, four a word. */
function packCodes({ table }: CodedQuery, pieces: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(pieces * 4);
  new Int8Array(words.buffer).set(table);
  return words;
}

/** The levels bit by bit: for each 128 numbers their lowest bits, then their second ones, and so on. */
function packLevels({ table }: CodedQuery, pieces: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(pieces * LEVEL_BITS * 4);
  const numbers = (table.length / LUT_ENTRIES) * 4;
  for (let i = 0; i < numbers; i++) {
    const first = (i >>> 2) * LUT_ENTRIES;
    // With the number's own bit set, the sum has 15 - level in place of level.
    const level = (table[first]! - table[first + (1 << (i & 3))]! + LEVEL_MAX) / 2;
    const piece = i >>> 7;
    for (let bit = 0; bit < LEVEL_BITS; bit++) {
      if ((level >>> bit) & 1) words[(piece * LEVEL_BITS + bit) * 4 + ((i & 127) >>> 5)]! |= 1 << (i & 31);
    }
  }
  return words;
}

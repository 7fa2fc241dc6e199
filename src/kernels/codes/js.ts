// The truth about scanning codes, written for reading; and a device of its own, for browsers without WASM SIMD.
import { TopK } from '../../structures/top-k.ts';
import { createBinaryCoder } from './binary.ts';
import {
  type CandidateSearch,
  type CodedQuery,
  type CodeHits,
  type CodeRows,
  type Coder,
  type CoderOptions,
  similarityOf,
} from './coder.ts';
import { createInt8Coder } from './int8.ts';

export function createCoder({ tier, ...options }: CoderOptions): Coder {
  return tier === 'int8' ? createInt8Coder(options) : createBinaryCoder(options);
}

const BLOCK_BYTES = 1 << 20;

/** Records in plain arrays, scanned one by one. */
export function createJsCodes(coder: Coder): CodeRows {
  const { recordBytes, factorCount, metric } = coder;
  // Shape of each: (blockRows, recordBytes).
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / recordBytes));
  const blocks: { bytes: Uint8Array; factors: Float32Array }[] = [];
  let rowCount = 0;

  function append(records: Uint8Array): void {
    for (let from = 0; from < records.length; from += recordBytes, rowCount++) {
      if (rowCount === blocks.length * blockRows) {
        const bytes = new Uint8Array(blockRows * recordBytes);
        blocks.push({ bytes, factors: new Float32Array(bytes.buffer) });
      }
      const block = blocks[Math.floor(rowCount / blockRows)]!;
      block.bytes.set(records.subarray(from, from + recordBytes), (rowCount % blockRows) * recordBytes);
    }
  }

  function candidates(query: CodedQuery, { rowCount: end, mask, wanted }: CandidateSearch): CodeHits {
    const best = new TopK(Math.min(wanted, end));
    for (let row = 0; row < end; row++) {
      if (mask && !mask.has(row)) continue;
      const { bytes, factors } = blocks[Math.floor(row / blockRows)]!;
      const record = (row % blockRows) * recordBytes;
      const integer = coder.integer(query, bytes, record + factorCount * 4);
      const similarity = similarityOf(metric, integer, factors, record / 4, query.scale);
      if (similarity > Number.NEGATIVE_INFINITY) best.push(row, similarity);
    }
    const { rows, scores: similarities } = best.take();
    return { rows, similarities };
  }

  return {
    device: 'js',
    coder,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return blocks.length * blockRows * recordBytes;
    },
    reserve() {}, // plain arrays come one by one
    append,
    truncate(count) {
      rowCount = count;
    },
    candidates,
    close() {
      blocks.length = 0;
    },
  };
}

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
  FLOAT32_MAX,
  similarityOf,
} from './coder.ts';
import { createInt8Coder } from './int8.ts';

export function createCoder({ tier, ...options }: CoderOptions): Coder {
  return tier === 'int8' ? createInt8Coder(options) : createBinaryCoder(options);
}

/** Records in a plain array that grows by doubling, scanned one by one. */
export function createJsCodes(coder: Coder): CodeRows {
  const { recordBytes, factorCount } = coder;
  // Shape: (at least rowCount, recordBytes).
  let records = new Uint8Array();
  let rowCount = 0;

  function reserve(end: number): void {
    if (records.length >= end * recordBytes) return;
    const grown = new Uint8Array(Math.max(end, rowCount * 2) * recordBytes);
    grown.set(records);
    records = grown;
  }

  function append(added: Uint8Array): void {
    const end = rowCount + added.length / recordBytes;
    reserve(end);
    records.set(added, rowCount * recordBytes);
    rowCount = end;
  }

  function candidates(query: CodedQuery, search: CandidateSearch): CodeHits {
    const { rowCount: end, mask, wanted, least = -FLOAT32_MAX } = search;
    const factors = new Float32Array(records.buffer);
    const best = new TopK(Math.min(wanted, end));
    for (let row = 0, at = 0; row < end; row++, at += recordBytes) {
      if (mask && !mask.has(row)) continue;
      const integer = coder.integer(query, records, at + factorCount * 4);
      const similarity = similarityOf(coder, query, integer, factors, at / 4);
      if (similarity >= least && similarity >= -FLOAT32_MAX) best.push(row, similarity);
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
      return records.length;
    },
    reserve,
    append,
    truncate(count) {
      rowCount = count;
    },
    records: (first, end) => records.slice(first * recordBytes, end * recordBytes),
    copyRecord(row, target) {
      target.set(new Uint32Array(records.buffer, row * recordBytes, recordBytes / 4));
    },
    candidates,
    candidatesOfAll: (searches) => searches.map(({ query, ...search }) => candidates(query, search)),
    close() {
      records = new Uint8Array();
    },
  };
}

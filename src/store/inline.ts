// Which values Chromium's LevelDB engine may keep in LevelDB itself. It writes larger ones to files of their own, which it syncs; of
// a value in LevelDB a strict transaction syncs what is in the newest log alone, see `commit` in indexeddb.ts.

import type { Sliced } from '../structures/slices.ts';

/** Chromium keeps a value that is smaller, compressed by Snappy or not, inline. */
const INLINE_BYTES_MAX = 64 << 10;
/** Snappy writes at least 3 bytes for 64. */
const SNAPPY_RATIO_MAX = 22;
const TABLE_BITS = 20;
/** Between two rests. */
const PART_BYTES = 4096;

/** Bit by hash: four bytes in a row that have been seen. Made once, because zeroing is cheaper than allocating. */
let seen: Uint8Array | undefined;

/**
 * Whether a value may be inline. Of a larger one that is the question whether Snappy makes it smaller, which copies nothing but
 * runs of four bytes and more that it has seen before: what is in no such run is written as it is.
 */
export function* mayBeInline(value: ArrayBuffer): Sliced<boolean> {
  if (value.byteLength < INLINE_BYTES_MAX) return true;
  if (value.byteLength >= INLINE_BYTES_MAX * SNAPPY_RATIO_MAX) return false;
  // Ours while it takes: another may begin in a rest.
  const table = seen ?? new Uint8Array(1 << TABLE_BITS);
  seen = undefined;
  table.fill(0);
  yield;
  const isInline = yield* fitsInline(new Uint8Array(value), table);
  seen = table;
  return isInline;
}

function* fitsInline(bytes: Uint8Array, table: Uint8Array): Sliced<boolean> {
  const found = { four: 0, fresh: 0, literals: 0 };
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    countLiterals(bytes.subarray(at, at + PART_BYTES), table, found);
    if (found.literals >= INLINE_BYTES_MAX) return false;
    yield;
  }
  return true;
}

/** `four`: the last four bytes; `fresh`: bytes since the end of the last run that was known. In a function of its own: it runs hot. */
function countLiterals(
  bytes: Uint8Array,
  table: Uint8Array,
  found: { four: number; fresh: number; literals: number },
): void {
  let { four, fresh, literals } = found;
  for (let i = 0; i < bytes.length; i++) {
    four = (four << 8) | bytes[i]!;
    const hash = Math.imul(four, 0x9e3779b1) >>> (32 - TABLE_BITS);
    fresh = table[hash] ? 0 : fresh + 1;
    table[hash] = 1;
    // The byte four back is in none of the runs that hold it.
    if (fresh >= 4) literals++;
  }
  found.four = four;
  found.fresh = fresh;
  found.literals = literals;
}

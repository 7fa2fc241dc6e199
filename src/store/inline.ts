// Which values Chromium's LevelDB engine may keep in LevelDB itself. It writes larger ones to files of their own, which it syncs; of
// a value in LevelDB a strict transaction syncs what is in the newest log alone, see `commit` in indexeddb.ts.

import type { Sliced } from '../structures/slices.ts';

/** Chromium keeps a value that is smaller, compressed by Snappy or not, inline. */
const INLINE_BYTES_MAX = 64 << 10;
/** Snappy writes at least 3 bytes for 64. */
const SNAPPY_RATIO_MAX = 22;
const TABLE_BITS = 20;

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
  let four = 0;
  let literals = 0;
  /** Bytes since the end of the last run that was known. */
  let fresh = 0;
  for (let i = 0; i < bytes.length; i++) {
    four = (four << 8) | bytes[i]!;
    fresh++;
    if (i < 3) continue;
    const hash = Math.imul(four, 0x9e3779b1) >>> (32 - TABLE_BITS);
    if (table[hash]) fresh = 0;
    table[hash] = 1;
    // The byte four back is in none of the runs that hold it.
    if (fresh >= 4 && ++literals >= INLINE_BYTES_MAX) return false;
    if ((i & 4095) === 0) yield;
  }
  return true;
}

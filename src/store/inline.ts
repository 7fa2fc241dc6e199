// Which values Chromium's LevelDB engine may keep in LevelDB itself. It writes larger ones to files of their own, which it syncs; of
// a value in LevelDB a strict transaction syncs what is in the newest log alone, see `commit` in indexeddb.ts.

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
export function mayBeInline(value: ArrayBuffer): boolean {
  if (value.byteLength < INLINE_BYTES_MAX) return true;
  if (value.byteLength >= INLINE_BYTES_MAX * SNAPPY_RATIO_MAX) return false;
  seen ??= new Uint8Array(1 << TABLE_BITS);
  seen.fill(0);
  const bytes = new Uint8Array(value);
  let four = 0;
  let literals = 0;
  /** Bytes since the end of the last run that was known. */
  let fresh = 0;
  for (let i = 0; i < bytes.length; i++) {
    four = (four << 8) | bytes[i]!;
    fresh++;
    if (i < 3) continue;
    const hash = Math.imul(four, 0x9e3779b1) >>> (32 - TABLE_BITS);
    if (seen[hash]) fresh = 0;
    seen[hash] = 1;
    // The byte four back is in none of the runs that hold it.
    if (fresh >= 4 && ++literals >= INLINE_BYTES_MAX) return false;
  }
  return true;
}

// CRC-32 (IEEE 802.3, as zlib and PNG use it), eight bytes a step by Intel's slicing-by-8 (Kounavis and Berry 2005).
// Finds every single-bit error and every burst up to 32 bits; browsers' own storage engines check no bytes at all.

const TABLES = makeTables();

/** Checksum of all bytes of the view. `before`: that of what comes before them, where it goes on. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  let i = 0;
  const aligned = (bytes.byteOffset & 3) === 0 ? bytes.length & ~7 : 0;
  if (aligned > 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, aligned >>> 2);
    crc = crcWords(words, crc);
    i = aligned;
  }
  const table = TABLES[0]!;
  for (; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// Words are little-endian on every platform that browsers run on.
function crcWords(words: Uint32Array, start: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  let crc = start;
  for (let i = 0; i < words.length; i += 2) {
    const low = words[i]! ^ crc;
    const high = words[i + 1]!;
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[high & 0xff]! ^
      t2[(high >>> 8) & 0xff]! ^
      t1[(high >>> 16) & 0xff]! ^
      t0[high >>> 24]!;
  }
  return crc;
}

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    tables[0]![n] = c;
  }
  for (let n = 0; n < 256; n++) {
    for (let t = 1; t < 8; t++) {
      const c = tables[t - 1]![n]!;
      tables[t]![n] = tables[0]![c & 0xff]! ^ (c >>> 8);
    }
  }
  return tables;
}

// A hash of bytes that nobody can foresee, so that nobody can make ids that collide: HalfSipHash-1-3 (Aumasson and Bernstein 2012, in its
// 32-bit form), keyed anew in each worker.

export type Hash = (bytes: Uint8Array, start: number, end: number) => number;

const [K0, K1] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];

/** Of bytes start .. end-1: 32 bits. */
export const keyedHash: Hash = (bytes, start, end) => {
  let a = K0;
  let b = K1;
  let c = 0x6c796765 ^ K0;
  let d = 0x74656462 ^ K1;
  const words = (end - start) >>> 2;
  // Whole words, what is left with the length, and three rounds more.
  for (let i = 0; i < words + 4; i++) {
    let word = 0;
    const at = start + i * 4;
    if (i < words) word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    else if (i === words) {
      word = (end - start) << 24;
      for (let rest = at; rest < end; rest++) word |= bytes[rest]! << ((rest - at) * 8);
    } else if (i === words + 1) c ^= 0xff;
    d ^= word;
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
    a ^= word;
  }
  return (b ^ d) >>> 0;
};

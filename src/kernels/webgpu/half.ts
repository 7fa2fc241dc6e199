// Float16 numbers. Browsers are only beginning to have them (`Float16Array`, `Math.f16round`).

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The bits of the float16 nearest to a float32, ties to even. Below 2 ** -14 in size: 0. At most 65 504. */
export function halfOf(x: number): number {
  float[0] = x;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const size = bits[0]! & 0x7fffffff;
  // 13 bits fewer, rounded; the exponent counts from 15 instead of 127.
  const rounded = size + 0x0fff + ((size >>> 13) & 1) - (112 << 23);
  return rounded < 1 << 23 ? sign : sign | (rounded >>> 13);
}

/** The number that such bits stand for. */
export function numberOf(half: number): number {
  const size = half & 0x7fff;
  if (size === 0) return 0;
  bits[0] = ((half & 0x8000) << 16) | ((size << 13) + (112 << 23));
  return float[0]!;
}

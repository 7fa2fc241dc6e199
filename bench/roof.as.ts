// @ts-nocheck: AssemblyScript.
// The read roof of one core in WASM: reads every byte once, 64 at a time, and does next to nothing with them. In one stream, or
// in four of a quarter each, for processors that do not fill the way from memory with one.
export function read(at: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const end = at + bytes;
  while (at < end) {
    a = v128.xor(a, v128.load(at, 0));
    b = v128.xor(b, v128.load(at, 16));
    c = v128.xor(c, v128.load(at, 32));
    d = v128.xor(d, v128.load(at, 48));
    at += 64;
  }
  return together(a, b, c, d);
}

/** bytes: a multiple of 256. */
export function readStreams(at: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const quarter = bytes >> 2;
  const end = at + quarter;
  while (at < end) {
    a = v128.xor(a, line(at));
    b = v128.xor(b, line(at + quarter));
    c = v128.xor(c, line(at + 2 * quarter));
    d = v128.xor(d, line(at + 3 * quarter));
    at += 64;
  }
  return together(a, b, c, d);
}

// @ts-ignore: decorator
@inline
function line(at: usize): v128 {
  return v128.xor(v128.xor(v128.load(at, 0), v128.load(at, 16)), v128.xor(v128.load(at, 32), v128.load(at, 48)));
}

function together(a: v128, b: v128, c: v128, d: v128): i32 {
  const all = v128.xor(v128.xor(a, b), v128.xor(c, d));
  return i32x4.extract_lane(all, 0) ^ i32x4.extract_lane(all, 1) ^ i32x4.extract_lane(all, 2) ^ i32x4.extract_lane(all, 3);
}

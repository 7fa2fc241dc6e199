// AssemblyScript, SIMD128: scans coded rows in WASM memory and keeps the best there. Rows lie in groups of 16, so
// that 16 integers become similarities at once, and a group that the mask leaves empty is skipped. All integers are exact
// and every float32 operation is the one of `codes/coder.ts`, so the candidates are those of the JavaScript truth.

// The kept: u32 capacity, u32 wanted, u32 size, f32 threshold; u32 number of factors, f32 scale and two weights, see `codes/coder.ts`;
// 64 bytes each for what four groups found; then keys of 8 bytes. A key is
// a similarity, as an integer of the same order, over the complement of the row: the higher key is the better row, and of equal
// similarities the lower row is better. When the place is full, all but the best `wanted` go, which costs a tenth of a heap
// where hundreds are wanted. A row below the threshold is worse than all of these.
const SCRATCH: usize = 32;
const KEYS: usize = 288;

/** Forgets all rows. capacity: how many keys have place, more than `count`, the number of rows to find. */
export function begin(kept: usize, capacity: u32, count: u32, threshold: f32, factors: u32, scale: f32, weight1: f32, weight2: f32): void {
  store<u32>(kept, capacity);
  store<u32>(kept, count, 4);
  store<u32>(kept, 0, 8);
  store<f32>(kept, threshold, 12);
  store<u32>(kept, factors, 16);
  store<f32>(kept, scale, 20);
  store<f32>(kept, weight1, 24);
  store<f32>(kept, weight2, 28);
}

/** Leaves the keys of the best rows, in no order, and returns how many there are. */
export function finish(kept: usize): u32 {
  if (sizeOf(kept) > wantedOf(kept)) select(kept);
  return sizeOf(kept);
}

// A group: 16 rows' codes, then their first f32 factors, their second ones and so on. codeBytes: of one row. count: rows, the last group
// may be partly filled. row: number of the first. mask: 0, or one bit a row, bits at and above `count` zero.

// int8: rows by fours, 16 codes of each in turns, so that memory is read in one stream: with one for each row, 768 codes apart,
// it came at a quarter of the speed. Groups are taken by fours, one of each quarter: four streams bring up to twice as much as one
// where one does not fill the way from memory. codeBytes is a multiple of 32. query: see `four`, and `relaxedFour` with its constant.
export function scanInt8(groups: usize, codeBytes: u32, count: u32, row: u32, mask: usize, query: usize, constant: i32, kept: usize): void {
  const groupBytes = (<usize>codeBytes << 4) + factorBytes(kept);
  const groupCount = (count + 15) >> 4;
  const quarter = groupCount >> 2;
  const apart = quarter * groupBytes;
  const factors = <usize>codeBytes << 4;
  v128.store(kept, i16x8.splat(1), SCRATCH);
  const ones = v128.load(kept, SCRATCH);
  let group = groups;
  for (let i: u32 = 0; i < quarter; i++) {
    const first = i << 4, second = (quarter + i) << 4, third = (2 * quarter + i) << 4, fourth = (3 * quarter + i) << 4;
    const w0 = rowsOf(mask, first, count), w1 = rowsOf(mask, second, count);
    const w2 = rowsOf(mask, third, count), w3 = rowsOf(mask, fourth, count);
    for (let j: u32 = 0; j < 16; j += 4) {
      const rows = group + <usize>j * codeBytes;
      const scratch = kept + (<usize>j << 2);
      const bits: u32 = 15 << j;
      if (ASC_FEATURE_RELAXED_SIMD && w0 & bits && w1 & bits && w2 & bits && w3 & bits) relaxedSixteen(rows, apart, codeBytes, query, constant, ones, scratch);
      else {
        if (w0 & bits) v128.store(scratch, fourOf(rows, codeBytes, query, constant, ones), SCRATCH);
        if (w1 & bits) v128.store(scratch, fourOf(rows + apart, codeBytes, query, constant, ones), SCRATCH + 64);
        if (w2 & bits) v128.store(scratch, fourOf(rows + 2 * apart, codeBytes, query, constant, ones), SCRATCH + 128);
        if (w3 & bits) v128.store(scratch, fourOf(rows + 3 * apart, codeBytes, query, constant, ones), SCRATCH + 192);
      }
    }
    const at = group + factors;
    if (w0) offer(w0, at, row + first, kept, SCRATCH);
    if (w1) offer(w1, at + apart, row + second, kept, SCRATCH + 64);
    if (w2) offer(w2, at + 2 * apart, row + third, kept, SCRATCH + 128);
    if (w3) offer(w3, at + 3 * apart, row + fourth, kept, SCRATCH + 192);
    group += groupBytes;
  }
  group = groups + 4 * apart;
  for (let first = quarter << 6; first < count; first += 16) {
    const wanted = rowsOf(mask, first, count);
    for (let j: u32 = 0; j < 16; j += 4)
      if ((wanted >> j) & 15) v128.store(kept + (<usize>j << 2), fourOf(group + <usize>j * codeBytes, codeBytes, query, constant, ones), SCRATCH);
    if (wanted) offer(wanted, group + factors, row + first, kept, SCRATCH);
    group += groupBytes;
  }
}

// A constant of the compiler: one of the two is not in the module.
// @ts-ignore: decorator
@inline
function fourOf(rows: usize, codeBytes: u32, query: usize, constant: i32, ones: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? relaxedFour(rows, codeBytes, query, constant, ones) : four(rows, codeBytes, query);
}

// The integers of four rows. Two codes are one number of 16 bits: even + 256 * odd, the even one unsigned (128 is added to it
// when it is put here). With a query of 256 * even - odd for the one and odd for the other half of the products,
//     even * (256 * qEven - qOdd) + (even + 256 * odd) * qOdd = 256 * (even * qEven + odd * qOdd),
// which takes 5 operations for 16 codes; widening each to 16 bits takes 6, and a sixth of the time. The 24 bits that are left
// hold the sum of 512 codes, so a longer row is summed in pieces. The query begins each piece with what takes the 128s back.
function four(rows: usize, codeBytes: u32, query: usize): v128 {
  let sums = i32x4.splat(0);
  let p = rows;
  let q = query;
  const end = rows + (codeBytes << 2);
  while (p < end) {
    const pieceEnd = end - p > 2048 ? p + 2048 : end;
    let a = v128.load(q), b = a, c = a, d = a;
    q += 16;
    while (p < pieceEnd) {
      const mixed = v128.load(q, 0), odd = v128.load(q, 16);
      a = i32x4.add(a, sixteen(v128.load(p, 0), mixed, odd));
      b = i32x4.add(b, sixteen(v128.load(p, 16), mixed, odd));
      c = i32x4.add(c, sixteen(v128.load(p, 32), mixed, odd));
      d = i32x4.add(d, sixteen(v128.load(p, 48), mixed, odd));
      p += 64;
      q += 32;
    }
    sums = i32x4.add(sums, i32x4.shr_s(sumsOf(a, b, c, d), 8));
  }
  return sums;
}

// @ts-ignore: decorator
@inline
function sixteen(x: v128, mixed: v128, odd: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(v128.and(x, i16x8.splat(255)), mixed), i32x4.dot_i16x8_s(x, odd));
}

// The instruction wants 7 bits of one side; then no implementation can overflow on its way, and all give the same. So of the
// query's codes it gets the sizes, and their signs are moved to the row. x ^ -1 is -x - 1, and the constant takes the 1s
// back: the sum of the query's negative sizes. query: of each 16 codes their sizes, then their signs (0 or -1).
function relaxedFour(rows: usize, codeBytes: u32, query: usize, constant: i32, ones: v128): v128 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  let p = rows;
  let q = query;
  const end = rows + (codeBytes << 2);
  while (p < end) {
    const sizes = v128.load(q, 0), signs = v128.load(q, 16);
    a = plus(a, v128.xor(v128.load(p, 0), signs), sizes, ones);
    b = plus(b, v128.xor(v128.load(p, 16), signs), sizes, ones);
    c = plus(c, v128.xor(v128.load(p, 32), signs), sizes, ones);
    d = plus(d, v128.xor(v128.load(p, 48), signs), sizes, ones);
    p += 64;
    q += 32;
  }
  return i32x4.add(i32x4.splat(constant), sumsOf(a, b, c, d));
}

// Of 16 products, four sums more. Two instructions, where V8 makes six of the one that adds, too (relaxed_dot_i8x16_i7x16_add_s). ones: from
// memory, because V8 would make a constant again and again.
// @ts-ignore: decorator
@inline
function plus(sums: v128, codes: v128, sizes: v128, ones: v128): v128 {
  return i32x4.add(sums, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(codes, sizes), ones));
}

// `relaxedFour` of four groups, 64 bytes of each in turns, into the scratch of each.
function relaxedSixteen(rows: usize, apart: usize, codeBytes: u32, query: usize, constant: i32, ones: v128, scratch: usize): void {
  let a = i32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a, m = a, n = a, o = a, r = a;
  let p = rows;
  let q = query;
  const end = rows + (codeBytes << 2);
  while (p < end) {
    const sizes = v128.load(q, 0), signs = v128.load(q, 16);
    const p1 = p + apart, p2 = p1 + apart, p3 = p2 + apart;
    a = plus(a, v128.xor(v128.load(p, 0), signs), sizes, ones);
    b = plus(b, v128.xor(v128.load(p, 16), signs), sizes, ones);
    c = plus(c, v128.xor(v128.load(p, 32), signs), sizes, ones);
    d = plus(d, v128.xor(v128.load(p, 48), signs), sizes, ones);
    e = plus(e, v128.xor(v128.load(p1, 0), signs), sizes, ones);
    f = plus(f, v128.xor(v128.load(p1, 16), signs), sizes, ones);
    g = plus(g, v128.xor(v128.load(p1, 32), signs), sizes, ones);
    h = plus(h, v128.xor(v128.load(p1, 48), signs), sizes, ones);
    i = plus(i, v128.xor(v128.load(p2, 0), signs), sizes, ones);
    j = plus(j, v128.xor(v128.load(p2, 16), signs), sizes, ones);
    k = plus(k, v128.xor(v128.load(p2, 32), signs), sizes, ones);
    l = plus(l, v128.xor(v128.load(p2, 48), signs), sizes, ones);
    m = plus(m, v128.xor(v128.load(p3, 0), signs), sizes, ones);
    n = plus(n, v128.xor(v128.load(p3, 16), signs), sizes, ones);
    o = plus(o, v128.xor(v128.load(p3, 32), signs), sizes, ones);
    r = plus(r, v128.xor(v128.load(p3, 48), signs), sizes, ones);
    p += 64;
    q += 32;
  }
  const constants = i32x4.splat(constant);
  v128.store(scratch, i32x4.add(constants, sumsOf(a, b, c, d)), SCRATCH);
  v128.store(scratch, i32x4.add(constants, sumsOf(e, f, g, h)), SCRATCH + 64);
  v128.store(scratch, i32x4.add(constants, sumsOf(i, j, k, l)), SCRATCH + 128);
  v128.store(scratch, i32x4.add(constants, sumsOf(m, n, o, r)), SCRATCH + 192);
}

// The sum of each.
// @ts-ignore: decorator
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

// binary: 16 rows' first bytes, then their second bytes, and so on; codeBytes is a multiple of 8. query: a table of 16 sums
// for each half byte. Groups are taken by twos, one of each half: they share the tables, and memory has two streams to bring.
export function scanBinary(groups: usize, codeBytes: u32, count: u32, row: u32, mask: usize, query: usize, constant: i32, kept: usize): void {
  const factors = <usize>codeBytes << 4;
  const groupBytes = factors + factorBytes(kept);
  const half = (count + 15) >> 5;
  const apart = half * groupBytes;
  let group = groups;
  for (let i: u32 = 0; i < half; i++) {
    const first = i << 4, second = (half + i) << 4;
    const w0 = rowsOf(mask, first, count), w1 = rowsOf(mask, second, count);
    if (w0 | w1) binaryTwo(group, apart, codeBytes, query, constant, kept + SCRATCH);
    if (w0) offer(w0, group + factors, row + first, kept, SCRATCH);
    if (w1) offer(w1, group + apart + factors, row + second, kept, SCRATCH + 64);
    group += groupBytes;
  }
  group = groups + 2 * apart;
  const last = half << 5;
  const wanted = last < count ? rowsOf(mask, last, count) : 0;
  if (!wanted) return;
  binaryTwo(group, 0, codeBytes, query, constant, kept + SCRATCH);
  offer(wanted, group + factors, row + last, kept, SCRATCH);
}

// The integers of two groups, into the scratch of each.
function binaryTwo(group: usize, apart: usize, codeBytes: u32, query: usize, constant: i32, scratch: usize): void {
  // From memory: V8 would make a constant again and again.
  v128.store(scratch, i8x16.splat(15));
  const low = v128.load(scratch);
  const constants = i32x4.splat(constant);
  for (let i: usize = 0; i < 128; i += 16) v128.store(scratch + i, constants);
  let p = group;
  let q = query;
  const end = group + (<usize>codeBytes << 4);
  while (p < end) {
    // A half byte adds at most 60: four fill 8 bits, and 512 bytes (1024 of them) fill 16.
    const pieceEnd = end - p > 8192 ? p + 8192 : end;
    let pairs = i16x8.splat(0), odd = pairs, pairs1 = pairs, odd1 = pairs;
    while (p < pieceEnd) {
      const t0 = v128.load(q, 0), t1 = v128.load(q, 16), t2 = v128.load(q, 32), t3 = v128.load(q, 48);
      const p1 = p + apart;
      const sum = eightOf(v128.load(p, 0), v128.load(p, 16), t0, t1, t2, t3, low);
      const sum1 = eightOf(v128.load(p1, 0), v128.load(p1, 16), t0, t1, t2, t3, low);
      // Even row + 256 * odd row, which overflows; the odd rows' sums say by how much.
      pairs = i16x8.add(pairs, sum);
      odd = i16x8.add(odd, i16x8.shr_u(sum, 8));
      pairs1 = i16x8.add(pairs1, sum1);
      odd1 = i16x8.add(odd1, i16x8.shr_u(sum1, 8));
      p += 32;
      q += 64;
    }
    subtract(pairs, odd, scratch);
    subtract(pairs1, odd1, scratch + 64);
  }
}

// The sums of two bytes of each of 16 rows.
// @ts-ignore: decorator
@inline
function eightOf(x: v128, y: v128, t0: v128, t1: v128, t2: v128, t3: v128, low: v128): v128 {
  return i8x16.add(
    i8x16.add(lookUp(t0, v128.and(x, low)), lookUp(t1, v128.and(i16x8.shr_u(x, 4), low))),
    i8x16.add(lookUp(t2, v128.and(y, low)), lookUp(t3, v128.and(i16x8.shr_u(y, 4), low))),
  );
}

// Twice the sums of 16 rows, from the integers at `target`.
// @ts-ignore: decorator
@inline
function subtract(pairs: v128, odd: v128, target: usize): void {
  const even = i16x8.sub(pairs, i16x8.shl(odd, 8));
  const lower = i8x16.shuffle(even, odd, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
  const upper = i8x16.shuffle(even, odd, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
  v128.store(target, i32x4.sub(v128.load(target, 0), i32x4.shl(i32x4.extend_low_i16x8_u(lower), 1)), 0);
  v128.store(target, i32x4.sub(v128.load(target, 16), i32x4.shl(i32x4.extend_high_i16x8_u(lower), 1)), 16);
  v128.store(target, i32x4.sub(v128.load(target, 32), i32x4.shl(i32x4.extend_low_i16x8_u(upper), 1)), 32);
  v128.store(target, i32x4.sub(v128.load(target, 48), i32x4.shl(i32x4.extend_high_i16x8_u(upper), 1)), 48);
}

// Entries are 0 to 15, for which both do the same; the strict one checks each time.
// @ts-ignore: decorator
@inline
function lookUp(table: v128, entries: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, entries) : i8x16.swizzle(table, entries);
}

// One bit for each of the group's rows that is to be looked at.
// @ts-ignore: decorator
@inline
function rowsOf(mask: usize, first: u32, count: u32): u32 {
  if (mask) return load<u16>(mask + (first >> 3));
  return count - first < 16 ? (1 << (count - first)) - 1 : 0xffff;
}

// @ts-ignore: decorator
@inline
function factorBytes(kept: usize): usize {
  return <usize>load<u32>(kept, 16) << 6;
}

// Makes similarities of a group's integers in the scratch, and keeps the rows that are not below the threshold.
// offset: of the group's scratch.
function offer(wanted: u32, factors: usize, row: u32, kept: usize, offset: usize): void {
  const scratch = kept + offset;
  const threshold = v128.load32_splat(kept, 12);
  const count = load<u32>(kept, 16);
  const scale = v128.load32_splat(kept, 20), weight1 = v128.load32_splat(kept, 24), weight2 = v128.load32_splat(kept, 28);
  let found: u32 = 0;
  for (let i: usize = 0; i < 64; i += 16) {
    let s = f32x4.mul(f32x4.convert_i32x4_s(v128.load(scratch + i)), v128.load(factors + i));
    s = f32x4.mul(s, scale);
    if (count > 1) s = f32x4.add(s, f32x4.mul(v128.load(factors + i, 64), weight1));
    if (count > 2) s = f32x4.add(s, f32x4.mul(v128.load(factors + i, 128), weight2));
    s = f32x4.add(s, f32x4.splat(0)); // no -0, which is another integer than 0
    v128.store(scratch + i, s);
    found |= i32x4.bitmask(f32x4.ge(s, threshold)) << <u32>(i >> 2);
  }
  for (let rows = found & wanted; rows; rows &= rows - 1) {
    const i = ctz(rows);
    const s = load<f32>(scratch + (<usize>i << 2));
    // Each may have raised the threshold for the next.
    if (s >= load<f32>(kept, 12)) keep(kept, s, row + i);
  }
}

function keep(kept: usize, s: f32, row: u32): void {
  const bits = reinterpret<u32>(s);
  const order = bits & 0x80000000 ? ~bits : bits | 0x80000000;
  const size = sizeOf(kept);
  store<u64>(keyOf(kept, size), ((<u64>order) << 32) | <u64>(~row));
  store<u32>(kept, size + 1, 8);
  if (size + 1 == load<u32>(kept)) select(kept);
}

// Quickselect: the `wanted` highest keys come first, the lowest of them last.
function select(kept: usize): void {
  const target = <i32>wantedOf(kept) - 1;
  let left: i32 = 0;
  let right = <i32>sizeOf(kept) - 1;
  while (left < right) {
    const pivot = keyAt(kept, (left + right) >> 1);
    let i = left;
    let j = right;
    while (i <= j) {
      while (keyAt(kept, i) > pivot) i++;
      while (keyAt(kept, j) < pivot) j--;
      if (i > j) break;
      const key = keyAt(kept, i);
      store<u64>(keyOf(kept, i), keyAt(kept, j));
      store<u64>(keyOf(kept, j), key);
      i++;
      j--;
    }
    if (target <= j) right = j;
    else if (target >= i) left = i;
    else break;
  }
  store<u32>(kept, wantedOf(kept), 8);
  const order = <u32>(keyAt(kept, target) >> 32);
  store<f32>(kept, reinterpret<f32>(order & 0x80000000 ? order & 0x7fffffff : ~order), 12);
}

// @ts-ignore: decorator
@inline
function wantedOf(kept: usize): u32 {
  return load<u32>(kept, 4);
}

// @ts-ignore: decorator
@inline
function sizeOf(kept: usize): u32 {
  return load<u32>(kept, 8);
}

// @ts-ignore: decorator
@inline
function keyAt(kept: usize, i: i32): u64 {
  return load<u64>(keyOf(kept, i));
}

// @ts-ignore: decorator
@inline
function keyOf(kept: usize, i: u32): usize {
  return kept + KEYS + (<usize>i << 3);
}

// AssemblyScript, SIMD128: scans rows in WASM memory and keeps the best in a heap there, so that no score ever crosses
// to JavaScript. Pointers are unsigned: memory may be 4 GB. One row at a time with four accumulators: blocking rows was
// 2.4 times slower from memory. Summation order is part of the error bound in `bounds.ts`.

const COSINE = 0;
const DOT = 1;
const L2 = 2;
const L1 = 3;
const HAMMING = 4;
const JACCARD = 5;

// The heap: `capacity` entries of 8 bytes, f32 similarity and u32 row; the worst of the kept at the root.
let heap: usize = 0;
let capacity: u32 = 0;
let size: u32 = 0;
// What a row must exceed to enter.
let threshold: f32 = -Infinity;

/** Empties the heap and places it. */
export function begin(at: usize, entries: u32): void {
  heap = at;
  capacity = entries;
  size = 0;
  threshold = -Infinity;
}

/** Number of kept rows. */
export function kept(): u32 {
  return size;
}

// mask: 0, or one bit a row, bits at and above `count` zero. stride: bytes of a row, a multiple of 16.
// row: number of the first row.
export function scanCosine(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scan(COSINE, rows, inverse, query, stride, count, row, mask);
}
export function scanDot(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scan(DOT, rows, inverse, query, stride, count, row, mask);
}
export function scanL2(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scan(L2, rows, inverse, query, stride, count, row, mask);
}
export function scanL1(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scan(L1, rows, inverse, query, stride, count, row, mask);
}
export function scanHamming(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scanBits(HAMMING, rows, inverse, query, stride, count, row, mask);
}
export function scanJaccard(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  scanBits(JACCARD, rows, inverse, query, stride, count, row, mask);
}
function scanBits(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  for (let i: u32 = 0; i < count; i += 32) {
    for (let word = wordOf(mask, i, count); word; word &= word - 1) {
      const j = i + ctz(word);
      const s = similarityOfBits(metric, rows + <usize>j * stride, query, stride);
      if (s > threshold) keep(s, row + j);
    }
  }
}

// Writes the numbers of the rows that are not below `least` (NaN is not below) to `out`, and returns how many.
// Runs seldom, so that one function for all metrics is worth its kilobytes less.
export function collect(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize, least: f32, out: usize): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < count; i += 32) {
    for (let word = wordOf(mask, i, count); word; word &= word - 1) {
      const j = i + ctz(word);
      const p = rows + <usize>j * stride;
      let s: f32;
      if (metric == L2) s = similarity(L2, p, query, stride);
      else if (metric == L1) s = similarity(L1, p, query, stride);
      else if (metric >= HAMMING) s = similarityOfBits(metric, p, query, stride);
      else s = similarity(DOT, p, query, stride);
      if (metric == COSINE) s *= load<f32>(inverse + (<usize>j << 2));
      if (!(s < least)) {
        store<u32>(out + (<usize>found << 2), row + j);
        found++;
      }
    }
  }
  return found;
}

// The sums of canonical scores (`js.ts`): in float64, first number to last, each row in a lane of its own. Four rows at a time,
// so that one waits for its sum while another adds. list: addresses of the rows. count: rounded up to four. query: float64, zeros after its end, as rows
// have: adding a product of zeros changes no sum (but -0, which no score is). out: for each row its sum with the query and, of
// products, its sum of squares.
export function sumProducts(list: usize, count: u32, query: usize, stride: usize, out: usize): void {
  sums(COSINE, list, count, query, stride, out);
}
export function sumDifferences(metric: i32, list: usize, count: u32, query: usize, stride: usize, out: usize): void {
  sums(metric, list, count, query, stride, out);
}
// The same of counted bits. query: float32, as the scans take it. For Jaccard, the second is how many are in either.
export function sumBits(metric: i32, list: usize, count: u32, query: usize, stride: usize, out: usize): void {
  for (let i: u32 = 0; i < count; i++, list += 4, out += 16)
    v128.store(out, f64x2.convert_low_i32x4_u(countBits(metric, <usize>load<u32>(list), query, stride)));
}

// @ts-ignore: decorator
@inline
function sums(metric: i32, list: usize, count: u32, query: usize, stride: usize, out: usize): void {
  for (let i: u32 = 0; i < count; i += 4, list += 16, out += 64) {
    let a = <usize>load<u32>(list, 0), b = <usize>load<u32>(list, 4);
    let c = <usize>load<u32>(list, 8), d = <usize>load<u32>(list, 12);
    let ab = f64x2.splat(0), cd = ab, abSquares = ab, cdSquares = ab;
    let q = query;
    const end = a + stride;
    while (a < end) {
      const ab01 = v128.shuffle<f32>(v128.load(a), v128.load(b), 0, 4, 1, 5);
      const ab23 = v128.shuffle<f32>(v128.load(a), v128.load(b), 2, 6, 3, 7);
      const cd01 = v128.shuffle<f32>(v128.load(c), v128.load(d), 0, 4, 1, 5);
      const cd23 = v128.shuffle<f32>(v128.load(c), v128.load(d), 2, 6, 3, 7);
      const ab0 = f64x2.promote_low_f32x4(ab01), ab1 = f64x2.promote_low_f32x4(upper(ab01));
      const ab2 = f64x2.promote_low_f32x4(ab23), ab3 = f64x2.promote_low_f32x4(upper(ab23));
      const cd0 = f64x2.promote_low_f32x4(cd01), cd1 = f64x2.promote_low_f32x4(upper(cd01));
      const cd2 = f64x2.promote_low_f32x4(cd23), cd3 = f64x2.promote_low_f32x4(upper(cd23));
      const q0 = v128.load64_splat(q, 0), q1 = v128.load64_splat(q, 8);
      const q2 = v128.load64_splat(q, 16), q3 = v128.load64_splat(q, 24);
      ab = add4(ab, wide(metric, ab0, q0), wide(metric, ab1, q1), wide(metric, ab2, q2), wide(metric, ab3, q3));
      cd = add4(cd, wide(metric, cd0, q0), wide(metric, cd1, q1), wide(metric, cd2, q2), wide(metric, cd3, q3));
      if (metric == COSINE) {
        abSquares = add4(abSquares, wide(DOT, ab0, ab0), wide(DOT, ab1, ab1), wide(DOT, ab2, ab2), wide(DOT, ab3, ab3));
        cdSquares = add4(cdSquares, wide(DOT, cd0, cd0), wide(DOT, cd1, cd1), wide(DOT, cd2, cd2), wide(DOT, cd3, cd3));
      }
      q += 32;
      a += 16;
      b += 16;
      c += 16;
      d += 16;
    }
    v128.store(out, v128.shuffle<f64>(ab, abSquares, 0, 2), 0);
    v128.store(out, v128.shuffle<f64>(ab, abSquares, 1, 3), 16);
    v128.store(out, v128.shuffle<f64>(cd, cdSquares, 0, 2), 32);
    v128.store(out, v128.shuffle<f64>(cd, cdSquares, 1, 3), 48);
  }
}

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return v128.shuffle<f64>(x, x, 1, 1);
}

// @ts-ignore: decorator
@inline
function add4(sum: v128, a: v128, b: v128, c: v128, d: v128): v128 {
  return f64x2.add(f64x2.add(f64x2.add(f64x2.add(sum, a), b), c), d);
}

// @ts-ignore: decorator
@inline
function wide(metric: i32, x: v128, y: v128): v128 {
  if (metric == COSINE || metric == DOT) return f64x2.mul(x, y);
  const difference = f64x2.sub(y, x);
  return metric == L2 ? f64x2.mul(difference, difference) : f64x2.abs(difference);
}

// `metric` is a literal at each call, so that its branches fold away once inlined.
// @ts-ignore: decorator
@inline
function scan(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, mask: usize): void {
  for (let i: u32 = 0; i < count; i += 32) {
    for (let word = wordOf(mask, i, count); word; word &= word - 1) {
      const j = i + ctz(word);
      let s = similarity(metric, rows + <usize>j * stride, query, stride);
      if (metric == COSINE) s *= load<f32>(inverse + (<usize>j << 2));
      if (s > threshold) keep(s, row + j);
    }
  }
}

// One bit for each of the 32 rows from `i` on that is to be looked at.
// @ts-ignore: decorator
@inline
function wordOf(mask: usize, i: u32, count: u32): u32 {
  if (mask) return load<u32>(mask + (i >> 3));
  return count - i < 32 ? (1 << (count - i)) - 1 : 0xffffffff;
}

// @ts-ignore: decorator
@inline
function similarity(metric: i32, row: usize, query: usize, stride: usize): f32 {
  let a = f32x4.splat(0), b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  let p = row;
  let q = query;
  const end = row + stride;
  const unrolledEnd = row + (stride & ~63);
  while (p < unrolledEnd) {
    a = f32x4.add(a, term(metric, v128.load(p, 0), v128.load(q, 0)));
    b = f32x4.add(b, term(metric, v128.load(p, 16), v128.load(q, 16)));
    c = f32x4.add(c, term(metric, v128.load(p, 32), v128.load(q, 32)));
    d = f32x4.add(d, term(metric, v128.load(p, 48), v128.load(q, 48)));
    p += 64;
    q += 64;
  }
  while (p < end) {
    a = f32x4.add(a, term(metric, v128.load(p, 0), v128.load(q, 0)));
    p += 16;
    q += 16;
  }
  a = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  const sum = f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3));
  return metric == L2 || metric == L1 ? -sum : sum;
}

// Exact: counts of bits are whole, and the quotient is rounded once.
function similarityOfBits(metric: i32, row: usize, query: usize, stride: usize): f32 {
  const counts = countBits(metric, row, query, stride);
  const first = <f32>i32x4.extract_lane(counts, 0);
  if (metric == HAMMING) return -first;
  const either = <f32>i32x4.extract_lane(counts, 1);
  return either == 0 ? 1 : first / either;
}

// How many numbers are above 0 in one of both alone (Hamming), or in both and in either (Jaccard).
// @ts-ignore: decorator
@inline
function countBits(metric: i32, row: usize, query: usize, stride: usize): v128 {
  const zero = f32x4.splat(0);
  let a = i32x4.splat(0), b = a;
  const end = row + stride;
  while (row < end) {
    const x = f32x4.gt(v128.load(row), zero);
    const y = f32x4.gt(v128.load(query), zero);
    if (metric == HAMMING) a = i32x4.sub(a, v128.xor(x, y));
    else {
      a = i32x4.sub(a, v128.and(x, y));
      b = i32x4.sub(b, v128.or(x, y));
    }
    row += 16;
    query += 16;
  }
  // (a0 + a2, b0 + b2, a1 + a3, b1 + b3), and then the sums of these two halves.
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  return i32x4.add(ab, v128.shuffle<i64>(ab, ab, 1, 0));
}

// @ts-ignore: decorator
@inline
function term(metric: i32, x: v128, y: v128): v128 {
  if (metric == L2) {
    const difference = f32x4.sub(x, y);
    return f32x4.mul(difference, difference);
  }
  if (metric == L1) return f32x4.abs(f32x4.sub(x, y));
  return f32x4.mul(x, y);
}

// Which of equals at the border stay does not matter: the caller finds the border uncertain, and looks at all of them.
function keep(s: f32, row: u32): void {
  let hole: u32 = 0;
  if (size < capacity) {
    hole = size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (s >= similarityAt(parent)) break;
      put(hole, similarityAt(parent), rowAt(parent));
      hole = parent;
    }
  } else {
    for (let child: u32 = 1; child < size; child = hole * 2 + 1) {
      const right = child + 1;
      if (right < size && similarityAt(right) < similarityAt(child)) child = right;
      if (similarityAt(child) >= s) break;
      put(hole, similarityAt(child), rowAt(child));
      hole = child;
    }
  }
  put(hole, s, row);
  if (size == capacity) threshold = similarityAt(0);
}

// @ts-ignore: decorator
@inline
function similarityAt(entry: u32): f32 {
  return load<f32>(heap + (<usize>entry << 3));
}

// @ts-ignore: decorator
@inline
function rowAt(entry: u32): u32 {
  return load<u32>(heap + (<usize>entry << 3), 4);
}

// @ts-ignore: decorator
@inline
function put(entry: u32, s: f32, row: u32): void {
  store<f32>(heap + (<usize>entry << 3), s);
  store<u32>(heap + (<usize>entry << 3), row, 4);
}

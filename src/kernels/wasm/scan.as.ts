// AssemblyScript, SIMD128: scans rows in WASM memory and keeps the best in a heap there, so that no score ever crosses
// to JavaScript. Pointers are unsigned: memory may be 4 GB. Summation order is part of the error bound in `bounds.ts`.

const COSINE = 0;
const DOT = 1;
const L2 = 2;
const L1 = 3;
const HAMMING = 4;
const JACCARD = 5;

// A heap, the worst of the kept at its root: u32 capacity, u32 size, f32 threshold, 4 bytes of nothing; then entries of 8 bytes,
// f32 similarity and u32 row. A row must exceed the threshold to enter.
const ENTRIES: usize = 16;

/** Empties a heap. */
export function begin(heap: usize, capacity: u32): void {
  store<u32>(heap, capacity);
  store<u32>(heap, 0, 4);
  store<f32>(heap, -Infinity, 8);
}

/** Number of kept rows. */
export function kept(heap: usize): u32 {
  return load<u32>(heap, 4);
}

/** Writes which of `count` rows are in a mask, one bit a row, and returns how many. Bits at and above `count` are zero. */
export function listRows(mask: usize, count: u32, list: usize): u32 {
  let end = list;
  for (let i: u32 = 0; i < count; i += 32) {
    for (let word = load<u32>(mask + (i >> 3)); word; word &= word - 1) {
      store<u32>(end, i + ctz(word));
      end += 4;
    }
  }
  return <u32>((end - list) >> 2);
}

// list: 0, or which rows to look at, ascending. count: of these. stride: bytes of a row, a multiple of 16. row: number of the
// first row.
export function scanCosine(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scan(COSINE, rows, inverse, query, stride, count, row, list, heap);
}
export function scanDot(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scan(DOT, rows, inverse, query, stride, count, row, list, heap);
}
export function scanL2(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scan(L2, rows, inverse, query, stride, count, row, list, heap);
}
export function scanL1(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scan(L1, rows, inverse, query, stride, count, row, list, heap);
}
export function scanHamming(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scanSingly(HAMMING, rows, inverse, query, stride, 0, count, row, list, heap);
}
export function scanJaccard(rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  scanSingly(JACCARD, rows, inverse, query, stride, 0, count, row, list, heap);
}

// Four rows at a time, one of each quarter: memory is read in four streams, which bring half as much again as one where one
// does not fill the way from it, and the four share the reading of the query. `metric` is a literal at each call, so that
// its branches fold away once inlined.
// @ts-ignore: decorator
@inline
function scan(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, heap: usize): void {
  const quarter = count >> 2;
  for (let i: u32 = 0; i < quarter; i++) {
    const a = rowAt(list, i), b = rowAt(list, i + quarter), c = rowAt(list, i + 2 * quarter), d = rowAt(list, i + 3 * quarter);
    let s = similarities(metric, rows + a * stride, rows + b * stride, rows + c * stride, rows + d * stride, query, stride);
    if (metric == COSINE) {
      let inverses = v128.load32_zero(inverse + (a << 2));
      inverses = v128.load32_lane(inverse + (b << 2), inverses, 1);
      inverses = v128.load32_lane(inverse + (c << 2), inverses, 2);
      inverses = v128.load32_lane(inverse + (d << 2), inverses, 3);
      s = f32x4.mul(s, inverses);
    }
    if (!v128.any_true(f32x4.gt(s, v128.load32_splat(heap, 8)))) continue;
    keepIfBetter(heap, f32x4.extract_lane(s, 0), row + <u32>a);
    keepIfBetter(heap, f32x4.extract_lane(s, 1), row + <u32>b);
    keepIfBetter(heap, f32x4.extract_lane(s, 2), row + <u32>c);
    keepIfBetter(heap, f32x4.extract_lane(s, 3), row + <u32>d);
  }
  scanSingly(metric, rows, inverse, query, stride, quarter << 2, count, row, list, heap);
}

function scanSingly(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, first: u32, count: u32, row: u32, list: usize, heap: usize): void {
  for (let i = first; i < count; i++) {
    const j = rowAt(list, i);
    keepIfBetter(heap, similarityOf(metric, rows, inverse, query, stride, j), row + <u32>j);
  }
}

// Writes the numbers of the rows that are not below `least` (NaN is not below) to `out`, which may be the list, and returns how many.
export function collect(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, count: u32, row: u32, list: usize, least: f32, out: usize): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const j = rowAt(list, i);
    if (similarityOf(metric, rows, inverse, query, stride, j) < least) continue;
    store<u32>(out + (<usize>found << 2), row + <u32>j);
    found++;
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

// @ts-ignore: decorator
@inline
function rowAt(list: usize, i: u32): usize {
  return list ? <usize>load<u32>(list + (<usize>i << 2)) : <usize>i;
}

// Of four rows. Of each 64 bytes the terms are added first, and then to the sum: as many additions on a term's way as with four
// sums a row, but one register.
// @ts-ignore: decorator
@inline
function similarities(metric: i32, p: usize, r: usize, s: usize, t: usize, query: usize, stride: usize): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let q = query;
  const end = p + stride;
  const unrolledEnd = p + (stride & ~63);
  while (p < unrolledEnd) {
    const w = v128.load(q, 0), x = v128.load(q, 16), y = v128.load(q, 32), z = v128.load(q, 48);
    a = f32x4.add(a, terms(metric, p, w, x, y, z));
    b = f32x4.add(b, terms(metric, r, w, x, y, z));
    c = f32x4.add(c, terms(metric, s, w, x, y, z));
    d = f32x4.add(d, terms(metric, t, w, x, y, z));
    p += 64;
    r += 64;
    s += 64;
    t += 64;
    q += 64;
  }
  while (p < end) {
    const x = v128.load(q);
    a = f32x4.add(a, term(metric, v128.load(p), x));
    b = f32x4.add(b, term(metric, v128.load(r), x));
    c = f32x4.add(c, term(metric, v128.load(s), x));
    d = f32x4.add(d, term(metric, v128.load(t), x));
    p += 16;
    r += 16;
    s += 16;
    t += 16;
    q += 16;
  }
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  const sums = f32x4.add(v128.shuffle<f64>(ab, cd, 0, 2), v128.shuffle<f64>(ab, cd, 1, 3));
  return metric == L2 || metric == L1 ? f32x4.neg(sums) : sums;
}

// @ts-ignore: decorator
@inline
function terms(metric: i32, row: usize, w: v128, x: v128, y: v128, z: v128): v128 {
  return f32x4.add(
    f32x4.add(term(metric, v128.load(row, 0), w), term(metric, v128.load(row, 16), x)),
    f32x4.add(term(metric, v128.load(row, 32), y), term(metric, v128.load(row, 48), z)),
  );
}

// Of one row, whatever the metric: where rows come singly, a function for each is not worth its kilobytes.
function similarityOf(metric: i32, rows: usize, inverse: usize, query: usize, stride: usize, j: usize): f32 {
  const p = rows + j * stride;
  if (metric >= HAMMING) return similarityOfBits(metric, p, query, stride);
  if (metric == L2) return similarity(L2, p, query, stride);
  if (metric == L1) return similarity(L1, p, query, stride);
  const s = similarity(DOT, p, query, stride);
  return metric == COSINE ? s * load<f32>(inverse + (j << 2)) : s;
}

// @ts-ignore: decorator
@inline
function similarity(metric: i32, row: usize, query: usize, stride: usize): f32 {
  let a = f32x4.splat(0);
  let p = row;
  let q = query;
  const end = row + stride;
  const unrolledEnd = row + (stride & ~63);
  while (p < unrolledEnd) {
    a = f32x4.add(a, terms(metric, p, v128.load(q, 0), v128.load(q, 16), v128.load(q, 32), v128.load(q, 48)));
    p += 64;
    q += 64;
  }
  while (p < end) {
    a = f32x4.add(a, term(metric, v128.load(p), v128.load(q)));
    p += 16;
    q += 16;
  }
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
// @ts-ignore: decorator
@inline
function keepIfBetter(heap: usize, s: f32, row: u32): void {
  if (s > load<f32>(heap, 8)) keep(heap, s, row);
}

function keep(heap: usize, s: f32, row: u32): void {
  const capacity = load<u32>(heap);
  let size = load<u32>(heap, 4);
  let hole: u32 = 0;
  if (size < capacity) {
    hole = size++;
    store<u32>(heap, size, 4);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (s >= similarityAt(heap, parent)) break;
      copy(heap, parent, hole);
      hole = parent;
    }
  } else {
    for (let child: u32 = 1; child < size; child = hole * 2 + 1) {
      const right = child + 1;
      if (right < size && similarityAt(heap, right) < similarityAt(heap, child)) child = right;
      if (similarityAt(heap, child) >= s) break;
      copy(heap, child, hole);
      hole = child;
    }
  }
  store<f32>(entry(heap, hole), s);
  store<u32>(entry(heap, hole), row, 4);
  if (size == capacity) store<f32>(heap, similarityAt(heap, 0), 8);
}

// @ts-ignore: decorator
@inline
function similarityAt(heap: usize, i: u32): f32 {
  return load<f32>(entry(heap, i));
}

// @ts-ignore: decorator
@inline
function copy(heap: usize, from: u32, to: u32): void {
  store<u64>(entry(heap, to), load<u64>(entry(heap, from)));
}

// @ts-ignore: decorator
@inline
function entry(heap: usize, i: u32): usize {
  return heap + ENTRIES + (<usize>i << 3);
}

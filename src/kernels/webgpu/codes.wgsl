// Rows as codes of coder.ts. Everything is done in integers, float32 arithmetic too: WGSL leaves it to the driver how to round,
// whether to keep subnormal numbers and what to fuse, and candidates must be the same rows on every device.

const SIGN = 0x80000000u;
const INFINITY = 0x7f800000u;
const NAN = 0x7fc00000u;

alias Sum = i32;
alias Total = i32;

fn add(sum: Sum, x: vec4u, at: u32) -> Sum {
  if (BINARY) {
    // A bit selects u or 15 - u, which is u with all 4 bits turned: bit by bit of u, an exclusive or.
    let ones = countOneBits(x ^ tile[at]) + 2u * countOneBits(x ^ tile[at + 1u])
      + 4u * countOneBits(x ^ tile[at + 2u]) + 8u * countOneBits(x ^ tile[at + 3u]);
    return sum + i32(ones.x + ones.y + ones.z + ones.w);
  }
  let q = tile[at];
  return sum + dot4(x.x, q.x) + dot4(x.y, q.y) + dot4(x.z, q.z) + dot4(x.w, q.w);
}

fn folded(sum: Sum) -> Total {
  return sum;
}

fn keyOf(sum: Total, at: u32, search: Search) -> u32 {
  var integer = sum;
  if (BINARY) { integer = search.constant - 2 * sum; }
  let magnitude = u32(abs(integer));
  var similarity = multiply(rounded(select(0u, SIGN, integer < 0), 0, magnitude), factors[at]);
  if (METRIC == L2) { similarity = multiply(similarity, bitcast<u32>(search.scale)); }
  if (FACTORS > 1u) { similarity = sum2(similarity, multiply(factors[at + GROUP], bitcast<u32>(search.weight1))); }
  if (FACTORS > 2u) { similarity = sum2(similarity, multiply(factors[at + 2u * GROUP], bitcast<u32>(search.weight2))); }
  // Below all others: NaN and -Infinity are no similarities.
  if ((similarity & ~SIGN) > INFINITY || similarity == (SIGN | INFINITY)) { return 1u; }
  return orderedKey(select(similarity, 0u, similarity == SIGN));
}

// Float32 numbers as their bits. Results are rounded to the nearest, ties to even, as JavaScript's Math.fround does.

fn multiply(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & SIGN;
  let x = a & ~SIGN;
  let y = b & ~SIGN;
  if (x > INFINITY || y > INFINITY) { return NAN; }
  if (x == INFINITY || y == INFINITY) { return select(sign | INFINITY, NAN, x == 0u || y == 0u); }
  // 24 by 24 bits, subnormal numbers too, in halves of 12. What is below the 17th bit only says whether it is zero.
  let lifted = vec2u(mantissa(x), mantissa(y));
  let lift = countLeadingZeros(lifted) - 8u;
  let m = vec2u((lifted.x << lift.x) >> 12u, (lifted.x << lift.x) & 4095u);
  let n = vec2u((lifted.y << lift.y) >> 12u, (lifted.y << lift.y) & 4095u);
  let low = m.y * n.y;
  let middle = m.x * n.y + m.y * n.x + (low >> 12u);
  let rest = select(0u, 1u, ((middle & 31u) | (low & 4095u)) != 0u);
  return rounded(sign, exponent(x) + exponent(y) + 17 - i32(lift.x + lift.y), (((m.x * n.x) << 7u) + (middle >> 5u)) | rest);
}

fn sum2(a: u32, b: u32) -> u32 {
  // x is the larger in size.
  let inOrder = (a & ~SIGN) >= (b & ~SIGN);
  let larger = select(b, a, inOrder);
  let smaller = select(a, b, inOrder);
  let x = larger & ~SIGN;
  let y = smaller & ~SIGN;
  let opposed = ((a ^ b) & SIGN) != 0u;
  if (x >= INFINITY) { return select(larger, NAN, x > INFINITY || (y == INFINITY && opposed)); }
  let m = mantissa(x) << 6u;
  let n = shiftedDown(mantissa(y) << 6u, exponent(x) - exponent(y));
  return rounded(larger & SIGN, exponent(x) - 6, select(m + n, m - n, opposed));
}

// A finite number without sign is mantissa * 2 ** exponent.
fn mantissa(x: u32) -> u32 {
  return select((x & 0x7fffffu) | 0x800000u, x, x < 0x800000u);
}

fn exponent(x: u32) -> i32 {
  return i32(max(x >> 23u, 1u)) - 150;
}

// The float32 nearest to number * 2 ** exponent. number: below 2 ** 31; above 2 ** 24 its last bit may stand for what follows it.
fn rounded(sign: u32, exponent: i32, number: u32) -> u32 {
  if (number == 0u) { return sign; }
  let shift = countLeadingZeros(number) - 1u;
  // As 1.xxx * 2 ** (biased - 127), xxx in 30 bits, of which 23 stay.
  let biased = exponent - i32(shift) + 157;
  if (biased > 254) { return sign | INFINITY; }
  let m = shiftedDown(number << shift, max(0, 1 - biased));
  let rest = m & 127u;
  let up = select(0u, 1u, rest > 64u || (rest == 64u && (m & 128u) != 0u));
  // The mantissa's first bit, and a carry, count up the exponent.
  return sign | ((u32(max(biased, 1) - 1) << 23u) + (m >> 7u) + up);
}

// The last bit stays set if any that were shifted out was.
fn shiftedDown(number: u32, by: i32) -> u32 {
  if (by > 31) { return select(0u, 1u, number != 0u); }
  let kept = number >> u32(by);
  return kept | select(0u, 1u, (kept << u32(by)) != number);
}

// Rows as numbers, float32 or (where HALVES) float16: 4 or 8 of them a piece; sums in float32. The similarity is that of
// bounds.ts. Halves are read by a function that every device has, so that no feature is needed and only the memory is halved.

alias Sum = vec4f;
alias Total = f32;

fn add(sum: Sum, x: vec4u, at: u32) -> Sum {
  let q = bitcast<vec4f>(tile[at]);
  if (HALVES) {
    let r = bitcast<vec4f>(tile[at + 1u]);
    let a = vec4f(unpack2x16float(x.x), unpack2x16float(x.y));
    let b = vec4f(unpack2x16float(x.z), unpack2x16float(x.w));
    return fma(b, r, fma(a, q, sum));
  }
  let a = bitcast<vec4f>(x);
  if (METRIC == L2) {
    let difference = q - a;
    return fma(difference, difference, sum);
  }
  return fma(a, q, sum);
}

fn folded(sum: Sum) -> Total {
  return (sum.x + sum.y) + (sum.z + sum.w);
}

fn keyOf(sum: Total, at: u32, search: Search) -> u32 {
  var similarity = sum;
  if (METRIC == L2 && !HALVES) { similarity = -similarity; }
  if (FACTORS > 0u) { similarity *= bitcast<f32>(factors[at]); }
  if (FACTORS > 1u) { similarity -= bitcast<f32>(factors[at + GROUP]); }
  return orderedKey(bitcast<u32>(similarity));
}

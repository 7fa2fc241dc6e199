// The dot product of four signed bytes and four others, where the language has no `dot4I8Packed`.
fn dot4(a: u32, b: u32) -> i32 {
  let places = vec4u(24u, 16u, 8u, 0u);
  let x = bitcast<vec4i>(vec4u(a) << places) >> vec4u(24u);
  let y = bitcast<vec4i>(vec4u(b) << places) >> vec4u(24u);
  return x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
}

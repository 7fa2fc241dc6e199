// Scores every row of one shard: one thread a row, 256 rows a workgroup, the query in workgroup memory, no barrier in the
// loop over a row and no subgroups (Firefox has none). Writes each row's key, and counts the keys' top 11 bits on the way.
// Keys order as similarities do; 0 is below all of them and stands for rows that are not asked for.

override METRIC: u32; // 0 cosine, 1 dot, 2 l2

const TILE = 256u; // 16-byte pieces of the query held at a time: 4 kB, beside 8 kB of counters, of the 16 kB that every adapter has
const COSINE = 0u;
const L2 = 2u;
const GROUP = 64u;

struct Search { rowCount: u32, masked: u32, wanted: u32, token: u32, chunk: u32, pieces: u32 }
struct Shard { firstGroup: u32, groupCount: u32 }

@group(0) @binding(0) var<uniform> search: Search;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;            // (pieces), zeros after the dimension
@group(0) @binding(2) var<storage, read> mask: array<u32>;               // a bit a row
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;         // (rows of all shards)
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>, 2048>;
@group(1) @binding(0) var<uniform> shard: Shard;
@group(1) @binding(1) var<storage, read> rows: array<vec4f>;             // (groups, pieces, 64): piece by piece, 64 rows side by side
@group(1) @binding(2) var<storage, read> inverseNorms: array<f32>;       // (groups * 64) of this shard; unused but for cosine

var<workgroup> tile: array<vec4f, TILE>;
var<workgroup> counts: array<atomic<u32>, 2048>;

@compute @workgroup_size(256)
fn scan(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) thread: u32) {
  for (var i = thread; i < 2048u; i += 256u) { atomicStore(&counts[i], 0u); }
  if (search.pieces <= TILE) { loadTile(0u, thread); }
  workgroupBarrier();

  for (var first = workgroup.x * 4u; first < shard.groupCount; first += workgroups.x * 4u) {
    let group = first + thread / GROUP;
    let row = (shard.firstGroup + group) * GROUP + thread % GROUP;
    // Threads 0-63 share one group, whose rows are two words of the mask: where both are 0, nothing is read.
    let inRange = group < shard.groupCount && row < search.rowCount;
    var reads = inRange;
    var asked = inRange;
    if (inRange && search.masked != 0u) {
      let word = row / GROUP * 2u;
      let words = vec2u(mask[word], mask[word + 1u]);
      reads = any(words != vec2u(0u));
      asked = ((words[(row >> 5u) & 1u] >> (row & 31u)) & 1u) != 0u;
    }

    let start = group * search.pieces * GROUP + thread % GROUP;
    var sums = Sums();
    if (search.pieces <= TILE) {
      if (reads) { sums = addPieces(sums, start, search.pieces); }
    } else {
      for (var piece = 0u; piece < search.pieces; piece += TILE) {
        workgroupBarrier();
        loadTile(piece, thread);
        workgroupBarrier();
        if (reads) { sums = addPieces(sums, start + piece * GROUP, min(TILE, search.pieces - piece)); }
      }
    }

    if (inRange) {
      let total = (sums.a + sums.b) + (sums.c + sums.d);
      var similarity = (total.x + total.y) + (total.z + total.w);
      if (METRIC == L2) { similarity = -similarity; }
      if (METRIC == COSINE) { similarity *= inverseNorms[group * GROUP + thread % GROUP]; }
      let key = select(0u, orderedKey(similarity), asked);
      keys[row] = key;
      if (asked) { atomicAdd(&counts[key >> 21u], 1u); }
    }
  }

  workgroupBarrier();
  for (var i = thread; i < 2048u; i += 256u) {
    let count = atomicLoad(&counts[i]);
    if (count > 0u) { atomicAdd(&histogram[i], count); }
  }
}

fn loadTile(piece: u32, thread: u32) {
  for (var i = thread; i < TILE && piece + i < search.pieces; i += 256u) { tile[i] = query[piece + i]; }
}

// Four sums a thread, so that four loads are under way at once. Their order is part of the bound in bounds.ts.
struct Sums { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn addPieces(before: Sums, start: u32, count: u32) -> Sums {
  var sums = before;
  var at = start;
  var i = 0u;
  for (; i + 4u <= count; i += 4u) {
    sums.a = add(sums.a, rows[at], tile[i]);
    sums.b = add(sums.b, rows[at + GROUP], tile[i + 1u]);
    sums.c = add(sums.c, rows[at + 2u * GROUP], tile[i + 2u]);
    sums.d = add(sums.d, rows[at + 3u * GROUP], tile[i + 3u]);
    at += 4u * GROUP;
  }
  for (; i < count; i++) {
    sums.a = add(sums.a, rows[at], tile[i]);
    at += GROUP;
  }
  return sums;
}

fn add(sum: vec4f, x: vec4f, q: vec4f) -> vec4f {
  if (METRIC == L2) {
    let difference = q - x;
    return fma(difference, difference, sum);
  }
  return fma(x, q, sum);
}

// Unsigned order of the keys is the numbers' order.
fn orderedKey(similarity: f32) -> u32 {
  let bits = bitcast<u32>(similarity);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// Picks the `wanted` highest keys, exactly, whatever their distribution: a radix select of 11, 11 and 10 bits. Each
// histogram is read by the next dispatch, in every workgroup for itself, so that no dispatch is spent on picking.
// Of equal keys at the border the lowest rows are taken.

// chunk: rows of one workgroup, a multiple of 256.
struct Search { rowCount: u32, masked: u32, wanted: u32, token: u32, chunk: u32, pieces: u32 }
// Written by workgroup 0 of one dispatch, read in the next.
struct State {
  prefix1: u32, // top 11 bits of the border key
  need1: u32,   // how many of the wanted begin with them
  prefix2: u32, // top 22 bits
  need2: u32,
  ties: u32,    // how many of the wanted have the border key itself
}
struct Found {
  token: u32,           // the search's: proof that this is its answer
  border: u32,          // lowest key found
  above: atomic<u32>,   // pairs whose key is higher
  total: u32,
  pairs: array<vec2u>,  // (wanted) of (row, key): those above the border in any order, then those at it
}

@group(0) @binding(0) var<uniform> search: Search;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>>; // (3, 2048)
@group(0) @binding(5) var<storage, read_write> state: State;
@group(0) @binding(6) var<storage, read_write> tieCounts: array<u32>;         // (workgroups)
@group(0) @binding(7) var<storage, read_write> found: Found;

struct Pick { bin: u32, need: u32 }

var<workgroup> counts: array<atomic<u32>, 2048>;
var<workgroup> sums: array<u32, 256>;
var<workgroup> picked: Pick;
var<workgroup> done: u32;

// Counts the middle 11 bits of the keys that begin as the border does.
@compute @workgroup_size(256)
fn refineMiddle(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let top = pick(0u, search.wanted, thread);
  if (workgroup.x == 0u && thread == 0u) {
    state.prefix1 = top.bin;
    state.need1 = top.need;
  }
  clearCounts(thread);
  let end = chunkEnd(workgroup.x);
  for (var row = workgroup.x * search.chunk + thread; row < end; row += 256u) {
    let key = keys[row];
    if (key >> 21u == top.bin) { atomicAdd(&counts[(key >> 10u) & 2047u], 1u); }
  }
  flushCounts(1u, thread);
}

// Counts the last 10 bits of the keys whose first 22 are the border's.
@compute @workgroup_size(256)
fn refineLast(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let middle = pick(1u, state.need1, thread);
  let prefix = (state.prefix1 << 11u) | middle.bin;
  if (workgroup.x == 0u && thread == 0u) {
    state.prefix2 = prefix;
    state.need2 = middle.need;
  }
  clearCounts(thread);
  let end = chunkEnd(workgroup.x);
  for (var row = workgroup.x * search.chunk + thread; row < end; row += 256u) {
    let key = keys[row];
    if (key >> 10u == prefix) { atomicAdd(&counts[key & 1023u], 1u); }
  }
  flushCounts(2u, thread);
}

// Writes the rows above the border, and counts those at it, workgroup by workgroup.
@compute @workgroup_size(256)
fn gather(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let last = pick(2u, state.need2, thread);
  let border = (state.prefix2 << 10u) | last.bin;
  if (workgroup.x == 0u && thread == 0u) {
    state.ties = last.need;
    found.token = search.token;
    found.border = border;
    found.total = search.wanted;
  }
  clearCounts(thread);
  let end = chunkEnd(workgroup.x);
  for (var row = workgroup.x * search.chunk + thread; row < end; row += 256u) {
    let key = keys[row];
    if (key > border) {
      let slot = atomicAdd(&found.above, 1u);
      // Never beyond, unless a driver miscounts: then the answer is thrown away, and memory stays sound.
      if (slot < search.wanted) { found.pairs[slot] = vec2u(row, key); }
    } else if (key == border) {
      atomicAdd(&counts[0], 1u);
    }
  }
  workgroupBarrier();
  if (thread == 0u) { tieCounts[workgroup.x] = atomicLoad(&counts[0]); }
}

// Writes the lowest rows at the border. Each workgroup knows how many ties come before its own.
@compute @workgroup_size(256)
fn takeTies(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  var before = 0u;
  for (var i = thread; i < workgroup.x; i += 256u) { before += tieCounts[i]; }
  runningSum(before, thread);
  var taken = sums[255];

  let border = found.border;
  let ties = state.ties;
  let firstSlot = search.wanted - ties;
  for (var offset = 0u; offset < search.chunk; offset += 256u) {
    // Every thread has the same answer; going through one of them says so to the compiler.
    if (thread == 0u) { done = select(0u, 1u, taken >= ties); }
    if (workgroupUniformLoad(&done) == 1u) { break; }
    let row = workgroup.x * search.chunk + offset + thread;
    var isTie = 0u;
    if (row < search.rowCount) { isTie = select(0u, 1u, keys[row] == border); }
    let slot = taken + runningSum(isTie, thread) - isTie;
    if (isTie == 1u && slot < ties) { found.pairs[firstSlot + slot] = vec2u(row, border); }
    taken += sums[255];
  }
}

// The highest bin of a histogram above which fewer than `need` are counted, and how many of them to take from it.
fn pick(which: u32, need: u32, thread: u32) -> Pick {
  // Thread 0 has the 8 highest bins.
  var own: array<u32, 8>;
  var sum = 0u;
  for (var i = 0u; i < 8u; i++) {
    own[i] = atomicLoad(&histogram[which * 2048u + 2047u - thread * 8u - i]);
    sum += own[i];
  }
  var above = runningSum(sum, thread) - sum;
  for (var i = 0u; i < 8u; i++) {
    if (above < need && above + own[i] >= need) { picked = Pick(2047u - thread * 8u - i, need - above); }
    above += own[i];
  }
  return workgroupUniformLoad(&picked);
}

// The sum of the values of threads 0 .. thread. Leaves it in `sums`.
fn runningSum(value: u32, thread: u32) -> u32 {
  sums[thread] = value;
  workgroupBarrier();
  for (var distance = 1u; distance < 256u; distance <<= 1u) {
    var sum = sums[thread];
    if (thread >= distance) { sum += sums[thread - distance]; }
    workgroupBarrier();
    sums[thread] = sum;
    workgroupBarrier();
  }
  return sums[thread];
}

fn chunkEnd(workgroup: u32) -> u32 {
  return min((workgroup + 1u) * search.chunk, search.rowCount);
}

fn clearCounts(thread: u32) {
  for (var i = thread; i < 2048u; i += 256u) { atomicStore(&counts[i], 0u); }
  workgroupBarrier();
}

fn flushCounts(which: u32, thread: u32) {
  workgroupBarrier();
  for (var i = thread; i < 2048u; i += 256u) {
    let count = atomicLoad(&counts[i]);
    if (count > 0u) { atomicAdd(&histogram[which * 2048u + i], count); }
  }
}

// Picks the `wanted` highest keys of each query, exactly, whatever their distribution: a radix select of 11, 11 and 10 bits.
// Each histogram is read by the next dispatch, in every workgroup for itself, so that no dispatch is spent on picking.
// Of equal keys at the border the lowest rows are taken. Workgroup (x, y) has the x-th chunk of query y's keys.

// Written by the first workgroup of one dispatch, read in the next.
struct State {
  prefix1: u32, // top 11 bits of the border key
  need1: u32,   // how many of the wanted begin with them
  prefix2: u32, // top 22 bits
  need2: u32,
  ties: u32,    // how many of the wanted have the border key itself
}
struct Header {
  token: u32,         // the search's: proof that this is its answer
  border: u32,        // lowest key found
  above: atomic<u32>, // pairs whose key is higher
  total: u32,
}

@group(0) @binding(0) var<storage, read> searches: array<Search>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>>; // (queries, 3, 2048)
@group(0) @binding(5) var<storage, read_write> states: array<State>;
@group(0) @binding(6) var<storage, read_write> tieCounts: array<u32>;         // (queries, workgroups)
@group(0) @binding(7) var<storage, read_write> headers: array<Header>;
@group(0) @binding(8) var<storage, read_write> pairs: array<vec2u>;           // (wanted) of (position, key) a query: those above the border in any order, then those at it

struct Pick { bin: u32, need: u32 }

var<workgroup> counts: array<atomic<u32>, 2048>;
var<workgroup> sums: array<u32, 256>;
var<workgroup> picked: Pick;
var<workgroup> done: u32;

// Counts the top 11 bits, where the scan did not.
@compute @workgroup_size(256)
fn countTop(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let search = searches[workgroup.y];
  clearCounts(thread);
  let end = chunkEnd(search, workgroup.x);
  for (var i = workgroup.x * search.chunk + thread; i < end; i += 256u) {
    let key = keys[search.keysAt + i];
    if (key > 0u) { atomicAdd(&counts[key >> 21u], 1u); }
  }
  flushCounts(workgroup.y, 0u, thread);
}

// Counts the middle 11 bits of the keys that begin as the border does.
@compute @workgroup_size(256)
fn refineMiddle(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let search = searches[workgroup.y];
  let top = pick(workgroup.y, 0u, search.wanted, thread);
  if (workgroup.x == 0u && thread == 0u) {
    states[workgroup.y].prefix1 = top.bin;
    states[workgroup.y].need1 = top.need;
  }
  clearCounts(thread);
  let end = chunkEnd(search, workgroup.x);
  for (var i = workgroup.x * search.chunk + thread; i < end; i += 256u) {
    let key = keys[search.keysAt + i];
    if (key >> 21u == top.bin) { atomicAdd(&counts[(key >> 10u) & 2047u], 1u); }
  }
  flushCounts(workgroup.y, 1u, thread);
}

// Counts the last 10 bits of the keys whose first 22 are the border's.
@compute @workgroup_size(256)
fn refineLast(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let search = searches[workgroup.y];
  let middle = pick(workgroup.y, 1u, states[workgroup.y].need1, thread);
  let prefix = (states[workgroup.y].prefix1 << 11u) | middle.bin;
  if (workgroup.x == 0u && thread == 0u) {
    states[workgroup.y].prefix2 = prefix;
    states[workgroup.y].need2 = middle.need;
  }
  clearCounts(thread);
  let end = chunkEnd(search, workgroup.x);
  for (var i = workgroup.x * search.chunk + thread; i < end; i += 256u) {
    let key = keys[search.keysAt + i];
    if (key >> 10u == prefix) { atomicAdd(&counts[key & 1023u], 1u); }
  }
  flushCounts(workgroup.y, 2u, thread);
}

// Writes the rows above the border, and counts those at it, workgroup by workgroup.
@compute @workgroup_size(256)
fn compact(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let query = workgroup.y;
  let search = searches[query];
  let last = pick(query, 2u, states[query].need2, thread);
  let border = (states[query].prefix2 << 10u) | last.bin;
  if (workgroup.x == 0u && thread == 0u) {
    states[query].ties = last.need;
    headers[query].token = search.token;
    headers[query].border = border;
    headers[query].total = search.wanted;
  }
  clearCounts(thread);
  let end = chunkEnd(search, workgroup.x);
  for (var i = workgroup.x * search.chunk + thread; i < end; i += 256u) {
    let key = keys[search.keysAt + i];
    if (key > border) {
      let slot = atomicAdd(&headers[query].above, 1u);
      // Never beyond, unless a driver miscounts: then the answer is thrown away, and memory stays sound.
      if (slot < search.wanted) { pairs[search.pairsAt + slot] = vec2u(i, key); }
    } else if (key == border) {
      atomicAdd(&counts[0], 1u);
    }
  }
  workgroupBarrier();
  if (thread == 0u) { tieCounts[query * workgroups.x + workgroup.x] = atomicLoad(&counts[0]); }
}

// Writes the lowest rows at the border. Each workgroup knows how many ties come before its own.
@compute @workgroup_size(256)
fn takeTies(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let query = workgroup.y;
  let search = searches[query];
  var before = 0u;
  for (var i = thread; i < workgroup.x; i += 256u) { before += tieCounts[query * workgroups.x + i]; }
  runningSum(before, thread);
  var taken = sums[255];

  let border = headers[query].border;
  let ties = states[query].ties;
  let firstSlot = search.pairsAt + search.wanted - ties;
  for (var offset = 0u; offset < search.chunk; offset += 256u) {
    // Every thread has the same answer; going through one of them says so to the compiler.
    if (thread == 0u) { done = select(0u, 1u, taken >= ties); }
    if (workgroupUniformLoad(&done) == 1u) { break; }
    let i = workgroup.x * search.chunk + offset + thread;
    var isTie = 0u;
    if (i < search.count) { isTie = select(0u, 1u, keys[search.keysAt + i] == border); }
    let slot = taken + runningSum(isTie, thread) - isTie;
    if (isTie == 1u && slot < ties) { pairs[firstSlot + slot] = vec2u(i, border); }
    taken += sums[255];
  }
}

// The highest bin of a histogram above which fewer than `need` are counted, and how many of them to take from it.
fn pick(query: u32, which: u32, need: u32, thread: u32) -> Pick {
  let histogramAt = (query * 3u + which) * 2048u;
  // Thread 0 has the 8 highest bins.
  var own: array<u32, 8>;
  var sum = 0u;
  for (var i = 0u; i < 8u; i++) {
    own[i] = atomicLoad(&histogram[histogramAt + 2047u - thread * 8u - i]);
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

fn chunkEnd(search: Search, workgroup: u32) -> u32 {
  return min((workgroup + 1u) * search.chunk, search.count);
}

fn clearCounts(thread: u32) {
  for (var i = thread; i < 2048u; i += 256u) { atomicStore(&counts[i], 0u); }
  workgroupBarrier();
}

fn flushCounts(query: u32, which: u32, thread: u32) {
  workgroupBarrier();
  for (var i = thread; i < 2048u; i += 256u) {
    let count = atomicLoad(&counts[i]);
    if (count > 0u) { atomicAdd(&histogram[(query * 3u + which) * 2048u + i], count); }
  }
}

// The frame of every scan: each thread has a row, each workgroup 256 of them and a block of queries in its memory, and there is
// no barrier in the loop over a row. pipelines.ts puts the constants and a tier's `Sum`, `add`, `folded` and `keyOf` before it,
// a layout's way to sum a tile of the rows in place of SUM_TILE and what that needs to know in place of LANES, and repeats
// each line that begins with EACH for every query of a block, with its number for `$`.
// Writes a key a row and query. Keys order as similarities do; 0 is below them all: a row that is not asked for.

const GROUP = 64u;
const THREADS = 256u;

// A part of a shard. offset: its first group in the shard's buffers. pieces: of 16 bytes, of a row.
struct Range { firstGroup: u32, groupCount: u32, offset: u32, pieces: u32 }

@group(0) @binding(0) var<storage, read> searches: array<Search>;
@group(0) @binding(1) var<storage, read> queries: array<vec4u>;          // (queries, pieces, QUERY_PIECES)
@group(0) @binding(2) var<storage, read> selections: array<u32>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> histogram: array<atomic<u32>>; // (queries, 3, 2048)
@group(1) @binding(0) var<uniform> range: Range;
@group(1) @binding(1) var<storage, read> rows: array<vec4u>;             // interleaved (groups, pieces, 64): piece by piece, 64 rows side by side; row-major (groups, 64, pieces)
@group(1) @binding(2) var<storage, read> factors: array<u32>;            // (groups, FACTORS, 64)

var<workgroup> tile: array<vec4u, TILE * QUERIES * QUERY_PIECES>;
var<workgroup> counts: array<atomic<u32>, COUNTS>;

@compute @workgroup_size(256)
fn scan(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  LANES
) {
  let query = workgroup.y * QUERIES;
  if (COUNTED) { for (var i = thread; i < COUNTS; i += THREADS) { atomicStore(&counts[i], 0u); } }
  if (range.pieces <= TILE) { loadTile(query, 0u, thread); }
  workgroupBarrier();

  let listed = searches[query].selection == LIST;
  let groups = select(range.groupCount, (searches[query].count + GROUP - 1u) / GROUP, listed);
  for (var first = workgroup.x * 4u; first < groups; first += workgroups.x * 4u) {
    let place = first * GROUP + thread;
    var row = range.firstGroup * GROUP + place;
    var position = row;
    var here = place < groups * GROUP;
    if (listed) {
      let count = searches[query].count;
      row = selections[searches[query].selectionAt + min(place, count - 1u)];
      position = place;
      // Shards that the row is not in see a number that has wrapped around.
      here = place < count && row / GROUP - range.firstGroup < range.groupCount;
    }
    var reads = false;
    EACH let asked$ = here && isAsked(query + $u, row, listed);
    EACH reads = reads || asked$;

    let group = row / GROUP - range.firstGroup + range.offset;
    let start = group * range.pieces * GROUP + row % GROUP * select(1u, range.pieces, ROW_MAJOR);
    EACH var sum$ = Total();
    for (var done = 0u; done < range.pieces; done += TILE) {
      if (range.pieces > TILE) {
        workgroupBarrier();
        loadTile(query, done, thread);
        workgroupBarrier();
      }
      let count = min(TILE, range.pieces - done);
      // A sum a tile, so that no number goes through more than TILE roundings: part of the bound in rows.ts.
      SUM_TILE
    }
    let factorsAt = group * FACTORS * GROUP + row % GROUP;
    EACH if (here) { finish(query + $u, position, sum$, factorsAt, asked$); }
  }

  workgroupBarrier();
  if (COUNTED) {
    for (var i = thread; i < COUNTS; i += THREADS) {
      let count = atomicLoad(&counts[i]);
      if (count > 0u) { atomicAdd(&histogram[query * 3u * COUNTS + i], count); }
    }
  }
}

fn isAsked(query: u32, row: u32, listed: bool) -> bool {
  let search = searches[query];
  if (listed) { return true; }
  if (row >= search.count) { return false; }
  if (search.selection == ALL) { return true; }
  return ((selections[search.selectionAt + (row >> 5u)] >> (row & 31u)) & 1u) != 0u;
}

// Writes the key, and counts its top 11 bits.
fn finish(query: u32, position: u32, sum: Total, factorsAt: u32, asked: bool) {
  let search = searches[query];
  if (position >= search.count) { return; }
  var key = 0u;
  if (asked) {
    key = keyOf(sum, factorsAt, search);
    if (COUNTED) { atomicAdd(&counts[key >> 21u], 1u); }
  }
  keys[search.keysAt + position] = key;
}

fn loadTile(query: u32, piece: u32, thread: u32) {
  let count = min(TILE, range.pieces - piece) * QUERY_PIECES;
  for (var i = thread; i < count * QUERIES; i += THREADS) {
    let inBlock = i / count;
    tile[tileAt(inBlock, 0u) + i % count] = queries[((query + inBlock) * range.pieces + piece) * QUERY_PIECES + i % count];
  }
}

fn tileAt(inBlock: u32, piece: u32) -> u32 {
  return (inBlock * TILE + piece) * QUERY_PIECES;
}

// Unsigned order of the keys is the numbers' order.
fn orderedKey(bits: u32) -> u32 {
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

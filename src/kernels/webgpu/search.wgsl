// One query of a dispatch, as scan and selection read it. Written by scanner.ts.

// What a search looks at.
const ALL = 0u;
const MASK = 1u; // rows whose bit is set
const LIST = 2u; // rows of an ascending list; their positions in it take the place of row numbers. One query a block.

struct Search {
  count: u32,       // rows to look at, or length of the list; 0 for the places of a block that no query fills
  selection: u32,
  selectionAt: u32, // where mask or list begin
  wanted: u32,
  token: u32,
  keysAt: u32,      // where its keys begin
  pairsAt: u32,     // where its pairs begin
  chunk: u32,       // rows of one workgroup of the selection
  scale: f32,       // of a coded query, see coder.ts
  constant: i32,
  weight1: f32,
  weight2: f32,
}

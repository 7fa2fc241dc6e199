// The contract of every index: which rows are near a query. Knows rows and numbers; nothing of ids, records or disk.
import type { Bitset } from '../structures/bitset.ts';
import type { Device, Layout, Metric, Precision } from '../types.ts';

export interface VectorIndexOptions {
  dimension: number;
  metric: Metric;
}

/** What one search is to find. */
export interface VectorSearch {
  /** Shape: (dimension). Finite; not all zero where the metric is cosine. */
  query: Float32Array;
  /** 1 or more; fewer come back where fewer rows are in the mask. */
  k: number;
  /** Only rows before this one. Later ones may be on their way to disk still. @default all */
  rowCount?: number;
  /** Only these rows; holds at least `rowCount`. Left out: all. */
  mask?: Bitset;
  /** Rows that score less may be left out of the answer. A float32. @default none */
  minScore?: number;
  /** How many searches begin in this turn, this one among them. A GPU reads the rows once for several. @default 1 */
  batch?: number;
  /** Look at the float32 numbers of every row, whatever the index scans otherwise. @default false */
  exact?: boolean;
  /** Multiplies the number of candidates of binary codes. @default 1 */
  oversample?: number;
}

/** A small copy of some rows, as an index scans it and the store keeps it. */
export interface Codes {
  /** Names the way of coding. */
  scheme: number;
  /** Shape: (n, bytes of a record). */
  records: Uint8Array<ArrayBuffer>;
}

/** Rows found, best first: score descending, then row ascending. Same rows, order and scores on every device. */
export interface VectorHits {
  rows: Uint32Array;
  /** Scores as `Match.score` defines them, rounded to float32. Same length as `rows`. */
  scores: Float32Array;
  /** What answered (a lost GPU is answered by WASM within the call). */
  device: Device;
  /** Why that one, see `QueryPlan.route`. */
  route: string;
  /** What was scanned. The answer is certain unless it is 'binary'. */
  tier: Precision;
  /** How the rows that a GPU scanned lie there. */
  layout?: Layout;
  /** Workers that scanned, the engine's own included. @default 1 */
  workers?: number;
  /** How many rows the scan of codes left for the canonical score: those in doubt, where codes prove the answer. */
  candidates?: number;
  /** Of all searches that were answered together. */
  scanMs: number;
  rescoreMs: number;
}

export interface VectorIndex {
  readonly dimension: number;
  readonly metric: Metric;
  readonly rowCount: number;
  /** What it is made to scan. A GPU that is short of memory may scan less precisely, as exactly. */
  readonly tier: Precision;
  /** What would answer so many searches of one turn. */
  deviceFor(batch: number): Device;
  /** How its rows lie on the GPU; null where none are there. @default null */
  readonly layout?: Layout | null;
  /** Bytes held in each place. */
  readonly bytes: { gpu: number; memory: number };
  /** Workers that hold rows, the engine's own included. @default 1 */
  readonly workers?: number;
  /** Preferred batch size, of this many searches that could begin together; larger ones work but block the thread longer. */
  together(batch: number): number;
  /** A worker that held rows is gone. Searches reject with `LostRows`; the index is to be made anew. @default false */
  readonly isLost?: boolean;
  /**
   * Adds rows after the last one. `vectors`: (n, dimension), row-major, finite, as users wrote them (not normalised).
   * All-zero rows are allowed as place holders; callers mask them out. Copied before it returns. `codes`: theirs, if
   * they are known; those of another scheme are made anew.
   */
  append(vectors: Float32Array, codes?: Codes | null): void;
  /** Where the float32 numbers are, if something else is scanned. @default 'memory' */
  readonly originals?: 'memory' | 'file';
  /** Whether these codes of so many rows are enough for `restore`. @default never */
  areEnough?(codes: Codes, rowCount: number): boolean;
  /** Adds rows whose float32 numbers are elsewhere, by their codes and the lengths of their vectors. */
  restore?(codes: Codes, norms: Float64Array): void;
  /** What `append` would make of the rows besides their numbers, to be stored; null where the index has no codes. */
  encode(vectors: Float32Array): Codes | null;
  /**
   * Makes room: to be awaited before appends up to that many rows, which then cannot fail. `UNSUPPORTED` where memory ends.
   */
  reserve(rowCount: number): void | Promise<void>;
  /** Takes back the rows from `rowCount` on: what was to be written could not be. */
  truncate(rowCount: number): void;
  /** Copies of rows as they were appended, each of shape (dimension). */
  vectors(rows: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>[]>;
  search(search: VectorSearch): Promise<VectorHits>;
  /** Frees memory and buffers. Searches in flight still answer. */
  close(): void;
}

// The float32 numbers of an index's rows, by which candidates get their scores, where they are not in memory: some are read as they
// are needed. The answers are those of rows in memory, the same bits.
import { Norms } from '../kernels/bounds.ts';
import { vectorNorm } from '../kernels/js.ts';
import type { CanonicalHits, CpuRows, RowHits, RowSearch } from '../kernels/kernel.ts';
import type { Bitset } from '../structures/bitset.ts';
import { nextTask } from '../structures/slices.ts';
import { TopK } from '../structures/top-k.ts';

/** In memory, or elsewhere. See `CpuRows`. */
export interface Originals
  extends Pick<CpuRows, 'device' | 'norms' | 'rowCount' | 'bytes' | 'reserve' | 'append' | 'truncate' | 'close'> {
  /** Adds rows of which only the lengths are known here. */
  note?(norms: Float64Array): void;
  searchAll(searches: readonly RowSearch[]): RowHits[] | Promise<RowHits[]>;
  best(query: Float32Array, among: Iterable<number>, k: number): CanonicalHits | Promise<CanonicalHits>;
}

/**
 * Writes rows that are elsewhere into `target`, shape (rows, dimension). Returns the places of those that are damaged. Which rows are
 * meant is settled before it returns.
 */
export type ReadRows = (rows: ArrayLike<number>, target: Float32Array) => Promise<readonly number[]>;

/** Rows that are in memory at a time take as many bytes. */
const SLICE_BYTES = 1 << 20;

/** `scratch`: where rows are scored, some at a time. It must be empty, and is the originals' from now on. */
export function keptElsewhere(scratch: CpuRows, read: ReadRows): Originals {
  const { dimension, metric, device } = scratch;
  const norms = new Norms(metric);
  const sliceRows = Math.max(32, Math.floor(SLICE_BYTES / (dimension * 4)));
  let rowCount = 0;
  /** Where rows are read to, used again: garbage of a megabyte a query would stay for a while. */
  const idle: Float32Array[] = [];

  /** Of equal rows the lower one is in front in each slice, and in what is kept of all: they are scored in their order. */
  function best(query: Float32Array, among: Iterable<number>, k: number): Promise<CanonicalHits> {
    return bestOf(query, Uint32Array.from(among).sort(), k);
  }

  async function bestOf(query: Float32Array, sorted: Uint32Array, k: number): Promise<CanonicalHits> {
    const kept = new TopK(Math.min(k, sorted.length));
    for (let first = 0; first < sorted.length; first += sliceRows) {
      if (first > 0) await nextTask(); // all rows would hold the thread for seconds
      const rows = sorted.subarray(first, first + sliceRows);
      const room = idle.pop() ?? new Float32Array(sliceRows * dimension);
      const values = room.subarray(0, rows.length * dimension);
      const damaged = new Set(await read(rows, values));
      // Nothing is awaited from here on: several answers may be under way.
      scratch.truncate(0);
      scratch.append(values);
      if (idle.length === 0) idle.push(room);
      const whole = [...rows.keys()].filter((place) => !damaged.has(place));
      const hits = scratch.best(query, whole, Math.min(k, whole.length));
      for (const [i, place] of hits.rows.entries()) kept.push(rows[place]!, hits.scores[i]!);
    }
    return kept.take();
  }

  return {
    device,
    norms,
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return scratch.bytes;
    },
    reserve() {}, // nothing of them stays here
    append(vectors) {
      for (let at = 0; at < vectors.length; at += dimension) norms.add(rowCount++, vectorNorm(vectors, at, dimension));
    },
    note(added) {
      for (const norm of added) norms.add(rowCount++, norm);
    },
    truncate(count) {
      rowCount = count;
      norms.truncate(count);
    },
    async searchAll(searches) {
      const answers: RowHits[] = [];
      for (const { query, k, rowCount: end, mask } of searches) {
        const start = performance.now();
        const hits = await bestOf(query, ascendingRows(end, mask), k);
        answers.push({ ...hits, scanMs: performance.now() - start, rescoreMs: 0 });
      }
      return answers;
    },
    best,
    close: scratch.close,
  };
}

/** All rows before `end`, or those of them that `mask` has. Of a million in some milliseconds, which an iterator would take a quarter of a second for. */
function ascendingRows(end: number, mask?: Bitset): Uint32Array {
  const rows = new Uint32Array(mask ? Math.min(end, mask.count()) : end);
  let at = 0;
  for (let row = 0; row < end && at < rows.length; row++) if (!mask || mask.has(row)) rows[at++] = row;
  return rows.subarray(0, at);
}

/** Copies of rows, each of shape (dimension); zeros for one that is damaged. */
export async function copiesOf(read: ReadRows, rows: ArrayLike<number>, dimension: number) {
  const values = new Float32Array(rows.length * dimension);
  await read(rows, values);
  return Array.from(rows, (_, i) => values.slice(i * dimension, (i + 1) * dimension));
}

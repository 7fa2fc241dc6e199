// One collection's part of a fold: the rows that only the log holds become segments, the deletions a tombstone chunk, and what a
// compaction has written takes the place of what was there.
import type { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import { type ChunkValue, encodeSegment, joinBatches, type RowBatch } from './batch.ts';
import type { RowsState } from './collection-rows.ts';
import type { Compaction, MergePostings } from './compaction.ts';
import { encodeBlock } from './format.ts';
import type { ChunkRef, Manifest, StoredCollection } from './manifest.ts';
import { codesBy, type StoredCoder } from './recoding.ts';

export interface FoldOptions {
  /** Null where its rows are not to be renumbered. */
  compaction: Compaction | null;
  mergePostings: MergePostings;
  /** Makes the codes of the new segments; null where they are to have none. */
  coder: StoredCoder | null;
}

/** What the collection is when `next` is the manifest and `values`, to which this adds, are durable. Changes nothing of it before. */
export async function foldRows(
  rows: RowsState,
  { compaction, mergePostings, coder }: FoldOptions,
  next: Manifest,
  values: ChunkValue[],
): Promise<RowsState> {
  const { id: collection } = rows.stored;
  const { refused } = rows;
  const renumbering = compaction?.renumbering;
  const segments = compaction ? compaction.apply(rows.stored.segments) : [...rows.stored.segments];
  if (compaction) next.garbage.chunks.push(...compaction.garbage());
  for (const run of adjacentRuns(rows.logged)) {
    const blocks = run.flatMap(({ postings }) => (postings ? { bytes: postings, shift: 0 } : []));
    const batch = await inSlices(joinBatches(run, blocks.length > 0 ? await mergePostings(blocks, renumbering) : null));
    const { vectors } = batch;
    batch.codes = vectors && coder && (await inSlices(codesBy(coder, vectors.values, vectors.dimension)));
    if (renumbering) batch.firstRow = renumbering.row(batch.firstRow);
    const encoded = await inSlices(encodeSegment(collection, batch, () => next.nextChunk++));
    segments.push(encoded.segment);
    values.push(...encoded.values);
  }
  segments.sort((a, b) => a.firstRow - b.firstRow);
  const rowCount = renumbering ? renumbering.row(rows.rowCount) : rows.rowCount;
  const deleted = renumbering ? renumbering.apply(rows.deleted, Math.max(rowCount, 1024)) : rows.deleted;
  let { tombstones } = rows.stored;
  if (!refused && (rows.deletedChanged || renumbering)) {
    if (tombstones) next.garbage.chunks.push(tombstones.key);
    tombstones = encodeTombstones(collection, deleted, rowCount, () => next.nextChunk++, values);
  }
  const stored: StoredCollection = { ...rows.stored, segments, tombstones };
  if (compaction) stored.compactions = (stored.compactions ?? 0) + 1;
  return { stored, logged: [], deleted, deletedChanged: refused !== null, rowCount, refused };
}

/** Null where no row is deleted. */
export function encodeTombstones(
  collection: number,
  deleted: Bitset,
  rowCount: number,
  nextKey: () => number,
  values: ChunkValue[],
): ChunkRef | null {
  const { words } = deleted.resized(rowCount);
  if (words.every((word) => word === 0)) return null;
  const header = { kind: 'tombstones', collection, key: nextKey(), firstRow: 0, rowCount } as const;
  const value = encodeBlock(header, new Uint8Array(words.buffer));
  values.push({ key: header.key, value });
  return { ...header, bytes: value.byteLength };
}

function* adjacentRuns(batches: readonly RowBatch[]): Generator<RowBatch[]> {
  let run: RowBatch[] = [];
  for (const batch of batches) {
    const last = run.at(-1);
    if (last && last.firstRow + last.rowCount !== batch.firstRow) {
      yield run;
      run = [];
    }
    run.push(batch);
  }
  if (run.length > 0) yield run;
}

// One collection's part of a fold: the rows that only the log holds become segments, the deletions a tombstone chunk, the changes of
// metadata a chunk of patches, and what a compaction has written takes the place of what was there.
import { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import { type ChunkValue, encodeSegment, joinBatches, type RowBatch } from './batch.ts';
import type { RowsState } from './collection-rows.ts';
import type { Compaction, MergePostings } from './compaction.ts';
import { encodeBlock } from './format.ts';
import type { ChunkRef, Manifest, StoredCollection } from './manifest.ts';
import { encodePatches, type Patch, Patches, patchedMetadata, patchesOf } from './patches.ts';
import { codesBy, type StoredCoder } from './recoding.ts';
import { PATCH_READER } from './schema.ts';

export interface FoldOptions {
  /** Null where its rows are not to be renumbered. */
  compaction: Compaction | null;
  mergePostings: MergePostings;
  /** Makes the codes of the new segments; null where they are to have none. */
  coder: StoredCoder | null;
  /** Null where the chunk cannot be read. */
  readPatches: (chunk: ChunkRef) => Promise<readonly Patch[] | null>;
}

/** What the collection is when `next` is the manifest and `values`, to which this adds, are durable. Changes nothing of it before. */
export async function foldRows(
  rows: RowsState,
  { compaction, mergePostings, coder, readPatches }: FoldOptions,
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
    batch.metadata = await inSlices(patchedMetadata(batch, rows.patches));
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
  const { patches, chunks } = await foldPatches(rows, compaction, readPatches, next, values);
  const { patches: _, ...others } = rows.stored;
  const stored: StoredCollection = { ...others, segments, tombstones, ...(chunks.length > 0 && { patches: chunks }) };
  if (compaction) stored.compactions = (stored.compactions ?? 0) + 1;
  return {
    stored,
    logged: [],
    deleted,
    deletedChanged: refused !== null,
    patches,
    newlyPatched: new Bitset(0),
    rowCount,
    refused,
    fixed: rows.fixed,
  };
}

/**
 * The patches that are left, and the chunks that hold them. New ones are written with those of the chunks before that are not much larger,
 * as in a log-structured merge tree: a patch is written again some log(n) times.
 */
async function foldPatches(
  rows: RowsState,
  compaction: Compaction | null,
  readPatches: FoldOptions['readPatches'],
  next: Manifest,
  values: ChunkValue[],
): Promise<{ patches: Patches; chunks: ChunkRef[] }> {
  const { stored, deleted, rowCount } = rows;
  const chunks = [...(stored.patches ?? [])];
  const { patches, newlyPatched } = rows;
  if (!compaction && newlyPatched.count() === 0) return { patches, chunks };
  /** Rows whose patches are not needed any more: what the segments have of them is newer, or nobody reads it. */
  const done = deleted.resized(rowCount);
  for (const batch of rows.logged) done.addRange(batch.firstRow, batch.firstRow + batch.rowCount);
  const left = new Patches();
  const keep = (numberOf: (row: number) => number) =>
    patchesOf(patches, patches.rows(), (row) => (done.has(row) ? -1 : numberOf(row)));
  const { renumbering } = compaction ?? {};
  for (const patch of await inSlices(
    keep((row) => (compaction?.hasWritten(row, patches.of(row)!) ? -1 : (renumbering?.row(row) ?? row))),
  ))
    left.add(patch);
  const fresh = renumbering ? Bitset.full(renumbering.row(rowCount)) : newlyPatched.resized(rowCount);
  let payload = await payloadOf(left, fresh);
  if (compaction) next.garbage.chunks.push(...chunks.splice(0).map(({ key }) => key)); // of rows that have other numbers now
  for (let last = chunks.at(-1); last && last.bytes <= 2 * payload.length; last = chunks.at(-1)) {
    const older = await readPatches(last);
    if (!older) break;
    chunks.pop();
    next.garbage.chunks.push(last.key);
    for (const patch of older) for (const row of patch.rows) fresh.add(row);
    payload = await payloadOf(left, fresh);
  }
  if (payload.length > 1) chunks.push(putPatches(stored.id, payload, rowCount, next, values));
  return { patches: left, chunks };
}

async function payloadOf(patches: Patches, rows: Bitset): Promise<Uint8Array> {
  const wanted = patches.size > 0 ? await inSlices(patchesOf(patches, rows, (row) => row)) : [];
  return inSlices(encodePatches(wanted));
}

function putPatches(
  collection: number,
  payload: Uint8Array,
  rowCount: number,
  next: Manifest,
  values: ChunkValue[],
): ChunkRef {
  const header = { kind: 'patches', collection, key: next.nextChunk++, firstRow: 0, rowCount } as const;
  const value = encodeBlock({ ...header, reader: PATCH_READER }, payload);
  values.push({ key: header.key, value });
  return { ...header, bytes: value.byteLength };
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

// One collection's part of a fold: the rows that only the log holds become segments, the deletions a tombstone chunk, the changes of
// metadata a chunk of patches, and what a compaction has written takes the place of what was there.
import { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import { type ChunkValue, encodeSegment, joinBatches, type RowBatch } from './batch.ts';
import type { RowsState } from './collection-rows.ts';
import type { MergePostings } from './compaction.ts';
import { encodeBlock } from './format.ts';
import type { ChunkRef, Manifest, StoredCollection } from './manifest.ts';
import { encodePatches, type Patch, Patches, patchedMetadata, patchesOf } from './patches.ts';
import { codesBy, type StoredCoder } from './recoding.ts';
import type { Rewrite } from './rewrite.ts';
import { PATCH_READER } from './schema.ts';

export interface FoldOptions {
  /** What takes the place of some chunks in the same commit. */
  rewrite: Rewrite | null;
  mergePostings: MergePostings;
  /** Makes the codes of the new segments; null where they are to have none. */
  coder: StoredCoder | null;
  /** Null where the chunk cannot be read. */
  readPatches: (chunk: ChunkRef) => Promise<readonly Patch[] | null>;
}

/** What the collection is when `next` is the manifest and `values`, to which this adds, are durable. Changes nothing of it before. */
export async function foldRows(
  rows: RowsState,
  { rewrite, mergePostings, coder, readPatches }: FoldOptions,
  next: Manifest,
  values: ChunkValue[],
): Promise<RowsState> {
  const { id: collection } = rows.stored;
  const { refused } = rows;
  const renumbering = rewrite?.renumbering ?? undefined;
  const segments = rewrite ? rewrite.apply(rows.stored.segments) : [...rows.stored.segments];
  if (rewrite) next.garbage.chunks.push(...rewrite.garbage());
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
  const { patches, chunks } = await foldPatches(rows, rewrite, readPatches, next, values);
  const { patches: _, ...others } = rows.stored;
  const stored: StoredCollection = { ...others, segments, tombstones, ...(chunks.length > 0 && { patches: chunks }) };
  if (renumbering) stored.compactions = (stored.compactions ?? 0) + 1;
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
    unread: rows.unread,
  };
}

/**
 * The patches that are left, and the chunks that hold them. New ones are written with those of the chunks before that are not much larger,
 * as in a log-structured merge tree: a patch is written again some log(n) times.
 */
async function foldPatches(
  rows: RowsState,
  rewrite: Rewrite | null,
  readPatches: FoldOptions['readPatches'],
  next: Manifest,
  values: ChunkValue[],
): Promise<{ patches: Patches; chunks: ChunkRef[] }> {
  const { stored, deleted, rowCount } = rows;
  const chunks = [...(stored.patches ?? [])];
  const { patches, newlyPatched } = rows;
  if (!rewrite && newlyPatched.count() === 0) return { patches, chunks };
  /** Rows whose patches are not needed any more: what the segments have of them is newer, or nobody reads it. */
  const done = deleted.resized(rowCount);
  for (const batch of rows.logged) done.addRange(batch.firstRow, batch.firstRow + batch.rowCount);
  const left = new Patches();
  const keep = (numberOf: (row: number) => number) =>
    patchesOf(patches, patches.rows(), (row) => (done.has(row) ? -1 : numberOf(row)));
  const { renumbering } = rewrite ?? {};
  for (const patch of await inSlices(
    keep((row) => (rewrite?.hasWritten(row, patches.of(row)!) ? -1 : (renumbering?.row(row) ?? row))),
  ))
    left.add(patch);
  const fresh = rewrite ? Bitset.full(renumbering?.row(rowCount) ?? rowCount) : newlyPatched.resized(rowCount);
  let payload = await payloadOf(left, fresh);
  if (rewrite) next.garbage.chunks.push(...chunks.splice(0).map(({ key }) => key)); // they have old numbers, or what is written
  // What a chunk says that could not be read is not in memory: all stay.
  for (
    let last = rows.fixed ? undefined : chunks.at(-1);
    last && last.bytes <= 2 * payload.length;
    last = chunks.at(-1)
  ) {
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

// Takes what is damaged out of one collection: every chunk is read, and those that fail their checks are made anew from
// others (postings from texts, codes from vectors), or replaced by placeholders for what is gone for good.
import type { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import type { RecordId } from '../types.ts';
import { type ChunkValue, encodeChunks, type RowBatch } from './batch.ts';
import { decodeIds, decodeText, type Kind } from './format.ts';
import type { ChunkRef, CollectionConfig, Segment, StoredCollection } from './manifest.ts';
import { type DurableRows, noVectors, placeholderIds, type RowReader, shiftOf } from './reader.ts';

/** Makes a postings block of the texts of rows `firstRow`, `firstRow + 1`, ... of such a collection; null where no row has any. */
export type BuildPostings = (
  texts: readonly (string | null)[],
  firstRow: number,
  config: CollectionConfig,
) => Uint8Array | null;

export interface Repaired {
  segments: Segment[];
  values: ChunkValue[];
  /** Keys of damaged chunks. */
  garbage: number[];
  /** Rows whose ids are gone. */
  lost: number[];
}

/** Null where all chunks are whole. What is damaged is noted by `reader`. */
export async function repairSegments(
  reader: RowReader,
  stored: StoredCollection,
  buildPostings: BuildPostings,
  nextKey: () => number,
): Promise<Repaired | null> {
  const repaired: Repaired = { segments: [], values: [], garbage: [], lost: [] };
  for (const segment of stored.segments) {
    const bad = new Set<ChunkRef>();
    for (const chunk of segment.chunks) if (!(await reader.readWhole(stored.id, chunk))) bad.add(chunk);
    if (bad.size === 0) {
      repaired.segments.push(segment);
      continue;
    }
    const chunks: ChunkRef[] = [];
    for (const chunk of segment.chunks) {
      if (!bad.has(chunk)) {
        chunks.push(chunk);
        continue;
      }
      repaired.garbage.push(chunk.key);
      const replacement = await replace(reader, stored, segment, chunk, bad, buildPostings);
      if (!replacement) continue;
      const made = await inSlices(encodeChunks(stored.id, replacement, nextKey));
      // A batch that stands for one chunk makes chunks of its kind alone.
      chunks.push(...made.chunks);
      repaired.values.push(...made.values);
      if (chunk.kind !== 'ids') continue;
      const first = chunk.firstRow - shiftOf(segment);
      for (let row = first; row < first + chunk.rowCount; row++) repaired.lost.push(row);
    }
    repaired.segments.push({ ...segment, chunks });
  }
  return repaired.garbage.length > 0 ? repaired : null;
}

/** What stands for a damaged chunk; null for nothing. Rows are those that it was written with. */
async function replace(
  reader: RowReader,
  stored: StoredCollection,
  segment: Segment,
  { kind, firstRow, rowCount }: ChunkRef,
  bad: ReadonlySet<ChunkRef>,
  buildPostings: BuildPostings,
): Promise<RowBatch | null> {
  const empty = { firstRow, rowCount, ids: [], vectors: null, metadata: [], texts: [], postings: null };
  const { dimension } = stored.config;
  switch (kind satisfies Kind) {
    case 'ids':
      return { ...empty, ids: placeholderIds(rowCount) };
    case 'vectors':
      return { ...empty, vectors: { dimension: dimension!, ...noVectors(rowCount, dimension!) } };
    case 'postings': {
      const texts: (string | null)[] = new Array(rowCount).fill(null);
      for (const chunk of segment.chunks) {
        if (chunk.kind !== 'text' || bad.has(chunk)) continue;
        const payload = await reader.readChunk(stored.id, chunk);
        for (let row = 0; row < chunk.rowCount; row++)
          texts[chunk.firstRow - firstRow + row] = decodeText(payload, chunk.rowCount, row);
      }
      const postings = buildPostings(texts, firstRow, stored.config);
      return postings && { ...empty, postings };
    }
    default:
      return null;
  }
}

/** Deleted rows, as far as ids tell: of several rows of one id that are not known as deleted, all but the last. */
export async function staleRows(
  reader: RowReader,
  { stored, logged, deleted }: DurableRows & { deleted: Bitset },
): Promise<number[]> {
  const parts: { firstRow: number; ids: readonly RecordId[] }[] = [...logged];
  for (const segment of stored.segments) {
    for (const chunk of segment.chunks) {
      if (chunk.kind !== 'ids') continue;
      const payload = await reader.readWhole(stored.id, chunk);
      if (payload) parts.push({ firstRow: chunk.firstRow - shiftOf(segment), ids: decodeIds(payload, chunk.rowCount) });
    }
  }
  const stale: number[] = [];
  const rowOf = new Map<RecordId, number>();
  for (const { firstRow, ids } of parts.sort((a, b) => a.firstRow - b.firstRow)) {
    for (const [i, id] of ids.entries()) {
      if (deleted.has(firstRow + i)) continue;
      const older = rowOf.get(id);
      if (older !== undefined) stale.push(older);
      rowOf.set(id, firstRow + i);
    }
  }
  return stale;
}

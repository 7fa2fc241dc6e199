// What the store knows of one collection: what the manifest says of it, what only the log has, which rows are deleted.
import type { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import type { RowBatch } from './batch.ts';
import type { ChunkRef, StoredCollection } from './manifest.ts';

export interface RowsState {
  stored: StoredCollection;
  /** Batches that only the log holds yet, by row. */
  logged: RowBatch[];
  /** Grows by doubling; at least as long as there are rows. */
  deleted: Bitset;
  deletedChanged: boolean;
  rowCount: number;
  /** Why its deletions cannot be read: without them deleted records would come back. */
  refused: PiramidError | null;
}

export class CollectionRows implements RowsState {
  stored: StoredCollection;
  logged: RowBatch[] = [];
  deleted: Bitset;
  deletedChanged = false;
  rowCount: number;
  refused: PiramidError | null = null;

  /** Without its deletions. */
  constructor(stored: StoredCollection) {
    const last = stored.segments.at(-1);
    this.stored = stored;
    this.rowCount = last ? last.firstRow + last.rowCount : 0;
    this.deleted = new Bitset(Math.max(this.rowCount, 1024));
  }

  grow(rowCount: number): void {
    this.rowCount = Math.max(this.rowCount, rowCount);
    if (this.rowCount > this.deleted.length)
      this.deleted = this.deleted.resized(Math.max(this.rowCount, this.deleted.length * 2));
  }

  markDeleted(rows: Iterable<number>): void {
    for (const row of rows) {
      this.deleted.add(row);
      this.deletedChanged = true;
    }
  }

  markRangeDeleted(first: number, count: number): void {
    this.deleted.addRange(first, first + count);
    if (count > 0) this.deletedChanged = true;
  }
}

export function chunksOf({ segments, tombstones }: StoredCollection): ChunkRef[] {
  return [...segments.flatMap((segment) => segment.chunks), ...(tombstones ? [tombstones] : [])];
}

// What the store knows of one collection: what the manifest says of it, what only the log has, which rows are deleted.
import type { PiramidError } from '../errors.ts';
import { Bitset } from '../structures/bitset.ts';
import type { RowBatch } from './batch.ts';
import type { ChunkRef, StoredCollection } from './manifest.ts';
import { type Patch, Patches } from './patches.ts';

export interface RowsState {
  stored: StoredCollection;
  /** Batches that only the log holds yet, by row. */
  logged: RowBatch[];
  /** Grows by doubling; at least as long as there are rows. */
  deleted: Bitset;
  deletedChanged: boolean;
  /** Of all rows, wherever they are stored. */
  patches: Patches;
  /** Rows with patches that only the log holds yet. */
  newlyPatched: Bitset;
  rowCount: number;
  /** Why its deletions cannot be read: without them deleted records would come back. */
  refused: PiramidError | null;
  /** Why its rows may not be renumbered: a chunk of patches that could not be read has old numbers. */
  fixed: PiramidError | null;
  /** Keys of those chunks: memory has nothing of them, though they may be readable later. */
  unread: ReadonlySet<number>;
}

export class CollectionRows implements RowsState {
  stored: StoredCollection;
  logged: RowBatch[] = [];
  deleted: Bitset;
  deletedChanged = false;
  patches = new Patches();
  newlyPatched = new Bitset(0);
  rowCount: number;
  refused: PiramidError | null = null;
  fixed: PiramidError | null = null;
  unread: ReadonlySet<number> = new Set();

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

  /** A change of metadata that the log has. */
  patch(patch: Patch): void {
    const end = (patch.rows.at(-1) ?? -1) + 1;
    if (end > this.newlyPatched.length)
      this.newlyPatched = this.newlyPatched.resized(Math.max(end, this.newlyPatched.length * 2));
    for (const row of patch.rows) this.newlyPatched.add(row);
    this.patches.add(patch);
  }

  markRangeDeleted(first: number, count: number): void {
    this.deleted.addRange(first, first + count);
    if (count > 0) this.deletedChanged = true;
  }
}

export function chunksOf({ segments, tombstones, patches = [] }: StoredCollection): ChunkRef[] {
  return [...segments.flatMap((segment) => segment.chunks), ...patches, ...(tombstones ? [tombstones] : [])];
}

// What takes the place of some of a collection's chunks, once all of it is staged: a compaction, or a merge of patches.
import type { Changes } from '../structures/changes.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import type { Segment } from './manifest.ts';

export interface Rewrite {
  readonly collection: number;
  /** Null where rows keep their numbers. */
  readonly renumbering: Renumbering | null;
  /** Keys of the chunks written so far. */
  readonly staged: ReadonlySet<number>;
  /** The segments as they are to be, given those of now. */
  apply(segments: readonly Segment[]): Segment[];
  /** Chunks that nothing needs any more then. */
  garbage(): number[];
  /** Whether the new chunks have that patch of a row. */
  hasWritten(row: number, changes: Changes): boolean;
  /** Lets go of what was written. */
  abandon(): void;
}

// How the store has postings made and merged: it does not know what is in them.
import type { CollectionConfig } from '../store/manifest.ts';
import type { StoredPostings } from '../store/reader.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import { atOnce, inSlices } from '../structures/slices.ts';
import { analyzerOf } from '../text/analyzer.ts';
import { buildPostings, mergePostings, Postings } from '../text/postings.ts';

/** Postings blocks merged in one go: for each word all of them are looked at, and a log holds up to 2000. */
const MERGED_AT_ONCE = 16;

/** The postings of rows `firstRow`, `firstRow + 1`, ... of such a collection; null where none has a text. */
export function postingsOf(
  texts: readonly (string | null)[],
  firstRow: number,
  { analysis = 0 }: CollectionConfig,
): Uint8Array | null {
  return texts.every((text) => text === null) ? null : atOnce(buildPostings(texts, firstRow, analyzerOf(analysis)));
}

// Deleted rows stay in when the log is folded: only compaction drops rows. They count in no statistics (`text/word-index`).
export async function mergeStored(blocks: readonly StoredPostings[], renumbering?: Renumbering): Promise<Uint8Array> {
  const opened = blocks.map(({ bytes, shift }) => Postings.open(bytes, shift));
  if (opened.length <= MERGED_AT_ONCE) return inSlices(mergePostings(opened, renumbering));
  const merged: StoredPostings[] = [];
  for (let i = 0; i < opened.length; i += MERGED_AT_ONCE)
    merged.push({ bytes: await inSlices(mergePostings(opened.slice(i, i + MERGED_AT_ONCE), renumbering)), shift: 0 });
  return mergeStored(merged);
}

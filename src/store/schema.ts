// The numbers of the stored format: versions, bounds, names. Changing one is a change of format (docs/FORMAT.md).

/** IndexedDB's own version. Stays 1 for ever, so that no tab can block another by an upgrade. */
export const INDEXEDDB_VERSION = 1;

/** Format that this release writes. A reader refuses a database whose `reader` is above its own version. */
export const FORMAT_VERSION = 8;
/** Oldest format version whose release may open what this one writes: those before do not know patches of metadata. */
export const FORMAT_READER = 8;
/** Oldest format version whose reader understands each value, alone or in a file. */
export const VALUE_READER = 2;
/** Of values under a later data key than the first, and of the key block once there is one. */
export const LATER_KEY_READER = 6;
/** Of values with the context of a text. */
export const CONTEXT_READER = 7;
/** Of patches, and of log entries with a patch. */
export const PATCH_READER = 8;

/** Object stores, each with numeric keys and ArrayBuffer values. */
export const STORES = ['manifest', 'chunks', 'log'] as const;
export type StoreName = (typeof STORES)[number];

/** A value in the `chunks` store that holds nothing: it is freed when the storage is full, to make room for deletions. */
export const BALLAST_KEY = 0;
/** At least; as much as two manifests, both copies, where that is more. */
export const BALLAST_BYTES = 256 << 10;

/** Keys of the manifest and its copy in the store of that name. */
export const MANIFEST_KEYS = [0, 1] as const;
/** Key of what fenced openers up to format 3, beside them. */
export const OLD_FENCE_KEY = 2;
/** Key of the encrypted data key. */
export const KEY_KEY = 3;
/**
 * Most values under one data key; the next one goes under the next key. Each has a random IV of 96 bits: the odds that any two are
 * the same are 2^-41 per key. NIST SP 800-38D allows 2^32 values, which is room for what releases wrote that did not count.
 */
export const VALUES_PER_KEY_MAX = 2 ** 28;
/** Values that are counted in advance, in one write of the key block. What an opener leaves over counts as used. */
export const VALUES_COUNTED_AHEAD = 4096;
/** Key of random bytes that were written when the IndexedDB database was made: another one has others. */
export const BIRTH_KEY = 4;
/** Keys of fences are from here on, one for each opener. */
export const FENCE_KEY_FIRST = 16;
/** Where there are more fences than this, all but the last are taken away, once nobody needs them any more. */
export const FENCES_MAX = 4;

/** Most clients whose last writes are remembered, so that a write sent again is not applied again. */
export const ANSWERED_CLIENTS_MAX = 64;

/** Most payload bytes of one vector chunk: large values write 11 times faster than a record per vector. */
export const VECTOR_CHUNK_BYTES_MAX = 4 << 20;
/** Most rows of one ids chunk. */
export const ID_CHUNK_ROWS_MAX = 1 << 16;
/**
 * Payload bytes at which a text or metadata chunk is closed: ten results touch up to ten of them, and Chromium reads values
 * below 64 KB five times faster, because it keeps larger ones in files of their own (20 reads: 2.5 ms, of 256 KiB 12.7 ms).
 */
export const PAYLOAD_CHUNK_BYTES = 56 << 10;

/** A batch of at least this many bytes becomes a segment of its own; a smaller one goes to the log, as one value. */
export const SEGMENT_BYTES_MIN = 2 << 20;
/** Bytes of log at which it is folded into segments once nobody writes: opening takes it in entry by entry. */
export const LOG_BYTES_LONG = 4 << 20;
/** Bytes and entries of log at which it is folded before the next write. */
export const LOG_BYTES_MAX = 8 << 20;
export const LOG_ENTRIES_MAX = 2000;

/** Share of a segment's rows that must be deleted before compaction rewrites it unasked. */
export const COMPACTION_SHARE = 0.25;
/** Patches are written into metadata unasked once they have so many bytes, and such a share of what the metadata has. */
export const PATCHES_BYTES_MIN = 1 << 20;
export const PATCHES_SHARE = 0.25;
/** Source bytes of one slice of compaction: what is in memory at a time, and how long writes wait. */
export const COMPACTION_SLICE_BYTES = 4 << 20;
/** Text bytes of which postings are made in one slice of reindexing: some 30 ms. */
export const REINDEXING_SLICE_BYTES = 256 << 10;
/** Most source bytes of neighbours that become one segment. */
export const COMPACTION_GROUP_BYTES_MAX = 64 << 20;
/** Segments below this are merged with their neighbours, once there are this many: each costs opening a few reads. */
export const SMALL_SEGMENT_BYTES = 8 << 20;
export const SMALL_SEGMENTS_MIN = 16;

/** Decoded text and metadata chunks kept for the next query, bytes. */
export const PAYLOAD_CACHE_BYTES_MAX = 16 << 20;

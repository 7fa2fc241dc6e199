// Compaction: rewrites segments without their deleted rows, and small neighbours as one. New chunks are staged slice by slice,
// so that memory stays bounded and writes go on in between; the last step puts them in place of the old ones in one commit.
// As in log-structured stores (O'Neil 1996), nothing is changed in place: whatever ends it early, the old chunks are there.
import { Bitset } from '../structures/bitset.ts';
import type { Changes } from '../structures/changes.ts';
import { Renumbering } from '../structures/renumbering.ts';
import { inSlices } from '../structures/slices.ts';
import type { RecordId } from '../types.ts';
import { type ChunkValue, encodeChunks, type RowBatch } from './batch.ts';
import { decodeCodes, decodeIds, decodeJson, decodeText, readVectors, type StoredCodes } from './format.ts';
import type { Journal } from './journal.ts';
import { byKindAndRow, type ChunkRef, type Segment, type StoredCollection } from './manifest.ts';
import { type Patches, patchedJson } from './patches.ts';
import { type RowReader, type StoredPostings, shiftOf } from './reader.ts';
import type { Rewrite } from './rewrite.ts';
import {
  COMPACTION_GROUP_BYTES_MAX,
  COMPACTION_SLICE_BYTES,
  SMALL_SEGMENT_BYTES,
  SMALL_SEGMENTS_MIN,
} from './schema.ts';

/** How the store has postings blocks merged, and renumbered; it does not know what is in them. */
export type MergePostings = (
  blocks: readonly StoredPostings[],
  renumbering?: Renumbering,
) => Uint8Array | Promise<Uint8Array>;

/** Adjacent segments that become one, or none where all their rows are deleted. */
type Group = readonly Segment[];

export class Compaction implements Rewrite {
  readonly collection: number;
  /** What becomes of all rows of the collection. */
  readonly renumbering: Renumbering;
  /** Rows to be read, and read so far: for showing progress. */
  readonly rowsTotal: number;
  rowsDone = 0;
  /** Keys of the chunks written so far. */
  readonly staged = new Set<number>();
  /** By the first segment of each group: what stands in the group's place. */
  readonly #replacements = new Map<Segment, Segment | null>();
  readonly #replaced = new Set<Segment>();
  readonly #groups: Group[];
  /** As they were at its beginning: the new chunks have them. */
  readonly #patches: Patches;
  /** Rows of the groups. */
  readonly #rewritten: Bitset;
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #mergePostings: MergePostings;
  readonly #stored: StoredCollection;
  readonly #slices: AsyncGenerator<ChunkValue[]>;

  private constructor(
    journal: Journal,
    reader: RowReader,
    mergePostings: MergePostings,
    stored: StoredCollection,
    groups: Group[],
    dropped: Bitset,
    patches: Patches,
  ) {
    this.#journal = journal;
    this.#reader = reader;
    this.#mergePostings = mergePostings;
    this.#stored = stored;
    this.collection = stored.id;
    this.#groups = groups;
    this.#patches = patches;
    this.#rewritten = new Bitset(dropped.length);
    for (const { firstRow, rowCount } of groups.flat()) this.#rewritten.addRange(firstRow, firstRow + rowCount);
    this.renumbering = new Renumbering(dropped);
    this.rowsTotal = groups.flat().reduce((sum, segment) => sum + segment.rowCount, 0);
    this.#slices = this.#rewrite();
  }

  /** Null where there is nothing to do. `share`: of a segment's rows, how many must be deleted for it to be rewritten. */
  static plan(
    journal: Journal,
    reader: RowReader,
    mergePostings: MergePostings,
    stored: StoredCollection,
    deleted: Bitset,
    patches: Patches,
    share: number,
  ): Compaction | null {
    const groups = groupsOf(stored.segments, deleted, share);
    if (groups.length === 0) return null;
    const last = stored.segments.at(-1)!;
    const dropped = new Bitset(last.firstRow + last.rowCount);
    for (const { firstRow, rowCount } of groups.flat())
      for (let row = firstRow; row < firstRow + rowCount; row++) if (deleted.has(row)) dropped.add(row);
    return new Compaction(journal, reader, mergePostings, stored, groups, dropped, patches.clone());
  }

  /** Writes the next slice of new chunks. False when all are written. Throws `CORRUPT`; `abandon` it then. */
  async step(): Promise<boolean> {
    const { done, value: values } = await this.#slices.next();
    if (done) return false;
    for (const { key } of values) this.staged.add(key);
    return true;
  }

  /** Lets go of what was written. */
  abandon(): void {
    this.#journal.release(this.staged);
    this.staged.clear();
  }

  /** Whether the new chunks have that patch of a row. */
  hasWritten(row: number, changes: Changes): boolean {
    return this.#rewritten.has(row) && this.#patches.of(row) === changes;
  }

  /** The segments as they are to be, given those of now. */
  apply(segments: readonly Segment[]): Segment[] {
    const result: Segment[] = [];
    for (const segment of segments) {
      const replacement = this.#replacements.get(segment);
      if (replacement) result.push(replacement);
      if (this.#replaced.has(segment)) continue;
      result.push({ ...segment, firstRow: this.renumbering.row(segment.firstRow) });
    }
    return result;
  }

  /** Chunks that nobody needs any more then. */
  garbage(): number[] {
    return [...this.#replaced].flatMap((segment) => segment.chunks.map((chunk) => chunk.key));
  }

  async *#rewrite(): AsyncGenerator<ChunkValue[]> {
    for (const group of this.#groups) {
      const first = group[0]!;
      const last = group.at(-1)!;
      const end = last.firstRow + last.rowCount;
      const rowCount = this.renumbering.kept(first.firstRow, end);
      const segment: Segment = { firstRow: this.renumbering.row(first.firstRow), rowCount, chunks: [] };
      if (rowCount > 0) {
        const rowBytes = group.flatMap((source) => source.chunks).reduce((sum, { bytes }) => sum + bytes, 0) / rowCount;
        const rowsPerSlice = Math.max(32, Math.floor(COMPACTION_SLICE_BYTES / rowBytes / 32) * 32);
        for (const source of group) {
          const columns = new Columns(this.#reader, this.#stored, source, this.#patches);
          const sourceEnd = source.firstRow + source.rowCount;
          for (let from = source.firstRow; from < sourceEnd; from += rowsPerSlice) {
            const to = Math.min(from + rowsPerSlice, sourceEnd);
            const batch = await columns.read(from, to, this.renumbering);
            this.rowsDone += to - from;
            if (batch) yield await this.#stage(batch, segment);
          }
        }
        const postings = await this.#postingsOf(group);
        if (postings) {
          const { firstRow } = segment;
          const batch = { firstRow, rowCount, ids: [], vectors: null, metadata: [], texts: [], postings };
          yield await this.#stage(batch, segment);
        }
        segment.chunks = byKindAndRow(segment.chunks);
      }
      this.#replacements.set(first, rowCount > 0 ? segment : null);
      for (const source of group) this.#replaced.add(source);
    }
  }

  async #stage(batch: RowBatch, target: Segment): Promise<ChunkValue[]> {
    const next = this.#journal.next();
    const { chunks, values } = await inSlices(encodeChunks(this.collection, batch, () => next.nextChunk++));
    await this.#journal.stage(next, values);
    target.chunks.push(...chunks);
    return values;
  }

  async #postingsOf(group: Group): Promise<Uint8Array | null> {
    const blocks: StoredPostings[] = [];
    for (const segment of group) {
      const chunk = segment.chunks.find(({ kind }) => kind === 'postings');
      if (!chunk) continue;
      blocks.push({ bytes: await this.#reader.readChunk(this.collection, chunk), shift: shiftOf(segment) });
    }
    return blocks.length > 0 ? this.#mergePostings(blocks, this.renumbering) : null;
  }
}

/** Reads a segment's rows range by range, without the dropped ones; each chunk is read once where ranges ascend. */
export class Columns {
  readonly #reader: RowReader;
  readonly #stored: StoredCollection;
  readonly #segment: Segment;
  readonly #patches: Patches;
  readonly #latest = new Map<string, { chunk: ChunkRef; payload: Promise<Uint8Array<ArrayBuffer>> }>();

  constructor(reader: RowReader, stored: StoredCollection, segment: Segment, patches: Patches) {
    this.#reader = reader;
    this.#stored = stored;
    this.#segment = segment;
    this.#patches = patches;
  }

  /** The kept rows of from .. to-1, under their new numbers; null where none is. */
  async read(from: number, to: number, renumbering: Renumbering): Promise<RowBatch | null> {
    const { dimension, quantization = 'none' } = this.#stored.config;
    const firstRow = renumbering.row(from);
    const rowCount = renumbering.kept(from, to);
    if (rowCount === 0) return null;
    const ids: RecordId[] = new Array(rowCount);
    const metadata: (string | null)[] = new Array(rowCount).fill(null);
    const texts: (string | null)[] = new Array(rowCount).fill(null);
    const values = new Float32Array(rowCount * (dimension ?? 0));
    const present = new Bitset(rowCount);
    let codes: StoredCodes | null = null;

    const forEachRow = async <D>(
      kind: 'ids' | 'vectors' | 'codes' | 'metadata' | 'text',
      decode: (payload: Uint8Array<ArrayBuffer>, chunk: ChunkRef) => D,
      visit: (decoded: D, row: number, target: number, chunk: ChunkRef) => void,
    ) => {
      const shift = shiftOf(this.#segment);
      for (const chunk of this.#segment.chunks) {
        const start = Math.max(from, chunk.firstRow - shift);
        const end = Math.min(to, chunk.firstRow - shift + chunk.rowCount);
        if (chunk.kind !== kind || start >= end) continue;
        const decoded = decode(await this.#payload(chunk), chunk);
        for (let row = start; row < end; row++) {
          if (renumbering.dropped.has(row)) continue;
          visit(decoded, row + shift - chunk.firstRow, renumbering.row(row) - firstRow, chunk);
        }
      }
    };
    await forEachRow(
      'ids',
      (payload, chunk) => decodeIds(payload, chunk.rowCount),
      (decoded, row, target) => {
        ids[target] = decoded[row]!;
      },
    );
    if (dimension !== null) {
      await forEachRow(
        'vectors',
        (payload, chunk) => readVectors(payload, chunk.rowCount, dimension),
        (decoded, row, target) => {
          values.set(decoded.values.subarray(row * dimension, (row + 1) * dimension), target * dimension);
          if (decoded.present.has(row)) present.add(target);
        },
      );
    }
    if (quantization !== 'none') {
      let copied = 0;
      await forEachRow(
        'codes',
        (payload, chunk) => decodeCodes(payload, chunk.rowCount),
        (decoded, row, target, chunk) => {
          const bytes = decoded.records.length / chunk.rowCount;
          codes ??= { scheme: decoded.scheme, records: new Uint8Array(rowCount * bytes) };
          if (codes.scheme !== decoded.scheme || codes.records.length !== rowCount * bytes) return;
          codes.records.set(decoded.records.subarray(row * bytes, (row + 1) * bytes), target * bytes);
          copied++;
        },
      );
      if (copied < rowCount) codes = null; // a reader makes them anew
    }
    await forEachRow(
      'metadata',
      (payload) => decodeJson(payload) as unknown[],
      (decoded, row, target) => {
        const value = decoded[row] ?? null;
        if (value !== null) metadata[target] = JSON.stringify(value);
      },
    );
    for (const row of this.#patches.rows(from, to))
      if (!renumbering.dropped.has(row)) {
        const target = renumbering.row(row) - firstRow;
        metadata[target] = patchedJson(metadata[target]!, this.#patches.of(row)!);
      }
    await forEachRow(
      'text',
      (payload) => payload,
      (payload, row, target, chunk) => {
        texts[target] = decodeText(payload, chunk.rowCount, row);
      },
    );
    const vectors = dimension === null ? null : { dimension, values, present };
    return { firstRow, rowCount, ids, vectors, codes, metadata, texts, postings: null };
  }

  #payload(chunk: ChunkRef): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#latest.get(chunk.kind);
    if (known?.chunk === chunk) return known.payload;
    const payload = this.#reader.readChunk(this.#stored.id, chunk);
    this.#latest.set(chunk.kind, { chunk, payload });
    return payload;
  }
}

/** Segments that are worth rewriting, neighbours together. */
function groupsOf(segments: readonly Segment[], deleted: Bitset, share: number): Group[] {
  const bytesOf = (segment: Segment) => segment.chunks.reduce((sum, { bytes }) => sum + bytes, 0);
  const small = (segment: Segment | undefined) => segment !== undefined && bytesOf(segment) < SMALL_SEGMENT_BYTES;
  const smallCount = segments.filter((segment) => small(segment)).length;
  const groups: Segment[][] = [];
  let open: Segment[] | null = null;
  let openBytes = 0;
  for (const [i, segment] of segments.entries()) {
    const { firstRow, rowCount } = segment;
    let deletedRows = 0;
    for (let row = firstRow; row < firstRow + rowCount; row++) if (deleted.has(row)) deletedRows++;
    const isThin = deletedRows > 0 && deletedRows >= share * rowCount;
    const isSmall =
      smallCount >= SMALL_SEGMENTS_MIN && small(segment) && (small(segments[i - 1]) || small(segments[i + 1]));
    if (!isThin && !isSmall) {
      open = null;
      continue;
    }
    const bytes = bytesOf(segment);
    if (!open || openBytes + bytes > COMPACTION_GROUP_BYTES_MAX) {
      open = [];
      openBytes = 0;
      groups.push(open);
    }
    open.push(segment);
    openBytes += bytes;
  }
  // One segment without a deleted row would be written again as it is.
  return groups.filter((group) => group.length > 1 || hasDeleted(group[0]!, deleted));
}

function hasDeleted({ firstRow, rowCount }: Segment, deleted: Bitset): boolean {
  for (let row = firstRow; row < firstRow + rowCount; row++) if (deleted.has(row)) return true;
  return false;
}

// Reindexing: makes the postings of a collection again from its stored texts, where its words are to be read in another way. The new
// chunks are staged segment by segment, as compaction does it, and one commit puts all in place; the old ones answer until then.
import type { Bitset } from '../structures/bitset.ts';
import { inSlices } from '../structures/slices.ts';
import { encodeChunks } from './batch.ts';
import type { MergePostings } from './compaction.ts';
import { decodeText } from './format.ts';
import type { Journal } from './journal.ts';
import { byKindAndRow, type ChunkRef, type CollectionConfig, type Segment, type StoredCollection } from './manifest.ts';
import { type RowReader, type StoredPostings, shiftOf } from './reader.ts';
import type { BuildPostings } from './repair.ts';
import { REINDEXING_SLICE_BYTES } from './schema.ts';

export class Reindexing {
  readonly collection: number;
  /** Keys of the chunks written so far. */
  readonly staged = new Set<number>();
  /** What takes the place of a segment's postings; null for nothing. */
  readonly #replacements = new Map<Segment, { chunk: ChunkRef; bytes: Uint8Array } | null>();
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #config: CollectionConfig;
  readonly #build: BuildPostings;
  readonly #merge: MergePostings;

  /** `analysis`: by which its words are to be read. */
  constructor(
    journal: Journal,
    reader: RowReader,
    { id, config }: StoredCollection,
    analysis: number,
    build: BuildPostings,
    merge: MergePostings,
  ) {
    this.#journal = journal;
    this.#reader = reader;
    this.collection = id;
    this.#config = { ...config, analysis };
    this.#build = build;
    this.#merge = merge;
  }

  /** Makes the postings of `segment`, slice by slice. Throws `CORRUPT` where a text is damaged: its words are still in the old ones. */
  async *make(segment: Segment, deleted: Bitset): AsyncGenerator<void> {
    if (this.#replacements.has(segment)) return;
    const blocks: StoredPostings[] = [];
    let texts: (string | null)[] = [];
    let first = 0;
    let bytes = 0;
    const build = () => {
      const block = this.#build(texts, first, this.#config);
      if (block) blocks.push({ bytes: block, shift: 0 });
      texts = [];
      bytes = 0;
    };
    const shift = shiftOf(segment);
    for (const chunk of segment.chunks) {
      if (chunk.kind !== 'text') continue;
      const payload = await this.#reader.readChunk(this.collection, chunk);
      if (texts.length === 0) first = chunk.firstRow;
      // Slices without any text have no chunk.
      while (first + texts.length < chunk.firstRow) texts.push(null);
      for (let row = 0; row < chunk.rowCount; row++)
        texts.push(deleted.has(chunk.firstRow - shift + row) ? null : decodeText(payload, chunk.rowCount, row));
      bytes += chunk.bytes;
      if (bytes < REINDEXING_SLICE_BYTES) continue;
      build();
      yield;
    }
    build();
    this.#replacements.set(segment, blocks.length > 0 ? await this.#stage(segment, await this.#merge(blocks)) : null);
  }

  /** The collection as it is to be. All of its segments have been made. */
  apply(stored: StoredCollection): StoredCollection {
    const segments = stored.segments.map((segment) => {
      const made = this.#replacements.get(segment);
      const others = segment.chunks.filter(({ kind }) => kind !== 'postings');
      return { ...segment, chunks: made ? byKindAndRow([...others, made.chunk]) : others };
    });
    return { ...stored, segments, config: this.#config };
  }

  /** The blocks in order of rows, and how many rows lower they lie than they were written. */
  blocks(segments: readonly Segment[]): StoredPostings[] {
    return segments.flatMap((segment) => {
      const made = this.#replacements.get(segment);
      return made ? [{ bytes: made.bytes, shift: shiftOf(segment) }] : [];
    });
  }

  /** Chunks that nothing needs any more then. */
  garbage(segments: readonly Segment[]): number[] {
    return segments.flatMap(({ chunks }) => chunks.filter(({ kind }) => kind === 'postings').map(({ key }) => key));
  }

  /** Lets go of what was written. */
  abandon(): void {
    this.#journal.release(this.staged);
    this.staged.clear();
  }

  async #stage(segment: Segment, postings: Uint8Array): Promise<{ chunk: ChunkRef; bytes: Uint8Array }> {
    const next = this.#journal.next();
    const { rowCount } = segment;
    const firstRow = segment.firstRow + shiftOf(segment);
    const batch = { firstRow, rowCount, ids: [], vectors: null, metadata: [], texts: [], postings };
    const { chunks, values } = await inSlices(encodeChunks(this.collection, batch, () => next.nextChunk++));
    await this.#journal.stage(next, values);
    for (const { key } of values) this.staged.add(key);
    return { chunk: chunks[0]!, bytes: postings };
  }
}

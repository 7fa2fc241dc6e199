// Recoding: gives the rows of segments the codes that their collection wants now, where it wanted others, or none, when they were
// written. Codes alone are written; they are staged chunk by chunk, as compaction does it, and one commit puts all in place.
import { inSlices, partsOf, type Sliced } from '../structures/slices.ts';
import { encodeBlock, encodeCodes, type Header, readVectors, type StoredCodes } from './format.ts';
import type { Journal } from './journal.ts';
import { byKindAndRow, type ChunkRef, type Segment, type StoredCollection } from './manifest.ts';
import type { RowReader } from './reader.ts';

/** A way of making codes, as far as the store knows it. */
export interface StoredCoder {
  /** Names it on disk. Another number: other codes. */
  readonly scheme: number;
  /** Shape of vectors: (n, dimension). The result: as many bytes for each of them. */
  encode(vectors: Float32Array): Uint8Array<ArrayBuffer>;
}

export class Recoding {
  readonly collection: number;
  /** Keys of the chunks written so far. */
  readonly staged = new Set<number>();
  /** What takes the place of a segment's codes. */
  readonly #replacements = new Map<Segment, ChunkRef[]>();
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #stored: StoredCollection;
  readonly #coder: StoredCoder | null;
  readonly #slices: AsyncGenerator<number>;

  private constructor(journal: Journal, reader: RowReader, stored: StoredCollection, coder: StoredCoder | null) {
    this.#journal = journal;
    this.#reader = reader;
    this.#stored = stored;
    this.collection = stored.id;
    this.#coder = coder;
    this.#slices = this.#recode();
  }

  /** Null where all codes are those that are wanted. `coder`: null where none are. */
  static plan(
    journal: Journal,
    reader: RowReader,
    stored: StoredCollection,
    coder: StoredCoder | null,
  ): Recoding | null {
    return hasStaleCodes(stored, coder) ? new Recoding(journal, reader, stored, coder) : null;
  }

  /** Whether there is anything to put in place, once all is written. */
  get changesAny(): boolean {
    return this.#replacements.size > 0;
  }

  /** Writes the next chunk of codes. False when all are written. `abandon` it if it fails. */
  async step(): Promise<boolean> {
    const { done, value: key } = await this.#slices.next();
    if (!done) this.staged.add(key);
    return !done;
  }

  /** Lets go of what was written. */
  abandon(): void {
    this.#journal.release(this.staged);
    this.staged.clear();
  }

  /** The segments as they are to be, given those of now. */
  apply(segments: readonly Segment[]): Segment[] {
    return segments.map((segment) => {
      const codes = this.#replacements.get(segment);
      return codes ? { ...segment, chunks: byKindAndRow([...segment.chunks.filter(isNoCodes), ...codes]) } : segment;
    });
  }

  /** Chunks that nobody needs any more then. */
  garbage(): number[] {
    const kept = new Set([...this.#replacements.values()].flat());
    const chunks = [...this.#replacements.keys()].flatMap((segment) => segment.chunks);
    return chunks.filter((chunk) => chunk.kind === 'codes' && !kept.has(chunk)).map(({ key }) => key);
  }

  async *#recode(): AsyncGenerator<number> {
    for (const segment of this.#stored.segments) {
      if (!isStale(segment, this.#coder)) continue;
      const codes: ChunkRef[] = [];
      for (const vectors of this.#coder ? segment.chunks : []) {
        if (vectors.kind !== 'vectors') continue;
        const known = codesOf(segment, vectors);
        const isWanted = known?.scheme === this.#coder!.scheme;
        // Of damaged vectors they stay as they are.
        const made = isWanted ? null : await this.#stage(vectors, this.#coder!);
        if (made ?? known) codes.push((made ?? known)!);
        if (made) yield made.key;
      }
      const before = segment.chunks.filter((chunk) => !isNoCodes(chunk));
      if (codes.length !== before.length || codes.some((chunk) => !before.includes(chunk)))
        this.#replacements.set(segment, codes);
    }
  }

  /** Null where the vectors are damaged. */
  async #stage(vectors: ChunkRef, coder: StoredCoder): Promise<ChunkRef | null> {
    const { firstRow, rowCount } = vectors;
    const payload = await this.#reader.readWhole(this.collection, vectors);
    if (!payload) return null;
    const dimension = this.#stored.config.dimension!;
    const { values } = readVectors(payload, rowCount, dimension);
    const next = this.#journal.next();
    const header: Header = { kind: 'codes', collection: this.collection, key: next.nextChunk++, firstRow, rowCount };
    const codes = await inSlices(codesBy(coder, values, dimension));
    const value = encodeBlock(header, encodeCodes(codes, rowCount, 0, rowCount));
    await this.#journal.stage(next, [{ key: header.key, value }]);
    return { kind: 'codes', key: header.key, firstRow, rowCount, bytes: value.byteLength, scheme: coder.scheme };
  }
}

/** Numbers that are coded without a rest. */
const CODED_NUMBERS = 1 << 11;

/** What it makes of vectors, as it is stored. */
export function* codesBy(coder: StoredCoder, vectors: Float32Array, dimension: number): Sliced<StoredCodes> {
  let records = new Uint8Array(0);
  let end = 0;
  for (const part of partsOf(vectors, dimension, CODED_NUMBERS)) {
    const coded = coder.encode(part);
    if (end === 0) records = new Uint8Array((coded.length / (part.length / dimension)) * (vectors.length / dimension));
    records.set(coded, end);
    end += coded.length;
    yield;
  }
  return { scheme: coder.scheme, records };
}

/** Whether some rows of its segments have other codes than the wanted ones, or none, or some where none are wanted. */
export function hasStaleCodes(stored: StoredCollection, coder: StoredCoder | null): boolean {
  return stored.segments.some((segment) => isStale(segment, coder));
}

function isStale(segment: Segment, coder: StoredCoder | null): boolean {
  if (!coder) return segment.chunks.some(({ kind }) => kind === 'codes');
  return segment.chunks.some((chunk) => chunk.kind === 'vectors' && codesOf(segment, chunk)?.scheme !== coder.scheme);
}

/** They are cut where the vectors are. */
function codesOf(segment: Segment, { firstRow }: ChunkRef): ChunkRef | undefined {
  return segment.chunks.find((chunk) => chunk.kind === 'codes' && chunk.firstRow === firstRow);
}

function isNoCodes({ kind }: ChunkRef): boolean {
  return kind !== 'codes';
}

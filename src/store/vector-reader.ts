// Reads the vectors of some rows: from the log's batches, from the row file, or else from their whole chunks.
import { PiramidError } from '../errors.ts';
import { type DamageList, ifCorrupt } from './damage.ts';
import { readVectors } from './format.ts';
import type { ChunkRef, Segment } from './manifest.ts';
import { type DurableRows, findByRow, type RowReader, shiftOf } from './reader.ts';
import type { FiledRows } from './rows/filed-rows.ts';

/** Adjacent rows of one chunk, and at which place of the answer they begin. */
interface Run {
  chunk: ChunkRef;
  /** Of the chunk's rows. */
  first: number;
  count: number;
  place: number;
  /** The chunk's first row, as it is numbered now. */
  chunkRow: number;
}

/** Rows of which nothing can be read. */
export interface LostVectors {
  /** Among those that were asked for. */
  places: number[];
  /** All rows of their chunks. */
  chunks: { firstRow: number; rowCount: number }[];
}

export class VectorReader {
  readonly #reader: RowReader;
  readonly #damage: DamageList;
  readonly #rows: FiledRows | null;
  /** Whether the collection still has that chunk. */
  readonly #isStored: (collection: number, chunk: ChunkRef) => boolean;
  /** By row as written; a segment never changes. */
  readonly #chunksOf = new WeakMap<Segment, ChunkRef[]>();
  /** Rows that are copied one after the other come from the same chunk for a while. */
  #latest: { key: number; values: Float32Array | null } | null = null;

  constructor(
    reader: RowReader,
    damage: DamageList,
    rows: FiledRows | null,
    isStored: (collection: number, chunk: ChunkRef) => boolean,
  ) {
    this.#isStored = isStored;
    this.#reader = reader;
    this.#damage = damage;
    this.#rows = rows;
  }

  /**
   * Writes the vectors of rows into `target`, shape (rows, dimension); zeros for rows without one. Returns what is damaged. Which rows are
   * meant is settled before it returns.
   */
  async read({ stored, logged }: DurableRows, wanted: ArrayLike<number>, target: Float32Array): Promise<LostVectors> {
    const dimension = stored.config.dimension!;
    const elsewhere: Run[] = [];
    for (let place = 0; place < wanted.length; ) {
      const row = wanted[place]!;
      const batch = findByRow(logged, row);
      if (batch) {
        const at = (row - batch.firstRow) * dimension;
        target.set(batch.vectors!.values.subarray(at, at + dimension), place * dimension);
        place++;
        continue;
      }
      const run = this.#runAt(stored.segments, wanted, place);
      const { chunk, first, count } = run;
      if (!this.#rows?.file?.read(chunk.key, first, count, target, place * dimension)) elsewhere.push(run);
      place += count;
    }
    const lost: LostVectors = { places: [], chunks: [] };
    for (const { chunk, first, count, place, chunkRow } of elsewhere) {
      const values = await this.#valuesOf(stored.id, chunk, dimension);
      if (values) {
        target.set(values.subarray(first * dimension, (first + count) * dimension), place * dimension);
        continue;
      }
      for (let i = 0; i < count; i++) lost.places.push(place + i);
      lost.chunks.push({ firstRow: chunkRow, rowCount: chunk.rowCount });
    }
    return lost;
  }

  #runAt(segments: readonly Segment[], wanted: ArrayLike<number>, place: number): Run {
    const segment = findByRow(segments, wanted[place]!)!;
    const chunks = this.#chunksOf.get(segment) ?? segment.chunks.filter(({ kind }) => kind === 'vectors');
    this.#chunksOf.set(segment, chunks);
    const written = wanted[place]! + shiftOf(segment);
    const chunk = findByRow(chunks, written)!;
    const most = chunk.firstRow + chunk.rowCount - written;
    let count = 1;
    while (count < most && wanted[place + count] === wanted[place]! + count) count++;
    return { chunk, first: written - chunk.firstRow, count, place, chunkRow: chunk.firstRow - shiftOf(segment) };
  }

  /** A chunk's vectors; null where it is damaged. What the row file lacks is given to it. */
  async #valuesOf(collection: number, chunk: ChunkRef, dimension: number): Promise<Float32Array | null> {
    if (this.#latest?.key !== chunk.key) {
      // What is known to be damaged is not read again and again.
      const payload = this.#damage.of(chunk) ? null : await this.#payloadOf(collection, chunk);
      if (payload) await this.#rows?.put(payload.buffer);
      this.#latest = { key: chunk.key, values: payload && readVectors(payload, chunk.rowCount, dimension).values };
    }
    return this.#latest.values;
  }

  /** Null, and noted, where it is damaged; null where it was deleted while it was read, which is no damage. */
  async #payloadOf(collection: number, chunk: ChunkRef): Promise<Uint8Array<ArrayBuffer> | null> {
    const payload = await this.#reader.readChunk(collection, chunk).catch(ifCorrupt);
    if (!(payload instanceof PiramidError)) return payload;
    return this.#isStored(collection, chunk) ? this.#reader.readWhole(collection, chunk) : null;
  }
}

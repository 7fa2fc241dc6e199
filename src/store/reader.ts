// Reads rows back from a collection's segments and from the batches that only the log holds. Row numbers are those of now:
// a segment may lie lower than when its chunks were written, because rows before it have been compacted away.
import { Bitset } from '../structures/bitset.ts';
import { applyChanges } from '../structures/changes.ts';
import { atOnce, inSlices } from '../structures/slices.ts';
import type { RecordId } from '../types.ts';
import type { Backend } from './backend.ts';
import type { RowBatch } from './batch.ts';
import type { PayloadCache } from './cache.ts';
import { type Damage, type DamageList, isCorrupt, readTwice } from './damage.ts';
import {
  decodeBlock,
  decodeCodes,
  decodeJson,
  decodeText,
  type Kind,
  readVectors,
  type StoredCodes,
} from './format.ts';
import type { ChunkRef, Segment, StoredCollection } from './manifest.ts';
import { type Patches, patchedMetadata } from './patches.ts';
import type { FiledRows } from './rows/filed-rows.ts';

/** A postings block as it was written, and how many rows lower its rows are now. */
export interface StoredPostings {
  bytes: Uint8Array;
  shift: number;
}

/** Rows as they come back from disk, for rebuilding what is in memory. Views on the stored buffers where possible. */
interface LoadedRows {
  firstRow: number;
  rowCount: number;
}

/** Ids as they were written to the log, or as an ids chunk has them. Without both they are damaged, and nobody can ask for the rows. */
export interface LoadedIds extends LoadedRows {
  list: readonly RecordId[] | null;
  json: Uint8Array | null;
}

export interface LoadedVectors extends LoadedRows {
  /** Null where the caller can do without: they are in the row file. */
  values: Float32Array | null;
  /** Lengths of the vectors, where `values` is null. */
  norms: Float64Array | null;
  present: Bitset;
  /** Null where they are not stored, or damaged: they can be made from the values. */
  codes: StoredCodes | null;
}

export interface LoadedPostings extends LoadedRows, StoredPostings {}

/** Whether these codes of so many rows do without their vectors. */
export type AreEnough = (codes: StoredCodes, rowCount: number) => boolean;

/** JSON of one row's metadata as it was stored (dates tagged), already parsed. */
export type StoredMetadata = unknown;

export interface LoadedMetadata {
  firstRow: number;
  values: StoredMetadata[];
}

/** The rows of one collection, as far as they are on disk. */
export interface DurableRows {
  stored: StoredCollection;
  /** Batches that only the log holds yet, by row. */
  logged: readonly RowBatch[];
  patches: Patches;
}

/** How many rows lower a segment's rows are than its chunks say. */
export function shiftOf(segment: Segment): number {
  return segment.chunks[0]!.firstRow - segment.firstRow;
}

export class RowReader {
  readonly #backend: Backend;
  readonly #cache: PayloadCache;
  readonly #damage: DamageList;
  readonly #rows: FiledRows | null;

  constructor(backend: Backend, cache: PayloadCache, damage: DamageList, rows: FiledRows | null = null) {
    this.#backend = backend;
    this.#cache = cache;
    this.#damage = damage;
    this.#rows = rows;
  }

  /** Ids in row order. What is damaged is left out, and noted. */
  async *loadIds(rows: DurableRows): AsyncGenerator<LoadedIds> {
    yield* inOrder(piecesOf(rows, 'ids'), async ({ chunk, batch, ...piece }) => ({
      ...piece,
      list: batch?.ids ?? null,
      json: chunk ? await this.readWhole(rows.stored.id, chunk) : null,
    }));
  }

  /** Blocks of postings in row order. What is damaged is left out, and noted. */
  async *loadPostings(rows: DurableRows): AsyncGenerator<LoadedPostings> {
    const read = inOrder(piecesOf(rows, 'postings'), async ({ chunk, batch, shift, ...piece }) => {
      const bytes = chunk ? (await this.readWhole(rows.stored.id, chunk))?.slice() : batch!.postings;
      return bytes ? { ...piece, bytes, shift } : null;
    });
    for await (const block of read) if (block) yield block;
  }

  /**
   * Vectors in row order. What is damaged is left out, and noted. `areEnough`: whether the caller can do with the codes of so many rows, where the
   * vectors are in the row file.
   */
  async *loadVectors(rows: DurableRows, areEnough: AreEnough): AsyncGenerator<LoadedVectors> {
    const { id, config } = rows.stored;
    if (config.dimension === null) return;
    const dimension = config.dimension;
    yield* inOrder(piecesOf(rows, 'vectors'), async ({ chunk, codesChunk, batch, firstRow, rowCount }) => {
      const place = { firstRow, rowCount };
      if (!chunk) {
        const { values, present } = batch!.vectors!;
        return { ...place, values, norms: null, present, codes: batch!.codes ?? null };
      }
      const coded = codesChunk && (await this.readWhole(id, codesChunk));
      // A damaged chunk holds nothing that is not in the vectors.
      const codes = coded ? decodeCodes(coded, rowCount) : null;
      const notesOf = () => (codes && areEnough(codes, rowCount) ? this.#rows?.file?.notes(chunk.key) : null);
      let notes = notesOf();
      const payload = notes ? null : await this.readWhole(id, chunk);
      if (payload) {
        await this.#rows?.put(payload.buffer);
        notes = notesOf(); // once it is in the file, the numbers need not be in memory together
      }
      if (notes) return { ...place, values: null, ...notes, codes };
      const read = payload ? readVectors(payload, rowCount, dimension) : noVectors(rowCount, dimension);
      return { ...place, norms: null, ...read, codes };
    });
  }

  /** All metadata in row order, for building payload columns. Rows of parts without any are left out. */
  async *loadMetadata({ stored, logged, patches }: DurableRows): AsyncGenerator<LoadedMetadata> {
    const parts: (Segment | RowBatch)[] = [...stored.segments, ...logged].sort((a, b) => a.firstRow - b.firstRow);
    for (const part of parts) {
      if (!('chunks' in part)) {
        yield { firstRow: part.firstRow, values: atOnce(patchedMetadata(part, patches)).map(parseOrNull) };
        continue;
      }
      let next = part.firstRow;
      for (const chunk of part.chunks) {
        if (chunk.kind !== 'metadata') continue;
        const firstRow = chunk.firstRow - shiftOf(part);
        yield* patchesAlone(patches, next, firstRow);
        next = firstRow + chunk.rowCount;
        const payload = await this.readWhole(stored.id, chunk);
        if (!payload) continue;
        const values = decodeJson(payload) as StoredMetadata[];
        for (const row of patches.rows(firstRow, next))
          values[row - firstRow] = applyChanges(values[row - firstRow] ?? null, patches.of(row)!);
        yield { firstRow, values };
      }
      yield* patchesAlone(patches, next, part.firstRow + part.rowCount);
    }
  }

  /** Metadata of rows, in their order; null where a row has none, or it is damaged. */
  async readMetadata(rows: DurableRows, wanted: ArrayLike<number>): Promise<StoredMetadata[]> {
    const { patches } = rows; // those of now, as what is read; a fold may write them into new chunks meanwhile
    const stored = await this.#readPayload(
      rows,
      wanted,
      'metadata',
      (batch, row) => parseOrNull(batch.metadata[row]!),
      (payload) => decodeJson(payload) as StoredMetadata[],
      (values, row) => values[row] ?? null,
    );
    if (patches.size === 0) return stored;
    const isDamaged =
      this.#damage.all.length > 0 ? (row: number) => this.damageOf(rows, row, ['metadata']) : () => undefined;
    return inSlices(
      (function* () {
        for (const [i, value] of stored.entries()) {
          const row = wanted[i]!;
          const changes = patches.of(row);
          if (changes && !isDamaged(row)) stored[i] = applyChanges(value, changes);
          yield;
        }
        return stored;
      })(),
    );
  }

  /** Texts of rows, in their order; null where a row has none. */
  readTexts(rows: DurableRows, wanted: ArrayLike<number>): Promise<(string | null)[]> {
    return this.#readPayload(
      rows,
      wanted,
      'text',
      (batch, row) => batch.texts[row]!,
      (payload) => payload,
      (payload, row, chunk) => decodeText(payload, chunk.rowCount, row),
    );
  }

  /** What of those parts of a row is damaged, as far as it has been read. */
  damageOf({ stored }: DurableRows, row: number, kinds: readonly Kind[]): Damage | undefined {
    const segment = findByRow(stored.segments, row);
    if (!segment) return undefined;
    for (const kind of kinds) {
      const chunk = chunkOf(segment, kind, row);
      const damage = chunk && this.#damage.of(chunk);
      if (damage) return damage;
    }
    return undefined;
  }

  /** The payload of a chunk. Throws `CORRUPT`. */
  async readChunk(collection: number, chunk: ChunkRef): Promise<Uint8Array<ArrayBuffer>> {
    const { kind, key, firstRow, rowCount } = chunk;
    const read = async () =>
      decodeBlock(await this.#backend.read('chunks', key), { kind, key, firstRow, rowCount, collection }).payload;
    return readTwice(read);
  }

  /** The payload of a chunk; null, and noted, where it is damaged. */
  async readWhole(collection: number, chunk: ChunkRef): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      return await this.readChunk(collection, chunk);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      const { kind, key, firstRow, rowCount } = chunk;
      this.#damage.note({ kind, key, collection, firstRow, rowCount, message: error.message });
      return null;
    }
  }

  async #readPayload<T, D>(
    { stored, logged }: DurableRows,
    wanted: ArrayLike<number>,
    kind: 'metadata' | 'text',
    fromBatch: (batch: RowBatch, row: number) => T,
    decode: (payload: Uint8Array<ArrayBuffer>, chunk: ChunkRef) => D,
    fromChunk: (decoded: D, row: number, chunk: ChunkRef) => T,
  ): Promise<(T | null)[]> {
    // Each chunk once a call: the rows of a long answer lie in more chunks than the cache keeps, in any order.
    const places = new Map<ChunkRef, number[]>();
    const found: (T | null)[] = new Array(wanted.length).fill(null);
    const shifts = new Map<ChunkRef, number>();
    let chunk: ChunkRef | undefined;
    let first = 0;
    let end = 0;
    for (let i = 0; i < found.length; i++) {
      const row = wanted[i]!;
      // Mostly one behind the other.
      if (row < first || row >= end) {
        const batch = findByRow(logged, row);
        if (batch) {
          found[i] = fromBatch(batch, row - batch.firstRow);
          continue;
        }
        const segment = findByRow(stored.segments, row);
        chunk = segment && chunkOf(segment, kind, row);
        first = end = 0;
        if (!chunk) continue;
        const shift = shiftOf(segment!);
        shifts.set(chunk, shift);
        first = chunk.firstRow - shift;
        end = first + chunk.rowCount;
      }
      const known = places.get(chunk!);
      if (known) known.push(i);
      else places.set(chunk!, [i]);
    }
    await Promise.all(
      Array.from(places, async ([chunk, some]) => {
        const decoded = await this.#cache.get(chunk.key, chunk.bytes, async () => {
          const payload = await this.readWhole(stored.id, chunk);
          return payload && decode(payload, chunk);
        });
        if (!decoded) return;
        const from = chunk.firstRow - shifts.get(chunk)!;
        await inSlices(
          (function* () {
            for (const i of some) {
              found[i] = fromChunk(decoded, wanted[i]! - from, chunk);
              yield;
            }
          })(),
        );
      }),
    );
    return found;
  }
}

/** Rows whose ids, words or vectors are read as one value: of a chunk, or of a batch. */
interface Piece {
  /** As they are numbered now. */
  firstRow: number;
  rowCount: number;
  shift: number;
  chunk: ChunkRef | null;
  /** With the codes of these rows. */
  codesChunk: ChunkRef | null;
  batch: RowBatch | null;
}

/** In row order, those of now. */
function piecesOf({ stored, logged }: DurableRows, kind: 'ids' | 'postings' | 'vectors'): Piece[] {
  const pieces: Piece[] = [];
  for (const segment of stored.segments) {
    const shift = shiftOf(segment);
    const codes = new Map<number, ChunkRef>();
    if (kind === 'vectors')
      for (const chunk of segment.chunks) if (chunk.kind === 'codes') codes.set(chunk.firstRow, chunk);
    for (const chunk of segment.chunks) {
      if (chunk.kind !== kind) continue;
      const { firstRow, rowCount } = chunk;
      const codesChunk = codes.get(firstRow) ?? null;
      pieces.push({ firstRow: firstRow - shift, rowCount, shift, chunk, codesChunk, batch: null });
    }
  }
  for (const batch of logged) {
    const { firstRow, rowCount } = batch;
    if (batch[kind]) pieces.push({ firstRow, rowCount, shift: 0, chunk: null, codesChunk: null, batch });
  }
  return pieces.sort((a, b) => a.firstRow - b.firstRow);
}

/** Ids of rows that are deleted, or lost: nobody sees them. */
export function placeholderIds(rowCount: number): RecordId[] {
  return new Array<RecordId>(rowCount).fill(0);
}

export function noVectors(rowCount: number, dimension: number): { values: Float32Array; present: Bitset } {
  return { values: new Float32Array(rowCount * dimension), present: new Bitset(rowCount) };
}

/** Values that are read at a time: one unreadable value then fails alone, and the next one is on its way. */
const AHEAD = 8;

export async function readAhead<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for await (const result of inOrder(items, read)) results.push(result);
  return results;
}

/** As they are taken, the next ones are on their way. Nothing is read any more once it has ended, however it does. */
async function* inOrder<T, R>(items: readonly T[], read: (item: T) => Promise<R>): AsyncGenerator<R, void, undefined> {
  const reads: Promise<R>[] = [];
  try {
    for (let next = 0; next < items.length || reads.length > 0; ) {
      while (next < items.length && reads.length < AHEAD) {
        const reading = read(items[next++]!);
        reading.catch(() => {}); // told when its turn comes
        reads.push(reading);
      }
      const result = await reads[0]!;
      reads.shift();
      yield result;
    }
  } finally {
    await Promise.allSettled(reads);
  }
}

/** Of rows that have nothing else. */
function* patchesAlone(patches: Patches, first: number, end: number): Generator<LoadedMetadata> {
  for (const row of patches.rows(first, end)) yield { firstRow: row, values: [applyChanges(null, patches.of(row)!)] };
}

export function findByRow<T extends { firstRow: number; rowCount: number }>(
  parts: readonly T[],
  row: number,
): T | undefined {
  let low = 0;
  let high = parts.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const part = parts[middle]!;
    if (row < part.firstRow) high = middle - 1;
    else if (row >= part.firstRow + part.rowCount) low = middle + 1;
    else return part;
  }
  return undefined;
}

function chunkOf(segment: Segment, kind: Kind, row: number): ChunkRef | undefined {
  const written = row + shiftOf(segment);
  return segment.chunks.find(
    (chunk) => chunk.kind === kind && written >= chunk.firstRow && written < chunk.firstRow + chunk.rowCount,
  );
}

function parseOrNull(json: string | null): unknown {
  return json === null ? null : JSON.parse(json);
}

// Collections as they are at one moment, written as a file while others go on writing: what there is to read was copied
// (the lists) or cannot change (the chunks), and chunks that become garbage meanwhile are held until it is over.
import type { Bitset } from '../structures/bitset.ts';
import { Renumbering } from '../structures/renumbering.ts';
import { atOnce } from '../structures/slices.ts';
import { batchBytes, joinBatches, type RowBatch, sliceBatch } from './batch.ts';
import { Columns } from './compaction.ts';
import { chainOf, EXCHANGE_VERSION, encodeJsonBlock, encodeRows, type Head } from './exchange.ts';
import type { Journal } from './journal.ts';
import type { StoredCollection } from './manifest.ts';
import { type Patches, patchedMetadata } from './patches.ts';
import type { RowReader } from './reader.ts';

/** Source bytes that are read at a time. */
const SLICE_BYTES = 1 << 20;

/** A collection at that moment. */
export interface CollectionSnapshot {
  stored: StoredCollection;
  logged: readonly RowBatch[];
  deleted: Bitset;
  patches: Patches;
  rowCount: number;
}

export class Export {
  /** Live rows, and how many of them have been written. */
  readonly rowsTotal: number;
  rowsDone = 0;
  readonly #journal: Journal;
  readonly #reader: RowReader;
  readonly #collections: readonly { snapshot: CollectionSnapshot; renumbering: Renumbering }[];
  readonly #keys: number[];
  readonly #blocks: AsyncGenerator<ArrayBuffer>;

  constructor(journal: Journal, reader: RowReader, snapshots: readonly CollectionSnapshot[]) {
    this.#journal = journal;
    this.#reader = reader;
    this.#collections = snapshots.map((snapshot) => ({
      snapshot,
      renumbering: new Renumbering(snapshot.deleted.resized(snapshot.rowCount)), // a copy
    }));
    this.rowsTotal = this.#counts().reduce((sum, count) => sum + count, 0);
    this.#keys = snapshots.flatMap(({ stored }) =>
      stored.segments.flatMap(({ chunks }) => chunks.map((chunk) => chunk.key)),
    );
    journal.hold(this.#keys);
    this.#blocks = this.#write();
  }

  /** The next block of the file; null when it is whole. Throws `CORRUPT`. */
  async next(): Promise<ArrayBuffer | null> {
    const { done, value } = await this.#blocks.next();
    return done ? null : value;
  }

  /** Lets go of the chunks. */
  close(): void {
    this.#journal.release(this.#keys.splice(0));
  }

  #counts(): number[] {
    return this.#collections.map(({ snapshot, renumbering }) => renumbering.kept(0, snapshot.rowCount));
  }

  async *#write(): AsyncGenerator<ArrayBuffer> {
    const counts = this.#counts();
    const head: Head = {
      format: EXCHANGE_VERSION,
      uuid: this.#journal.manifest.uuid,
      collections: this.#collections.map(({ snapshot: { stored } }, i) => ({
        name: stored.name,
        config: stored.config,
        count: counts[i]!,
      })),
    };
    let number = 0;
    let chain = 0;
    const written = (block: ArrayBuffer) => {
      number++;
      chain = chainOf(chain, block);
      return block;
    };
    yield written(encodeJsonBlock('export', number, head));
    for (const [i, { snapshot, renumbering }] of this.#collections.entries()) {
      for await (const rows of together(this.#rows(snapshot, renumbering))) {
        for (const block of encodeRows(i + 1, number, rows)) {
          this.rowsDone += new DataView(block).getUint32(20, true);
          yield written(block);
        }
      }
    }
    yield encodeJsonBlock('end', number, { blocks: number, rows: counts, chain });
  }

  /** Live rows in their order, as they are numbered in the file. */
  async *#rows({ stored, logged, patches }: CollectionSnapshot, renumbering: Renumbering): AsyncGenerator<RowBatch> {
    // Codes are made anew where they are read.
    const plain: StoredCollection = { ...stored, config: { ...stored.config, quantization: 'none' } };
    const parts = [...stored.segments, ...logged].sort((a, b) => a.firstRow - b.firstRow);
    for (const part of parts) {
      const end = part.firstRow + part.rowCount;
      if ('ids' in part) {
        const metadata = atOnce(patchedMetadata(part, patches));
        yield* liveRows({ ...part, metadata }, renumbering);
        continue;
      }
      const columns = new Columns(this.#reader, plain, part, patches);
      const bytes = part.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
      const rowsAtOnce = Math.max(1, Math.floor(SLICE_BYTES / (bytes / part.rowCount)));
      for (let from = part.firstRow; from < end; from += rowsAtOnce) {
        const rows = await columns.read(from, Math.min(from + rowsAtOnce, end), renumbering);
        if (rows) yield rows;
      }
    }
  }
}

/** Adjacent batches as one, until there is enough for a block: a log has a batch for each write. */
async function* together(batches: AsyncIterable<RowBatch>): AsyncGenerator<RowBatch> {
  let waiting: RowBatch[] = [];
  let bytes = 0;
  for await (const batch of batches) {
    waiting.push(batch);
    bytes += batchBytes(batch);
    if (bytes < SLICE_BYTES) continue;
    yield atOnce(joinBatches(waiting, null));
    waiting = [];
    bytes = 0;
  }
  if (waiting.length > 0) yield atOnce(joinBatches(waiting, null));
}

/** Runs of rows that are not deleted. */
function* liveRows(batch: RowBatch, renumbering: Renumbering): Generator<RowBatch> {
  const { firstRow, rowCount } = batch;
  let start = 0;
  for (let i = 0; i <= rowCount; i++) {
    if (i < rowCount && !renumbering.dropped.has(firstRow + i)) continue;
    if (i > start) yield { ...sliceBatch(batch, start, i), firstRow: renumbering.row(firstRow + start) };
    start = i + 1;
  }
}

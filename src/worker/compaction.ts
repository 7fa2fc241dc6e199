// Compacts one collection while it is used: the store's slices run in the write queue one by one, the index of the rows that
// stay is built beside the old one, and only the exchange of the two waits for readers.
import { throwIfAborted } from '../errors.ts';
import type { VectorIndex } from '../indexes/vector-index.ts';
import type { Store } from '../store/store.ts';
import type { Bitset } from '../structures/bitset.ts';
import { nextTask, SLICE_MS } from '../structures/slices.ts';
import type { Postings } from '../text/postings.ts';
import { renumberPostings } from '../text/word-index.ts';
import type { Compacted, Progress } from '../types.ts';
import type { CollectionState } from './collection.ts';
import type { Queue } from './queue.ts';

/** Numbers that the new index is given at a time. */
const APPEND_NUMBERS = 1 << 16;

export interface CompactionRequest {
  /** Of a segment's rows, how many must be deleted for it to be rewritten; 0: any. */
  share: number;
  signal: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** Whatever ends it early, the collection is as it was. Throws `ABORTED`, `CORRUPT`, and what a full disk throws. */
export async function compactCollection(
  state: CollectionState,
  store: Store,
  writes: Queue,
  { share, signal, onProgress }: CompactionRequest,
): Promise<Compacted> {
  const { id } = state.stored;
  /** As long as nobody wants it to end, and the rows have not been given to another state, nor deleted. */
  const goOn = () => {
    throwIfAborted(signal);
    state.gate.check();
  };
  /** A turn in the write queue. */
  const turn = <T>(job: () => Promise<T>) =>
    writes.run(async () => {
      goOn();
      return job();
    });
  const bytesBefore = store.bytesOnDisk(id);
  const compaction = await turn(() => store.planCompaction(id, share));
  if (!compaction) return { rows: 0, bytesBefore, bytesAfter: bytesBefore };
  let index: VectorIndex | null = null;
  try {
    while (await turn(() => compaction.step())) {
      onProgress?.({ done: compaction.rowsDone, total: compaction.rowsTotal });
    }
    goOn();
    const { renumbering } = compaction;
    index = state.createIndex(renumbering.row(state.rowCount));
    await index?.reserve(renumbering.row(state.rowCount));
    const { dropped } = renumbering;
    const copied = await copyRows(state, dropped, index, 0, goOn);
    const postings = new Map<Postings, Postings>();
    for (const { postings: block } of [...state.words.blocks]) {
      postings.set(block, renumberPostings(block, renumbering));
      await nextTask();
      goOn();
    }
    await turn(async () => {
      await copyRows(state, dropped, index, copied, goOn); // those that came meanwhile
      const ids = await state.renumberedIds(renumbering);
      goOn();
      await state.gate.alone(() => {
        const deleted = store.deleted(id);
        return store.finishRewrite(compaction, () => {
          state.renumber(renumbering, index, ids, postings, deleted);
          index = null;
        });
      });
    });
    await writes.run(() => store.sweep());
    return { rows: renumbering.dropped.count(), bytesBefore, bytesAfter: store.bytesOnDisk(id) };
  } catch (error) {
    state.gate.check(); // what failed may have failed by that
    throw error;
  } finally {
    index?.close();
    const isLeftOver = compaction.staged.size > 0;
    compaction.abandon();
    // It may be what has filled the storage.
    if (isLeftOver) await writes.run(() => store.sweep()).catch(() => {}); // else the next writes do
  }
}

/** Appends the rows from `first` on, but for `dropped` ones, to a new index. Returns how far it came: all rows that are durable now. */
export async function copyRows(
  state: CollectionState,
  dropped: Bitset | null,
  index: VectorIndex | null,
  first: number,
  goOn: () => void,
): Promise<number> {
  const end = state.rowCount;
  if (!index || !state.index) return end;
  const rowsAtOnce = Math.max(1, Math.floor(APPEND_NUMBERS / index.dimension));
  let rows: number[] = [];
  let turnEnds = performance.now() + SLICE_MS;
  for (let row = first; row < end; row++) {
    if (!dropped?.has(row)) rows.push(row);
    if (rows.length < rowsAtOnce && row < end - 1) continue;
    const vectors = new Float32Array(rows.length * index.dimension);
    const wanted = rows;
    const copies = await state.gate.read(() => state.index!.vectors(wanted));
    for (const [i, vector] of copies.entries()) vectors.set(vector, i * index.dimension);
    await index.reserve(index.rowCount + rows.length);
    index.append(vectors);
    rows = [];
    if (performance.now() > turnEnds) {
      await nextTask();
      goOn();
      turnEnds = performance.now() + SLICE_MS;
    }
  }
  return end;
}

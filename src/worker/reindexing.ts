// Has the postings of one collection made again while it is used, where an older release made them: its words are read in another
// way now. The store's slices run in the write queue one by one, and queries find what they found until all is in place.
import { throwIfAborted } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { AnalysisId } from '../text/analyzer.ts';
import type { CollectionState } from './collection.ts';
import { postingsOf } from './postings.ts';
import type { Queue } from './queue.ts';

/** Has the words of a collection without rows read by another analysis. Runs in the write queue. */
export async function reindexEmpty(store: Store, state: CollectionState, analysis: AnalysisId): Promise<void> {
  const reindexing = store.planReindexing(state.stored.id, analysis, postingsOf);
  await store.finishReindexing(reindexing, (blocks) => state.exchangeWords(analysis, blocks));
}

/** Whatever ends it early, words are found as before, and it begins again when the collection is next opened. */
export async function reindexCollection(
  state: CollectionState,
  analysis: AnalysisId,
  store: Store,
  writes: Queue,
  signal: AbortSignal,
): Promise<void> {
  /** Runs in the write queue, as long as the rows have not been given to another state, nor deleted. */
  const turn = <T>(job: () => T | Promise<T>) =>
    writes.run(async () => {
      throwIfAborted(signal);
      state.gate.check();
      return job();
    });
  if (store.full) return; // it can wait
  const reindexing = await turn(() => store.planReindexing(state.stored.id, analysis, postingsOf));
  try {
    const slices = store.reindex(reindexing);
    while (!(await turn(() => slices.next())).done);
    await turn(() => store.finishReindexing(reindexing, (blocks) => state.exchangeWords(analysis, blocks)));
    await writes.run(() => store.sweep());
  } finally {
    const isLeftOver = reindexing.staged.size > 0;
    reindexing.abandon();
    // It may be what has filled the storage.
    if (isLeftOver) await writes.run(() => store.sweep()).catch(() => {}); // else the next writes do
  }
}

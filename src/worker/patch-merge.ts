// Writes the patches of one collection into its metadata while it is used: the store's slices run in the write queue one by one, and
// only the exchange of the chunks waits for readers.
import { throwIfAborted } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { CollectionState } from './collection.ts';
import type { Queue } from './queue.ts';

/** Whatever ends it early, the patches are there as before. Returns whether it may bring something to try again. */
export async function mergePatches(
  state: CollectionState,
  store: Store,
  writes: Queue,
  signal: AbortSignal,
): Promise<boolean> {
  const { id } = state.stored;
  /** A turn in the write queue, as long as the rows have not been given to another state, nor deleted. */
  const turn = <T>(job: () => T | Promise<T>) =>
    writes.run(async () => {
      throwIfAborted(signal);
      state.gate.check();
      return job();
    });
  if (store.full) return true; // it can wait
  const merge = await turn(() => store.planPatchMerge(id));
  if (!merge) return false;
  try {
    while (await turn(() => merge.step()));
    await turn(() => state.gate.alone(() => store.finishRewrite(merge, () => state.restartReading())));
    await writes.run(() => store.sweep());
    return merge.garbage().length > 0;
  } finally {
    const isLeftOver = merge.staged.size > 0;
    merge.abandon();
    // It may be what has filled the storage.
    if (isLeftOver) await writes.run(() => store.sweep()).catch(() => {}); // else the next writes do
  }
}

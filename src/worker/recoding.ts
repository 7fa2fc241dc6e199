// Has the codes of one collection written anew while it is used, where its rows have others on disk than it scans: 'auto' has
// changed its mind since. The store's slices run in the write queue one by one; in memory the right codes are there already.
import { throwIfAborted } from '../errors.ts';
import type { Recoding } from '../store/recoding.ts';
import type { Store } from '../store/store.ts';
import type { CollectionState } from './collection.ts';
import type { Queue } from './queue.ts';

/** Whatever ends it early, the codes on disk are as they were, and are made in memory when the collection is opened. */
export async function recodeCollection(
  state: CollectionState,
  store: Store,
  writes: Queue,
  signal: AbortSignal,
): Promise<void> {
  /** A turn in the write queue, as long as the rows have not been given to another state, nor deleted. */
  const turn = <T>(job: () => T | Promise<T>) =>
    writes.run(async () => {
      try {
        throwIfAborted(signal);
        state.gate.check();
        return await job();
      } catch (error) {
        recoding?.abandon();
        // Before anybody else's turn: it may be what has filled the storage.
        await store.sweep().catch(() => {}); // else the next writes do
        throw error;
      }
    });
  let recoding: Recoding | null = null;
  if (store.full) return; // it can wait
  recoding = await turn(() => store.planRecoding(state.stored.id));
  if (!recoding) return;
  while (await turn(() => recoding!.step()));
  if (!recoding.changesAny) return;
  await turn(() => store.finishRecoding(recoding!));
  await writes.run(() => store.sweep());
}

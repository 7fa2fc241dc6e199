// Gives a collection the index that its size asks for, another precision or its numbers in the row file: made beside the old one,
// which answers until the two are exchanged.
import { throwIfAborted } from '../errors.ts';
import type { CollectionState } from './collection.ts';
import { copyRows } from './compaction.ts';
import type { Queue } from './queue.ts';

/** Whatever ends it early, the collection is as it was. */
export async function changePrecision(state: CollectionState, writes: Queue, signal: AbortSignal): Promise<void> {
  if (!state.wantsOtherIndex) return;
  const goOn = () => {
    throwIfAborted(signal);
    state.gate.check();
  };
  if (state.wantsFile && !(await state.fillFile(goOn)) && !state.wantsOtherIndex) return;
  let index = state.createIndex(state.rowCount);
  try {
    await index?.reserve(state.rowCount);
    const copied = await copyRows(state, null, index, 0, goOn);
    await writes.run(async () => {
      goOn();
      await copyRows(state, null, index, copied, goOn); // those that came meanwhile
      await state.gate.alone(async () => {
        state.exchangeIndex(index);
        index = null;
      });
    });
  } finally {
    index?.close();
  }
}

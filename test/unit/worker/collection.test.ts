import { expect, test } from 'vitest';
import { openDevices } from '../../../src/kernels/devices.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { Store } from '../../../src/store/store.ts';
import { CollectionState } from '../../../src/worker/collection.ts';

test('a record that is being replaced is there at every moment, once', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!);
  const stored = await store.createCollection('c', { dimension: 1, metric: 'dot', embedder: null });
  const state = await CollectionState.load(stored, store, await openDevices('js'));
  const write = (...ids: string[]) =>
    state.upsert(
      { ids, vectors: new Float32Array(ids.length).fill(1), sources: null, texts: null, metadata: null },
      'upsert',
    );
  await write('a', 'b');
  await state.delete({ ids: ['b'] });
  // In memory a write ends between two microtasks, so a query may look at any of them.
  let done = false;
  const replacing = write('a').then(() => {
    done = true;
  });
  while (!done) {
    expect(state.liveRows(null)!.count()).toBe(1);
    await Promise.resolve();
  }
  await replacing;
  expect([...state.liveRows(null)!]).toEqual([2]);
});

// Words as they are written: read at the first query that wants them, in slices, and dropped with the row numbers that they are kept by.
import { expect, test } from 'vitest';
import { openDevices } from '../../../src/kernels/devices.ts';
import type { EngineQuery } from '../../../src/protocol.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { Store } from '../../../src/store/store.ts';
import type { CollectionState } from '../../../src/worker/collection.ts';
import { compactCollection } from '../../../src/worker/compaction.ts';
import { answerQuery } from '../../../src/worker/query.ts';
import { Queue } from '../../../src/worker/queue.ts';
import { loadCollection } from './loaded.ts';

const { signal } = new AbortController();
const COUNT = 10_000;

async function bakeries(): Promise<{ store: Store; state: CollectionState }> {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const ids = Array.from({ length: COUNT }, (_, i) => i);
  const texts = ids.map((i) => (i === 7 ? 'a bakery' : `bread number ${i}`));
  await state.upsert({ ids, vectors: null, sources: null, texts, metadata: null }, 'upsert');
  return { store, state };
}

function ask(state: CollectionState, words: string, more: Partial<EngineQuery> = {}, until = signal) {
  const none = { vector: null, embed: null, offset: 0, minScore: null, where: null, exact: false, oversample: 1 };
  const query = { ...none, words, k: 10, fusion: { rrf: {} }, select: [], explain: true, ...more };
  return answerQuery(state, query, async () => null, until);
}
const typed = { wordOptions: { prefix: true } };

test('other queries are answered while they are read', async () => {
  const { state } = await bakeries();
  let isThere = false;
  const first = ask(state, 'bak', typed).finally(() => {
    isThere = true;
  });
  expect((await ask(state, '9')).ids).toEqual([9]);
  expect(isThere).toBe(false);
  const { ids, plan } = await first;
  expect(ids).toEqual([7]);
  expect(plan!.phases.map(({ name }) => name)).toEqual(['forms', 'words']);
  expect(plan!.notes).toEqual(['"bak" was looked for as bakery']);
  expect((await ask(state, 'bak', typed)).plan!.phases.map(({ name }) => name)).toEqual(['words']);
});

test('two queries read them once, one that is cancelled leaves the reading to the other', async () => {
  const { state, store } = await bakeries();
  let read = 0;
  const readTexts = store.readTexts.bind(store);
  store.readTexts = (id, rows) => {
    read += rows.length;
    return readTexts(id, rows);
  };
  const cancelled = new AbortController();
  const first = ask(state, 'bak', typed, cancelled.signal);
  const second = ask(state, 'bak', typed);
  cancelled.abort();
  await expect(first).rejects.toMatchObject({ code: 'ABORTED' });
  expect((await second).ids).toEqual([7]);
  expect(read).toBe(COUNT);
});

test('what is written, deleted and compacted later is found as it is then', async () => {
  const { state, store } = await bakeries();
  const before = state.stats('c').bytes.memory;
  await ask(state, 'bak', typed);
  expect(state.stats('c').bytes.memory).toBe(before + state.forms.byteLength);
  expect(state.forms.byteLength).toBeGreaterThan(COUNT);
  await state.upsert({ ids: ['new'], vectors: null, sources: null, texts: ['baking'], metadata: null }, 'upsert');
  expect((await ask(state, 'bak', typed)).ids).toEqual(['new', 7]);
  await state.delete({ ids: [7] });
  expect((await ask(state, 'bak', typed)).plan!.notes).toEqual(['"bak" was looked for as baking']);
  await compactCollection(state, store, new Queue(), { share: 0, signal });
  expect(state.rowCount).toBe(COUNT);
  expect((await ask(state, 'bak', typed)).ids).toEqual(['new']);
  expect((await ask(state, 'bakery', typed)).ids).toEqual([]);
});

test('an answer is not complete where a beginning is that of more words than are looked for', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const letters = 'bcdfghjklmnpqrstvwxz';
  const ids = Array.from({ length: 300 }, (_, i) => i);
  const texts = ids.map((i) => `ab${letters[i % 20]}${letters[Math.floor(i / 20)]}ok`);
  await state.upsert({ ids, vectors: null, sources: null, texts, metadata: null }, 'upsert');
  for (const minScore of [null, 0]) {
    const all = await ask(state, 'ab', { ...typed, k: 1000, minScore });
    expect([all.ids.length, all.complete]).toEqual([64, false]);
    expect(all.plan!.notes![0]).toContain('it may stand for more');
    const few = await ask(state, 'abb', { ...typed, k: 1000, minScore });
    expect([few.ids.length, few.complete]).toEqual([15, true]);
  }
});

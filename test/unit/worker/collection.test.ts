import { expect, test, vi } from 'vitest';
import { openDevices } from '../../../src/kernels/devices.ts';
import { type EngineQuery, VECTOR_NONE } from '../../../src/protocol.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { Store } from '../../../src/store/store.ts';
import { nextTask } from '../../../src/structures/slices.ts';
import { compactCollection } from '../../../src/worker/compaction.ts';
import { answerQuery } from '../../../src/worker/query.ts';
import { Queue } from '../../../src/worker/queue.ts';
import { loadCollection } from './loaded.ts';

test('a record that is being replaced is there at every moment, once', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: 1, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const write = (...ids: string[]) =>
    state.upsert(
      { ids, vectors: new Float32Array(ids.length).fill(1), sources: null, texts: null, metadata: null },
      'upsert',
    );
  await write('a', 'b');
  await state.delete({ ids: ['b'] });
  // In memory a write ends between two microtasks, so a query may look at any of them; it may also rest for a task.
  let done = false;
  const replacing = write('a').then(() => {
    done = true;
  });
  for (let i = 1; !done; i++) {
    expect(state.liveRows(null)!.count()).toBe(1);
    await (i % 100 === 0 ? nextTask() : Promise.resolve());
  }
  await replacing;
  expect([...state.liveRows(null)!]).toEqual([2]);
});

test.each([
  ['alike', () => ''],
  ['ever shorter', (i: number) => Array.from({ length: 600 - i }, (_, n) => `x${n}`).join(' ')],
  ['now short, now long', (i: number) => Array.from({ length: (i * 7919) % 300 }, (_, n) => `x${n}`).join(' ')],
])(
  'single writes of texts (%s), and opening their log, leave few blocks of postings, with all that they hold',
  async (_, more) => {
    const backend = new MemoryBackend();
    const store = await Store.open(backend, (blocks) => blocks[0]!.bytes);
    const stored = await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null });
    const state = await loadCollection(stored, store, await openDevices('js'));
    const { signal } = new AbortController();
    let most = 0;
    for (let i = 0; i < 600; i++) {
      const texts = [`word w${i} ${i < 200 ? 'third' : ''} ${more(i)}`];
      await state.upsert({ ids: [i], vectors: null, sources: null, texts, metadata: null }, 'upsert');
      most = Math.max(most, state.words.blocks.length);
    }
    const reopened = await Store.open(backend, (list) => list[0]!.bytes);
    const again = await loadCollection(reopened.collections[0]!, reopened, await openDevices('js'));
    for (const collection of [state, again]) {
      most = Math.max(most, collection.words.blocks.length);
      for (const [words, count] of [
        ['w599', 1],
        ['w0', 1],
        ['third', 200],
        ['word', 600],
      ] as const) {
        const answer = await answerQuery(collection, { ...wordsQuery(words), k: 1000 }, async () => null, signal);
        expect(answer.ids).toHaveLength(count);
      }
    }
    expect(most).toBeLessThanOrEqual(13); // from some 60 bytes, by doublings, to 256 KB
  },
);

test('a large block of postings is not merged, neither with what comes before it nor after', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const large = Array.from({ length: 40_000 }, (_, n) => `large${n}`).join(' ');
  for (const [id, text] of ['small', large, 'small'].entries())
    await state.upsert({ ids: [id], vectors: null, sources: null, texts: [text], metadata: null }, 'upsert');
  const sizes = state.words.blocks.map(({ postings }) => postings.byteLength);
  expect(sizes.map((size) => size >= 256 << 10)).toEqual([false, true, false]);
});

test('whoever reads while rows are renumbered gets the records that were asked for', async () => {
  const backend = new MemoryBackend();
  const read = backend.read.bind(backend);
  const store = await Store.open(backend, (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: null, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const ids = Array.from({ length: 300 }, (_, i) => i);
  const texts = ids.map((i) => `w${i} ${'x'.repeat(5000)}`);
  await state.upsert({ ids, vectors: null, sources: null, texts, metadata: null }, 'upsert');
  await state.delete({ ids: ids.filter((i) => i % 2 === 0) });
  // A query that is still reading its texts: the rows that it found must not be others' when they have arrived.
  let arrive = () => {};
  backend.read = async (...where) => {
    const value = await read(...where);
    await new Promise<void>((resolve) => {
      arrive = resolve;
    });
    return value;
  };
  const { signal } = new AbortController();
  const asking = answerQuery(state, wordsQuery('w151'), async () => null, signal);
  await nextTurn();
  backend.read = read;
  const compacting = compactCollection(state, store, new Queue(), { share: 0, signal });
  for (let i = 0; i < 50; i++) await nextTurn();
  arrive();
  const answer = await asking;
  expect([answer.ids, answer.rows.texts]).toEqual([[151], [texts[151]]]);
  expect((await compacting).rows).toBe(150);
  const after = await answerQuery(state, wordsQuery('w151'), async () => null, signal);
  expect([after.ids, after.rows.texts]).toEqual([[151], [texts[151]]]);
});

test('how many are asked together is told to the index, but for a text, which is embedded before', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: 1, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const search = vi.spyOn(state.index!, 'search');
  const { signal } = new AbortController();
  const query: EngineQuery = { ...wordsQuery(''), words: null, explain: true };
  const embed = async () => Float32Array.of(1);
  const byVector = await answerQuery(state, { ...query, vector: Float32Array.of(1) }, embed, signal, 7);
  await answerQuery(state, { ...query, embed: 'text' }, embed, signal, 7);
  expect(search.mock.calls.map(([wish]) => wish.batch)).toEqual([7, 1]);
  expect(byVector.plan!.route).toBe("device 'js'");
});

test('records without a vector are in no vector search', async () => {
  const store = await Store.open(new MemoryBackend(), (blocks) => blocks[0]!.bytes);
  const stored = await store.createCollection('c', { dimension: 1, metric: 'dot', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const sources = Uint8Array.of(0, VECTOR_NONE, 0);
  const records = { ids: ['a', 'b', 'c'], vectors: Float32Array.of(1, 0, -1), sources, texts: null, metadata: null };
  await state.upsert(records, 'upsert');
  const { signal } = new AbortController();
  const query: EngineQuery = { ...wordsQuery(''), words: null, vector: Float32Array.of(1) };
  expect((await answerQuery(state, query, async () => null, signal)).ids).toEqual(['a', 'c']);
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function wordsQuery(words: string): EngineQuery {
  return {
    vector: null,
    embed: null,
    words,
    k: 10,
    offset: 0,
    minScore: null,
    where: null,
    fusion: { rrf: {} },
    select: ['text'],
    exact: false,
    oversample: 1,
    explain: false,
  };
}

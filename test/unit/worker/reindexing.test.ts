// Collections whose words an older release indexed: they are indexed again behind, from their texts, while they are used.
import { expect, test, vi } from 'vitest';
import { openDevices } from '../../../src/kernels/devices.ts';
import type { EngineQuery } from '../../../src/protocol.ts';
import { KINDS as KIND_NUMBERS } from '../../../src/store/format.ts';
import { analysisOf, ENGLISH, provideStemmers } from '../../../src/text/analyzer.ts';
import type { RecordId } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { openStore } from '../../../src/worker/open-store.ts';
import { Disk, type DiskState } from '../../faults/disk.ts';
import { openEngine, openExisting } from '../../faults/machine.ts';
import { loadCollection } from './loaded.ts';

const KINDS = ['リンゴ', 'an e-mail', 'Größe', 'plain words', 'v1.2.3'];
const textOf = (id: number) => `${KINDS[id % KINDS.length]} id${id}`;

/** As format 4 left it: segments, a folded log, log entries, deleted rows. The analysis of its collection is that of then. */
async function oldDatabase(deletedWord = ''): Promise<Disk> {
  const disk = new Disk();
  const options = { key: null, known: null, coderFor: () => null, areOthersGone: async () => true };
  const { store } = await openStore(disk, options);
  const stored = await store.createCollection('c', { dimension: null, metric: 'cosine', embedder: null });
  const state = await loadCollection(stored, store, await openDevices('js'));
  const write = (ids: number[], more = '') => {
    const texts = ids.map((id) => textOf(id) + more + (id === 3 ? ` ${deletedWord}` : ''));
    return state.upsert({ ids, vectors: null, sources: null, texts, metadata: null }, 'upsert');
  };
  const long = Array.from({ length: 5500 }, (_, i) => `filler${i}`).join(' ');
  await write(
    Array.from({ length: 40 }, (_, i) => i),
    ` ${long}`,
  ); // a segment of its own
  await write([40, 41, 42, 43, 44, 45]);
  await state.delete({ ids: [3, 41] });
  await store.fold();
  await write([46, 47, 0, 1]);
  await state.delete({ ids: [46] });
  store.close();
  return disk;
}

const LIVE = Array.from({ length: 48 }, (_, i) => i).filter((i) => ![3, 41, 46].includes(i));

async function find(engine: LocalEngine, words: string): Promise<RecordId[]> {
  const none = { vector: null, embed: null, offset: 0, minScore: null, where: null, exact: false, oversample: 1 };
  const query: EngineQuery = { ...none, words, k: 1000, fusion: { rrf: {} }, select: [], explain: false };
  const id = await openExisting(engine, 'c');
  const [answer] = await engine.query(id, [query], ++call);
  return answer!.ids.map(Number).sort((a, b) => a - b);
}

const withKind = (kind: number) => LIVE.filter((id) => id % KINDS.length === kind);
let call = 10_000;

/** "email" is found only by the newest analysis. */
async function untilReindexed(engine: LocalEngine): Promise<void> {
  while ((await find(engine, 'email')).length === 0) await new Promise((resolve) => setImmediate(resolve));
}

async function expectAllFound(engine: LocalEngine): Promise<void> {
  expect(await find(engine, 'りんご')).toEqual(withKind(0));
  expect(await find(engine, 'email')).toEqual(withKind(1));
  expect(await find(engine, 'groesse')).toEqual(withKind(2));
  expect(await find(engine, '1.2.3')).toEqual(withKind(4));
  expect(await find(engine, 'plain')).toEqual(withKind(3));
}

test('words are found as before until they are found in the new way, and a crash on the way loses nothing', async () => {
  const disk = await oldDatabase();
  const states: DiskState[] = [];
  disk.onCommit = () => states.push(disk.state);
  const engine = await openEngine(disk);
  let before = 0;
  for (;;) {
    const [old, email] = [await find(engine, 'リンゴ'), await find(engine, 'email')];
    expect(old).toEqual(withKind(0));
    if (email.length > 0) break;
    before++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(before).toBeGreaterThan(0);
  await expectAllFound(engine);
  await engine.close();
  expect(states.length).toBeGreaterThan(3);
  for (const state of states) {
    const again = await openEngine(new Disk(state));
    expect(await find(again, 'リンゴ')).toEqual(withKind(0));
    await untilReindexed(again);
    await expectAllFound(again);
    await again.close();
  }
});

test('what is written and deleted meanwhile is in it', async () => {
  const engine = await openEngine(await oldDatabase());
  const id = await openExisting(engine, 'c');
  const write = (ids: number[], text: string) =>
    engine.upsert(
      id,
      { ids, vectors: null, sources: null, texts: ids.map(() => text), metadata: null },
      'upsert',
      ++call,
    );
  await write([100], 'another e-mail');
  await engine.delete(id, { ids: [1] }, ++call);
  await untilReindexed(engine);
  await write([101], 'and one more e-mail');
  const emails = [...withKind(1).filter((n) => n !== 1), 100, 101];
  expect(await find(engine, 'email')).toEqual(emails);
  expect(await find(engine, 'mail')).toEqual(emails);
});

test('no deleted word is in the new postings, and the old ones are gone', async () => {
  const disk = await oldDatabase('deletedword');
  const postings = () =>
    [...disk.state.get('chunks')!.values()].filter(
      (value) => new DataView(value).getUint8(5) === KIND_NUMBERS.postings,
    );
  const hold = (word: string) => postings().filter((value) => Buffer.from(value).includes(word)).length;
  expect(hold('deletedword')).toBe(1);
  const engine = await openEngine(disk);
  await untilReindexed(engine);
  await engine.close();
  expect(hold('deletedword')).toBe(0);
});

test('a database that has been indexed again is left alone', async () => {
  const disk = await oldDatabase();
  const engine = await openEngine(disk);
  await untilReindexed(engine);
  await engine.close();
  const again = await openEngine(disk);
  const before = disk.state.get('chunks')!.size;
  await expectAllFound(again);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(disk.state.get('chunks')!.size).toBe(before);
  await again.close();
});

test('what precedes a write in another script is not taken for the write: sent again after a crash between the two, it is applied', async () => {
  const origin = { client: '3f2b1a54-8c1e-4a0f-9b57-0f3f2e7d6c11', call: 1, settled: 1 };
  const open = async (disk: Disk) => {
    const none = () => Promise.reject(new Error('none'));
    const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
      openBackend: async () => disk,
      originOf: () => origin,
      importAsset: () => import('../../../src/text/stemmers.ts'),
    });
    await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
    return engine;
  };
  const write = async (engine: LocalEngine) => {
    const id = await openExisting(engine, 'c');
    const records = { ids: [1], vectors: null, sources: null, texts: ['читаю книгу'], metadata: null };
    await engine.upsert(id, records, 'upsert', ++call);
  };
  const disk = new Disk();
  const { store } = await openStore(disk, {
    key: null,
    known: null,
    coderFor: () => null,
    areOthersGone: async () => true,
  });
  await store.createCollection('c', { dimension: null, metric: 'cosine', embedder: null, analysis: ENGLISH });
  store.close();
  const states: DiskState[] = [disk.state];
  disk.onCommit = () => states.push(disk.state);
  await write(await open(disk));
  expect(states.length).toBeGreaterThan(2);
  for (const state of states) {
    const again = await open(new Disk(state));
    await write(again);
    expect(await find(again, 'книги')).toEqual([1]);
  }
});

test('a file of stemmers that never comes holds up nobody for long', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const disk = new Disk();
    const { store } = await openStore(disk, {
      key: null,
      known: null,
      coderFor: () => null,
      areOthersGone: async () => true,
    });
    await store.createCollection('c', {
      dimension: null,
      metric: 'cosine',
      embedder: null,
      language: 'fi',
      analysis: analysisOf('fi'),
    });
    store.close();
    provideStemmers(null);
    const none = () => Promise.reject(new Error('none'));
    const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
      openBackend: async () => disk,
      importAsset: () => new Promise(() => {}),
    });
    await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
    const id = await openExisting(engine, 'c'); // needs none of it
    const records = { ids: [1], vectors: null, sources: null, texts: ['kirja'], metadata: null };
    const writing = expect(engine.upsert(id, records, 'upsert', ++call)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await vi.advanceTimersByTimeAsync(11_000);
    await writing;
    await engine.close();
  } finally {
    vi.useRealTimers();
  }
});

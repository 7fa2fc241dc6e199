// What a write holds the thread for. No clock decides: V8 counts how often each block of our code runs, and time is what the
// work says of it, one tick each time that it asks.
import { Session } from 'node:inspector/promises';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import type { PackedRecords } from '../../../src/protocol.ts';
import type { Backend } from '../../../src/store/backend.ts';
import type { CollectionConfig } from '../../../src/store/manifest.ts';

// What is compiled before it begins has no counters.
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
const { PiramidError } = await import('../../../src/errors.ts');
const { openDevices } = await import('../../../src/kernels/devices.ts');
const { MemoryBackend } = await import('../../../src/store/memory.ts');
const { Store } = await import('../../../src/store/store.ts');
const { seededRandom } = await import('../../../src/structures/random.ts');
const { SLICE_MS } = await import('../../../src/structures/slices.ts');
const { coderFor } = await import('../../../src/worker/collection.ts');
const { mergeStored } = await import('../../../src/worker/postings.ts');
const { loadCollection } = await import('./loaded.ts');

const DIMENSION = 384;
/** How often the work may say that it may rest, until it must. */
const STEPS = 4;
/** Of so many blocks of code is a slice at most. Without slices, such a write has 400 000 to 2 000 000. */
const BLOCKS_MAX = 100_000;

afterAll(() => session.disconnect());
afterEach(() => vi.restoreAllMocks());

/** Of a clock that goes on when it is asked, from far behind the real one. */
let now = 1e9;

function tick(): void {
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += SLICE_MS / STEPS;
    return now;
  });
}

/** The most blocks that run between two turns of the event loop while `run` does, and the functions that run most then. */
async function longestTurn(run: () => Promise<unknown>): Promise<{ blocks: number; most: string[] }> {
  await session.post('Profiler.takePreciseCoverage');
  let longest = { blocks: 0, most: [] as string[] };
  let isDone = false;
  const running = run().finally(() => {
    isDone = true;
  });
  for (let last = false; !last; ) {
    last = isDone;
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const counts = new Map<string, number>();
    for (const { url, functions } of result) {
      if (!/\/src\//.test(url) || /node_modules/.test(url)) continue;
      for (const { functionName, ranges } of functions) {
        const count = ranges.reduce((sum, range) => sum + range.count, 0);
        if (count > 0) counts.set(functionName, (counts.get(functionName) ?? 0) + count);
      }
    }
    const blocks = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 5);
    if (blocks > longest.blocks) longest = { blocks, most: most.map(([name, count]) => `${name} ${count}`) };
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running;
  return longest;
}

async function openCollection(quantization: 'none' | 'int8' | 'binary', backend: Backend = new MemoryBackend()) {
  const store = await Store.open(backend, mergeStored, coderFor);
  const config: CollectionConfig = {
    dimension: DIMENSION,
    metric: 'cosine',
    embedder: null,
    quantization,
    analysis: 2,
  };
  const stored = await store.createCollection('c', config);
  return { store, state: await loadCollection(stored, store, await openDevices('js')) };
}

function records(first: number, count: number, fields = 8, words = 3): PackedRecords {
  const random = seededRandom(first + count);
  const word = () => `w${Math.floor(50 * random.next() ** 3).toString(36)}`;
  return {
    ids: Array.from({ length: count }, (_, i) => `record-${first + i}`),
    vectors: Float32Array.from({ length: count * DIMENSION }, () => random.next() - 0.5),
    sources: null,
    texts: Array.from({ length: count }, () => Array.from({ length: words }, word).join(' ')),
    metadata: Array.from({ length: count }, (_, i) =>
      JSON.stringify(
        Object.fromEntries(
          Array.from({ length: fields }, (_, f) => [
            `f${f}`,
            f % 3 === 0 ? i : f % 3 === 1 ? word() : [word(), word()],
          ]),
        ),
      ),
    ),
  };
}

const idsOf = ({ ids }: PackedRecords) => ({ ids });

async function expectSlices(run: () => Promise<unknown>): Promise<void> {
  tick();
  const { blocks, most } = await longestTurn(run);
  expect(blocks, most.join(', ')).toBeLessThan(BLOCKS_MAX);
}

test.each(['none', 'int8', 'binary'] as const)('a write of 500 records lets others in (%s)', async (quantization) => {
  const { state } = await openCollection(quantization);
  await state.upsert(records(0, 100), 'upsert');
  await state.facets('f1', null, 10); // columns are kept from now on
  const batch = records(100, 500);
  await expectSlices(() => state.upsert(batch, 'upsert'));
  expect(await state.countWhere({ f0: 3 })).toBe(2);
});

test('so does one of 500 records with 60 fields each', async () => {
  const { state } = await openCollection('none');
  await state.upsert(records(0, 1), 'upsert');
  await state.facets('f1', null, 10);
  const batch = records(1, 500, 60);
  await expectSlices(() => state.upsert(batch, 'upsert'));
});

test('so do an update of 500 records and a deletion', async () => {
  const { state } = await openCollection('none');
  const batch = records(0, 500);
  await state.upsert(batch, 'upsert');
  await state.facets('f1', null, 10);
  await expectSlices(() => state.update(idsOf(batch), { set: { seen: true } }));
  expect(await state.countWhere({ seen: true })).toBe(500);
  await expectSlices(() => state.delete(idsOf(batch)));
  expect(await state.countWhere(null)).toBe(0);
});

test('so do writes that go into the log, and the fold that moves them out', async () => {
  const { state, store } = await openCollection('int8');
  for (let first = 0; first < 1600; first += 400) {
    const batch = records(first, 400, 2);
    await expectSlices(() => state.upsert(batch, 'upsert'));
  }
  await expectSlices(() => store.fold());
});

test('between its slices a write is not there, and then all of it is', async () => {
  const { state } = await openCollection('none');
  await state.upsert(records(0, 100), 'upsert');
  const of = (field: string) =>
    state.facets(field, null, 1000).then((facets) => facets.reduce((n, { count }) => n + count, 0));
  await of('f0');
  const batch = records(50, 500);
  tick();
  let isDone = false;
  const writing = state.upsert(batch, 'upsert').finally(() => {
    isDone = true;
  });
  const seen = new Set<string>();
  let looks = 0;
  for (; !isDone; looks++) {
    seen.add(
      `${state.count} ${await of('f0')} ${await state.countWhere({ f0: { $gte: 0 } })} ${state.words.blocks.reduce((n, { postings, deadTexts }) => n + postings.textCount - deadTexts, 0)}`,
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  await writing;
  expect(looks).toBeGreaterThan(100);
  expect([...seen]).toEqual(['100 100 100 100', ...(seen.size > 1 ? ['550 550 550 550'] : [])]);
  expect(await of('f0')).toBe(550);
});

test('rows that could not be written are in no filter, nor in the place of the next ones', async () => {
  let isFull = false;
  const backend = new MemoryBackend();
  const commit = backend.commit.bind(backend);
  backend.commit = async (writes, vacant) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (isFull) throw new PiramidError('STORAGE_FAILED', 'out of order');
    await commit(writes, vacant);
  };
  const { state } = await openCollection('none', backend);
  await state.upsert(records(0, 10), 'upsert');
  expect(await state.countWhere({ f0: 9 })).toBe(1);
  isFull = true;
  await expect(state.upsert(records(10, 600), 'upsert')).rejects.toThrow('out of order');
  expect(await state.countWhere({ f0: 500 })).toBe(0);
  isFull = false;
  await state.upsert(records(700, 5), 'upsert');
  expect(await state.countWhere({ f0: { $gte: 0 } })).toBe(15);
  expect(await state.countWhere({ f0: 4 })).toBe(2);
});

// By which numbers the writes of a tab are known, so that none is applied twice.
import { expect, test } from 'vitest';
import { decodeOrigin } from '../../../src/store/answered.ts';
import { decodeLogEntry } from '../../../src/store/batch.ts';
import { decodeBlock } from '../../../src/store/format.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { Calls } from '../../../src/worker/tabs/calls.ts';
import { createTab } from '../../../src/worker/tabs/tab.ts';
import { World } from '../../faults/world.ts';

test('a write is settled when it and all before it have their answers', () => {
  const calls = new Calls();
  const [first, read, second] = (['upsert', 'query', 'delete'] as const).map(
    (method) => calls.add(method, [], null).call,
  );
  expect(calls.settledWrites()).toBe(first!.number);
  calls.delete(read!);
  calls.delete(second!);
  expect(calls.settledWrites()).toBe(first!.number);
  calls.delete(first!);
  expect(calls.settledWrites()).toBe(second!.number + 1);
});

test('the writes of a leader are stored under its token and their numbers', async () => {
  const world = new World(1);
  const backend = new MemoryBackend();
  const none = () => Promise.reject(new Error('none'));
  const platform = { ...world.newTab().platform, openBackend: async () => backend };
  const tab = createTab(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), platform);
  let token: string | null = null;
  const writing = (async () => {
    token = await tab.hello();
    const options = { name: 'x', storage: 'indexeddb', device: 'js', durability: 'strict', models: {} } as const;
    await tab.open(options, () => {});
    const request = { dimension: null, metric: null, quantization: null, embedder: null, mustExist: false };
    const { id } = await tab.openCollection('c', request, 1);
    const texts = { vectors: null, sources: null, texts: ['a'], metadata: null };
    await tab.upsert(id, { ids: [1], ...texts }, 'upsert', 2);
    await tab.upsert(id, { ids: [2], ...texts }, 'upsert', 3);
    return true;
  })();
  let isOver = false;
  void writing.finally(() => {
    isOver = true;
  });
  await world.run(() => isOver, 5000);
  expect(await writing).toBe(true);
  const entries = [...(await backend.readAll('log', 0))].map(([key, value]) => {
    const { header, payload } = decodeBlock(value, { kind: 'log', key });
    const { origin } = decodeLogEntry(payload, header.firstRow, header.rowCount, null);
    return decodeOrigin(origin!).origin;
  });
  expect(entries.map(({ client }) => client)).toEqual([token, token]);
  const [first, second] = entries;
  expect(second!.call).toBe(first!.call + 1);
  expect(first!.settled).toBe(first!.call);
});

// Exports and imports whose code is slow to come: nobody but them waits for it.
import { expect, test } from 'vitest';
import { createEngine } from '../../../src/worker/engine.ts';
import { included } from '../../../src/worker/included.ts';
import { contents, exported, imported, joined, newCall, openEngine, records, request } from './files.ts';

async function slow() {
  let arrive = () => {};
  const loading = new Promise((resolve) => {
    arrive = () => resolve(included['transfer.js']);
  });
  const none = () => Promise.reject(new Error('no model'));
  const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
    importAsset: () => loading,
  });
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
  const { id } = await engine.openCollection('c', request({}), newCall());
  const write = (rid: number) => engine.upsert(id, records({ ids: [rid], texts: ['a'] }), 'upsert', newCall());
  await write(1);
  return { engine, write, arrive };
}

test('writes do not wait for it, and the first export shows the moment at which it came', async () => {
  const { engine, write, arrive } = await slow();
  const first = exported(engine);
  await write(2);
  arrive();
  const copy = await openEngine();
  await imported(copy, joined(await first));
  expect(await contents(copy)).toMatchObject([{ info: { count: 2 } }]);

  const second = exported(engine);
  await write(3);
  const again = await openEngine();
  await imported(again, joined(await second));
  expect(await contents(again)).toEqual(await contents(copy));
});

test.each(['runExport', 'runImport', 'finishImport'] as const)(
  '%s ends when it is cancelled or closed',
  async (run) => {
    const { engine, write, arrive } = await slow();
    const begin = (call: number) => (run === 'runExport' ? engine.runExport('a', null, call) : engine[run]('a', call));
    const call = newCall();
    const cancelled = begin(call);
    engine.cancel(call);
    await expect(cancelled).rejects.toMatchObject({ code: 'ABORTED' });
    await write(2);

    const open = begin(newCall());
    open.catch(() => {});
    await engine.close();
    await expect(open).rejects.toMatchObject({ code: 'CLOSED' });
    arrive();
  },
);

// A file that says it has very many collections: what is wrong is said, and what can be right is taken.
import { expect, test } from 'vitest';
import { chainOf } from '../../src/store/exchange.ts';
import { encodeJson } from '../../src/store/format.ts';
import {
  exported,
  imported,
  joined,
  newCall,
  openEngine,
  request,
  resealed,
  withPayload,
} from '../unit/transfer/files.ts';

async function fileOf(count: number): Promise<Uint8Array> {
  const engine = await openEngine();
  await engine.openCollection('c', request({}), newCall());
  const blocks = await exported(engine);
  const config = { dimension: null, metric: 'cosine', embedder: null, quantization: 'none' };
  const collections = Array.from({ length: count }, (_, i) => ({ name: `c${i}`, config, count: 0 }));
  const [head] = resealed([withPayload(blocks[0]!, encodeJson({ format: 1, uuid: 'x', collections }))]);
  const end = withPayload(
    blocks.at(-1)!,
    encodeJson({ blocks: 1, rows: new Array(count).fill(0), chain: chainOf(0, head!.buffer) }),
  );
  return joined([head!, end]);
}

test.each([70_000, 200_000])('%i collections are refused with their number', async (count) => {
  const engine = await openEngine();
  const file = await fileOf(count);
  await expect(imported(engine, file)).rejects.toMatchObject({
    code: 'INVALID_FILE',
    message: `block 0: names ${count} collections, at most 65536 are possible. Nothing was imported.`,
  });
  expect(await engine.listCollections()).toEqual([]);
});

test('very many collections come in', async () => {
  const engine = await openEngine();
  await imported(engine, await fileOf(30_000));
  expect((await engine.listCollections()).length).toBe(30_000);
});

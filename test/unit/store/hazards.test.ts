// Interleavings that a review found to lose records or words: each was red before it was mended.
import { expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { Backend, Place, Write } from '../../../src/store/backend.ts';
import type { RowBatch } from '../../../src/store/batch.ts';
import { openFenced } from '../../../src/store/fence.ts';
import { Import } from '../../../src/store/import.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { SEGMENT_BYTES_MIN } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Postings } from '../../../src/text/postings.ts';
import { mergeStored, postingsOf } from '../../../src/worker/postings.ts';
import { idsOf } from './loaded.ts';
import { wrapped } from './wrapped.ts';

const CONFIG = { dimension: null, metric: 'cosine', embedder: null, analysis: 0 } as const;
function batch(firstRow: number, texts: (string | null)[]): RowBatch {
  const ids = texts.map((_, i) => firstRow + i);
  const none = texts.map(() => null);
  return {
    firstRow,
    rowCount: ids.length,
    ids,
    vectors: null,
    metadata: none,
    texts,
    postings: postingsOf(texts, firstRow, CONFIG),
  };
}
const rowsOf = (b: readonly { bytes: Uint8Array; shift: number }[], w: string) => {
  const out: number[] = [];
  for (const { bytes, shift } of b) {
    const p = Postings.open(bytes, shift);
    const f = p.find(new TextEncoder().encode(w));
    if (!f) continue;
    const bytes2 = p.bytes;
    let row = 0;
    let at = f.start;
    while (at < f.end) {
      const code = bytes2[at++]!;
      row += code >> 1;
      if (code & 1) at++;
      out.push(p.firstRow + row);
      row++;
    }
  }
  return out;
};

test('reindexing a segment with a slice without texts in the middle (import)', async () => {
  const store = await Store.open(new MemoryBackend(), mergeStored);
  const imported = store.import(Import);
  await imported.begin([{ name: 'c', config: CONFIG }]);
  await imported.stage(0, batch(0, ['apple']));
  await imported.stage(0, batch(1, [null, null, null]));
  await imported.stage(0, batch(4, ['banana']));
  await store.finishImport(imported, 5);
  const { id } = store.collections[0]!;
  const r = store.planReindexing(id, 2, postingsOf);
  let blocks: readonly { bytes: Uint8Array; shift: number }[] = [];
  for await (const _ of store.reindex(r));
  await store.finishReindexing(r, (b) => {
    blocks = [...b];
  });
  expect(rowsOf(blocks, 'appl')).toEqual([0]);
  expect(rowsOf(blocks, 'banana')).toEqual([4]);
});

test('a stale leader whose storage was full deletes no chunks of the next one', async () => {
  const memory = new MemoryBackend();
  let mode: 'ok' | 'full' | 'freeze' = 'ok';
  let takeOver: () => Promise<void> = async () => {};
  const disk: Backend = wrapped(memory, {
    commit: async (writes: readonly Write[], vacant?: Place) => {
      if (mode === 'full' && writes.some((w) => w.store === 'manifest')) throw new PiramidError('STORAGE_FULL', 'full');
      // the worker is frozen in the middle of its transaction; the browser aborts it, and IndexedDbBackend asks once more
      if (mode === 'freeze' && !writes.some((w) => 'value' in w)) {
        mode = 'ok';
        await takeOver();
      }
      return memory.commit(writes, vacant);
    },
  });
  const long = 'x'.repeat(SEGMENT_BYTES_MIN);
  const plain = (first: number): RowBatch => ({ ...batch(first, [null]), texts: [long], postings: null });
  const a = await Store.open(await openFenced(disk), mergeStored);
  const { id } = await a.createCollection('c', CONFIG);
  await a.append(id, plain(0), []);
  mode = 'full';
  await expect(a.append(id, plain(1), [])).rejects.toThrow('full'); // chunks ahead are there, the manifest is not
  mode = 'freeze';
  let b!: Store;
  takeOver = async () => {
    b = await Store.open(await openFenced(memory), mergeStored);
    await b.append(id, plain(1), []); // acknowledged
  };
  await a.retryWrites().catch(() => {});
  const c = await Store.open(memory, mergeStored);
  expect(c.rowCount(id)).toBe(2);
  const keys = await memory.keys('chunks');
  expect(c.chunkKeys().filter((k) => !keys.includes(k))).toEqual([]);
});

test('a repair that fails half way leaves nothing behind', async () => {
  const memory = new MemoryBackend();
  const store = await Store.open(memory, mergeStored);
  const a = await store.createCollection('a', { ...CONFIG, dimension: 1 });
  const de = { ...CONFIG, language: 'de', analysis: 2 + 0x64 * 0x100 + 0x65 * 0x10000 } as const; // stemmers are not loaded
  const b = await store.createCollection('b', de);
  const { Bitset } = await import('../../../src/structures/bitset.ts');
  const long = 'x'.repeat(SEGMENT_BYTES_MIN);
  const vec = (first: number): RowBatch => ({
    ...batch(first, [null]),
    texts: [long],
    postings: null,
    vectors: { dimension: 1, values: new Float32Array(1).fill(1), present: Bitset.full(1) },
  });
  await store.append(a.id, vec(0), []);
  await store.append(
    b.id,
    { ...batch(0, ['x y']), texts: [long], postings: postingsOf(['x y'], 0, { ...CONFIG, analysis: 2 }) },
    [],
  );
  const damage = async (collection: number, kind: string) => {
    const { key } = store.collections[collection]!.segments[0]!.chunks.find((c) => c.kind === kind)!;
    const value = (await memory.read('chunks', key))!.slice(0);
    new Uint8Array(value)[value.byteLength - 1]! ^= 1;
    await memory.commit([{ store: 'chunks', key, value }]);
  };
  await damage(0, 'vectors');
  await damage(1, 'postings');
  await expect(store.repair(postingsOf)).rejects.toThrow('stemmers.js'); // though nobody tried to load it
  await store.append(a.id, vec(1), []); // acknowledged
  const keys = store.collections[0]!.segments.flatMap((s) => s.chunks.map((c) => c.key));
  expect(new Set(keys).size).toBe(keys.length);
});
test('a repair after one that failed takes no live chunk away', async () => {
  // the same, then a repair that can make the postings
  const memory = new MemoryBackend();
  const store = await Store.open(memory, mergeStored);
  const { Bitset } = await import('../../../src/structures/bitset.ts');
  const a = await store.createCollection('a', { ...CONFIG, dimension: 1 });
  const b = await store.createCollection('b', CONFIG);
  const long = 'x'.repeat(SEGMENT_BYTES_MIN);
  const vec = (first: number): RowBatch => ({
    ...batch(first, [null]),
    texts: [long],
    postings: null,
    vectors: { dimension: 1, values: new Float32Array(1).fill(1), present: Bitset.full(1) },
  });
  await store.append(a.id, vec(0), []);
  await store.append(b.id, { ...batch(0, ['x y']), texts: [long] }, []);
  for (const [c, kind] of [
    [0, 'vectors'],
    [1, 'postings'],
  ] as const) {
    const { key } = store.collections[c]!.segments[0]!.chunks.find((x) => x.kind === kind)!;
    const value = (await memory.read('chunks', key))!.slice(0);
    new Uint8Array(value)[value.byteLength - 1]! ^= 1;
    await memory.commit([{ store: 'chunks', key, value }]);
  }
  await expect(
    store.repair(() => {
      throw new PiramidError('UNSUPPORTED', 'stemmers.js');
    }),
  ).rejects.toThrow('stemmers.js');
  await store.append(a.id, vec(1), []); // acknowledged
  await store.repair(postingsOf);
  await store.sweep();
  const again = await Store.open(memory, mergeStored);
  const ids: unknown[] = [];
  for await (const part of again.loadIds(a.id)) ids.push(...idsOf(part));
  expect(again.damage.all.map((d) => `${d.kind} ${d.key}`)).toEqual([]);
  expect(ids).toEqual([0, 1]);
});

// Codes on disk: opaque to the store, in step with the vectors, and never worth an error.
import { expect, test } from 'vitest';
import type { RowBatch } from '../../../src/store/batch.ts';
import type { StoredCodes } from '../../../src/store/format.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { SEGMENT_BYTES_MIN } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Bitset } from '../../../src/structures/bitset.ts';

const DIMENSION = 256;
const CONFIG = { dimension: DIMENSION, metric: 'cosine', embedder: null, quantization: 'int8' } as const;

/** Of each row, its first number as three bytes. */
function codesOf(vectors: Float32Array): StoredCodes {
  const rowCount = vectors.length / DIMENSION;
  const records = new Uint8Array(rowCount * 3);
  for (let row = 0; row < rowCount; row++) records.fill(vectors[row * DIMENSION]! & 255, row * 3, row * 3 + 3);
  return { scheme: 7, records };
}

function batch(firstRow: number, rowCount: number): RowBatch {
  const values = Float32Array.from({ length: rowCount * DIMENSION }, (_, i) => firstRow + Math.floor(i / DIMENSION));
  const none = new Array<null>(rowCount).fill(null);
  return {
    firstRow,
    rowCount,
    ids: Array.from({ length: rowCount }, (_, i) => firstRow + i),
    vectors: { dimension: DIMENSION, values, present: Bitset.full(rowCount) },
    codes: codesOf(values),
    metadata: none,
    texts: none,
    postings: null,
  };
}

const open = (backend: MemoryBackend) =>
  Store.open(
    backend,
    () => new Uint8Array(),
    () => ({ scheme: 7, encode: (vectors) => codesOf(vectors).records }),
  );

async function load(store: Store, collection: number) {
  const parts = [];
  for await (const part of store.loadVectors(collection)) parts.push(part);
  return parts;
}

test('codes come back with the vectors that they are of: from segments, and from folded log entries', async () => {
  const backend = new MemoryBackend();
  const store = await open(backend);
  const { id } = await store.createCollection('c', CONFIG);
  const large = SEGMENT_BYTES_MIN / DIMENSION / 4;
  // More than one chunk: 4 MiB hold some 4000 rows.
  await store.append(id, batch(0, large * 9), []);
  for (let i = 0; i < 5; i++) await store.append(id, batch(large * 9 + i * 10, 10), [i]);

  const reopened = await open(backend);
  const fromLog = (await load(reopened, id)).slice(-5);
  expect(fromLog.map(({ codes }) => codes)).toEqual([null, null, null, null, null]);
  await reopened.fold();
  for (const again of [reopened, await open(backend)]) {
    const parts = await load(again, id);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(large * 9 + 50);
    for (const { values, codes } of parts) expect(codes).toEqual(codesOf(values!));
  }
});

test('a damaged chunk of codes is left out', async () => {
  const backend = new MemoryBackend();
  const store = await open(backend);
  const { id } = await store.createCollection('c', CONFIG);
  await store.append(id, batch(0, SEGMENT_BYTES_MIN / DIMENSION / 4), []);
  const chunk = store.collections[0]!.segments[0]!.chunks.find(({ kind }) => kind === 'codes')!;
  const value = (await backend.read('chunks', chunk.key))!.slice(0);
  new Uint8Array(value)[100]! ^= 1;
  await backend.commit([{ store: 'chunks', key: chunk.key, value }]);
  const [part] = await load(await open(backend), id);
  expect(part!.codes).toBeNull();
  expect(part!.values![1999 * DIMENSION]).toBe(1999);
});

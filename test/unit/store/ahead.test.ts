// Chunks are durable before a manifest says so, and what is in LevelDB is put twice (docs/FORMAT.md, "Writing").
import { expect, test } from 'vitest';
import type { Backend, Write } from '../../../src/store/backend.ts';
import type { RowBatch } from '../../../src/store/batch.ts';
import { mayBeInline } from '../../../src/store/inline.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { SEGMENT_BYTES_MIN } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { wrapped } from './wrapped.ts';

const CONFIG = { dimension: null, metric: 'cosine', embedder: null } as const;
const noPostings = () => new Uint8Array();

function batch(firstRow: number, rowCount: number, text: string): RowBatch {
  const ids = Array.from({ length: rowCount }, (_, i) => i);
  const [none, texts] = [ids.map(() => null), ids.map(() => text)];
  return { firstRow, rowCount, ids, vectors: null, metadata: none, texts, postings: null };
}

const LONG = 'x'.repeat(SEGMENT_BYTES_MIN / 4);

test('what a crash leaves between the chunks and their manifest is no part of the database, and goes with the next manifest', async () => {
  const memory = new MemoryBackend();
  const store = await Store.open(memory, noPostings);
  const { id } = await store.createCollection('c', CONFIG);
  await store.append(id, batch(0, 8, LONG), []);
  const before = await memory.keys('chunks');
  const commits: (readonly Write[])[] = [];
  const crashing: Backend = wrapped(memory, {
    commit: (writes: readonly Write[]) => {
      commits.push(writes);
      return commits.length > 1 ? new Promise<void>(() => {}) : memory.commit(writes);
    },
  });
  const victim = await Store.open(crashing, noPostings);
  void victim.append(id, batch(8, 8, LONG), [1, 2]);
  await expect.poll(() => commits.length).toBe(2);
  // Deletions of replaced rows are a chunk as well.
  expect(commits[0]!.every((write) => write.store === 'chunks' && 'value' in write)).toBe(true);
  expect(commits[1]!.filter((write) => 'value' in write).map(({ store }) => store)).toEqual(['manifest', 'manifest']);
  expect((await memory.keys('chunks')).length).toBeGreaterThan(before.length);

  const next = await Store.open(memory, noPostings);
  expect(next.rowCount(id)).toBe(8);
  expect([...next.deleted(id)]).toEqual([]);
  await next.append(id, batch(8, 1, 'small'), []);
  await next.sweep();
  expect(await memory.keys('chunks')).toEqual(before);
  // The keys are not used again: a delete of the one that died may still come.
  await next.append(id, batch(9, 8, LONG), []);
  const orphans = commits[0]!.map(({ key }) => key);
  for (const key of await memory.keys('chunks')) expect(orphans).not.toContain(key);
});

test('an upsert of chunks deletes the rows that it replaces', async () => {
  const memory = new MemoryBackend();
  const store = await Store.open(memory, noPostings);
  const { id } = await store.createCollection('c', CONFIG);
  await store.append(id, batch(0, 8, LONG), []);
  await store.append(id, batch(8, 2, 'small'), [0]);
  await store.append(id, batch(10, 8, LONG), [1, 9]);
  expect([...(await Store.open(memory, noPostings)).deleted(id)]).toEqual([0, 1, 9]);
});

test('a value may be inline where it is small, or where Snappy could make it small', () => {
  const random = seededRandom(1);
  const noise = (bytes: number) => Uint8Array.from({ length: bytes }, () => random.below(256)).buffer;
  const words = (bytes: number) => {
    const text = Array.from({ length: bytes / 4 }, () => ['the ', 'fox ', 'and ', 'dog '][random.below(4)]).join('');
    return new TextEncoder().encode(text).buffer;
  };
  expect(atOnce(mayBeInline(noise(60_000)))).toBe(true);
  expect(atOnce(mayBeInline(noise(90_000)))).toBe(false);
  expect(atOnce(mayBeInline(noise(1_000_000)))).toBe(false);
  expect(atOnce(mayBeInline(words(100_000)))).toBe(true);
  expect(atOnce(mayBeInline(words(1_000_000)))).toBe(true);
  expect(atOnce(mayBeInline(new ArrayBuffer(1_000_000)))).toBe(true);
  expect(atOnce(mayBeInline(new ArrayBuffer(4 << 20)))).toBe(false);
});

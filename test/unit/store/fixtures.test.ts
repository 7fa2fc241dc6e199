// Databases written by each format, kept as they were written and never made again: every later release must open them.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeMetadataValue } from '../../../src/filter/metadata.ts';
import type { MergePostings } from '../../../src/store/compaction.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { STORES } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { mergePostings, Postings } from '../../../src/text/postings.ts';
import { searchWords } from '../../../src/text/search.ts';

const mergeStored: MergePostings = (blocks, renumbering) =>
  mergePostings(
    blocks.map(({ bytes, shift }) => Postings.open(bytes, shift)),
    renumbering,
  );

const folder = new URL('../../fixtures/', import.meta.url);
const formats = readdirSync(folder).filter((name) => /^format-\d+\.json$/.test(name));

test('there is a fixture of every format', () => {
  expect(formats).toEqual(['format-1.json']);
});

for (const name of formats) {
  test(`${name} opens, and holds what was written`, async () => {
    const stored = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Record<string, Record<string, string>>;
    const backend = new MemoryBackend();
    for (const store of STORES) {
      for (const [key, base64] of Object.entries(stored[store]!)) {
        const value = Uint8Array.from(Buffer.from(base64, 'base64')).buffer;
        await backend.commit([{ store, key: Number(key), value }]);
      }
    }
    const store = await Store.open(backend, mergeStored);
    expect(store.collections.map((collection) => [collection.name, collection.config])).toEqual([
      [
        'notes',
        { dimension: 3, metric: 'cosine', embedder: { fingerprint: 'letters@1', options: null }, quantization: 'int8' },
      ],
      ['words', { dimension: null, metric: 'cosine', embedder: null }],
    ]);
    const { id } = store.collections[0]!;
    expect(store.rowCount(id)).toBe(20);
    expect([...store.deleted(id)]).toEqual([0, 1, 2, 7, 18]);

    const blocks: Postings[] = [];
    let row = 0;
    for await (const part of store.load(id)) {
      expect(part.firstRow).toBe(row);
      expect(part.ids).toEqual(
        Array.from({ length: part.rowCount }, (_, i) => ((row + i) % 2 ? row + i : `note ${row + i}`)),
      );
      for (const { firstRow, rowCount, values, present, codes } of part.vectors) {
        for (let i = 0; i < rowCount; i++) {
          const at = firstRow + i;
          const expected = at % 4 === 3 ? [0, 0, 0] : [at, Math.fround(1 / (at + 1)), -2];
          expect([...values.subarray(i * 3, i * 3 + 3)]).toEqual(expected);
          expect(present.has(i)).toBe(at % 4 !== 3);
        }
        // Codes are stored in segments; the log leaves them out.
        if (firstRow < 17)
          expect(codes).toEqual({ scheme: 7, records: Uint8Array.from({ length: rowCount * 3 }, (_, i) => i) });
        else expect(codes).toBeNull();
      }
      blocks.push(Postings.open(part.postings!.bytes, part.postings!.shift));
      row += part.rowCount;
    }
    expect(row).toBe(20);
    expect([...searchWords(blocks, 'grüsse 15', { k: 3 }).rows][0]).toBe(15);

    const rows = Array.from({ length: 20 }, (_, i) => i);
    expect(await store.readTexts(id, rows)).toEqual(rows.map((i) => (i % 3 === 2 ? null : `Note ${i}, Grüße 日本 `)));
    const metadata = await store.readMetadata(id, rows);
    expect(metadata.map((value) => value && decodeMetadataValue(value))).toEqual(
      rows.map((i) =>
        i % 5 === 4
          ? null
          : { row: i, when: new Date(Date.UTC(2020, 0, 1 + i)), tags: ['a', 'ü'], deep: { none: null } },
      ),
    );
  });
}

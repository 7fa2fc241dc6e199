// Databases written by each format, kept as they were written and never made again: every later release must open them.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { importKey } from '../../../src/api/key.ts';
import { decodeMetadataValue } from '../../../src/filter/metadata.ts';
import type { MergePostings } from '../../../src/store/compaction.ts';
import { keyNumberOf } from '../../../src/store/format.ts';
import { FORMAT_VERSION, KEY_KEY, STORES, type StoreName } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Postings } from '../../../src/text/postings.ts';
import type { RecordId } from '../../../src/types.ts';
import { Disk, type DiskState } from '../../faults/disk.ts';
import { contents, fingerprint, type ModelRecord, openEngine, openExisting } from '../../faults/machine.ts';
import { mergedOf, searchBlocks } from '../text/oracle.ts';
import { idsOf } from './loaded.ts';

const mergeStored: MergePostings = (blocks, renumbering) =>
  mergedOf(
    blocks.map(({ bytes, shift }) => Postings.open(bytes, shift)),
    renumbering,
  );

const folder = new URL('../../fixtures/', import.meta.url);
const formats = readdirSync(folder).filter((name) => /^format-\d+\.json$/.test(name));
/** Written by the releases that had one data key, and did not count what was under it. */
const ENCRYPTED = 'encrypted-5.json';

test('there is a fixture of every format', () => {
  expect(formats).toEqual(Array.from({ length: FORMAT_VERSION }, (_, i) => `format-${i + 1}.json`));
});

interface Fixture extends Record<StoreName, Record<string, string>> {
  /** Of an encrypted database. */
  key?: string;
  /** What it holds, as `contents` gives it; the first one's is in its test. */
  contents?: [name: string, records: [id: RecordId, record: ModelRecord][]][];
}

function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Fixture;
}

function diskOf(fixture: Fixture): Disk {
  const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64')).buffer;
  return new Disk(
    new Map(
      STORES.map((store) => [
        store,
        new Map(Object.entries(fixture[store]).map(([key, base64]) => [Number(key), bytesOf(base64)])),
      ]),
    ),
  );
}

async function keyOf({ key }: Fixture): Promise<CryptoKey | undefined> {
  return key === undefined ? undefined : importKey(new Uint8Array(Buffer.from(key, 'base64')));
}

for (const name of [...formats, ENCRYPTED]) {
  test(`${name} opens, and holds what was written`, async () => {
    const fixture = readFixture(name);
    const found = await contents(await openEngine(diskOf(fixture), await keyOf(fixture)));
    expect(found.size).toBeGreaterThan(0);
    if (fixture.contents) expect([...found].map(([c, records]) => [c, [...records]])).toEqual(fixture.contents);
  });

  test(`${name} becomes the newest format with the first write, and a crash on the way loses nothing`, async () => {
    const fixture = readFixture(name);
    const disk = diskOf(fixture);
    const key = await keyOf(fixture);
    const before = fingerprint(await contents(await openEngine(diskOf(fixture), key)));
    const states: DiskState[] = [];
    disk.onCommit = () => states.push(disk.state);
    const engine = await openEngine(disk, key);
    for (const { name: collection } of await engine.listCollections())
      await engine.compact(await openExisting(engine, collection), 1);
    await engine.renameCollection((await engine.listCollections())[0]!.name, 'renamed', 2);
    await engine.renameCollection('renamed', 'again', 3);
    expect(states.length).toBeGreaterThan(3);
    for (const state of states) {
      const names = /renamed|again/g;
      const first = [...(await contents(await openEngine(diskOf(fixture), key)))][0]![0];
      expect(fingerprint(await contents(await openEngine(new Disk(state), key))).replace(names, first)).toBe(before);
    }
  });
}

test(`format-6.json has values under several data keys, and releases of one key refuse it by its key block; not ${ENCRYPTED}`, () => {
  for (const [name, isSeveral] of [
    ['format-6.json', true],
    [ENCRYPTED, false],
  ] as const) {
    const { state } = diskOf(readFixture(name));
    const values = STORES.flatMap((store) => [...state.get(store)!.values()]);
    expect(new Set(values.map(keyNumberOf)).size > 2).toBe(isSeveral);
    const keyBlock = state.get('manifest')!.get(KEY_KEY)!;
    expect(new Uint8Array(keyBlock)[4]).toBe(isSeveral ? 6 : 2);
  }
});

describe('format-1.json', () => {
  test('holds what was written, row by row', async () => {
    const backend = diskOf(readFixture('format-1.json'));
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
    for await (const part of store.loadIds(id)) {
      expect(part.firstRow).toBe(row);
      expect(idsOf(part)).toEqual(
        Array.from({ length: part.rowCount }, (_, i) => ((row + i) % 2 ? row + i : `note ${row + i}`)),
      );
      row += part.rowCount;
    }
    expect(row).toBe(20);
    row = 0;
    for await (const { firstRow, rowCount, values, present, codes } of store.loadVectors(id)) {
      expect(firstRow).toBe(row);
      for (let i = 0; i < rowCount; i++) {
        const at = firstRow + i;
        const expected = at % 4 === 3 ? [0, 0, 0] : [at, Math.fround(1 / (at + 1)), -2];
        expect([...values!.subarray(i * 3, i * 3 + 3)]).toEqual(expected);
        expect(present.has(i)).toBe(at % 4 !== 3);
      }
      // Codes are stored in segments; the log leaves them out.
      if (firstRow < 17)
        expect(codes).toEqual({ scheme: 7, records: Uint8Array.from({ length: rowCount * 3 }, (_, i) => i) });
      else expect(codes).toBeNull();
      row += rowCount;
    }
    expect(row).toBe(20);
    for await (const { bytes, shift } of store.loadPostings(id)) blocks.push(Postings.open(bytes, shift));
    expect([...searchBlocks(blocks, 'grüsse 15', 3).rows][0]).toBe(15);

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
});

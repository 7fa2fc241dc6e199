import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { Backend, Write } from '../../../src/store/backend.ts';
import type { RowBatch } from '../../../src/store/batch.ts';
import type { MergePostings } from '../../../src/store/compaction.ts';
import { openEncryption } from '../../../src/store/encryption.ts';
import { decodeBlock, decodeJson, encodeBlock, encodeJson } from '../../../src/store/format.ts';
import { emptyManifest, manifestWrites } from '../../../src/store/manifest.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import type { StoredPostings } from '../../../src/store/reader.ts';
import {
  BALLAST_KEY,
  FORMAT_VERSION,
  LOG_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  type StoreName,
} from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { Bitset } from '../../../src/structures/bitset.ts';
import type { Renumbering } from '../../../src/structures/renumbering.ts';
import { idsOf } from './loaded.ts';
import { wrapped } from './wrapped.ts';

const DIMENSION = 4;
const CONFIG = { dimension: DIMENSION, metric: 'cosine', embedder: null } as const;

// Postings are opaque to the store: here, a block is the numbers of its rows.
const mergePostings: MergePostings = (blocks, renumbering) => {
  const rows = blocks.flatMap((block) => rowsOf(block)).filter((row) => !renumbering?.dropped.has(row));
  return postingsOf(renumbering ? rows.map((row) => renumbering.row(row)) : rows);
};

function postingsOf(rows: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(rows).buffer);
}

function rowsOf({ bytes, shift }: StoredPostings): number[] {
  return [...new Uint32Array(bytes.slice().buffer)].map((row) => row - shift);
}

/** A run of rows whose contents tell which rows they are. `weight` makes texts long. */
function batch(firstRow: number, rowCount: number, weight = 1): RowBatch {
  const rows = Array.from({ length: rowCount }, (_, i) => firstRow + i);
  const present = new Bitset(rowCount);
  for (const [i, row] of rows.entries()) if (row % 5 !== 0) present.add(i);
  return {
    firstRow,
    rowCount,
    ids: rows.map((row) => (row % 2 ? row : `row ${row}`)),
    vectors: {
      dimension: DIMENSION,
      values: Float32Array.from(rows.flatMap((row) => [row, -row, 0.5, row / 3])),
      present,
    },
    metadata: rows.map((row) => (row % 3 ? JSON.stringify({ row, tags: ['a', 'ü'] }) : null)),
    texts: rows.map((row) => (row % 4 ? `text of ${row} – ${'é'.repeat(weight)}` : null)),
    postings: postingsOf(rows),
  };
}

/** Everything a store holds, in a form that compares. */
async function contents(store: Store, collection: number) {
  const rows: unknown[] = [];
  const postings: number[] = [];
  const ids: unknown[] = [];
  for await (const part of store.loadIds(collection)) ids.push(...idsOf(part));
  for await (const vectors of store.loadVectors(collection)) {
    for (let i = 0; i < vectors.rowCount; i++) {
      const row = vectors.firstRow + i;
      const [metadata] = await store.readMetadata(collection, [row]);
      const [text] = await store.readTexts(collection, [row]);
      rows.push({
        row,
        id: ids[row],
        vector: [...vectors.values!.subarray(i * DIMENSION, (i + 1) * DIMENSION)],
        present: vectors.present.has(i),
        metadata,
        text,
        deleted: store.deleted(collection).has(row),
      });
    }
  }
  for await (const block of store.loadPostings(collection)) postings.push(...rowsOf(block));
  return { rows, postings };
}

interface ModelRow {
  id: unknown;
  vector: number[];
  present: boolean;
  metadata: unknown;
  text: string | null | undefined;
  deleted: boolean;
}

function modelOf(run: RowBatch): ModelRow[] {
  return run.ids.map((id, i) => ({
    id,
    vector: [...run.vectors!.values.subarray(i * DIMENSION, (i + 1) * DIMENSION)],
    present: run.vectors!.present.has(i),
    metadata: run.metadata[i] ? JSON.parse(run.metadata[i]!) : null,
    text: run.texts[i],
    deleted: false,
  }));
}

function expected(runs: readonly RowBatch[], deleted: ReadonlySet<number>) {
  return expectedRows(runs.flatMap((run) => modelOf(run)).map((row, i) => ({ ...row, deleted: deleted.has(i) })));
}

function expectedRows(rows: readonly ModelRow[]) {
  return { rows: rows.map((row, i) => ({ row: i, ...row })), postings: rows.map((_, i) => i) };
}

async function compact(store: Store, collection: number, share: number): Promise<Renumbering | null> {
  const compaction = await store.planCompaction(collection, share);
  if (!compaction) return null;
  while (await compaction.step());
  await store.finishRewrite(compaction, () => {});
  await store.sweep();
  return compaction.renumbering;
}

test.each(['plain', 'encrypted'])(
  'any sequence of writes, folds, compactions and reopens keeps every row and every deletion, %s',
  async (kind) => {
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    const command = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('append' as const),
          rows: fc.integer({ min: 1, max: 40 }),
          large: fc.boolean(),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('delete' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('fold' as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('compact' as const),
          share: fc.constantFrom(0, 0.3),
          // What others write between its steps, and whether it is given up.
          meanwhile: fc.constantFrom('nothing', 'append', 'delete', 'fold', 'create', 'abandon', 'crash'),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        const memory = new MemoryBackend();
        const encryption = kind === 'plain' ? null : await openEncryption(memory, key);
        await encryption?.establish(memory);
        const backend: Backend = encryption?.backend ?? memory;
        let store = await Store.open(backend, mergePostings);
        const { id } = await store.createCollection('c', CONFIG);
        let model: ModelRow[] = [];
        const append = async (rowCount: number, weight: number) => {
          const run = batch(model.length, rowCount, weight);
          const replaced = model.length > 0 && model.length % 3 === 0 ? [model.length - 1] : [];
          await store.append(id, run, replaced);
          model.push(...modelOf(run));
          for (const row of replaced) model[row]!.deleted = true;
        };
        const remove = async (share: number) => {
          if (model.length === 0) return;
          const row = Math.min(model.length - 1, Math.floor(share * model.length));
          await store.delete(id, [row]);
          model[row]!.deleted = true;
        };
        for (const step of commands) {
          if (step.do === 'append') {
            // A large batch becomes a segment of its own, a small one goes to the log.
            await append(step.rows, step.large ? Math.ceil((SEGMENT_BYTES_MIN / step.rows) * 2) + 2000 : 1);
          } else if (step.do === 'delete') await remove(step.share);
          else if (step.do === 'fold') await store.fold();
          else if (step.do === 'compact') {
            const compaction = await store.planCompaction(id, step.share);
            if (!compaction) continue;
            if (step.meanwhile !== 'nothing') await compaction.step();
            if (step.meanwhile === 'append') await append(3, 1);
            else if (step.meanwhile === 'delete') await remove(0.5);
            else if (step.meanwhile === 'fold') await store.fold();
            else if (step.meanwhile === 'create') await store.createCollection(`c${commands.indexOf(step)}`, CONFIG);
            if (step.meanwhile === 'abandon') compaction.abandon();
            else if (step.meanwhile === 'crash') store = await Store.open(backend, mergePostings);
            else {
              while (await compaction.step());
              await store.finishRewrite(compaction, () => {});
              await store.sweep();
              model = model.filter((_, row) => !compaction.renumbering.dropped.has(row));
              if (step.share === 0 && !['append', 'delete'].includes(step.meanwhile))
                expect(model.every((row) => !row.deleted)).toBe(true);
            }
          } else store = await Store.open(backend, mergePostings);
          expect(store.rowCount(id)).toBe(model.length);
        }
        expect(await contents(store, id)).toEqual(expectedRows(model));
        const reopened = await Store.open(backend, mergePostings);
        expect(await contents(reopened, id)).toEqual(expectedRows(model));
        // Nothing lies about that nobody knows of.
        await reopened.sweep();
        await reopened.sweep();
        const known = await Store.open(backend, mergePostings);
        expect(await backend.keys('chunks')).toEqual([BALLAST_KEY, ...known.chunkKeys()]);
      }),
      { numRuns: kind === 'plain' ? 60 : 20 },
    );
  },
  60_000,
);

describe('the log', () => {
  test('takes small writes without touching manifest or chunks', async () => {
    const backend = recording(new MemoryBackend());
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    backend.writes.length = 0;
    await store.append(id, batch(0, 10), []);
    await store.delete(id, [3]);
    expect(backend.writes.map((write) => write.store)).toEqual(['log', 'log']);
  });

  test('is folded at its limit, and trimmed by the manifest after that', async () => {
    const backend = new MemoryBackend();
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    while (!store.mustFold) await store.append(id, batch(store.rowCount(id), 20, 20_000), []);
    expect(store.bytesWritten).toBeGreaterThanOrEqual(LOG_BYTES_MAX);
    expect(store.bytesWritten).toBeLessThan(2 * LOG_BYTES_MAX);
    await store.fold();
    expect(store.shouldFold).toBe(false);
    expect((await backend.keys('log')).length).toBeGreaterThan(0);
    await store.createCollection('d', CONFIG);
    expect(await backend.keys('log')).toEqual([]);
  });

  test.each(['missing', 'payload', 'header'] as const)(
    'with an entry damaged (%s) loses the rows of that entry alone',
    async (what) => {
      const backend = new MemoryBackend();
      const store = await Store.open(backend, mergePostings);
      const { id } = await store.createCollection('c', CONFIG);
      const runs = [0, 1, 2].map((i) => batch(i * 2, 2));
      for (const run of runs) await store.append(id, run, []);
      // Rows behind it that are in a segment, not in the log.
      runs.push(batch(6, 2, SEGMENT_BYTES_MIN));
      await store.append(id, runs[3]!, []);
      if (what === 'missing') await backend.commit([{ store: 'log', key: 2, delete: true }]);
      else await damage(backend, 'log', 2, what === 'header' ? 20 : 60);
      const reopened = await Store.open(backend, mergePostings);
      expect(reopened.damage.all).toMatchObject([{ kind: 'log', key: 2, collection: what === 'payload' ? id : null }]);
      const left = async (from: Store) => ((await contents(from, id)).rows as ModelRow[]).filter((row) => !row.deleted);
      const survivors = expected(runs, new Set()).rows.filter(({ row }) => row !== 2 && row !== 3);
      expect(await left(reopened)).toEqual(survivors);
      await reopened.append(id, batch(8, 3), [0]);
      await reopened.fold();
      const later = await Store.open(backend, mergePostings);
      expect(later.damage.all).toEqual([]);
      expect(await left(later)).toEqual([
        ...survivors.slice(1),
        ...expected([...runs, batch(8, 3)], new Set()).rows.slice(8),
      ]);
    },
  );
});

describe('a failed commit', () => {
  test('leaves the store as it was, and the same write can be tried again', async () => {
    for (let failAt = 0; failAt < 8; failAt++) {
      const memory = new MemoryBackend();
      const backend = failing(memory);
      const store = await Store.open(backend, mergePostings);
      const { id } = await store.createCollection('c', CONFIG);
      const runs: RowBatch[] = [];
      let commits = 0;
      const attempt = async (run: () => Promise<unknown>) => {
        backend.fail = commits++ === failAt;
        await run().catch((error) => expect(String(error)).toContain('disk'));
        if (backend.fail) {
          backend.fail = false;
          await run();
        }
      };
      for (let i = 0; i < 3; i++) {
        const run = batch(store.rowCount(id), 5, i === 1 ? SEGMENT_BYTES_MIN : 1);
        await attempt(() => store.append(id, run, []));
        runs.push(run);
      }
      await attempt(() => store.delete(id, [1]));
      await attempt(() => store.fold());
      await attempt(() => store.createCollection(`other ${failAt}`, CONFIG));
      expect(await contents(await Store.open(memory, mergePostings), id)).toEqual(expected(runs, new Set([1])));
    }
  });

  test('that arrived all the same leaves nothing behind for the next write to stand beside', async () => {
    const small = (store: Store, id: number, rows: number) => store.append(id, batch(store.rowCount(id), rows), []);
    const large = (store: Store, id: number, rows: number) =>
      store.append(id, batch(store.rowCount(id), rows, SEGMENT_BYTES_MIN), []);
    const lost: ((store: Store, id: number) => Promise<unknown>)[] = [
      (store, id) => small(store, id, 3),
      (store, id) => large(store, id, 3),
      (store, id) => store.delete(id, [0]),
      (store) => store.createCollection('other', CONFIG),
      (store, id) => store.deleteCollection(id),
      (store) => store.fold(),
    ];
    for (const write of lost) {
      for (const next of [small, large]) {
        const memory = new MemoryBackend();
        const backend = failing(memory);
        const store = await Store.open(backend, mergePostings);
        const { id } = await store.createCollection('c', CONFIG);
        await small(store, id, 2);
        backend.failAfter = true;
        await expect(write(store, id)).rejects.toThrow('disk');
        backend.failAfter = false;
        await next(store, id, 2);
        const found = await contents(store, id);
        const reopened = await Store.open(memory, mergePostings);
        expect(reopened.collections.map(({ name }) => name)).toEqual(['c']);
        expect(await contents(reopened, id)).toEqual(found);
      }
    }
  });
});

describe('the manifest', () => {
  const run = batch(0, 4, SEGMENT_BYTES_MIN);
  /** A segment, which the manifest alone knows of. */
  async function written(backend: Backend) {
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, run, []);
    return { store, id };
  }

  describe.each([0, 1])('with slot %i damaged', (slot) => {
    test.each([
      ['in its payload', -1],
      ['in its header', 20],
      ['by being gone', null],
    ] as const)('%s, costs nothing, is told, and is whole again after the next manifest', async (_, at) => {
      const backend = new MemoryBackend();
      const { id } = await written(backend);
      if (at === null) await backend.commit([{ store: 'manifest', key: slot, delete: true }]);
      else await damage(backend, 'manifest', slot, at < 0 ? undefined : at);
      const reopened = await Store.open(backend, mergePostings);
      expect(await contents(reopened, id)).toEqual(expected([run], new Set()));
      expect(reopened.damage.all).toMatchObject([{ kind: 'manifest', key: slot, collection: null }]);
      await reopened.renameCollection(id, 'd');
      expect(reopened.damage.all).toEqual([]);
      const healed = await Store.open(backend, mergePostings);
      expect(healed.damage.all).toEqual([]);
      await damage(backend, 'manifest', 1 - slot);
      const again = await Store.open(backend, mergePostings);
      expect(again.collections.map(({ name }) => name)).toEqual(['d']);
      expect(await contents(again, id)).toEqual(expected([run], new Set()));
    });

    test('while it is open, is found by repair', async () => {
      const backend = new MemoryBackend();
      const { store, id } = await written(backend);
      await damage(backend, 'manifest', slot);
      const found = await store.repair(() => null);
      expect(found).toMatchObject([{ kind: 'manifest', key: slot }]);
      await damage(backend, 'manifest', 1 - slot);
      expect(await contents(await Store.open(backend, mergePostings), id)).toEqual(expected([run], new Set()));
    });
  });

  test('with both damaged while it is open, is made whole by repair', async () => {
    const backend = new MemoryBackend();
    const { store, id } = await written(backend);
    for (const slot of [0, 1]) await damage(backend, 'manifest', slot);
    expect(await store.repair(() => null)).toMatchObject([{ kind: 'manifest' }]);
    const repaired = await Store.open(backend, mergePostings);
    expect(repaired.damage.all).toEqual([]);
    expect(await contents(repaired, id)).toEqual(expected([run], new Set()));
  });

  test('is refused where both are damaged, and nothing is changed', async () => {
    const backend = recording(new MemoryBackend());
    await written(backend);
    await damage(backend, 'manifest', 0);
    await damage(backend, 'manifest', 1);
    backend.writes.length = 0;
    await expect(Store.open(backend, mergePostings)).rejects.toThrow(/^manifest/);
    expect(backend.writes).toEqual([]);
  });

  // Up to format 2, slots took turns.
  describe('where slots take turns', () => {
    const ofVersion2 = (write: Write): Write => {
      if (write.store !== 'manifest' || !('value' in write)) return write;
      const { header, payload } = decodeBlock(write.value, { kind: 'manifest' });
      const manifest = { ...(decodeJson(payload) as object), version: 2, reader: 2 };
      return { ...write, value: encodeBlock(header, encodeJson(manifest)) };
    };
    const takingTurns = (backend: Backend): Backend =>
      wrapped(backend, {
        commit: (writes: readonly Write[]) =>
          backend.commit(
            writes
              .filter(
                (write) =>
                  write.store !== 'manifest' ||
                  ('value' in write && new DataView(write.value).getUint32(12, true) % 2 === write.key),
              )
              .map(ofVersion2),
          ),
      });

    test('is read from the older slot where the newer is damaged and nothing hangs on it', async () => {
      const backend = new MemoryBackend();
      const { store, id } = await written(takingTurns(backend));
      await store.renameCollection(id, 'renamed');
      await damage(backend, 'manifest', 1);
      const reopened = await Store.open(backend, mergePostings);
      expect(reopened.collections.map((collection) => collection.name)).toEqual(['c']);
      expect(await contents(reopened, id)).toEqual(expected([run], new Set()));
    });

    test('the newer one counts, in whichever slot it is', async () => {
      for (const newer of [0, 1]) {
        const backend = new MemoryBackend();
        for (const slot of [0, 1]) {
          const name = slot === newer ? 'new' : 'old';
          const stored = { id: 1, name, config: CONFIG, segments: [], tombstones: null };
          const [write] = manifestWrites({
            ...emptyManifest(),
            generation: slot === newer ? 8 : 7,
            collections: [stored],
          });
          await backend.commit([{ ...write!, key: slot }]);
        }
        const store = await Store.open(backend, mergePostings);
        expect(store.collections.map(({ name }) => name)).toEqual(['new']);
      }
    });

    test('is not replaced by an older one that would lose rows in silence', async () => {
      const backend = new MemoryBackend();
      await written(takingTurns(backend));
      await damage(backend, 'manifest', 0);
      await expect(Store.open(backend, mergePostings)).rejects.toThrow(/the newest manifest is lost/);
    });
  });

  test('of a newer format is refused by name, and nothing is changed', async () => {
    const backend = recording(new MemoryBackend());
    await backend.commit(manifestWrites({ ...emptyManifest(), generation: 1, reader: FORMAT_VERSION + 1 }));
    backend.writes.length = 0;
    await expect(Store.open(backend, mergePostings)).rejects.toMatchObject({ code: 'NEWER_FORMAT' });
    expect(backend.writes).toEqual([]);
  });

  test('that is gone while there are chunks alone is not taken for a first run either', async () => {
    const backend = new MemoryBackend();
    await backend.commit([{ store: 'chunks', key: 5, value: new ArrayBuffer(8) }]);
    await expect(Store.open(backend, mergePostings)).rejects.toThrow(/chunk 5 is in no manifest/);
  });

  test('that is gone while there is data is not taken for a first run', async () => {
    const backend = new MemoryBackend();
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, batch(0, 4), []);
    await backend.commit([
      { store: 'manifest', key: 0, delete: true },
      { store: 'manifest', key: 1, delete: true },
    ]);
    await expect(Store.open(backend, mergePostings)).rejects.toMatchObject({ code: 'CORRUPT' });
  });
});

describe('a damaged chunk', () => {
  const run = batch(0, 50, SEGMENT_BYTES_MIN / 20);
  const buildPostings = (_: unknown, firstRow: number) =>
    postingsOf(Array.from({ length: 50 }, (_, i) => firstRow + i));

  async function written(backend: MemoryBackend) {
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, run, []);
    await store.delete(id, [7]);
    await store.fold();
    const { segments, tombstones } = store.collections[0]!;
    return { id, chunks: [...segments[0]!.chunks, tombstones!] };
  }

  test('is named and never returned, and all else is there; repair takes it out for good', async () => {
    const { chunks } = await written(new MemoryBackend());
    for (const { key, kind, firstRow, rowCount } of chunks) {
      const backend = new MemoryBackend();
      const { id } = await written(backend);
      await damage(backend, 'chunks', key);
      const store = await Store.open(backend, mergePostings);
      const inIt = (row: number) => row >= firstRow && row < firstRow + rowCount;
      const rows = expected([run], new Set([7])).rows.map((row) => {
        if (!inIt(row.row)) return row;
        if (kind === 'ids') return { ...row, id: 0, deleted: true };
        if (kind === 'vectors') return { ...row, vector: [0, 0, 0, 0], present: false };
        if (kind === 'metadata') return { ...row, metadata: null };
        if (kind === 'text') return { ...row, text: null };
        return row;
      });
      if (kind === 'tombstones') {
        await expect(contents(store, id)).rejects.toThrow(/^collection "c": the list of its deleted records/);
      } else {
        expect((await contents(store, id)).rows).toEqual(rows);
      }
      const found = [{ kind, key, collection: id, message: `${kind} ${key}: the payload fails its checksum` }];
      expect(store.damage.all).toMatchObject(found);
      expect(await store.repair(buildPostings)).toMatchObject(found);
      expect(store.damage.all).toEqual([]);

      const repaired = await Store.open(backend, mergePostings);
      const after = await contents(repaired, id);
      // Of what tombstones deleted, ids tell only what was replaced.
      expect(after.rows).toEqual(kind === 'tombstones' ? expected([run], new Set()).rows : rows);
      expect(after.postings).toEqual(rows.map(({ row }) => row));
      expect(repaired.damage.all).toEqual([]);
      await repaired.sweep();
      expect(await backend.keys('chunks')).toEqual([BALLAST_KEY, ...repaired.chunkKeys()]);
    }
  });

  test('of deletions, with entries in the log, keeps no other collection from being folded and compacted', async () => {
    const backend = new MemoryBackend();
    const { id, chunks } = await written(backend);
    const store = await Store.open(backend, mergePostings);
    const { id: other } = await store.createCollection('other', CONFIG);
    const late = batch(50, 3);
    await store.append(id, late, [9]);
    await store.delete(id, [51]);
    await store.append(other, batch(0, 4), []);
    await damage(backend, 'chunks', chunks.at(-1)!.key);

    let opened = await Store.open(backend, mergePostings);
    for (let round = 0; round < 3; round++) {
      const rowCount = opened.rowCount(other);
      await opened.append(other, batch(rowCount, 2), []);
      await opened.fold();
      await opened.delete(other, [rowCount]);
      expect(await compact(opened, other, 0)).not.toBeNull();
      // Of the log, the deletions of the damaged collection are left, which only repair can bring together with the others.
      expect(await backend.keys('log')).toHaveLength(1);
      await expect(contents(opened, id)).rejects.toThrow(/^collection "c"/);
      await expect(opened.planCompaction(id, 0)).rejects.toThrow(/^collection "c"/);
      opened = await Store.open(backend, mergePostings);
    }
    await opened.repair(buildPostings);
    const repaired = await contents(await Store.open(backend, mergePostings), id);
    expect(repaired.rows).toEqual(expected([run, late], new Set([9, 51])).rows);
  });

  test('is still there after a repair that could not be written', async () => {
    const memory = new MemoryBackend();
    const { id, chunks } = await written(memory);
    await damage(memory, 'chunks', chunks.find(({ kind }) => kind === 'vectors')!.key);
    const backend = failing(memory);
    const store = await Store.open(backend, mergePostings);
    const before = await contents(store, id);
    backend.fail = true;
    await expect(store.repair(buildPostings)).rejects.toThrow('disk');
    backend.fail = false;
    expect(store.damage.all).toHaveLength(1);
    expect(await contents(store, id)).toEqual(before);
    expect(await store.repair(buildPostings)).toHaveLength(1);
    expect(await contents(await Store.open(memory, mergePostings), id)).toEqual(before);
  });

  test('of ids deletes its records, though nobody has loaded them', async () => {
    const backend = new MemoryBackend();
    const { id, chunks } = await written(backend);
    await damage(backend, 'chunks', chunks.find(({ kind }) => kind === 'ids')!.key);
    await (await Store.open(backend, mergePostings)).repair(buildPostings);
    expect([...(await Store.open(backend, mergePostings)).deleted(id)]).toEqual([...Array(50).keys()]);
  });

  test('of postings is made again from the texts', async () => {
    const backend = new MemoryBackend();
    const { chunks } = await written(backend);
    await damage(backend, 'chunks', chunks.find(({ kind }) => kind === 'postings')!.key);
    const texts: (string | null)[] = [];
    await (await Store.open(backend, mergePostings)).repair((found, firstRow) => {
      texts.push(...found);
      return buildPostings(found, firstRow);
    });
    expect(texts).toEqual(run.texts);
  });

  test('of deletions leaves of several rows of one id the last', async () => {
    const backend = new MemoryBackend();
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, run, []);
    await store.append(id, { ...batch(50, 50, SEGMENT_BYTES_MIN / 20), ids: run.ids }, [...Array(50).keys()]);
    await store.fold();
    await damage(backend, 'chunks', store.collections[0]!.tombstones!.key);
    await (await Store.open(backend, mergePostings)).repair(buildPostings);
    expect([...(await Store.open(backend, mergePostings)).deleted(id)]).toEqual([...Array(50).keys()]);
  });

  test('is found by repair wherever it is, and nothing is written where there is none', async () => {
    const backend = new MemoryBackend();
    await written(backend);
    const store = await Store.open(backend, mergePostings);
    const { bytesWritten } = store;
    expect(await store.repair(buildPostings)).toEqual([]);
    expect(store.bytesWritten).toBe(bytesWritten);
  });
});

describe('a full storage', () => {
  /** A memory with bounded room. Counts as browsers do: what a transaction frees is there for the next one. */
  class BoundedMemory extends MemoryBackend {
    room = Number.POSITIVE_INFINITY;
    readonly reads: string[] = [];

    async bytes(): Promise<number> {
      let sum = 0;
      for (const name of ['manifest', 'chunks', 'log'] as const)
        for (const key of await this.keys(name)) sum += (await super.read(name, key))!.byteLength;
      return sum;
    }

    override read(name: StoreName, key: number): Promise<ArrayBuffer | undefined> {
      this.reads.push(`${name} ${key}`);
      return super.read(name, key);
    }

    override async commit(writes: readonly Write[]): Promise<void> {
      const puts = writes.reduce((sum, write) => sum + ('value' in write ? write.value.byteLength : 0), 0);
      if (puts > 0 && (await this.bytes()) + puts > this.room) throw new PiramidError('QUOTA_EXCEEDED', 'no room');
      await super.commit(writes);
    }
  }

  const hasBallast = async (backend: Backend) => (await backend.keys('chunks')).includes(BALLAST_KEY);

  /** Full, with a deletion written into the room of the ballast, and then closed. */
  async function usedUp() {
    const backend = new BoundedMemory();
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, batch(0, 10), []);
    backend.room = await backend.bytes();
    await expect(store.append(id, batch(10, 10), [])).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await store.delete(id, [3]);
    expect(await hasBallast(backend)).toBe(false);
    return { backend, id };
  }

  test.each([
    ['an entry of the log', (store: Store, id: number) => store.append(id, batch(10, 1), [])],
    ['a segment', (store: Store, id: number) => store.append(id, batch(10, 1, SEGMENT_BYTES_MIN), [])],
    ['a manifest', (store: Store, id: number) => store.renameCollection(id, 'd')],
  ])('has its reserve again after a reopening, with the first write for which there is room: %s', async (_, write) => {
    const { backend, id } = await usedUp();
    backend.room = Number.POSITIVE_INFINITY;
    const store = await Store.open(backend, mergePostings);
    expect(await hasBallast(backend)).toBe(false);
    await write(store, id);
    expect(await hasBallast(backend)).toBe(true);
  });

  test('that has room for a write, but not for the reserve, takes the write, and the reserve with a later manifest', async () => {
    const { backend, id } = await usedUp();
    backend.room = (await backend.bytes()) + 20_000;
    const store = await Store.open(backend, mergePostings);
    await store.append(id, batch(10, 1), []);
    await store.renameCollection(id, 'd');
    expect(store.full).toBeNull();
    expect(await hasBallast(backend)).toBe(false);
    backend.room = Number.POSITIVE_INFINITY;
    await store.append(id, batch(11, 1), []);
    expect(await hasBallast(backend)).toBe(false);
    await store.renameCollection(id, 'e');
    expect(await hasBallast(backend)).toBe(true);
  });

  test('is asked for its reserve once, by the first write', async () => {
    const { backend, id } = await usedUp();
    backend.room = Number.POSITIVE_INFINITY;
    await (await Store.open(backend, mergePostings)).retryWrites();
    const store = await Store.open(backend, mergePostings);
    const asked = () => backend.reads.splice(0).filter((name) => name === `chunks ${BALLAST_KEY}`).length;
    expect(asked()).toBe(0);
    await store.delete(id, [4]);
    expect(asked()).toBe(0);
    await store.append(id, batch(10, 1), []);
    expect(asked()).toBe(1);
    await store.append(id, batch(11, 1), []);
    await store.renameCollection(id, 'd');
    expect(asked()).toBe(0);
  });

  test('has room for the deletion of a collection, however large the manifest is', async () => {
    const backend = new BoundedMemory();
    let store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, batch(0, 10), []);
    for (let i = 0; i < 100; i++) await store.createCollection(`${i} ${'x'.repeat(4000)}`, CONFIG);
    for (const reopened of [false, true]) {
      if (reopened) store = await Store.open(backend, mergePostings);
      backend.room = (await backend.bytes()) + 100;
      await expect(store.append(id, batch(store.rowCount(id), 10), [])).rejects.toMatchObject({
        code: 'QUOTA_EXCEEDED',
      });
      await store.deleteCollection(store.collections[1]!.id);
      backend.room = Number.POSITIVE_INFINITY;
      expect(await store.retryWrites()).toBe(true);
    }
  });

  test('takes deletions still, and records again when there is room', async () => {
    const backend = new BoundedMemory();
    const store = await Store.open(backend, mergePostings);
    const told: unknown[] = [];
    store.onFull((reason) => told.push(reason?.code ?? null));
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, batch(0, 10), []);
    backend.room = (await backend.bytes()) + 100;
    await expect(store.append(id, batch(10, 10), [])).rejects.toThrow(/^no room/);
    await expect(store.append(id, batch(10, 1), [])).rejects.toThrow(/^.*retryWrites/);
    expect(told).toEqual(['QUOTA_EXCEEDED']);
    expect(await store.retryWrites()).toBe(false);
    backend.room -= 100;
    await store.delete(id, [3, 4]);
    expect(store.deleted(id).count()).toBe(2);
    expect(store.full?.code).toBe('QUOTA_EXCEEDED');
    backend.room = Number.POSITIVE_INFINITY;
    expect(await store.retryWrites()).toBe(true);
    expect(told).toEqual(['QUOTA_EXCEEDED', null]);
    await store.append(id, batch(10, 10), []);
    const reopened = await Store.open(backend, mergePostings);
    expect(await contents(reopened, id)).toEqual(expected([batch(0, 10), batch(10, 10)], new Set([3, 4])));
  });
});

test('the chunks of a deleted collection are deleted by the manifest after that', async () => {
  const backend = new MemoryBackend();
  const store = await Store.open(backend, mergePostings);
  const { id } = await store.createCollection('c', CONFIG);
  await store.append(id, batch(0, 4, SEGMENT_BYTES_MIN), []);
  await store.deleteCollection(id);
  expect((await backend.keys('chunks')).length).toBeGreaterThan(0);
  await store.createCollection('c', CONFIG);
  expect(await backend.keys('chunks')).toEqual([BALLAST_KEY]);
  expect(store.rowCount(store.collections[0]!.id)).toBe(0);
});

test('rows with a text and rows of segments without any are read together, in any order', async () => {
  const store = await Store.open(new MemoryBackend(), mergePostings);
  const { id } = await store.createCollection('c', { dimension: null, metric: 'cosine', embedder: null });
  const long = 'x'.repeat(SEGMENT_BYTES_MIN);
  const metadata = JSON.stringify({ long });
  for (const [firstRow, text] of [null, long, null, 'short'].entries()) {
    const rest = { rowCount: 1, ids: [firstRow], vectors: null, postings: null };
    await store.append(id, { firstRow, ...rest, texts: [text], metadata: [text === long ? null : metadata] }, []);
  }
  for (const wanted of [
    [0, 1, 2, 3],
    [1, 0, 1, 2, 3, 0, 1],
    [3, 2, 1, 0, 1],
  ])
    expect((await store.readTexts(id, wanted)).map((text) => text?.length ?? null)).toEqual(
      wanted.map((row) => [null, long.length, null, 5][row]),
    );
});

test('a chunk is read once a call, however many rows are wanted of it and in what order', async () => {
  const memory = new MemoryBackend();
  let reads = 0;
  const store = await Store.open(
    wrapped(memory, {
      read: (name: StoreName, key: number) => {
        if (name === 'chunks') reads++;
        return memory.read(name, key);
      },
    }),
    mergePostings,
  );
  const { id } = await store.createCollection('c', CONFIG);
  await store.append(id, batch(0, 2000, 6000), []); // 24 MB of texts; 16 are kept
  const rows = Array.from({ length: 2000 }, (_, i) => (i * 777) % 2000);
  const texts = await store.readTexts(id, rows);
  expect(texts[1]).toMatch(/^text of 777 /);
  expect(reads).toBe(store.collections[0]!.segments[0]!.chunks.filter(({ kind }) => kind === 'text').length);
});

test('a database begins on plain http too, where there is no crypto.randomUUID', async () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  try {
    const store = await Store.open(new MemoryBackend(), mergePostings);
    expect(store.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  } finally {
    vi.unstubAllGlobals();
  }
});

async function damage(backend: Backend, store: StoreName, key: number, at?: number): Promise<void> {
  const value = (await backend.read(store, key))!.slice(0);
  new Uint8Array(value)[at ?? value.byteLength - 1]! ^= 4;
  await backend.commit([{ store, key, value }]);
}

function recording(backend: Backend): Backend & { writes: Write[] } {
  const writes: Write[] = [];
  return wrapped(backend, {
    writes,
    commit(list: readonly Write[]) {
      writes.push(...list);
      return backend.commit(list);
    },
  });
}

/** Fails commits instead of making them, or after it has made them, as where the connection is lost before the answer. */
function failing(backend: Backend) {
  return wrapped(backend, {
    fail: false,
    failAfter: false,
    async commit(list: readonly Write[]) {
      if (this.fail) throw new Error('disk on fire');
      await backend.commit(list);
      if (this.failAfter) throw new Error('disk out of reach');
    },
  });
}

describe('compaction', () => {
  test('gives the bytes of deleted rows back, and leaves the others as they were', async () => {
    const backend = new MemoryBackend();
    const store = await Store.open(backend, mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    const run = batch(0, 400, 20_000);
    await store.append(id, run, []);
    const bytes = store.bytesOnDisk(id);
    const odd = run.ids.flatMap((_, row) => (row % 2 ? [row] : []));
    await store.delete(id, odd);
    expect(await compact(store, id, 0)).not.toBeNull();
    expect(store.bytesOnDisk(id)).toBeLessThan(bytes * 0.52);
    let stored = 0;
    for (const key of store.chunkKeys()) stored += (await backend.read('chunks', key))!.byteLength;
    expect(stored).toBe(store.bytesOnDisk(id));
    expect(await backend.keys('log')).toEqual([]);
    expect(await contents(store, id)).toEqual(expectedRows(modelOf(run).filter((_, row) => row % 2 === 0)));
    expect(await compact(store, id, 0)).toBeNull();
  });

  test('merges small segments once there are many', async () => {
    const store = await Store.open(new MemoryBackend(), mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    const runs: RowBatch[] = [];
    for (let i = 0; i < 20; i++) {
      runs.push(batch(i * 3, 3, 1));
      await store.append(id, runs.at(-1)!, []);
      await store.fold();
    }
    expect(store.collections[0]!.segments).toHaveLength(20);
    await compact(store, id, 0.25);
    expect(store.collections[0]!.segments).toHaveLength(1);
    expect(await contents(store, id)).toEqual(expected(runs, new Set()));
  });

  test('leaves a collection alone where too few rows are deleted', async () => {
    const store = await Store.open(new MemoryBackend(), mergePostings);
    const { id } = await store.createCollection('c', CONFIG);
    await store.append(id, batch(0, 100), []);
    await store.delete(id, [1, 2, 3]);
    expect(await compact(store, id, 0.25)).toBeNull();
    expect(store.deleted(id).count()).toBe(3);
  });
});

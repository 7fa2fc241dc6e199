// Changes of metadata that are stored beside it: what they do, how they are joined, and that nothing else is written.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KINDS } from '../../../src/store/format.ts';
import { decodePatches, encodePatches, Patches, patchesOf } from '../../../src/store/patches.ts';
import { LOG_BYTES_MAX, PATCH_READER, SEGMENT_BYTES_MIN } from '../../../src/store/schema.ts';
import { applyChanges, type Change, joinChanges } from '../../../src/structures/changes.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import type { Where } from '../../../src/types.ts';
import type { LocalEngine } from '../../../src/worker/engine.ts';
import { Disk } from '../../faults/disk.ts';
import { openEngine } from '../../faults/machine.ts';
import { exported, imported, openEngine as openPlain, records, request } from '../transfer/files.ts';

const path = fc
  .array(fc.constantFrom('a', 'b', 'c', '__proto__'), { minLength: 1, maxLength: 3 })
  .map((p) => p.join('.'));
const value = fc.constantFrom<unknown>(1, 'x', null, {}, { a: 1 }, { b: { c: [1] } }, [1], {
  $date: '2020-01-01T00:00:00.000Z',
});
const change: fc.Arbitrary<Change> = fc.oneof(fc.tuple(path, value), fc.tuple(path));
const changes = fc.array(change, { maxLength: 6 });
const stored = fc.oneof(
  fc.constant(null),
  fc
    .dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'd'), value, { maxKeys: 4 })
    .map((object) => ({ ...object })),
);

describe('changes', () => {
  test('joined ones do what they do one after the other, also where the first have been done already', () => {
    fc.assert(
      fc.property(stored, changes, changes, (base, first, second) => {
        const joined = joinChanges(first, second);
        const once = applyChanges(base, first);
        const expected = applyChanges(once, second);
        expect(applyChanges(base, joined)).toEqual(expected);
        expect(applyChanges(once, joined)).toEqual(expected);
        expect(applyChanges(expected, joined)).toEqual(expected);
      }),
      { numRuns: 5000, seed: 1 },
    );
  });

  test('as many as there are paths are kept, however often they come', () => {
    let kept: readonly Change[] = [];
    for (let i = 0; i < 1000; i++) kept = joinChanges(kept, [i % 3 === 0 ? ['a.b'] : ['a.b', i], [i % 2 ? 'a' : 'c']]);
    expect(kept.length).toBeLessThanOrEqual(6);
  });

  test('nothing that they hold is shared with what they make, and they change nothing in place', () => {
    const base = { a: { b: 1 } };
    const made = applyChanges(base, [
      ['c', { d: 1 }],
      ['a.e', 2],
    ]) as { c: { d: number }; a: object };
    expect(base).toEqual({ a: { b: 1 } });
    const again = applyChanges(base, [['c', made.c]]) as { c: object };
    expect(again.c).not.toBe(made.c);
  });
});

describe('patches', () => {
  const patch = fc.record({
    rows: fc
      .uniqueArray(fc.oneof(fc.nat(40), fc.nat(100_000)), { maxLength: 30 })
      .map((rows) => rows.sort((a, b) => a - b)),
    changes,
  });

  test('come back from their bytes as they were', () => {
    fc.assert(
      fc.property(fc.array(patch, { maxLength: 4 }), (patches) => {
        expect(decodePatches(atOnce(encodePatches(patches)))).toEqual(
          patches.map(({ rows, changes: c }) => ({ rows, changes: c })),
        );
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  test('of a million neighbours take a few bytes', () => {
    const rows = Array.from({ length: 1_000_000 }, (_, i) => i);
    expect(atOnce(encodePatches([{ rows, changes: [['seen', true]] }])).length).toBeLessThan(32);
  });

  test('of rows that were changed alike share one list', () => {
    const patches = new Patches();
    const rows = numbers(1000);
    for (const field of ['a', 'b']) patches.add({ rows, changes: [[field, 1]] });
    expect(atOnce(patchesOf(patches, rows, (row) => row)).length).toBe(1);
  });

  test('each row has what was done to it, in order', () => {
    fc.assert(
      fc.property(fc.array(patch, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 5 }), (all, removed) => {
        const patches = new Patches();
        const model = new Map<number, Change[]>();
        for (const { rows, changes: list } of all) {
          patches.add({ rows, changes: list });
          for (const row of rows) model.set(row, [...(model.get(row) ?? []), ...list]);
        }
        for (const row of removed) {
          patches.remove(row);
          model.delete(row);
        }
        expect(patches.size).toBe(model.size);
        expect([...patches.rows()]).toEqual([...model.keys()].sort((a, b) => a - b));
        const again = new Patches();
        for (const group of atOnce(patchesOf(patches, patches.rows(), (row) => row + 1))) again.add(group);
        for (const [row, list] of model)
          for (const copy of [patches.of(row)!, patches.clone().of(row)!, again.of(row + 1)!])
            expect(applyChanges({ a: 1 }, copy)).toEqual(applyChanges({ a: 1 }, list));
      }),
      { numRuns: 200, seed: 3 },
    );
  });
});

const DIMENSION = 4;
let call = 0;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

async function open(engine: LocalEngine): Promise<number> {
  return (await engine.openCollection('c', request({ dimension: DIMENSION, metric: 'dot' }), ++call)).id;
}

async function filled(engine: LocalEngine, count: number, weight = 0): Promise<number> {
  const id = await open(engine);
  const ids = numbers(count);
  await engine.upsert(
    id,
    records({
      ids,
      vectors: Float32Array.from(ids.flatMap(() => [1, 0, 0, 0])), // all equal: places decide
      texts: ids.map((i) => `text ${i} ${'.'.repeat(weight)}`),
      metadata: ids.map((i) => (i % 5 === 4 ? null : JSON.stringify({ n: i, deep: { kept: true } }))),
    }),
    'upsert',
    ++call,
  );
  return id;
}

const scrolled = async (engine: LocalEngine, id: number, where: Where | null = null) => {
  const { ids, rows } = await engine.scroll(id, { where, limit: 100_000, cursor: null, select: ['metadata'] });
  return ids.map((rid, i) => [rid, rows.metadata![i]]);
};

const expected = (count: number, change: (n: number, metadata: object | null) => object | null) =>
  numbers(count).map((i) => [i, change(i, i % 5 === 4 ? null : { n: i, deep: { kept: true } })]);

test('an update of metadata writes that alone: the record keeps its place, its vector and its text', async () => {
  for (const weight of [0, 100_000]) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const id = await filled(engine, 20, weight);
    await engine.query(id, [filter({ n: { $gt: 0 } })], ++call); // columns are there
    const before = (await engine.stats()).bytesWritten;
    expect(await engine.update(id, { ids: [3, 1, 4] }, { set: { flag: true, 'deep.more': [1] } }, ++call)).toBe(3);
    expect(await engine.update(id, { where: { n: { $gte: 15 } } }, { unset: ['n'] }, ++call)).toBe(4);
    expect((await engine.stats()).bytesWritten - before).toBeLessThan(400);
    const now = expected(20, (i, metadata) => {
      const { n, ...others } = (metadata ?? {}) as { n?: number; deep?: object };
      if (i >= 15 && metadata) return others;
      if (i !== 1 && i !== 3 && i !== 4) return metadata;
      return { ...metadata, flag: true, deep: { ...others.deep, more: [1] } };
    });
    const check = async (open: LocalEngine, collection: number) => {
      expect(await scrolled(open, collection)).toEqual(now);
      const [flagged, all] = await open.query(collection, [filter({ flag: true }), filter({})], ++call);
      expect(flagged!.ids).toEqual([1, 3, 4]);
      expect(all!.ids).toEqual(numbers(20)); // equal scores, in the order of writing
      expect(await open.count(collection, { n: { $gte: 15 } })).toBe(0);
    };
    await check(engine, id);
    const reopened = await openEngine(disk);
    await check(reopened, await open(reopened));
    const copy = await openPlain();
    await imported(copy, Buffer.concat(await exported(reopened)));
    await check(copy, await open(copy));
    expect(await reopened.delete(await open(reopened), { ids: [0] }, ++call)).toBe(1);
    await reopened.compact(await open(reopened), ++call);
    now.shift();
    expect(await scrolled(reopened, await open(reopened))).toEqual(now);
    const third = await openEngine(disk);
    expect(await scrolled(third, await open(third))).toEqual(now);
  }
});

function filter(where: Where) {
  return {
    ...{ vector: Float32Array.of(1, 0, 0, 0), embed: null, words: null, k: 100, offset: 0, minScore: null, where },
    ...{ fusion: { rrf: {} }, select: [], exact: true, oversample: 1, explain: false },
  } as const;
}

const patchChunks = (disk: Disk) =>
  [...disk.state.get('chunks')!].filter(([, chunk]) => new Uint8Array(chunk)[5] === KINDS.patches);
const kindsOf = (disk: Disk) => [...disk.state.get('chunks')!.values()].map((chunk) => new Uint8Array(chunk)[5]);

test('folded ones become chunks, small ones together, until a compaction writes them into the metadata', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50); // a segment
  const seen = new Map<number, number>();
  for (let i = 0; i < 6500; i++) {
    const rid = i < 4000 ? i % 20 : 20 + (i % 30);
    await engine.update(id, { ids: [rid] }, { set: { seen: i } }, ++call);
    seen.set(rid, i);
  }
  const now = expected(50, (i, metadata) => ({ ...metadata, seen: seen.get(i) }));
  expect(await scrolled(engine, id)).toEqual(now);
  expect(disk.state.get('log')!.size).toBeLessThan(4002);
  const chunks = patchChunks(disk);
  expect(chunks.length).toBeGreaterThan(0);
  for (const [, chunk] of chunks) expect(new Uint8Array(chunk)[4]).toBe(PATCH_READER); // an older release refuses it
  const reopened = await openEngine(disk);
  const again = await open(reopened);
  expect(await scrolled(reopened, again)).toEqual(now);
  await reopened.delete(again, { ids: [0] }, ++call);
  await reopened.compact(again, ++call);
  expect(patchChunks(disk)).toEqual([]);
  now.shift();
  expect(await scrolled(reopened, again)).toEqual(now);
  const third = await openEngine(disk);
  expect(await scrolled(third, await open(third))).toEqual(now);
});

test('a chunk of which all records are deleted touches no other record after a compaction', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
  for (let i = 0; i < 2000; i++) await engine.update(id, { ids: [5] }, { set: { seen: i } }, ++call);
  await engine.update(id, { ids: [7] }, { set: { seen: 1 } }, ++call);
  expect(patchChunks(disk).length).toBe(1);
  await engine.delete(id, { ids: [5, 7] }, ++call);
  await engine.upsert(id, records({ ids: [99], vectors: new Float32Array(4), metadata: ['{}'] }), 'upsert', ++call);
  await engine.compact(id, ++call); // folds the log first
  const reopened = await openEngine(disk);
  const found = await scrolled(reopened, await open(reopened));
  expect(found.length).toBe(49);
  expect(JSON.stringify(found)).not.toContain('seen');
});

test('a compaction writes them into the metadata of records of which none is deleted, too', async () => {
  for (const isChangedMeanwhile of [false, true]) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
    for (let i = 0; i < 2000; i++) await engine.update(id, { ids: [i % 50] }, { set: { seen: i % 50 } }, ++call);
    await engine.update(id, { ids: [1] }, { set: { late: 1 } }, ++call); // after the fold
    expect(patchChunks(disk).length).toBe(1);
    const vectors = kindsOf(disk).filter((kind) => kind === KINDS.vectors).length;
    const compacted = engine.compact(id, ++call);
    if (isChangedMeanwhile) {
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
      await engine.update(id, { ids: [2] }, { set: { seen: 'now' }, unset: ['deep.kept'] }, ++call);
    }
    await compacted;
    const now = expected(50, (i, metadata) => {
      const changed = { ...metadata, seen: i, ...(i === 1 && { late: 1 }) };
      return isChangedMeanwhile && i === 2 ? { ...changed, seen: 'now', deep: {} } : changed;
    });
    expect(await scrolled(engine, id)).toEqual(now);
    expect((await engine.query(id, [filter({ seen: { $lt: 10 } })], ++call))[0]!.ids.length).toBe(
      isChangedMeanwhile ? 9 : 10,
    );
    const reopened = await openEngine(disk);
    const again = await open(reopened);
    expect(await scrolled(reopened, again)).toEqual(now);
    await reopened.compact(again, ++call);
    await reopened.renameCollection('c', 'd', ++call);
    expect(patchChunks(disk)).toEqual([]);
    expect(kindsOf(disk).filter((kind) => kind === KINDS.vectors).length).toBe(vectors); // nothing else was written
    const third = await openEngine(disk);
    const { id: last } = await third.openCollection('d', request({ mustExist: true }), ++call);
    expect(await scrolled(third, last)).toEqual(now);
  }
});

test('a compaction writes the chunks again that have any, and deletes the old ones', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await open(engine);
  const ids = numbers(300);
  const note = 'y'.repeat(SEGMENT_BYTES_MIN / 200);
  const metadata = ids.map((i) => (i > 200 ? null : JSON.stringify({ i, note })));
  await engine.upsert(id, records({ ids, vectors: new Float32Array(1200), metadata }), 'upsert', ++call);
  const chunks = () =>
    [...disk.state.get('chunks')!].filter(([, chunk]) => new Uint8Array(chunk)[5] === KINDS.metadata);
  const before = chunks();
  expect(before.length).toBeGreaterThan(10);
  for (let i = 0; i < 2000; i++) await engine.update(id, { ids: [0, 1, 299] }, { set: { seen: i } }, ++call);
  await engine.update(id, { ids: [0] }, { set: { seen: 1999 } }, ++call);
  await engine.compact(id, ++call);
  const after = chunks();
  expect(after.length).toBe(before.length);
  expect(after.filter(([key]) => before.some(([old]) => old === key)).length).toBe(before.length - 2); // the first, and the last
  const reopened = await openEngine(disk);
  const found = await scrolled(reopened, await open(reopened));
  const seen = (i: number) => [0, 1, 299].includes(i) && { seen: 1999 };
  expect(found).toEqual(ids.map((i) => [i, i > 200 && !seen(i) ? null : { ...(i <= 200 && { i, note }), ...seen(i) }]));
});

test('large ones are written into the metadata unasked, beside reads and writes', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await filled(engine, 250, SEGMENT_BYTES_MIN / 250);
  const note = 'x'.repeat(LOG_BYTES_MAX / 240);
  const isThere = (n: number) => n < 240;
  for (let i = 0; i < 240; i++) await engine.update(id, { ids: [i] }, { set: { note: note + i } }, ++call);
  const now = expected(250, (i, metadata) => (isThere(i) ? { ...metadata, note: note + i } : metadata));
  // That of record 0 stays: it changes all the time.
  for (let i = 0; i === 0 || patchChunks(disk).some(([, chunk]) => chunk.byteLength > 50_000); i++) {
    await engine.update(id, { ids: [0] }, { set: { turn: i } }, ++call);
    now[0] = [0, { n: 0, deep: { kept: true }, note: `${note}0`, turn: i }];
    expect((await scrolled(engine, id)).length).toBe(250);
    if (i > 500) throw new Error('they stay');
  }
  expect(disk.state.get('log')!.size).toBeLessThan(240); // it has been folded
  expect(await scrolled(engine, id)).toEqual(now);
  expect(await engine.count(id, { note: { $exists: true } })).toBe(240);
  const reopened = await openEngine(disk);
  expect(await scrolled(reopened, await open(reopened))).toEqual(now);
});

test('what is changed while a compaction runs is there after it', async () => {
  for (let moment = 0; moment < 20; moment++) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
    await engine.update(id, { all: true }, { set: { before: 1, both: 1 } }, ++call);
    await engine.delete(id, { ids: [0, 7] }, ++call);
    const compacted = engine.compact(id, ++call);
    for (let i = 0; i < moment; i++) await new Promise((resolve) => setImmediate(resolve));
    await engine.update(id, { ids: [3, 8, 49] }, { set: { both: 2 }, unset: ['deep.kept'] }, ++call);
    await compacted;
    const now = expected(50, (i, metadata) => {
      const changed = { ...metadata, before: 1, both: [3, 8, 49].includes(i) ? 2 : 1 };
      return i % 5 !== 4 && changed.both === 2 ? { ...changed, deep: {} } : changed;
    }).filter(([i]) => i !== 0 && i !== 7);
    expect(await scrolled(engine, id)).toEqual(now);
    const reopened = await openEngine(disk);
    expect(await scrolled(reopened, await open(reopened))).toEqual(now);
  }
});

/** Flips a bit of the chunk that there is. */
function spoilPatches(disk: Disk): void {
  const [[key, chunk]] = patchChunks(disk) as [[number, ArrayBuffer]];
  const spoiled = chunk.slice(0);
  new Uint8Array(spoiled)[60]! ^= 1;
  (disk.state.get('chunks') as Map<number, ArrayBuffer>).set(key, spoiled);
}

test('a damaged chunk of them is told, stops compaction, and is given up by repair', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
  for (let i = 0; i < 2001; i++) await engine.update(id, { ids: [i % 50] }, { set: { seen: i } }, ++call);
  await engine.delete(id, { ids: [0] }, ++call);
  spoilPatches(disk);

  const reopened = await openEngine(disk);
  const again = await open(reopened);
  expect((await reopened.stats()).damage).toMatchObject([{ what: 'metadata' }]);
  await expect(reopened.compact(again, ++call)).rejects.toThrow(/changes of its metadata are damaged.*db.repair/);
  await reopened.update(again, { ids: [1] }, { set: { late: true } }, ++call);
  expect(await reopened.repair(++call)).toMatchObject([{ what: 'metadata' }]);
  const now = await scrolled(reopened, again);
  expect(now).toContainEqual([1, { n: 1, deep: { kept: true }, late: true }]);
  await reopened.compact(again, ++call);
  expect(await scrolled(reopened, again)).toEqual(now);
  const third = await openEngine(disk);
  expect((await third.stats()).damage).toEqual([]);
  expect(await scrolled(third, await open(third))).toEqual(now);
});

test('a chunk of them that cannot be read only while the database is opened is there when it is opened again', async () => {
  for (const isRepaired of [false, true]) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
    for (let i = 0; i < 2001; i++) await engine.update(id, { ids: [i % 40] }, { set: { seen: 1 } }, ++call);
    const [[key, chunk]] = patchChunks(disk) as [[number, ArrayBuffer]];
    spoilPatches(disk);
    const reopened = await openEngine(disk);
    (disk.state.get('chunks') as Map<number, ArrayBuffer>).set(key, chunk);
    const again = await open(reopened);
    if (isRepaired) await reopened.repair(++call);
    const id2 = isRepaired ? await open(reopened) : again;
    for (let i = 0; i < 2001; i++) await reopened.update(id2, { ids: [45] }, { set: { late: i } }, ++call);
    await reopened.delete(id2, { ids: [0] }, ++call);
    await expect(reopened.compact(id2, ++call)).rejects.toThrow(/changes of its metadata are damaged/);
    const third = await openEngine(disk);
    const now = await scrolled(third, await open(third));
    expect(now.filter(([, metadata]) => (metadata as { seen?: number })?.seen === 1).length).toBe(39);
    expect(now.filter(([, metadata]) => (metadata as { late?: number })?.late === 2000).length).toBe(1);
  }
});

test('thousands of fields are changed, joined and read in no more than seconds', async () => {
  const engine = await openEngine(new Disk());
  const id = await filled(engine, 20);
  const set = (n: number) => Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`f${i}`, n]));
  for (const n of [1, 2]) await engine.update(id, { all: true }, { set: set(n) }, ++call);
  await engine.update(id, { ids: [3] }, { set: { 'deep.more': 1 } }, ++call);
  const found = await scrolled(engine, id);
  expect(Object.keys(found[3]![1] as object).length).toBeGreaterThan(3000);
  expect(found[5]![1]).toMatchObject({ f0: 2, f2999: 2 });
});

test('a field that changes all the time keeps what it was out of memory', async () => {
  const engine = await openEngine(new Disk());
  const id = await filled(engine, 20);
  await engine.count(id, { turn: 'x' });
  for (let i = 0; i < 3000; i++) await engine.update(id, { ids: [1] }, { set: { turn: `turn ${i}` } }, ++call);
  const [found] = await engine.query(id, [filter({ turn: 'turn 2999' })], ++call);
  expect(found!.ids).toEqual([1]);
  expect(await engine.count(id, { turn: { $gte: 'turn 0' } })).toBe(1);
  expect((await engine.collectionStats(id)).bytes.memory).toBeLessThan(1_000_000);
});

test('a chunk of them that goes bad after it has been read is written again by repair', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await filled(engine, 50, SEGMENT_BYTES_MIN / 50);
  for (let i = 0; i < 2001; i++) await engine.update(id, { ids: [i % 50] }, { set: { seen: i } }, ++call);
  const now = await scrolled(engine, id);
  spoilPatches(disk);
  expect(await engine.repair(++call)).toMatchObject([{ what: 'metadata' }]);
  expect(await scrolled(engine, await open(engine))).toEqual(now);
  const reopened = await openEngine(disk);
  expect((await reopened.stats()).damage).toEqual([]);
  expect(await scrolled(reopened, await open(reopened))).toEqual(now);
});

// What happens beside each other: compactions, repairs, deletions of collections, imports that are taken over, full storage.
import { describe, expect, test, vi } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { EngineEvent, NoticeEvent } from '../../../src/protocol.ts';
import type { Write } from '../../../src/store/backend.ts';
import { SEGMENT_BYTES_MIN, type StoreName } from '../../../src/store/schema.ts';
import type { RecordId } from '../../../src/types.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { Disk, type DiskState } from '../../faults/disk.ts';
import { importIncluded } from '../../import-included.ts';
import { exported, joined, records, request } from '../transfer/files.ts';

// Many megabytes go through memory here.
vi.setConfig({ testTimeout: 60_000 });

const DIMENSION = 4;
/** Letters of a text of which twenty are a segment. */
const HEAVY = Math.ceil(SEGMENT_BYTES_MIN / 20);
let call = 0;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function openEngine(
  disk: Disk,
  onEvent: (event: EngineEvent | NoticeEvent) => void = () => {},
): Promise<LocalEngine> {
  const none = () => Promise.reject(new Error('no model'));
  const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
    openBackend: async () => disk,
    importAsset: importIncluded,
    originOf: (number) => ({ client: '00000000-0000-4000-8000-000000000001', call: number, settled: 0 }),
  });
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, onEvent);
  return engine;
}

const open = async (engine: LocalEngine, name = 'c') =>
  (await engine.openCollection(name, request({ dimension: DIMENSION, metric: 'dot' }), ++call)).id;

function write(engine: LocalEngine, id: number, ids: RecordId[], weight = 0): Promise<void> {
  return engine.upsert(
    id,
    records({
      ids,
      vectors: Float32Array.from(ids.flatMap((rid) => [Number(rid), 1, 0, 0])),
      texts: ids.map((rid) => `text ${rid} ${'é'.repeat(weight)}`),
      metadata: ids.map((rid) => JSON.stringify({ rid })),
    }),
    'upsert',
    ++call,
  );
}

const numbers = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);

/** Ids and texts, by `scroll`, which goes by rows. */
async function contents(engine: LocalEngine, id: number): Promise<[RecordId, string | null | undefined][]> {
  const { ids, rows } = await engine.scroll(id, { where: null, limit: 100_000, cursor: null, select: ['text'] });
  return ids.map((rid, i) => [rid, rows.texts![i]?.replace(/ é*$/, '')]);
}

const expected = (ids: readonly number[]) => ids.map((rid) => [rid, `text ${rid}`]);

async function codeOf(promise: Promise<unknown>): Promise<string | null> {
  return promise.then(
    () => null,
    (error: unknown) => (error instanceof PiramidError ? error.code : String(error)),
  );
}

test('a repair in the middle of a compaction: rows have the same numbers for all', async () => {
  for (let moment = 0; moment < 24; moment++) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const id = await open(engine);
    for (let first = 0; first < 1200; first += 100) await write(engine, id, numbers(first, first + 100));
    const gone = numbers(0, 1200).filter((rid) => rid % 3 === 0);
    await engine.delete(id, { ids: gone }, ++call);
    const live = numbers(0, 1200).filter((rid) => rid % 3 !== 0);
    const compacted = engine.compact(id, ++call);
    for (let i = 0; i < moment; i++) await (moment % 2 ? turn() : Promise.resolve());
    expect(await engine.repair(++call)).toEqual([]);
    expect(await contents(engine, id)).toEqual(expected(live));
    const again = moment % 3 === 0 ? engine.compact(id, ++call) : null;
    expect(await codeOf(compacted)).toBe(null);
    await again;
    expect(await contents(engine, id)).toEqual(expected(live));
    await write(engine, id, [5000]);
    expect(await contents(engine, id)).toEqual(expected([...live, 5000]));
    await engine.close();
    const reopened = await openEngine(disk);
    expect(await contents(reopened, await open(reopened))).toEqual(expected([...live, 5000]));
    expect(await reopened.repair(++call)).toEqual([]);
    await reopened.close();
  }
});

test('deleting a collection that is read or compacted damages nothing', async () => {
  for (let moment = 0; moment < 5; moment++) {
    const notices: unknown[] = [];
    const engine = await openEngine(new Disk(), (event) => notices.push(event));
    const id = await open(engine);
    for (let i = 0; i < 3; i++) await write(engine, id, numbers(i * 20, i * 20 + 20), HEAVY);
    await engine.delete(id, { ids: [1, 30, 50] }, ++call);
    await open(engine, 'other');
    const codes = [
      codeOf(engine.compact(id, ++call)),
      codeOf(engine.facets(id, { field: 'rid', where: null, limit: 5 })),
      codeOf(contents(engine, id)),
    ];
    for (let i = 0; i < moment; i++) await (moment % 2 ? turn() : Promise.resolve());
    expect(await engine.deleteCollection('c', ++call)).toBe(true);
    await engine.renameCollection('other', 'another', ++call);
    await engine.renameCollection('another', 'other', ++call);
    for (const code of codes) expect([null, 'NOT_FOUND']).toContain(await code);
    expect(notices.filter((event) => (event as NoticeEvent).type === 'notice')).toEqual([]);
    expect((await engine.stats()).damage).toEqual([]);
    expect(await codeOf(contents(engine, id))).toBe('NOT_FOUND');
    await engine.close();
  }
});

test('an import that is taken over at its end is in, or is not said to be', async () => {
  const source = await openEngine(new Disk());
  await write(source, await open(source), numbers(0, 50));
  const file = joined(await exported(source));

  const disk = new Disk();
  const states: DiskState[] = [];
  disk.onCommit = () => states.push(disk.state);
  const engine = await openEngine(disk);
  const run = engine.runImport('i', ++call);
  run.catch(() => {});
  await engine.importPiece('i', 0, file);
  const finish = ++call;
  await engine.finishImport('i', finish);
  await run;
  // Whoever leads next, from whatever the disk held, is sent the same call again.
  for (const state of states) {
    const next = await openEngine(new Disk(state));
    const isIn = (await next.listCollections()).some(({ count }) => count === 50);
    expect(await codeOf(next.finishImport('i', finish))).toBe(isIn ? null : 'WORKER_FAILED');
  }
});

/** A disk of so many bytes. */
class SmallDisk extends Disk {
  capacity = Number.POSITIVE_INFINITY;

  override async commit(writes: readonly Write[], ...rest: [Parameters<Disk['commit']>[1]?]): Promise<void> {
    const before = this.state;
    const puts = writes.some((write) => 'value' in write && !(write.store === 'manifest' && write.key < 2));
    await super.commit(writes, ...rest);
    if (this.bytes <= this.capacity || !puts) return;
    this.state = before;
    throw new PiramidError('QUOTA_EXCEEDED', 'injected');
  }

  get bytes(): number {
    return [...this.state.values()]
      .flatMap((values) => [...values.values()])
      .reduce((sum, value) => sum + value.byteLength, 0);
  }
}

describe('a storage without room', () => {
  test('for a compaction has as much as before once it has failed, and takes writes', async () => {
    const disk = new SmallDisk();
    const engine = await openEngine(disk);
    const id = await open(engine);
    for (let i = 0; i < 8; i++) await write(engine, id, numbers(i * 20, i * 20 + 20), HEAVY);
    await engine.delete(id, { ids: numbers(0, 160).filter((rid) => rid % 3 === 0) }, ++call);
    disk.capacity = disk.bytes + 6 * SEGMENT_BYTES_MIN;
    expect(await codeOf(engine.compact(id, ++call))).toBe('QUOTA_EXCEEDED');
    expect(disk.bytes).toBeLessThan(disk.capacity - 5 * SEGMENT_BYTES_MIN);
    await write(engine, id, [1000]);
    expect((await engine.stats()).isReadOnly).toBe(false);
    await engine.close();
  });

  test('has room again when a collection has been deleted', async () => {
    const disk = new SmallDisk();
    const engine = await openEngine(disk);
    const id = await open(engine);
    await write(engine, id, numbers(0, 20), HEAVY);
    await write(engine, await open(engine, 'large'), numbers(0, 20), HEAVY);
    disk.capacity = disk.bytes;
    expect(await codeOf(write(engine, id, numbers(20, 40), HEAVY))).toBe('QUOTA_EXCEEDED');
    expect(await engine.delete(id, { ids: [0] }, ++call)).toBe(1); // in place of the ballast
    expect(await engine.retryWrites()).toBe(false);
    await engine.deleteCollection('large', ++call);
    expect(await engine.retryWrites()).toBe(true);
    await write(engine, id, numbers(20, 30), HEAVY);
    await engine.close();
  });

  test('is opened, searched and deleted from all the same', async () => {
    const disk = new SmallDisk();
    const engine = await openEngine(disk);
    await write(engine, await open(engine), numbers(0, 20));
    await engine.close();
    // One byte less than a new fence would take, though it replaces one.
    disk.capacity = disk.bytes - 1;
    const again = await openEngine(disk);
    const id = await open(again);
    expect(await contents(again, id)).toEqual(expected(numbers(0, 20)));
    expect(await again.delete(id, { ids: [3] }, ++call)).toBe(1);
    await again.close();
  });
});

/** A disk that cannot give some values, as when the file of a large one is gone. */
class HoledDisk extends Disk {
  isGone: (store: StoreName, key: number) => boolean = () => false;

  override async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    if (this.isGone(store, key)) throw new PiramidError('CORRUPT', 'Failed to read large IndexedDB value');
    return super.read(store, key);
  }

  override async readAll(store: StoreName, firstKey: number): Promise<Map<number, ArrayBuffer>> {
    const values = await super.readAll(store, firstKey);
    for (const key of values.keys()) await this.read(store, key);
    return values;
  }
}

describe('a value that the storage cannot give', () => {
  test('of the log is damage like any other', async () => {
    const disk = new HoledDisk();
    const engine = await openEngine(disk);
    const id = await open(engine);
    for (const rid of [0, 1, 2]) await write(engine, id, [rid], 40_000);
    const [, second] = await disk.keys('log');
    disk.isGone = (store, key) => store === 'log' && key === second;
    const reopened = await openEngine(disk);
    expect(await contents(reopened, await open(reopened))).toHaveLength(2);
    expect((await reopened.stats()).damage).toMatchObject([{ what: 'records' }]);
  });

  test('is told once, when it is found', async () => {
    const disk = new HoledDisk();
    const first = await openEngine(disk);
    const id = await open(first);
    for (const from of [0, 20]) await write(first, id, numbers(from, from + 20), HEAVY);
    await first.close();
    const told: unknown[] = [];
    const engine = await openEngine(disk, (event) => {
      if (event.type === 'notice' && event.notice.name !== 'opening') told.push(event.notice);
    });
    const again = await open(engine);
    expect(told).toEqual([]);
    const texts = [...disk.state.get('chunks')!].filter(([, value]) => new DataView(value).getUint8(5) === 6);
    disk.isGone = (store, key) => store === 'chunks' && key === texts[0]![0];
    for (let i = 0; i < 2; i++) await contents(engine, again).catch(() => {});
    expect(told).toMatchObject([{ name: 'damage', detail: { collection: 'c' } }]);
  });

  test('of a manifest leaves its copy, and is told', async () => {
    for (const slot of [0, 1]) {
      const disk = new HoledDisk();
      const engine = await openEngine(disk);
      await write(engine, await open(engine), [0]);
      disk.isGone = (store, key) => store === 'manifest' && key === slot;
      const reopened = await openEngine(disk);
      expect(await contents(reopened, await open(reopened))).toEqual(expected([0]));
      expect((await reopened.stats()).damage).toMatchObject([{ what: 'nothing' }]);
    }
  });

  test.each([
    ['vector', 4, { text: 'new' }],
    ['metadata', 5, { set: { 'n.m': 1 } }],
    ['metadata', 5, { text: 'new' }],
    ['text', 6, { vector: new Float32Array(4) }],
  ])(
    'of the %s keeps a record from being written without it, until repair gives it up',
    async (what, kind, changes) => {
      const disk = new HoledDisk();
      const engine = await openEngine(disk);
      const id = await open(engine);
      for (const first of [0, 20]) await write(engine, id, numbers(first, first + 20), HEAVY);
      await engine.delete(id, { ids: numbers(0, 10) }, ++call);
      await engine.compact(id, ++call); // the second segment lies lower than its chunks say
      await write(engine, id, [99]);
      const values = [...disk.state.get('chunks')!].map(([key, value]) => ({ key, view: new DataView(value) }));
      const hole = values.find(({ view }) => view.getUint8(5) === kind && view.getUint32(16, true) === 20)!.key;
      disk.isGone = (store, key) => store === 'chunks' && key === hole;

      const reopened = await openEngine(disk);
      const again = await open(reopened);
      const update = (ids: RecordId[]) => reopened.update(again, { ids }, changes, ++call);
      // Nothing is written again by this one.
      expect(await reopened.update(again, { ids: [20] }, { set: { n: 0 } }, ++call)).toBe(1);
      const { state } = disk;
      await expect(update([12, 20])).rejects.toThrow(new RegExp(`^record 20: its ${what} is damaged .*db.repair`));
      expect(disk.state).toBe(state);
      expect(await update([12, 99])).toBe(2);
      await write(reopened, again, [20]); // all of it
      expect(await update([20])).toBe(1);
      await reopened.repair(++call);
      expect(await update(numbers(20, 40))).toBe(20);
    },
  );

  test('for a moment is not gone', async () => {
    const disk = new HoledDisk();
    const engine = await openEngine(disk);
    const id = await open(engine);
    for (let i = 0; i < 3; i++) await write(engine, id, numbers(i * 20, i * 20 + 20), HEAVY);
    await write(engine, id, [60]);
    await engine.close();
    const failed = new Set<string>();
    disk.isGone = (store, key) => !failed.has(`${store} ${key}`) && !!failed.add(`${store} ${key}`);
    const reopened = await openEngine(disk);
    expect(await contents(reopened, await open(reopened))).toEqual(expected(numbers(0, 61)));
    expect((await reopened.stats()).damage).toEqual([]);
    expect([...failed].map((name) => name.split(' ')[0])).toEqual(
      expect.arrayContaining(['manifest', 'log', 'chunks']),
    );
  });
});

// A collection opens before its rows are in memory: which calls wait for what, and that all of them settle.
import { afterEach, expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { EngineQuery, NoticeEvent, Select } from '../../../src/protocol.ts';
import { KINDS, type Kind } from '../../../src/store/format.ts';
import { SEGMENT_BYTES_MIN, type StoreName } from '../../../src/store/schema.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { Disk } from '../../faults/disk.ts';
import { records, request } from '../transfer/files.ts';

const DIMENSION = 8;
const ROWS = 400;
let call = 0;
const turns = async (count = 20) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A disk that keeps some kinds of chunks back. */
class SlowDisk extends Disk {
  held = new Set<Kind>();
  /** Kinds of the chunks that have been asked for. */
  readonly asked: number[] = [];
  #waiting: (() => void)[] = [];
  isFailing = false;

  override async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    const value = await super.read(store, key);
    const kind = value && store === 'chunks' ? new DataView(value).getUint8(5) : 0;
    this.asked.push(kind);
    while ([...this.held].some((name) => KINDS[name] === kind))
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    if (this.isFailing && kind === KINDS.vectors) throw new PiramidError('STORAGE_FAILED', 'out of order');
    return value;
  }

  hold(...kinds: Kind[]): void {
    this.held = new Set(kinds);
  }

  letGo(): void {
    this.held.clear();
    for (const go of this.#waiting.splice(0)) go();
  }
}

const engines: LocalEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function openEngine(disk: Disk, onEvent: (event: NoticeEvent) => void = () => {}): Promise<LocalEngine> {
  const none = () => Promise.reject(new Error('no model'));
  const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
    openBackend: async () => disk,
  });
  engines.push(engine);
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, (event) => {
    if (event.type === 'notice') onEvent(event);
  });
  return engine;
}

const open = async (engine: LocalEngine, name = 'c') =>
  (await engine.openCollection(name, request({ dimension: DIMENSION, metric: 'dot' }), ++call)).id;

const random = seededRandom(3);
const vectors = Float32Array.from({ length: ROWS * DIMENSION }, () => random.normal());

async function fill(engine: LocalEngine, id: number, segments: number): Promise<void> {
  const count = ROWS / segments;
  for (let first = 0; first < ROWS; first += count) {
    const ids = Array.from({ length: count }, (_, i) => (i % 2 ? first + i : `id ${first + i}`));
    const batch = records({
      ids,
      vectors: vectors.slice(first * DIMENSION, (first + ids.length) * DIMENSION),
      texts: ids.map((rid, i) => `text number${first + i} of ${rid} ${'é'.repeat(SEGMENT_BYTES_MIN / count)}`),
      metadata: ids.map((_, i) => JSON.stringify({ n: first + i })),
    });
    await engine.upsert(id, batch, 'upsert', ++call);
  }
  await engine.delete(id, { ids: [1, 3, 5] }, ++call);
}

/** A database whose rows lie in segments, closed. */
async function filled(segments = 4): Promise<SlowDisk> {
  const disk = new SlowDisk();
  const engine = await openEngine(disk);
  await fill(engine, await open(engine), segments);
  await engine.close();
  disk.asked.length = 0;
  return disk;
}

function query(changes: Partial<EngineQuery>): EngineQuery {
  return {
    ...{ vector: null, embed: null, words: null, k: 5, offset: 0, minScore: null, where: null, fusion: { rrf: {} } },
    ...{ select: [], exact: false, oversample: 1, explain: false },
    ...changes,
  };
}

const near = query({ vector: vectors.slice(0, DIMENSION) });
const ask = (engine: LocalEngine, id: number, wanted = near) =>
  engine.query(id, [wanted], ++call).then(([answer]) => answer!);
const get = (engine: LocalEngine, id: number, select: Select) => engine.get(id, [7, 'id 8', 1, 'none'], select);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error) => (error as PiramidError).code,
  );

/** Whether it has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await turns();
  return settled;
}

/** What nobody waited for. */
async function truth(): Promise<unknown[]> {
  const disk = await filled();
  const engine = await openEngine(disk);
  const id = await open(engine);
  return [await ask(engine, id), await ask(engine, id, query({ words: 'number17' }))].map(({ ids, scores }) => [
    ids,
    scores,
  ]);
}

test('what needs no rows is answered though none can be read', async () => {
  const disk = await filled();
  disk.hold('ids', 'vectors', 'postings');
  const engine = await openEngine(disk);
  const id = await open(engine);
  expect(await engine.count(id, null)).toBe(ROWS - 3);
  expect((await engine.listCollections())[0]).toMatchObject({ name: 'c', count: ROWS - 3, dimension: DIMENSION });
  expect((await engine.stats()).collections[0]).toMatchObject({ count: ROWS - 3, rows: ROWS });
  expect(await engine.collectionStats(id)).toMatchObject({ count: ROWS - 3, rows: ROWS });
  expect(await open(engine)).toBe(id);
  disk.letGo();
});

test('records are had by their ids, and filters and words answered, before vectors', async () => {
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const { ids, rows } = await get(engine, id, ['metadata', 'text']);
  expect([ids, rows.metadata]).toEqual([
    [7, 'id 8'],
    [{ n: 7 }, { n: 8 }],
  ]);
  expect(rows.texts!.map((text) => text!.split(' ')[1])).toEqual(['number7', 'number8']);
  expect(await engine.count(id, { n: { $lt: 10 } })).toBe(7);
  expect((await ask(engine, id, query({ words: 'number17' }))).ids).toEqual([17]);
  expect((await engine.scroll(id, { where: null, limit: 3, cursor: null, select: [] })).ids).toEqual([
    'id 0',
    'id 2',
    'id 4',
  ]);
  const vectorsToo = get(engine, id, ['vector']);
  const early = ask(engine, id);
  expect(await isSettled(vectorsToo)).toBe(false);
  expect(await isSettled(early)).toBe(false);
  disk.letGo();
  expect((await vectorsToo).rows.vectors![0]).toEqual(vectors.slice(7 * DIMENSION, 8 * DIMENSION));
  await early;
});

test('a query that comes early is exact, as is one for words', async () => {
  const expected = await truth();
  const disk = await filled();
  disk.hold('ids', 'vectors', 'postings');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const asked = [ask(engine, id), ask(engine, id, query({ words: 'number17' }))];
  expect(await isSettled(Promise.race(asked))).toBe(false);
  disk.letGo();
  expect((await Promise.all(asked)).map(({ ids, scores }) => [ids, scores])).toEqual(expected);
});

test('writes wait for the rows, in their order, and other collections for nobody', async () => {
  const disk = await filled();
  const before = await openEngine(disk);
  const small = await open(before, 'small');
  await before.close();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  expect(await open(engine, 'small')).toBe(small);
  expect((await ask(engine, small)).ids).toEqual([]);
  const one = records({ ids: ['new', 7], vectors: new Float32Array(DIMENSION * 2), texts: null, metadata: null });
  const writes = [engine.upsert(id, one, 'upsert', ++call), engine.delete(id, { ids: ['new', 'id 8'] }, ++call)];
  expect(await isSettled(Promise.race(writes))).toBe(false);
  disk.letGo();
  expect((await Promise.all(writes))[1]).toBe(2);
  expect(await engine.count(id, null)).toBe(ROWS - 4);
  expect((await engine.get(id, ['new', 'id 8', 7, 9], [])).ids).toEqual([7, 9]);
});

test('how far it is, is told: to the end, and to tabs that come meanwhile', async () => {
  const disk = await filled();
  const told: unknown[] = [];
  disk.hold('vectors');
  const engine = await openEngine(disk, ({ notice }) => told.push(notice));
  const id = await open(engine);
  await turns();
  expect(engine.notices()).toEqual([{ name: 'opening', detail: { collection: 'c', done: 0, total: ROWS } }]);
  disk.letGo();
  await ask(engine, id);
  expect(told.at(-1)).toEqual({ name: 'opening', detail: { collection: 'c', done: ROWS, total: ROWS } });
  expect(engine.notices()).toEqual([]);
});

test('closing does not wait for rows, and every call settles', async () => {
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const codes = [ask(engine, id), get(engine, id, ['vector']), engine.recallCheck(id, { sample: 1, k: 1 }, ++call)].map(
    codeOf,
  );
  await turns();
  await engine.close();
  expect(await Promise.all(codes)).toEqual(['CLOSED', 'CLOSED', 'CLOSED']);
  disk.letGo();
  await turns();
});

test('a deletion ends the reading, and who waits hears that the collection is gone', async () => {
  const disk = await filled(16);
  disk.hold('postings');
  const told: string[] = [];
  const engine = await openEngine(disk, ({ notice }) => told.push(notice.name));
  const id = await open(engine);
  const codes = [ask(engine, id), get(engine, id, ['vector'])].map(codeOf);
  await turns();
  const deleting = engine.deleteCollection('c', ++call);
  await turns();
  disk.letGo();
  expect(await deleting).toBe(true);
  expect(await Promise.all(codes)).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  expect(told).not.toContain('damage');
  expect(disk.asked.filter((kind) => kind === KINDS.postings).length).toBeLessThanOrEqual(8);
});

test('a deletion that fails leaves a collection that is read anew', async () => {
  const expected = await truth();
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const early = ask(engine, id);
  await turns();
  disk.faultOf = (operation) => (operation === 'commit' ? { what: 'failed' } : null);
  const deleting = codeOf(engine.deleteCollection('c', ++call));
  await turns();
  disk.letGo();
  expect(await deleting).toBe('STORAGE_FAILED');
  disk.faultOf = () => null;
  expect([(await early).ids, (await early).scores]).toEqual(expected[0]);
});

test('a repair ends the reading, and who waits is answered from what it left', async () => {
  const expected = await truth();
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const early = ask(engine, id);
  await turns();
  const repairing = engine.repair(++call);
  await turns();
  disk.letGo();
  expect(await repairing).toEqual([]);
  expect([(await early).ids, (await early).scores]).toEqual(expected[0]);
});

test('a new name while it is read is that of what is told, and of the collection', async () => {
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  await engine.renameCollection('c', 'other', ++call);
  expect(engine.notices()).toMatchObject([{ detail: { collection: 'other' } }]);
  expect((await engine.collectionStats(id)).name).toBe('other');
  disk.letGo();
  expect((await ask(engine, id)).ids).toHaveLength(5);
});

test('a storage that fails while rows are read fails the calls that need them, and is read again by later ones', async () => {
  const expected = await truth();
  const disk = await filled();
  disk.hold('vectors');
  const engine = await openEngine(disk);
  const id = await open(engine);
  const codes = [ask(engine, id), get(engine, id, ['vector'])].map(codeOf);
  await turns();
  disk.isFailing = true;
  disk.letGo();
  expect(await Promise.all(codes)).toEqual(['STORAGE_FAILED', 'STORAGE_FAILED']);
  expect(await engine.count(id, null)).toBe(ROWS - 3);
  expect((await get(engine, id, [])).ids).toEqual([7, 'id 8']);
  disk.isFailing = false;
  const { ids, scores } = await ask(engine, id);
  expect([ids, scores]).toEqual(expected[0]);
});

test('damage is told when it is met, and all else is answered', async () => {
  const disk = await filled();
  const chunks = new Map(disk.state.get('chunks'));
  for (const [key, value] of chunks) {
    if (new DataView(value).getUint8(5) !== KINDS.ids || new DataView(value).getUint32(16, true) !== 0) continue;
    const damaged = value.slice(0);
    new Uint8Array(damaged)[60]! ^= 1;
    chunks.set(key, damaged);
  }
  disk.state = new Map([...disk.state, ['chunks', chunks]]);
  const told: string[] = [];
  const engine = await openEngine(disk, ({ notice }) => told.push(notice.name));
  const id = await open(engine);
  const { ids } = await ask(engine, id);
  expect(told).toContain('damage');
  expect(ids).toHaveLength(5);
  expect(await engine.count(id, null)).toBeLessThan(ROWS - 3);
  expect(ids.filter((rid) => Number(String(rid).replace('id ', '')) < ROWS / 4)).toEqual([]);
});

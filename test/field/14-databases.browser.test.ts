// Collections and databases that go, change their names, or come from a file under another one.
import { deleteDatabase, listDatabases, open } from 'piramid';
import { exportJsonl, importJsonl } from 'piramid/import';
import { expect, test } from 'vitest';
import { codeOf, freshName, records } from '../browser/api/databases.ts';

/** Bytes of all chunks and log entries that a database holds. */
async function bytesStored(name: string): Promise<number> {
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(`piramid:${name}`);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  let bytes = 0;
  for (const store of ['chunks', 'log']) {
    const values = await new Promise<ArrayBuffer[]>((resolve) => {
      const request = db.transaction(store).objectStore(store).getAll();
      request.onsuccess = () => resolve(request.result);
    });
    for (const value of values) bytes += value.byteLength;
  }
  db.close();
  return bytes;
}

async function soon(check: () => Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

test.each([
  ['chunks', 3000],
  ['entries of the log', 20],
])('a deleted collection gives its %s back by itself', async (_, count) => {
  const name = freshName();
  const db = await open(name, { device: 'js' });
  const kept = await db.collection('kept', {});
  await kept.upsert({ id: 1, text: 'kept' });
  const c = await db.collection('c', {});
  const before = await bytesStored(name);
  const text = 'x '.repeat(2000);
  for (let i = 0; i < 2; i++)
    await c.upsert(Array.from({ length: count / 2 }, (_, j) => ({ id: `${i}.${j}`, text: `${text}${i}.${j}` })));
  expect(await bytesStored(name)).toBeGreaterThan(before + count * 4000);
  expect(await db.deleteCollection('c')).toBe(true);
  expect(await soon(async () => (await bytesStored(name)) < before + 20_000)).toBe(true);
  expect(await kept.count()).toBe(1);
  await db.close();
});

test('a collection is called what it is called now, whoever renamed it', async () => {
  const name = freshName();
  const [a, b] = [await open(name, { device: 'js' }), await open(name, { device: 'js' })];
  const mine = await a.collection('first', {});
  const theirs = await b.collection('first');
  await a.renameCollection('first', 'second');
  expect(mine.name).toBe('second');
  expect(await soon(async () => theirs.name === 'second')).toBe(true);
  await b.renameCollection('second', 'third');
  expect(theirs.name).toBe('third');
  expect(await soon(async () => mine.name === 'third')).toBe(true);
  expect([await a.exists('third'), await a.exists('first')]).toEqual([true, false]);
  expect((await mine.stats()).name).toBe('third');
  await Promise.all([a.close(), b.close()]);
});

test('databases are listed, and deleted with what is kept beside them', async () => {
  const [name, other] = [`${freshName()} ü/`, freshName()];
  const [db, more] = [await open(name, { device: 'js' }), await open(other, { device: 'js' })];
  await (await db.collection('c', {})).upsert({ id: 1, text: 'x' });
  expect(await listDatabases()).toEqual(expect.arrayContaining([name, other]));
  expect(await codeOf(deleteDatabase(name))).toBe('BLOCKED');
  expect(await (await db.collection('c')).count()).toBe(1);
  await db.close();
  expect(localStorage.getItem(`piramid:${name}`)).not.toBeNull();
  expect(await deleteDatabase(name)).toBe(true);
  expect(await deleteDatabase(name)).toBe(false);
  expect(await listDatabases()).not.toContain(name);
  expect(localStorage.getItem(`piramid:${name}`)).toBeNull();
  // A database that was deleted on purpose is no loss.
  const again = await open(name, { device: 'js' });
  const losses: unknown[] = [];
  again.on('dataloss', (loss) => losses.push(loss));
  expect(await again.listCollections()).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(losses).toEqual([]);
  await again.close();
  await more.close();
  expect([await deleteDatabase(name), await deleteDatabase(other)]).toEqual([true, true]);
  expect(await codeOf(deleteDatabase('' as never))).toBe('INVALID_ARGUMENT');
});

test('a file comes in under other names, which are checked', async () => {
  await using db = await open(freshName(), { storage: 'memory', device: 'js' });
  const c = await db.collection('notes', { dimension: 3 });
  await c.upsert(records(10));
  await db.collection('more', {});
  const file = await new Response(db.export()).blob();
  const rename = { notes: 'notes, as they were', more: 'more 2' };
  expect(await db.import(file, { rename })).toEqual({ collections: Object.values(rename), records: 10 });
  expect(await (await db.collection(rename.notes)).get('r7')).toEqual(await c.get('r7'));
  expect(await codeOf(db.import(file))).toBe('CONFLICT');
  for (const [bad, code] of [
    [{ notes: 'x' }, 'CONFLICT'], // the other one
    [{ notes: 'same', more: 'same' }, 'CONFLICT'],
    [{ notes: 'a', more: 'b', third: 'c' }, 'NOT_FOUND'],
    [{ notes: '' }, 'INVALID_ARGUMENT'],
    [{ notes: 5 }, 'INVALID_ARGUMENT'],
    ['x', 'INVALID_ARGUMENT'],
    [null, 'INVALID_ARGUMENT'],
  ])
    expect(await codeOf(db.import(file, { rename: bad as never })), JSON.stringify(bad)).toBe(code);
  expect((await db.listCollections()).map(({ name }) => name)).toEqual(['notes', 'more', ...Object.values(rename)]);
});

test('a collection goes out as JSON Lines, and comes back', async () => {
  await using db = await open(freshName(), { storage: 'memory', device: 'js' });
  const [c, copy] = [await db.collection('c', { dimension: 3 }), await db.collection('copy', { dimension: 3 })];
  await c.upsert(records(2500));
  await c.update('r3', { set: { at: new Date(5), n: -1 } });
  const file = await new Response(exportJsonl(c)).blob();
  expect((await file.text()).split('\n')).toHaveLength(2501);
  expect(await importJsonl(copy, file)).toBe(2500);
  const all = async (from: typeof c) => (await from.scroll({ limit: 10_000 })).records;
  expect(await all(copy)).toEqual(await all(c));
  const some = await new Response(exportJsonl(c, { where: { n: { $lt: 3 } }, select: ['metadata'] })).text();
  expect(
    some
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { id: 'r0', metadata: { n: 0, even: true } },
    { id: 'r1', metadata: { n: 1, even: false } },
    { id: 'r2', metadata: { n: 2, even: true } },
    { id: 'r3', metadata: { n: -1, even: false, at: { $date: '1970-01-01T00:00:00.005Z' } } },
  ]);
});

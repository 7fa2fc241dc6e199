import { open } from 'piramid';
import { describe, expect, test } from 'vitest';
import { codeOf, freshName, openFresh, records } from './databases.ts';

describe('collections', () => {
  test('are created, listed, renamed and deleted, and stay so after a reload', async () => {
    const name = freshName();
    {
      await using db = await open(name, { device: 'wasm' });
      const a = await db.collection('a', { dimension: 3, metric: 'l2' });
      await a.upsert(records(2));
      await db.collection('words', {});
      await db.collection('b', { dimension: 5 });
      expect(await db.listCollections()).toEqual([
        { name: 'a', dimension: 3, metric: 'l2', count: 2 },
        { name: 'words', metric: 'cosine', count: 0 },
        { name: 'b', dimension: 5, metric: 'cosine', count: 0 },
      ]);
      await db.renameCollection('a', 'c');
      expect(await db.deleteCollection('b')).toBe(true);
      expect(await db.deleteCollection('b')).toBe(false);
    }
    await using db = await open(name, { device: 'wasm' });
    expect((await db.listCollections()).map((info) => info.name)).toEqual(['c', 'words']);
    // What nobody has opened is told of without reading it.
    expect((await db.stats()).collections[0]).toMatchObject({ name: 'c', count: 2, rows: 2, bytes: { memory: 0 } });
    expect(await (await db.collection('c')).count()).toBe(2);
  });

  test('refuse other options than stored, naming both', async () => {
    await using db = await openFresh();
    await db.collection('a', { dimension: 3 });
    expect(await codeOf(db.collection('a', { dimension: 4 }))).toBe('CONFIG_MISMATCH');
    await expect(db.collection('a', { metric: 'dot' })).rejects.toThrow(/metric cosine, but was opened with dot/);
    await expect(db.collection('a', { dimension: 3, metric: 'cosine' })).resolves.toBeDefined();
    expect(await codeOf(db.collection('missing'))).toBe('NOT_FOUND');
    expect(await codeOf(db.renameCollection('missing', 'x'))).toBe('NOT_FOUND');
    await db.collection('b', { dimension: 3 });
    expect(await codeOf(db.renameCollection('b', 'a'))).toBe('CONFLICT');
  });

  test('a deleted collection answers NOT_FOUND to those who still hold it', async () => {
    await using db = await openFresh();
    const a = await db.collection('a', { dimension: 3 });
    await db.deleteCollection('a');
    expect(await codeOf(a.count())).toBe('NOT_FOUND');
    expect(await codeOf(a.upsert(records(1)))).toBe('NOT_FOUND');
  });
});

describe('records', () => {
  test('come back as they were written, before and after a reload', async () => {
    const name = freshName();
    const when = new Date('2020-02-29T12:00:00.000Z');
    const written = [
      {
        id: 'a',
        vector: [3, 4, 0],
        text: 'ein Tag – 日本 🎉',
        metadata: { year: 1851, tags: ['x', 'y'], deep: { when, none: null } },
      },
      { id: 1, vector: [0, 0, 2] },
      { id: '1', vector: [1, 1, 1], metadata: { __proto__x: true } },
      { id: -7, vector: [-1, 0.5, 0], text: '' },
    ];
    const expected = written.map((record) => ({ ...record, vector: Float32Array.from(record.vector) }));
    {
      await using db = await open(name, { device: 'wasm' });
      const c = await db.collection('c', { dimension: 3 });
      await c.upsert(written);
      expect(await c.get(['a', 1, '1', -7])).toEqual(expected);
    }
    await using db = await open(name, { device: 'wasm' });
    const c = await db.collection('c');
    expect(await c.get([-7, '1', 'nobody', 'a', 1])).toEqual([expected[3], expected[2], expected[0], expected[1]]);
    expect(await c.get('a', { select: ['text'] })).toEqual({ id: 'a', text: written[0]!.text });
  });

  test('are replaced by upsert, refused by insert, required by update: all or none', async () => {
    await using db = await openFresh();
    const c = await db.collection<{ n: number }>('c', { dimension: 3 });
    await c.upsert(records(3));
    await c.upsert({ id: 'r1', vector: [0, 0, 1], metadata: { n: 100 } });
    expect(await c.count()).toBe(3);
    expect(await c.get('r1')).toEqual({ id: 'r1', vector: Float32Array.of(0, 0, 1), metadata: { n: 100 } });

    expect(await codeOf(c.upsert(records(4), { mode: 'insert' }))).toBe('CONFLICT');
    expect(await codeOf(c.upsert(records(4), { mode: 'update' }))).toBe('NOT_FOUND');
    expect(await c.count()).toBe(3);
    await c.upsert(records(1, 3), { mode: 'insert' });
    await c.upsert(records(2), { mode: 'update' });
    expect(await c.count()).toBe(4);
    expect((await c.get('r1'))!.metadata).toEqual({ n: 1, even: false });
  });

  test('are updated in part, by ids and by where', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(6));
    expect(
      await c.update({ ids: ['r0', 'nobody'] }, { set: { 'author.name': 'Ada', n: 50 }, unset: ['even', 'no.such'] }),
    ).toBe(1);
    expect((await c.get('r0'))!).toEqual({
      id: 'r0',
      vector: Float32Array.of(1, 0, 0),
      text: 'record number 0',
      metadata: { n: 50, author: { name: 'Ada' } },
    });
    expect(await c.update({ where: { even: true } }, { set: { even: 'yes' } })).toBe(2);
    expect(await c.count({ even: 'yes' })).toBe(2);
    expect(await c.count()).toBe(6);
  });

  test('lose nothing to a path that runs through a list or a value', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', {});
    const metadata = { list: ['x', 'y'], items: [{ done: false }], title: 'keep me', at: new Date(5), none: null };
    await c.upsert([
      { id: 1, text: 'a', metadata },
      { id: 2, text: 'b', metadata: { title: { en: 'b' } } },
    ]);
    for (const path of ['list.1', 'items.done', 'items.0.done', 'title.en', 'at.year']) {
      const set = c.update({ ids: [2, 1] }, { set: { [path]: true } });
      await expect(set).rejects.toThrow(/^changes: the path ".*" runs through "\w+", which is a/);
    }
    await expect(c.update({ ids: [1] }, { unset: ['items.done'] })).rejects.toThrow('"items", which is a list');
    expect((await c.get([1, 2])).map((record) => record.metadata)).toEqual([metadata, { title: { en: 'b' } }]);
    expect(await c.update({ ids: [1] }, { set: { 'none.x': 1, 'new.y': 2 }, unset: ['title.en'] })).toBe(1);
    expect((await c.get(1))!.metadata).toEqual({ ...metadata, none: { x: 1 }, new: { y: 2 } });
  });

  test('are counted by a filter, not by one that is wrapped as other calls take it', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', {});
    await c.upsert({ id: 1, text: 'a', metadata: { pinned: true, where: { pinned: true } } });
    await expect(c.count({ where: { pinned: true } })).rejects.toThrow(/^count takes the filter itself/);
    expect(await c.count({ $and: [{ where: { pinned: true } }] })).toBe(1);
    expect(await c.count({ 'where.pinned': true })).toBe(1);
  });

  test('are deleted by ids and by where, and not found after a reload', async () => {
    const name = freshName();
    {
      await using db = await open(name, { device: 'wasm' });
      const c = await db.collection('c', { dimension: 3 });
      await c.upsert(records(10));
      expect(await c.delete({ ids: ['r0', 'r0', 'nobody'] })).toBe(1);
      expect(await c.delete({ where: { even: true } })).toBe(4);
      expect(await c.delete({ where: { even: true } })).toBe(0);
      expect(await c.count()).toBe(5);
    }
    await using db = await open(name, { device: 'wasm' });
    const c = await db.collection('c');
    expect(await c.count()).toBe(5);
    const found = await c.query({ vector: [1, 0, 0], k: 100 });
    expect(found.map((match) => match.id).sort()).toEqual(['r1', 'r3', 'r5', 'r7', 'r9']);
    expect(await c.query({ keywords: 'record number 4' })).not.toContainEqual(expect.objectContaining({ id: 'r4' }));
  });

  test('are paged through in order of writing', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(100));
    await c.delete({ ids: ['r3'] });
    const seen: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await c.scroll({ limit: 7, select: [], ...(cursor !== undefined && { cursor }) });
      seen.push(...page.records.map((record) => record.id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen).toEqual(
      records(100)
        .map((record) => record.id)
        .filter((id) => id !== 'r3'),
    );
    expect((await c.scroll({ where: { n: { $lt: 2 } } })).records.map((record) => record.id)).toEqual(['r0', 'r1']);
  });

  test('are counted by the values of a field', async () => {
    await using db = await openFresh();
    const c = await db.collection('c', { dimension: 3 });
    await c.upsert(records(7));
    expect(await c.facets({ field: 'even' })).toEqual([
      { value: true, count: 4 },
      { value: false, count: 3 },
    ]);
    expect(await c.facets({ field: 'even', where: { n: { $lt: 1 } } })).toEqual([{ value: true, count: 1 }]);
  });

  test('survive in large batches, which go to disk another way than small ones', async () => {
    const name = freshName();
    const many = records(3000).map((record) => ({ ...record, text: `${record.text} ${'lorem ipsum '.repeat(40)}` }));
    {
      await using db = await open(name, { device: 'wasm' });
      const c = await db.collection('c', { dimension: 3 });
      await c.upsert(many);
      await c.upsert(records(2)); // replaces two of them, through the log
      await c.delete({ ids: ['r7'] });
    }
    await using db = await open(name, { device: 'wasm' });
    const c = await db.collection('c');
    expect(await c.count()).toBe(2999);
    expect((await c.get(['r1', 'r7', 'r2999'], { select: ['text'] })).map((record) => record.text)).toEqual([
      'record number 1',
      many[2999]!.text,
    ]);
    expect(await c.count({ n: { $gte: 2990 } })).toBe(10);
    const stats = await db.stats();
    expect(stats.collections[0]).toMatchObject({ name: 'c', count: 2999, rows: 3002 });
    expect(stats.collections[0]!.bytes.disk).toBeGreaterThan(1_000_000);
  });
});

// What a filter says that cannot be meant is named by `explain`: rows have no types, so it is no error.
import { expect, test } from 'vitest';
import type { EngineQuery } from '../../src/protocol.ts';
import type { Where } from '../../src/types.ts';
import { newCall, openEngine, records, request } from '../unit/transfer/files.ts';

const METADATA = [
  {
    year: 1851,
    title: 'Moby-Dick',
    author: { name: 'Melville', born: 1819 },
    tags: ['sea'],
    isLent: false,
    gone: null,
  },
  { year: 1845, title: 'The Raven', author: { name: 'Poe' }, tags: [], deleted: 'x' },
];

async function opened() {
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({}), newCall());
  const write = (ids: number[], metadata: object[]) =>
    engine.upsert(
      id,
      records({ ids, texts: ids.map(() => 'word'), metadata: metadata.map((one) => JSON.stringify(one)) }),
      'upsert',
      newCall(),
    );
  await write([1, 2, 3], [...METADATA, { yeer: 5 }]);
  await engine.delete(id, { ids: [3] }, newCall());
  return async (where: Where, explain = true) => {
    const query: EngineQuery = {
      ...{ vector: null, embed: null, words: 'word', k: 10, offset: 0, minScore: null, where, fusion: { rrf: {} } },
      ...{ select: [], exact: false, oversample: 1, explain },
    };
    const [answer] = await engine.query(id, [query], newCall());
    return answer!.plan?.notes;
  };
}

test('a field that no record has, with the nearest that there is', async () => {
  const notes = await opened();
  for (const [path, nearest] of [
    ['yeer', 'year'],
    ['Year', 'year'],
    ['yaer', 'year'],
    ['titel', 'title'],
    ['name', 'author.name'],
    ['author.nam', 'author.name'],
    ['autor.name', 'author.name'],
    ['tag', 'tags'],
    ['islent', 'isLent'],
  ] as const)
    expect(await notes({ [path]: 5 })).toEqual([`no record has the field \`${path}\`; did you mean \`${nearest}\``]);
  expect(await notes({ publisher: 'x' })).toEqual(['no record has the field `publisher`']);
  expect(await notes({ $or: [{ year: 1851 }, { $not: { yeer: 1 } }] })).toHaveLength(1);
  expect(await notes({ $and: [{ yeer: 1 }, { yeer: 2 }] })).toHaveLength(1);
});

test('a value of another type than all that the field holds', async () => {
  const notes = await opened();
  expect(await notes({ year: { $gte: '1850' } })).toEqual([
    '`year`: $gte "1850" meets no value: the field holds numbers only',
  ]);
  for (const where of [
    { year: true },
    { title: 5 },
    { title: { $in: [1, 2] } },
    { isLent: 'false' },
    { 'author.born': '1819' },
    { gone: 0 },
    { year: new Date() },
    { title: { $ne: 5 } },
    { title: new Date() },
  ])
    expect(await notes(where as Where), JSON.stringify(where)).toEqual([expect.stringContaining('meets no value')]);
});

test('nothing is said of what can be meant, nor unasked', async () => {
  const notes = await opened();
  for (const where of [
    { year: 1 },
    { year: { $in: ['x', 1851] } },
    { yeer: { $exists: false } },
    { tags: 'land' },
    { author: { name: 'Poe' } },
    { gone: null },
    { $or: [] },
    { title: { $contains: 'x' }, isLent: true },
  ])
    expect(await notes(where as Where), JSON.stringify(where)).toBeUndefined();
  expect(await notes({ yeer: 5 }, false)).toBeUndefined();
});

// A filter that lets every record through is not what somebody means who deletes: it is refused, and `{ all: true }` says it.
import { expect, test } from 'vitest';
import { checkTarget } from '../../src/api/input.ts';
import type { Target } from '../../src/types.ts';
import { newCall, openEngine, records, request } from '../unit/transfer/files.ts';

const refused = (target: unknown) => () => checkTarget(target as Target);
const whole = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('{ all: true }') });

test('filters that have no condition are refused, however they are written', () => {
  for (const where of [
    {},
    { $and: [] },
    { $and: [{}, {}] },
    { $or: [{}] },
    { $or: [{ a: 1 }, {}] },
    { $not: { $or: [] } },
    { $not: { $not: {} } },
    { a: { $nin: [] } },
    { $not: { a: { $in: [] } } },
    { $and: [{ $or: [{ $and: [] }] }] },
  ])
    expect(refused({ where }), JSON.stringify(where)).toThrow(whole);
});

test('filters with a condition, and filters that nothing passes, are taken as they are', () => {
  for (const where of [
    { a: 1 },
    { a: {} },
    { a: [] },
    { a: { $nin: [1] } },
    { a: { $exists: true } },
    { $or: [] },
    { $not: {} },
    { $or: [{ a: 1 }, { $and: [{ b: 2 }] }] },
    { $and: [{}, { a: null }] },
  ])
    expect(checkTarget({ where } as Target)).toEqual({ where });
});

test('a target is one thing, and what came is named', () => {
  expect(checkTarget({ all: true })).toEqual({ all: true });
  expect(checkTarget('a')).toEqual({ ids: ['a'] });
  expect(checkTarget(7)).toEqual({ ids: [7] });
  expect(checkTarget(['a', 1])).toEqual({ ids: ['a', 1] });
  expect(checkTarget({ ids: [] })).toEqual({ ids: [] });
  for (const [target, message] of [
    [{ ids: ['a'], where: { a: 1 } }, 'got ids and where'],
    [{ all: true, where: { a: 1 } }, 'got where and all'],
    [{ all: false }, 'got all: false'],
    [{}, 'got none'],
    [{ where: undefined }, 'got none'],
    [undefined, 'got undefined'],
    [null, 'got null'],
    [new Set(['a']), 'got a Set'],
    [{ id: 'a' }, 'unknown option "id"; known are ids, where, all'],
    ['', 'non-empty string'],
    [[null], 'target[0]'],
    [true, 'got true'],
  ] as const)
    expect(refused(target), String(message)).toThrow(message);
});

test('all means all, of update too', async () => {
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({}), newCall());
  await engine.upsert(id, records({ ids: [1, 2, 3], texts: ['a', 'b', 'c'] }), 'upsert', newCall());
  await engine.delete(id, { ids: [2] }, newCall());
  expect(await engine.update(id, { all: true }, { set: { x: 1 } }, newCall())).toBe(2);
  expect(await engine.count(id, { x: 1 })).toBe(2);
  expect(await engine.delete(id, { all: true }, newCall())).toBe(2);
  expect(await engine.count(id, null)).toBe(0);
});

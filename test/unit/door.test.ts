// What users pass is checked once, at the door, and what crosses to the worker is a copy.
import { expect, test } from 'vitest';
import { checkFilter, packRecords, readOptions } from '../../src/api/input.ts';
import { applyChanges } from '../../src/structures/changes.ts';
import type { VectorRecord } from '../../src/types.ts';
import { changesOf, refuseBlocked } from '../../src/worker/changes.ts';

const RULES = { dimension: 2, metric: 'cosine', quantization: 'none', embeds: false } as const;
const pack = (...records: object[]) => packRecords(records as VectorRecord[], RULES).packed;
const vector = [1, 0];

test.each<[refused: string, records: object[], message: RegExp]>([
  ['a number that is none', [{ id: 'a', vector: [1, Number.NaN] }], /number 1 is NaN/],
  ['a number beyond float32', [{ id: 'a', vector: [1e39, 0] }], /number 0 is 1e\+39/],
  ['a zero vector, of which there is no cosine', [{ id: 'a', vector: [0, 0] }], /no direction/],
  ['a vector that is too short', [{ id: 'a', vector: [1] }], /expected 2 numbers, got 1/],
  ['a vector that is too long', [{ id: 'a', vector: [1, 2, 3] }], /expected 2 numbers, got 3/],
  ['an id that is no safe integer', [{ id: 2 ** 53, vector }], /safe integer/],
  ['an id that is nothing', [{ id: '', vector }], /non-empty/],
  ['half of a surrogate pair', [{ id: 'a', vector, text: 'a\ud800' }], /surrogate/],
  [
    'a record twice',
    [
      { id: 'a', vector },
      { id: 'b', vector },
      { id: 'a', vector },
    ],
    /records 0 and 2/,
  ],
  [
    '0 and -0, which are one id',
    [
      { id: 0, vector },
      { id: -0, vector },
    ],
    /records 0 and 1/,
  ],
  ['a field that belongs into metadata', [{ id: 'a', vector, title: 'x' }], /unknown field "title"/],
])('%s is refused', (_, records, message) => {
  expect(() => pack(...records)).toThrow(message);
});

test('-0 is stored as 0', () => {
  expect(pack({ id: -0, vector }).ids).toEqual([0]);
});

test('an option that does not exist is refused, not ignored', () => {
  expect(() => readOptions({ limit: 1 } as object, ['k'], 'query')).toThrow(/unknown option "limit"/);
});

test('a filter is a copy: what is changed after the call does not change it', () => {
  const where = { tags: { $in: ['a'] } };
  const checked = checkFilter(where);
  where.tags.$in[0] = 'b';
  expect(checked).toEqual({ tags: { $in: ['a'] } });
});

test('an update writes a field called __proto__ like any other, and goes through no value', () => {
  const set = JSON.parse('{"__proto__": {"a": 1}}');
  const changed = applyChanges(null, changesOf({ set }), refuseBlocked);
  expect(Object.keys(changed as object)).toEqual(['__proto__']);
  const through = (a: unknown) => () => applyChanges({ a }, changesOf({ set: { 'a.b': 1 } }), refuseBlocked);
  expect(through(5)).toThrow(/runs through "a", which is a number/);
  expect(through({ $date: '2020-01-01T00:00:00.000Z' })).toThrow(/runs through "a", which is a date/);
});

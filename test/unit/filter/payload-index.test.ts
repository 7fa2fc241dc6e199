import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkWhere } from '../../../src/filter/check-where.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../../../src/filter/metadata.ts';
import { firstInOrder } from '../../../src/filter/order.ts';
import { PayloadIndex } from '../../../src/filter/payload-index.ts';
import { Bitset } from '../../../src/structures/bitset.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import type { Comparison, Facet, Metadata, MetadataValue, Where } from '../../../src/types.ts';
import { matches, valuesAt } from './oracle.ts';

/** Row numbers of `records` that match. */
function find(records: (Metadata | undefined)[], where: Where): number[] {
  const index = new PayloadIndex();
  index.append(0, records);
  return [...index.evaluate(checkWhere(where), records.length)];
}

const DAY = new Date('2024-05-01T00:00:00.000Z');
const NEXT_DAY = new Date('2024-05-02T00:00:00.000Z');

describe('operators', () => {
  const years: (Metadata | undefined)[] = [
    { year: 1850 },
    { year: 1851 },
    { year: '1851' },
    {},
    undefined,
    { year: null },
  ];

  test('a plain value means equal to, and types never coerce', () => {
    expect(find(years, { year: 1851 })).toEqual([1]);
    expect(find(years, { year: '1851' })).toEqual([2]);
    expect(find([{ a: 1 }, { a: true }, { a: '1' }], { a: true })).toEqual([1]);
    expect(find(years, { year: { $eq: 1850 } })).toEqual([0]);
    expect(find(years, { year: null })).toEqual([5]);
  });

  test('$ne and $nin also match records without the field', () => {
    expect(find(years, { year: { $ne: 1851 } })).toEqual([0, 2, 3, 4, 5]);
    expect(find(years, { year: { $nin: [1850, 1851] } })).toEqual([2, 3, 4, 5]);
    expect(find(years, { missing: { $ne: 1 } })).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('$in matches any of the values, of any type', () => {
    expect(find(years, { year: { $in: [1850, '1851', null] } })).toEqual([0, 2, 5]);
    expect(find(years, { year: { $in: [] } })).toEqual([]);
    const many = Array.from({ length: 50 }, (_, i) => 1851 + i);
    expect(find(years, { year: { $in: many } })).toEqual([1]);
  });

  test('$gt, $gte, $lt and $lte compare numbers with numbers', () => {
    const rows = [{ n: 1 }, { n: 2 }, { n: 3 }, { n: '2' }, { n: true }, {}];
    expect(find(rows, { n: { $gt: 2 } })).toEqual([2]);
    expect(find(rows, { n: { $gte: 2 } })).toEqual([1, 2]);
    expect(find(rows, { n: { $lt: 2 } })).toEqual([0]);
    expect(find(rows, { n: { $lte: 2 } })).toEqual([0, 1]);
    expect(find(rows, { n: { $gt: 1, $lt: 3 } })).toEqual([1]);
  });

  test('$gt and $lt compare strings with strings by code unit', () => {
    const rows = [{ s: 'apple' }, { s: 'banana' }, { s: 'Zebra' }, { s: 5 }];
    expect(find(rows, { s: { $gte: 'apple', $lt: 'b' } })).toEqual([0]);
    expect(find(rows, { s: { $lt: 'apple' } })).toEqual([2]);
  });

  test('$exists counts null, empty arrays and empty objects as there', () => {
    const rows = [{ a: null }, { a: [] }, { a: {} }, {}, undefined, { a: { b: 0 } }];
    expect(find(rows, { a: { $exists: true } })).toEqual([0, 1, 2, 5]);
    expect(find(rows, { a: { $exists: false } })).toEqual([3, 4]);
    expect(find(rows, { 'a.b': { $exists: true } })).toEqual([5]);
  });

  test('$contains is an element of an array and a substring of a string', () => {
    const rows = [{ t: ['red', 'green'] }, { t: 'a red hat' }, { t: 'Red' }, { t: [1, null] }, { t: 1 }];
    expect(find(rows, { t: { $contains: 'red' } })).toEqual([0, 1]);
    expect(find(rows, { t: { $contains: 're' } })).toEqual([1]);
    expect(find(rows, { t: { $contains: 1 } })).toEqual([3]);
    expect(find(rows, { t: { $contains: null } })).toEqual([3]);
  });

  test('an array matches if one of its elements does, each operator on its own', () => {
    const rows: Metadata[] = [{ t: ['a', 'b'] }, { t: ['c'] }, { t: 'a' }, { t: [] }];
    expect(find(rows, { t: 'a' })).toEqual([0, 2]);
    expect(find(rows, { t: { $ne: 'a' } })).toEqual([1, 3]);
    expect(find(rows, { t: { $gt: 'b' } })).toEqual([1]);
    expect(find([{ n: [0, 10] }, { n: [0] }], { n: { $gt: 5, $lt: 5 } })).toEqual([0]);
  });

  test('$and, $or and $not combine filters, and empty lists mean all and none', () => {
    const rows = [{ a: 1, b: 1 }, { a: 1, b: 2 }, { a: 2 }, {}];
    expect(find(rows, { $and: [{ a: 1 }, { b: 2 }] })).toEqual([1]);
    expect(find(rows, { $or: [{ a: 2 }, { b: 2 }] })).toEqual([1, 2]);
    expect(find(rows, { $not: { a: 1 } })).toEqual([2, 3]);
    expect(find(rows, { a: 1, $not: { b: 1 } })).toEqual([1]);
    expect(find(rows, { $and: [] })).toEqual([0, 1, 2, 3]);
    expect(find(rows, { $or: [] })).toEqual([]);
    expect(find(rows, {})).toEqual([0, 1, 2, 3]);
  });
});

describe('paths', () => {
  test('a dotted path reaches into nested objects and into objects in arrays', () => {
    const rows: Metadata[] = [
      { author: { name: 'Melville' } },
      { author: [{ name: 'Melville' }, { name: 'Poe' }] },
      { author: 'Melville' },
    ];
    expect(find(rows, { 'author.name': 'Melville' })).toEqual([0, 1]);
    expect(find(rows, { 'author.name': { $ne: 'Poe' } })).toEqual([0, 2]);
    expect(find(rows, { 'author.name.first': 'Melville' })).toEqual([]);
  });

  test('objects and arrays are equal whatever the order of their keys', () => {
    const rows: Metadata[] = [{ o: { a: 1, b: [2, DAY] } }, { o: { a: 1 } }, { o: [[1, 2], { x: 1 }] }, { o: [1, 2] }];
    expect(find(rows, { o: { b: [2, DAY], a: 1 } })).toEqual([0]);
    expect(find(rows, { o: [1, 2] })).toEqual([2, 3]);
    expect(find(rows, { o: [2, 1] })).toEqual([]);
    expect(find(rows, { o: { x: 1 } })).toEqual([2]);
  });

  test('__proto__ and constructor are fields that nobody has', () => {
    for (const path of ['__proto__', 'constructor', 'toString', '__proto__.toString', 'a.constructor.name']) {
      const where = JSON.parse(`{${JSON.stringify(path)}: {"$exists": true}}`) as Where;
      expect(find([{ a: {} }, {}], where), path).toEqual([]);
    }
    expect(find([JSON.parse('{"constructor": 1}') as Metadata], { constructor: 1 } as unknown as Where)).toEqual([0]);
  });
});

describe('dates', () => {
  const rows: Metadata[] = [{ at: DAY }, { at: NEXT_DAY }, { at: '2024-05-01' }, { at: 'soon' }, { at: DAY.getTime() }];

  test('a Date compares with dates and with stored ISO strings, by time', () => {
    expect(find(rows, { at: DAY })).toEqual([0, 2]);
    expect(find(rows, { at: { $gte: DAY } })).toEqual([0, 1, 2]);
    expect(find(rows, { at: { $gt: DAY } })).toEqual([1]);
  });

  test('an ISO string compares with dates by time and with strings as a string', () => {
    expect(find(rows, { at: '2024-05-01' })).toEqual([0, 2]);
    expect(find(rows, { at: '2024-05-01T02:00:00+02:00' })).toEqual([0]);
    expect(find(rows, { at: { $gt: '2024-05-01' } })).toEqual([1, 3]);
  });

  test('a time without a zone is UTC on every machine, and 30 February is no date', () => {
    expect(find(rows, { at: { $eq: '2024-05-01T00:00' } })).toEqual([0]);
    expect(find([{ at: new Date('2024-03-01') }], { at: '2024-02-30' })).toEqual([]);
  });
});

describe('growing', () => {
  test('late fields, holes and rows without metadata are handled', () => {
    const index = new PayloadIndex();
    index.append(0, [undefined, { a: 1 }]);
    index.append(2, []);
    index.append(70, [{ a: 1, late: 'x' }]);
    expect([...index.evaluate({ a: 1 }, 71)]).toEqual([1, 70]);
    expect([...index.evaluate({ late: { $exists: false } }, 71)]).toHaveLength(70);
    expect([...index.evaluate({ a: 1 }, 100)]).toEqual([1, 70]);
  });

  test('rows at and above rowCount are left out', () => {
    const index = new PayloadIndex();
    index.append(
      0,
      Array.from({ length: 100 }, (_, i) => ({ n: i, s: 'x' })),
    );
    expect([...index.evaluate({ s: 'x', n: { $gte: 5 } }, 7)]).toEqual([5, 6]);
    expect(index.evaluate({ s: 'x' }, 0).length).toBe(0);
  });
});

describe('facets', () => {
  test('values come by count and then ascending, an array counting once a record', () => {
    const index = new PayloadIndex();
    index.append(0, [
      { t: ['b', 'a', 'b'] },
      { t: 'b' },
      { t: 2 },
      { t: ['a'] },
      { t: null },
      {},
      { t: DAY },
      { t: true },
    ]);
    expect(index.facets('t', Bitset.full(8), 10)).toEqual([
      { value: 'a', count: 2 },
      { value: 'b', count: 2 },
      { value: null, count: 1 },
      { value: true, count: 1 },
      { value: 2, count: 1 },
      { value: DAY, count: 1 },
    ]);
    expect(index.facets('t', Bitset.full(8), 1)).toEqual([{ value: 'a', count: 2 }]);
    expect(index.facets('missing', Bitset.full(8), 10)).toEqual([]);
  });

  test('only the given rows count', () => {
    const index = new PayloadIndex();
    index.append(0, [{ a: { b: 1 } }, { a: { b: 1 } }, { a: { b: 2 } }]);
    const rows = new Bitset(3);
    rows.add(1);
    rows.add(2);
    expect(index.facets('a.b', rows, 10)).toEqual([
      { value: 1, count: 1 },
      { value: 2, count: 1 },
    ]);
  });
});

// Few keys and few values, so that random filters meet random records.
const scalar = fc.constantFrom<MetadataValue[]>(
  0,
  1,
  -1,
  1.5,
  -0,
  '',
  'a',
  'b',
  'ab',
  '1',
  true,
  false,
  null,
  DAY,
  NEXT_DAY,
  '2024-05-01',
  '2024-05-01T00:00:00Z',
  '2024-05-02',
);
const key = fc.constantFrom('a', 'b', 'c', 'constructor');
const { value: metadataValue } = fc.letrec<{ value: MetadataValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
  ),
}));
const metadata: fc.Arbitrary<Metadata> = fc.dictionary(key, metadataValue, { minKeys: 1, maxKeys: 4, size: 'max' });
const records = fc.array(fc.option(metadata, { nil: undefined, freq: 8 }), {
  minLength: 4,
  maxLength: 40,
  size: 'max',
});

const path = fc.oneof(
  { weight: 5, arbitrary: key },
  { weight: 1, arbitrary: fc.array(key, { minLength: 2, maxLength: 3 }).map((keys) => keys.join('.')) },
);
const operand = fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: metadataValue });
const bound = fc.constantFrom<(number | string | Date)[]>(0, 1, 'a', 'b', DAY, NEXT_DAY, '2024-05-01');
const operator = <T>(name: string, value: fc.Arbitrary<T>) => value.map((x) => [name, x] as const);
const comparison = fc
  .array(
    fc.oneof(
      operator('$eq', operand),
      operator('$ne', operand),
      operator('$gt', bound),
      operator('$gte', bound),
      operator('$lt', bound),
      operator('$lte', bound),
      operator('$in', fc.array(operand, { maxLength: 12 })),
      operator('$nin', fc.array(operand, { maxLength: 12 })),
      operator('$exists', fc.boolean()),
      operator('$contains', scalar),
    ),
    { minLength: 1, maxLength: 2 },
  )
  .map((entries): Comparison => Object.fromEntries(entries));
const { where } = fc.letrec<{ where: Where; fields: Where }>((tie) => ({
  fields: fc.dictionary(path, fc.oneof(operand, { weight: 3, arbitrary: comparison }), {
    minKeys: 1,
    maxKeys: 2,
  }) as fc.Arbitrary<Where>,
  where: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    tie('fields'),
    fc.record({ $and: fc.array(tie('where'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ $or: fc.array(tie('where'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ $not: tie('where') }),
    fc.tuple(tie('fields'), tie('where')).map(([a, b]) => ({ ...b, ...a })),
  ),
}));

describe('against the naive oracle', () => {
  test('the same rows match, whatever the metadata and the filter, and however they were appended', () => {
    let found = 0;
    fc.assert(
      fc.property(records, where, fc.nat({ max: 40 }), (list, filter, cut) => {
        checkWhere(filter);
        const index = new PayloadIndex();
        index.append(0, list.slice(0, cut));
        index.evaluate(filter, list.length); // what it caches must not go stale
        index.append(Math.min(cut, list.length), list.slice(cut));
        const expected = list.flatMap((record, row) => (matches(filter, record) ? [row] : []));
        expect([...index.evaluate(filter, list.length)]).toEqual(expected);
        if (expected.length > 0 && expected.length < list.length) found++;
      }),
      { numRuns: 4000, seed: 1 },
    );
    // The property would hold just as well if nothing ever matched.
    expect(found).toBeGreaterThan(500);
  });

  test('rows whose fields are changed match as if they had been written so', () => {
    const change = fc.record({ at: fc.uniqueArray(fc.nat(60), { maxLength: 20 }), to: metadata, drop: key });
    let found = 0;
    fc.assert(
      fc.property(records, where, fc.array(change, { maxLength: 5 }), path, (list, filter, changes, field) => {
        const index = new PayloadIndex();
        index.append(0, list);
        const now = structuredClone(list);
        for (const { at, to, drop } of changes) {
          index.evaluate(filter, list.length); // what it caches must not go stale
          const rows = at.filter((row) => row < list.length).sort((a, b) => a - b);
          // All rows get those fields, and the one that is dropped.
          const names = new Set([...Object.keys(to), drop]);
          const { [drop]: _, ...kept } = to;
          const exchange = atOnce(index.replacing(rows, names, () => kept));
          expect([...index.evaluate(filter, list.length)]).toEqual(rowsOf(now, filter)); // nothing is seen of it before
          exchange();
          for (const row of rows) {
            const others = Object.entries(now[row] ?? {}).filter(([name]) => !names.has(name));
            now[row] = { ...Object.fromEntries(others), ...kept };
          }
        }
        const expected = rowsOf(now, filter);
        expect([...index.evaluate(filter, list.length)]).toEqual(expected);
        expect(index.facets(field, Bitset.full(list.length), 5)).toEqual(countNaively(now, field).slice(0, 5));
        index.append(list.length, list);
        expect([...index.evaluate(filter, list.length * 2)]).toEqual(rowsOf([...now, ...list], filter));
        if (changes.length > 0 && expected.length > 0 && expected.length < list.length) found++;
      }),
      { numRuns: 3000, seed: 4 },
    );
    expect(found).toBeGreaterThan(300);
  });

  test('the same values are counted', () => {
    fc.assert(
      fc.property(records, path, fc.integer({ min: 1, max: 5 }), (list, field, limit) => {
        const index = new PayloadIndex();
        index.append(0, list);
        expect(index.facets(field, Bitset.full(list.length), limit)).toEqual(countNaively(list, field).slice(0, limit));
      }),
      { numRuns: 2000, seed: 2 },
    );
  });

  test('records are sorted as a plain comparison of their values sorts them', () => {
    const order = fc.record({ field: path, direction: fc.constantFrom('ascending' as const, 'descending' as const) });
    const kindOf = (value: unknown) =>
      value === null ? 0 : ['boolean', 'number', 'object', 'string'].indexOf(typeof value) + 1;
    const compare = (a: MetadataValue, b: MetadataValue) => kindOf(a) - kindOf(b) || (a! < b! ? -1 : a! > b! ? 1 : 0);
    let moved = 0;
    fc.assert(
      fc.property(records, fc.array(order, { maxLength: 3 }), fc.nat(40), (list, orders, count) => {
        const index = new PayloadIndex();
        index.append(0, list);
        const valueAt = (row: number, { field, direction }: (typeof orders)[number]) => {
          const values = valuesAt(list[row] ?? {}, field.split('.'))
            .flatMap((v) => (Array.isArray(v) ? v : [v]))
            .filter((v) => typeof v !== 'object' || v === null || v instanceof Date)
            .sort(compare);
          return direction === 'ascending' ? values[0] : values.at(-1);
        };
        const expected = list
          .map((_, row) => row)
          .sort((a, b) => {
            for (const by of orders) {
              const [x, y] = [valueAt(a, by), valueAt(b, by)];
              if (x === undefined && y === undefined) continue;
              if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
              const difference = compare(x, y);
              if (difference !== 0) return by.direction === 'ascending' ? difference : -difference;
            }
            return a - b;
          });
        const keys = orders.map((by) => index.sortKeys(by, list.length));
        expect([...atOnce(firstInOrder(Bitset.full(list.length), keys, count))]).toEqual(expected.slice(0, count));
        if (expected.some((row, i) => row !== i)) moved++;
      }),
      { numRuns: 2000, seed: 5 },
    );
    expect(moved).toBeGreaterThan(500);
  });

  test('metadata comes back from its JSON as it was', () => {
    fc.assert(
      fc.property(records, (list) => {
        const before = structuredClone(list);
        const back = list.map((metadata) => metadata && decodeMetadataValue(JSON.parse(encodeMetadataRow(metadata))));
        expect(back).toEqual(list.map(withoutNegativeZero));
        expect(list).toEqual(before);
      }),
      { numRuns: 1000, seed: 3 },
    );
  });
});

function rowsOf(list: (Metadata | undefined)[], filter: Where): number[] {
  return list.flatMap((record, row) => (matches(filter, record) ? [row] : []));
}

/** JSON has no negative zero. */
function withoutNegativeZero<T>(value: T): T {
  if (value instanceof Date || typeof value !== 'object' || value === null)
    return Object.is(value, -0) ? (0 as T) : value;
  if (Array.isArray(value)) return value.map(withoutNegativeZero) as T;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutNegativeZero(field)])) as T;
}

function countNaively(list: (Metadata | undefined)[], field: string): Facet[] {
  const order = (value: unknown) =>
    value === null ? 0 : typeof value === 'boolean' ? 1 : typeof value === 'number' ? 2 : value instanceof Date ? 3 : 4;
  const counts = new Map<string, Facet>();
  for (const record of list) {
    const seen = new Set<string>();
    for (const value of record ? valuesAt(record, field.split('.')).flatMap((v) => (Array.isArray(v) ? v : [v])) : []) {
      if (typeof value === 'object' && value !== null && !(value instanceof Date)) continue;
      const name = value instanceof Date ? `date ${value.getTime()}` : `${typeof value} ${value}`;
      if (seen.has(name)) continue;
      seen.add(name);
      const facet = counts.get(name);
      if (facet) facet.count++;
      else counts.set(name, { value: Object.is(value, -0) ? 0 : value, count: 1 });
    }
  }
  return [...counts.values()].sort(
    (a, b) => b.count - a.count || order(a.value) - order(b.value) || (a.value! < b.value! ? -1 : 1),
  );
}

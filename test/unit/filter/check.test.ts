import { describe, expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import { checkMetadata } from '../../../src/filter/check-metadata.ts';
import { checkPath, checkWhere, WHERE_DEPTH_MAX, WHERE_SIZE_MAX } from '../../../src/filter/check-where.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../../../src/filter/metadata.ts';
import type { Metadata } from '../../../src/types.ts';

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(PiramidError);
    return (error as PiramidError).message;
  }
  throw new Error('expected a refusal');
}

describe('filters', () => {
  test('a filter that is one comes back as it is', () => {
    const where = {
      a: 1,
      'b.c': { $gte: 2, $lt: new Date(0) },
      $or: [{ d: ['x'] }, { e: { nested: true } }],
      $not: {},
      f: { $eq: { gte: 1 } },
      g: { gte: 1, other: 2 },
      not: { $eq: { a: 1 } },
      or: ['x', 'y'],
    };
    expect(checkWhere(where)).toBe(where);
    expect(checkWhere({})).toEqual({});
  });

  test.each([
    [null, 'where: expected an object of field conditions, got null'],
    [[], 'where: expected an object of field conditions, got an array of 0'],
    [{ a: undefined }, 'where.a: expected a string, number, boolean, null, Date, array or plain object, got undefined'],
    [{ year: { $gte: null } }, 'where.year.$gte: expected a number, a string or a Date, got null'],
    [{ year: { $gt: Number.NaN } }, 'where.year.$gt: expected a finite number, got NaN'],
    [{ year: { $lt: new Date('x') } }, 'where.year.$lt: expected a valid Date, got an invalid Date'],
    [{ year: { $in: 5 } }, 'where.year.$in: expected an array of values, got 5'],
    [
      { year: { $in: [1, 2n] } },
      'where.year.$in[1]: expected a string, number, boolean, null, Date, array or plain object, got the bigint 2',
    ],
    [{ a: { $exists: 'yes' } }, 'where.a.$exists: expected true or false, got "yes"'],
    [
      { a: { $contains: ['x'] } },
      'where.a.$contains: expected a string, number, boolean, null or Date, got an array of 1',
    ],
    [{ $or: { a: 1 } }, 'where.$or: expected an array of filters, got an object'],
    [{ $and: [{ $not: 3 }] }, 'where.$and[0].$not: expected an object of field conditions, got 3'],
    [{ a: new Map() }, 'where.a: expected a string, number, boolean, null, Date, array or plain object, got a Map'],
    [
      { $and: [{ author: { age: { $gt: 30 } } }] },
      'where.$and[0].author.age: operators below an object, which is compared as a whole; write the path: { "author.age": … }',
    ],
    [{ a: { $gt: 1, b: 2 } }, 'where.a: mixes operators with the field "b"'],
    [{ year: { gte: 1, lt: 2 } }, 'where.year: "gte" is no operator; did you mean "$gte"?'],
    [{ $and: [{ or: [{ a: 1 }] }] }, 'where.$and[0]: "or" is no operator; did you mean "$or"?'],
    [{ not: { a: 1 } }, 'where: "not" is no operator; did you mean "$not"?'],
  ])('%o is refused with what was expected and what came', (where, message) => {
    expect(refusal(() => checkWhere(where))).toContain(message);
  });

  test('an unknown operator is answered with the known ones', () => {
    expect(refusal(() => checkWhere({ year: { $near: 1 } }))).toMatch(
      /where\.year: unknown operator "\$near"; known here: \$eq, .*\$contains/,
    );
    expect(refusal(() => checkWhere({ $nor: [] }))).toMatch(
      /where: unknown operator "\$nor"; known here: \$and, \$or, \$not/,
    );
    expect(refusal(() => checkWhere({ $gt: 3 }))).toMatch(/"\$gt" belongs below a field/);
  });

  test('depth, size and cycles are bounded', () => {
    let deep: object = { a: 1 };
    for (let i = 0; i < WHERE_DEPTH_MAX; i++) deep = { $not: deep };
    expect(refusal(() => checkWhere(deep))).toContain('nested deeper than 32 levels');
    const cycle: { $not?: object } = {};
    cycle.$not = cycle;
    expect(refusal(() => checkWhere(cycle))).toContain('contains itself');
    const long = { id: { $in: Array.from({ length: WHERE_SIZE_MAX }, (_, i) => i) } };
    expect(refusal(() => checkWhere(long))).toContain('more than 100000 values');
    // 2^40 filters by sharing; refused after 100 000 of them, not after an age.
    let shared: object = { a: 1 };
    for (let i = 0; i < 30; i++) shared = { $or: [shared, shared] };
    expect(refusal(() => checkWhere(shared))).toContain('more than 100000 values');
  });
});

describe('paths', () => {
  test('a path is a string whose names do not begin with $', () => {
    expect(checkPath('author.name')).toBe('author.name');
    expect(refusal(() => checkPath(5))).toContain('expected the path of a metadata field, got 5');
    expect(refusal(() => checkPath(''))).toContain('expected the path of a metadata field, got ""');
    expect(refusal(() => checkPath('a.$b'))).toContain('begins with "$"');
    expect(refusal(() => checkPath(Array(40).fill('a').join('.')))).toContain('32');
  });
});

describe('metadata', () => {
  test('JSON values, valid dates and left-out properties pass', () => {
    const metadata = {
      a: 1,
      b: [null, 'x', { c: new Date(0) }],
      d: undefined,
      [Symbol('s')]: 1,
      e: Object.create(null),
    };
    expect(checkMetadata(metadata, () => 'record "a"')).toBe(metadata);
  });

  test.each([
    ['text', 'record "a": metadata: expected a plain object of JSON values and dates, got "text"'],
    [new Date(0), 'record "a": metadata: expected a plain object'],
    [{ n: Number.POSITIVE_INFINITY }, 'record "a": metadata.n: expected a finite number, got Infinity'],
    [
      { a: { b: [() => 1] } },
      'record "a": metadata.a.b[0]: expected a string, number, boolean, null, Date, array or plain object, got a function',
    ],
    [{ v: new Float32Array(2) }, 'got a Float32Array'],
    [{ list: [undefined] }, 'metadata.list[0]: expected'],
    [{ $date: 'x' }, 'the key "$date" begins with "$"'],
    [{ a: { 'b.c': 1 } }, 'record "a": metadata.a: the key "b.c" holds "."'],
    [
      new (class Note {
        a = 1;
      })(),
      'expected a plain object',
    ],
  ])('%o is refused', (metadata, message) => {
    expect(refusal(() => checkMetadata(metadata, () => 'record "a"'))).toContain(message);
  });

  test('32 levels pass, 33 and cycles do not', () => {
    const nested = (levels: number): object => (levels === 1 ? { leaf: 1 } : { a: nested(levels - 1) });
    checkMetadata(nested(32), () => 'r');
    expect(refusal(() => checkMetadata(nested(33), () => 'r'))).toContain('nested deeper than 32 levels');
    const cycle: { self?: object } = {};
    cycle.self = [cycle];
    expect(refusal(() => checkMetadata(cycle, () => 'r'))).toContain('contains itself');
  });
});

describe('JSON', () => {
  const roundTrip = (metadata: Metadata) => decodeMetadataValue(JSON.parse(encodeMetadataRow(metadata)));

  test('dates, lone surrogates and odd keys survive', () => {
    for (const metadata of [
      { at: new Date(-1), deep: [{ at: new Date('+012345-01-01T00:00:00Z') }] },
      { '\ud800': '\udc00é😀' },
      { s: '{"$date":' },
      { at: new Date(5), list: [new Date(6)] },
    ]) {
      expect(roundTrip(metadata)).toEqual(metadata);
    }
    expect(encodeMetadataRow({ at: new Date(0) })).toBe('{"at":{"$date":"1970-01-01T00:00:00.000Z"}}');
  });

  test('a name in metadata or in a path changes no prototype', () => {
    const hostile = '{"__proto__": {"polluted": true, "at": {"$date": "1970-01-01T00:00:00.000Z"}}}';
    const metadata = decodeMetadataValue(JSON.parse(hostile)) as Metadata;
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(JSON.parse(encodeMetadataRow(metadata)))).toBe(Object.prototype);
    expect(encodeMetadataRow(metadata)).toBe(hostile.replaceAll(' ', ''));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('a stored date that is none is CORRUPT', () => {
    expect(refusal(() => decodeMetadataValue({ a: { $date: 'soon' } }))).toContain('metadata');
  });
});

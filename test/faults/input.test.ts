// Whatever is given to the door: a typed error, or a well-formed request; never anything else, and never a change of the
// prototypes that all objects share.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkChanges,
  checkCursor,
  checkFilter,
  checkIds,
  checkSelect,
  checkTarget,
  type PackingRules,
  packQuery,
  packRecords,
} from '../../src/api/input.ts';
import { PiramidError } from '../../src/errors.ts';
import { decodeMetadataValue } from '../../src/filter/metadata.ts';
import { report, SEED, trials } from './report.ts';

const INPUTS = trials('PIRAMID_INPUTS', 100_000);

const rules = (metric: PackingRules['metric']): PackingRules => ({
  dimension: 3,
  metric,
  quantization: 'none',
  embeds: false,
});

const nasty = fc.constantFrom<unknown>(
  '__proto__',
  'constructor',
  'prototype',
  '\ud800',
  'a\udfffb',
  '',
  ' ',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -0,
  2 ** 53,
  1e308,
  null,
  undefined,
  Symbol('s'),
  1n,
  () => 1,
  new Date(Number.NaN),
  new Date(0),
  new Float32Array(3),
  new Float32Array(2),
  Float32Array.of(1, Number.NaN, 3),
  new Float64Array(3).fill(1e39),
  new Uint8Array(new SharedArrayBuffer(12)),
  new Float32Array(new SharedArrayBuffer(12)),
  detached(),
  new Proxy([1, 2, 3], {}),
  Object.create(null),
  Object.create({ inherited: 1 }),
  JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
  deep(2000),
  cyclic(),
  new Map([['a', 1]]),
  new Set([1]),
  new Array(5),
  {
    get text() {
      throw new Error('a getter that throws');
    },
  },
  {
    toJSON() {
      throw new Error('toJSON');
    },
  },
  'x'.repeat(70_000),
);

function detached(): Float32Array {
  const array = Float32Array.of(1, 2, 3);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
}

function cyclic(): unknown {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}

const anything = fc.oneof(
  { weight: 3, arbitrary: nasty },
  {
    weight: 2,
    arbitrary: fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withSparseArray: true }),
  },
);
const or = <T>(valid: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: valid as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: anything });
const key = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor', '$eq', '$where', 'a.b', ''), fc.string());
const value = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null));

const record = fc.record(
  {
    id: or(fc.oneof(fc.string({ minLength: 1 }), fc.integer())),
    vector: or(fc.array(or(fc.float({ noNaN: true, noDefaultInfinity: true })), { minLength: 2, maxLength: 4 })),
    text: or(fc.string()),
    metadata: or(fc.dictionary(key, or(value), { maxKeys: 4 })),
    [String.fromCharCode(120)]: anything,
  },
  { requiredKeys: [] },
);
const condition = fc.oneof(
  value,
  fc.record(
    { $eq: or(value), $gt: or(value), $in: or(fc.array(or(value))), $contains: or(value), $exists: anything },
    { requiredKeys: [] },
  ),
);
const where = fc.letrec((tie) => ({
  where: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.dictionary(key, or(condition), { maxKeys: 3 }),
    fc.record({ $and: or(fc.array(tie('where'), { maxLength: 3 })), $not: tie('where') }, { requiredKeys: [] }),
  ),
})).where;
const query = fc.record(
  {
    vector: or(fc.array(fc.float(), { minLength: 3, maxLength: 3 })),
    keywords: or(fc.string()),
    k: or(fc.integer({ min: 1, max: 100 })),
    offset: or(fc.nat(100)),
    where: or(where),
    fusion: or(fc.constant({ rrf: {} })),
    select: or(fc.constant(['text'])),
    exact: or(fc.boolean()),
    minScore: or(fc.float({ noNaN: true, noDefaultInfinity: true })),
    explain: or(fc.boolean()),
  },
  { requiredKeys: [] },
);

const doors: { name: string; input: fc.Arbitrary<unknown>; open: (input: never) => unknown }[] = [
  {
    name: 'records',
    input: fc.array(or(record), { maxLength: 4 }),
    open: (input: never[]) => {
      const { packed } = packRecords(input, rules('cosine'));
      expect(packed.ids).toHaveLength(input.length);
      expect(packed.vectors!.every(Number.isFinite)).toBe(true);
      for (const json of packed.metadata ?? []) if (json !== null) decodeMetadataValue(JSON.parse(json));
      structuredClone(packed);
    },
  },
  {
    name: 'query',
    input: or(fc.oneof(query, fc.record({ keywords: fc.string(), nonsense: anything }))),
    open: (input: never) => structuredClone(packQuery(input, rules('l2'))),
  },
  { name: 'filter', input: or(where), open: (input: never) => structuredClone(checkFilter(input)) },
  {
    name: 'target',
    input: or(
      fc.oneof(
        fc.record({ where }),
        fc.record({ ids: or(fc.array(anything, { maxLength: 3 })) }),
        fc.record({ all: or(fc.constant(true)) }),
      ),
    ),
    open: (input: never) => structuredClone(checkTarget(input)),
  },
  {
    name: 'changes',
    input: or(fc.record({ set: or(fc.dictionary(key, or(value))), unset: or(fc.array(key)) }, { requiredKeys: [] })),
    open: (input: never) => structuredClone(checkChanges(input)),
  },
  { name: 'ids', input: or(fc.array(anything, { maxLength: 4 })), open: (input: never) => checkIds(input, 'ids') },
  { name: 'select', input: anything, open: (input: never) => checkSelect(input, ['text']) },
  { name: 'cursor', input: anything, open: (input: never) => checkCursor(input) },
];

test('malformed input is a typed error, or none', () => {
  let count = 0;
  let corrupt = 0;
  const accepted = new Map(doors.map(({ name }) => [name, 0]));
  const prototypes = [Object.prototype, Array.prototype, Function.prototype, Map.prototype];
  const before = prototypes.map((prototype) => Object.getOwnPropertyNames(prototype).join());
  for (const { name, input, open } of doors) {
    const runs = Math.ceil(INPUTS / doors.length);
    for (const given of fc.sample(input, { numRuns: runs, seed: SEED })) {
      count++;
      try {
        open(given as never);
        accepted.set(name, accepted.get(name)! + 1);
      } catch (error) {
        if (error instanceof PiramidError && /expected|:/.test(error.message)) continue;
        corrupt++;
        if (corrupt < 6) console.log(name, error);
      }
    }
  }
  // A door that lets nothing in has not been tested.
  for (const name of ['records', 'query', 'filter', 'target', 'changes'])
    expect(accepted.get(name), name).toBeGreaterThan(count / 2000);
  expect(prototypes.map((prototype) => Object.getOwnPropertyNames(prototype).join())).toEqual(before);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  report('malformed-input', { count, lost: 0, corrupt, hung: 0 });
});

// What a refusal says: what came, and what was expected, by the name that the user wrote. In Node: the door alone.
import { expect, test } from 'vitest';
import {
  checkChanges,
  checkFilter,
  checkIds,
  checkSelect,
  checkTarget,
  embedderOptions,
  type PackingRules,
  packQueries,
  packQuery,
  packRecords,
} from '../../src/api/input.ts';
import { PiramidError } from '../../src/errors.ts';
import { fromWire, toWire } from '../../src/protocol.ts';

const rules: PackingRules = { dimension: 2, metric: 'l2', quantization: 'none', embeds: true };
const words: PackingRules = { ...rules, dimension: null, embeds: false };

const upsert = (records: unknown) => () => packRecords(records as never, rules);
const query =
  (given: unknown, of = rules) =>
  () =>
    packQuery(given as never, of);
const batch = (given: unknown) => () => packQueries(given as never, rules);
const changes = (given: unknown) => () => checkChanges(given as never);

async function* stream() {}

const REFUSALS: readonly (readonly [call: () => unknown, message: string])[] = [
  [upsert(new Set()), 'records: expected a record or an array of records, got a Set'],
  [upsert(new Map()), 'got a Map'],
  [upsert(stream()), 'records: expected a record or an array of records, got'],
  [upsert(Promise.resolve([])), 'got a Promise (is an await missing?)'],
  [upsert(null), 'got null'],
  [upsert(undefined), 'got undefined'],
  [upsert('text'), "got 'text'"],
  [upsert(Float32Array.of(1)), 'got a Float32Array of 1'],
  [upsert([[1, 2]]), 'record 0: expected an object, got an array of 2'],
  [upsert([null]), 'record 0: expected an object, got null'],
  [upsert({ id: 'a', vector: ['1', '2'] }), `record "a": number 0 is '1', expected a finite number`],
  [upsert({ id: 'a', vector: [1, null] }), 'record "a": number 1 is null, expected a finite number'],
  [upsert({ id: 'a', vector: Float64Array.of(1, 2) }), 'got a Float64Array of 2'],
  [upsert({ id: 'a', vector: 'abc' }), "got 'abc'"],
  [upsert({ id: 'a', vector: { 0: 1, 1: 2 } }), 'got an object'],
  [upsert({ id: 'a', text: 5 }), 'record "a": text: expected a string, got 5'],
  [upsert({ id: 'a', text: null }), 'record "a": text: expected a string, got null'],
  [
    upsert({ id: 5n, text: 'x' }),
    'record 0: id: expected an id that is a non-empty string or a safe integer, got the bigint 5',
  ],
  [query({ keywords: ['a'] }), 'query: keywords: expected a string, got an array of 1'],
  [query({ text: 5 }), 'query: text: expected a string, got 5'],
  [query({ text: 5 }, { ...rules, embeds: false }), 'query: text: expected a string, got 5'],
  [query({ text: null }), 'query: text: expected a string, got null'],
  [query({ vector: ['1', '2'] }), `query vector: number 0 is '1', expected a finite number`],
  [query({ vector: new Set([1]) }), 'got a Set'],
  [query('text'), "query: expected an object, got 'text'"],
  [query(null), 'query: expected an object, got null'],
  [query([]), 'query: expected an object, got an array of 0'],
  [query(undefined), 'query: expected an object, got undefined'],
  [query({ vector: [1, 2], prefix: true }), 'prefix, fuzzy: only for queries that search words'],
  [query({ vector: [1, 2], fuzzy: false }), 'prefix, fuzzy: only for queries that search words'],
  [query({ keywords: 'a', prefix: 'yes' }), "prefix: expected a boolean, got 'yes'"],
  [query({ vector: [1, 2], fusion: { rrf: {} } }), 'fusion: only for queries that search vectors and words'],
  [
    query({ keywords: 'a', fusion: { weighted: { words: 1 } } }),
    'fusion: only for queries that search vectors and words',
  ],
  [query({ text: 'a', fusion: { rrf: {} } }, words), 'fusion: only for queries that search vectors and words'],
  [batch(new Set()), 'queryBatch: expected an array of queries, got a Set'],
  [batch([{ keywords: 'a' }, { keywords: 5 }]), 'queries[1]: query: keywords: expected a string, got 5'],
  [batch([{ keywords: 'a' }, null]), 'queries[1]: query: expected an object, got null'],
  [batch([{ keywords: 'a' }, { vector: [1] }]), 'queries[1]: query vector: expected 2 numbers, got 1'],
  [batch([{ keywords: 'a', signal: new AbortController().signal }]), 'queries[0]: give the signal to the batch'],
  [batch(new Array(1)), 'queries[0]: query: expected an object, got undefined'],
  [changes({}), 'changes: expected one or more of { set, unset, text, context, vector }'],
  [changes(undefined), 'changes: expected one or more of { set, unset, text, context, vector }'],
  [changes({ set: { text: 'new' } }), '"text" may mean two things'],
  [changes({ set: { text: 'new' } }), 'write { text: … } beside set'],
  [changes({ set: { vector: [1, 2] } }), 'write { vector: … } beside set'],
  [changes({ set: [] }), 'changes.set: expected an object of field paths, got an array of 0'],
  [changes({ text: 5 }), 'changes.text: expected a string, got 5'],
  [changes({ unset: 'a' }), "changes.unset: expected an array of field paths, got 'a'"],
  [
    () => embedderOptions(null as never),
    'embedder: expected the name of a model, its options, or an Embedder, got null',
  ],
  [() => embedderOptions(5 as never), 'got 5'],
  [() => checkIds(null, 'ids'), 'ids: expected an array of ids, got null'],
  [() => checkSelect('text', []), "select: expected an array, got 'text'"],
];

test.each(REFUSALS.map(([call, message]) => [message, call] as const))('a refusal says: %s', (message, call) => {
  expect(call).toThrow(message);
  expect(call).toThrow(PiramidError);
});

test('the message has no code in front, on either side of a thread', () => {
  const error = new PiramidError('CONFLICT', 'record "a" exists already', { cause: new TypeError('why') });
  const back = fromWire(structuredClone(toWire(error)));
  expect(back).toMatchObject({ name: 'PiramidError', code: 'CONFLICT', message: 'record "a" exists already' });
  expect(back).toBeInstanceOf(PiramidError);
  expect(back.cause).toMatchObject({ name: 'TypeError', message: 'why' });
});

test('a code of its own is kept in a batch', () => {
  expect(batch([{ vector: [1] }])).toThrow(expect.objectContaining({ code: 'DIMENSION_MISMATCH' }));
});

test('what getters and proxies of users throw is a PiramidError', () => {
  const fails = () => {
    throw new RangeError('mine');
  };
  const trap = new Proxy(
    {},
    { get: fails, has: fails, ownKeys: fails, getPrototypeOf: fails, getOwnPropertyDescriptor: fails },
  );
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  const getter = (name: string, more = {}) =>
    Object.defineProperty({ ...more }, name, { get: fails, enumerable: true });
  const late = (name: string) => {
    let reads = 0;
    return Object.defineProperty({ a: 1 }, name, { get: () => (reads++ > 0 ? fails() : 1), enumerable: true });
  };
  const thrower = [
    trap,
    proxy,
    getter('a'),
    getter('id'),
    getter('text'),
    [trap],
    [getter('id')],
    { a: trap },
    { a: [proxy] },
    late('b'),
  ];
  let count = 0;
  for (const bad of thrower) {
    for (const call of [
      () => packRecords(bad as never, rules),
      () => packRecords([{ id: 1, vector: bad } as never], rules),
      () => packRecords([{ id: 1, vector: [1, 2], metadata: bad } as never], rules),
      () => packQuery(bad as never, rules),
      () => packQuery({ vector: bad } as never, rules),
      () => packQuery({ keywords: 'a', where: bad } as never, rules),
      () => packQuery({ keywords: 'a', select: bad } as never, rules),
      () => packQuery({ vector: [1, 2], keywords: 'a', fusion: bad } as never, rules),
      () => packQuery({ keywords: 'a', signal: bad } as never, rules),
      () => packQueries(bad as never, rules),
      () => packQueries([bad] as never, rules),
      () => checkFilter(bad),
      () => checkFilter({ a: bad }),
      () => checkTarget(bad as never),
      () => checkTarget({ where: bad } as never),
      () => checkTarget({ ids: bad } as never),
      () => checkChanges(bad as never),
      () => checkChanges({ set: bad } as never),
      () => checkChanges({ unset: bad } as never),
      () => checkIds(bad, 'ids'),
      () => embedderOptions(bad as never),
    ]) {
      count++;
      try {
        call();
      } catch (error) {
        expect(error, String(call)).toBeInstanceOf(PiramidError);
      }
    }
  }
  expect(count).toBe(210);
});

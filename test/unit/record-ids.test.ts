import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitset } from '../../src/structures/bitset.ts';
import { type Hash, keyedHash } from '../../src/structures/keyed-hash.ts';
import { RecordIds } from '../../src/structures/record-ids.ts';
import { Renumbering } from '../../src/structures/renumbering.ts';
import { atOnce, type Sliced } from '../../src/structures/slices.ts';
import type { RecordId } from '../../src/types.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Ids that are easily taken for each other. */
const HARD: RecordId[] = [
  ...[1, '1', 0, '0', -1, '-1', 10, '10', 9007199254740991, -9007199254740991],
  ...['', '"', '\\', '\\"', '"1', '1"', ',', '[1]', '\n', '\u0000', '\u007f', '\ufeff', '\ufeffa'],
  ...['é', 'e\u0301', '😀', '\ud83d', '\ude00', '\ufffd', '\\ud83d', 'a'.repeat(1023), 'a'.repeat(1024)],
  ...['a'.repeat(5000), `${'a'.repeat(5000)}é`, 'record-000000000001'],
];

const anyId = fc.oneof(
  fc.constantFrom(...HARD),
  fc.integer({ min: -40, max: 40 }),
  fc.maxSafeInteger(),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.nat(300).map((n) => `record-${n}`),
);

const anyOperation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), ids: fc.array(anyId, { maxLength: 40 }) }) },
  fc.record({ kind: fc.constant('stored' as const), ids: fc.array(anyId, { maxLength: 40 }) }),
  fc.record({ kind: fc.constant('lost' as const), count: fc.nat(5) }),
  fc.record({ kind: fc.constant('fail' as const), ids: fc.array(anyId, { maxLength: 40 }) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), some: fc.nat(2) }) },
  fc.record({ kind: fc.constant('compact' as const) }),
);

/** All alike, a few, and the real one. */
const HASHES: Hash[] = [
  () => 0xffffffff,
  (bytes, start, end) => (keyedHash(bytes, start, end) & 3) * 0x3fffffff,
  keyedHash,
];

test.each([0, 1, 2])('ids are found as in a map and an array, whatever they are (hash %i)', (number) => {
  fc.assert(
    fc.property(fc.array(anyOperation, { maxLength: 40 }), (operations) => {
      let ids = new RecordIds(HASHES[number]);
      let all: RecordId[] = [];
      let live = new Map<RecordId, number>();
      const deleted = new Set<number>();
      for (const operation of operations) {
        if ('ids' in operation) {
          const more = operation.ids;
          if (operation.kind === 'stored') atOnce(ids.placeStored(bytesOf(JSON.stringify(more)), more.length));
          else atOnce(ids.place(more));
          for (const [id, row] of live) expect(ids.row(id)).toBe(row);
          expect([ids.length, ids.count]).toEqual([all.length, live.size]);
          if (operation.kind === 'fail') {
            ids.takeBack();
            continue;
          }
          for (const id of more) {
            const before = live.get(id);
            if (before !== undefined) deleted.add(before);
            live.set(id, all.push(id) - 1);
          }
          atOnce(ids.show((row) => deleted.has(row)));
        } else if (operation.kind === 'lost') {
          atOnce(ids.placeLost(operation.count));
          for (let i = 0; i < operation.count; i++) deleted.add(all.push(0) - 1);
          atOnce(ids.show((row) => deleted.has(row)));
        } else if (operation.kind === 'delete') {
          for (const [i, [id, row]] of [...live].entries()) {
            if (i % 3 !== operation.some) continue;
            ids.delete(row);
            live.delete(id);
            deleted.add(row);
          }
        } else {
          const dropped = new Bitset(all.length);
          for (const row of deleted) dropped.add(row);
          const renumbering = new Renumbering(dropped);
          ids = atOnce(ids.renumbered(renumbering));
          all = all.filter((_, row) => !deleted.has(row));
          live = new Map(Array.from(live, ([id, row]) => [id, renumbering.row(row)]));
          deleted.clear();
        }
        expect([ids.length, ids.count]).toEqual([all.length, live.size]);
        for (const [row, id] of all.entries()) {
          expect(ids.id(row)).toBe(id);
          expect(ids.row(id)).toBe(live.get(id));
          if (!deleted.has(row)) expect(ids.rowNow(row)).toBe(row);
        }
        for (const id of HARD) expect(ids.row(id)).toBe(live.get(id));
      }
    }),
    { numRuns: 300 },
  );
});

test('many rows, over blocks and growing tables', () => {
  const ids = new RecordIds();
  const idOf = (row: number) => (row % 3 === 0 ? row : `record-${row}`);
  const n = 20_000;
  for (let first = 0; first < n; first += 500) {
    const some = Array.from({ length: 500 }, (_, i) => idOf(first + i));
    if (first % 1000 === 0) atOnce(ids.place(some));
    else atOnce(ids.placeStored(bytesOf(JSON.stringify(some)), 500));
    atOnce(ids.show(() => false));
  }
  for (let row = 0; row < n; row += 2) ids.delete(row);
  expect([ids.length, ids.count]).toEqual([n, n / 2]);
  const wrong = Array.from({ length: n }, (_, row) => row).filter(
    (row) => ids.id(row) !== idOf(row) || ids.row(idOf(row)) !== (row % 2 === 0 ? undefined : row),
  );
  expect(wrong).toEqual([]);
});

test('a million ids of 20 characters take 37 bytes each', () => {
  const ids = new RecordIds();
  const n = 100_000;
  atOnce(ids.reserve(n, 0.75));
  atOnce(ids.place(Array.from({ length: n }, (_, i) => `record-${String(i).padStart(13, '0')}`)));
  atOnce(ids.show(() => false));
  expect(ids.byteLength / n).toBeLessThan(37);
});

test('growing rests often, and those who look meanwhile find all', () => {
  const ids = new RecordIds();
  atOnce(ids.place(Array.from({ length: 10_000 }, (_, i) => i)));
  atOnce(ids.show(() => false));
  let rests = 0;
  for (const _ of restsOf(ids.reserve(100_000))) {
    rests++;
    expect(ids.row(9999)).toBe(9999);
    expect(ids.row(-1)).toBeUndefined();
  }
  expect(rests).toBeGreaterThan(100);
  expect(ids.row(5000)).toBe(5000);
});

test('an ids chunk of another number of ids is damaged', () => {
  const ids = new RecordIds();
  expect(() => atOnce(ids.placeStored(bytesOf('["a",2]'), 3))).toThrow('expected 3 ids, got 2');
  expect(() => atOnce(new RecordIds().placeStored(bytesOf('[]'), 1))).toThrow('expected 1 ids, got 0');
});

test('the hash has the bits of all bytes, and no byte is another', () => {
  const hashes = new Set<number>();
  for (let length = 0; length < 12; length++) {
    const bytes = new Uint8Array(20);
    hashes.add(keyedHash(bytes, 4, 4 + length));
    for (let bit = 0; bit < length * 8; bit++) {
      bytes.fill(0);
      bytes[4 + (bit >>> 3)] = 1 << (bit & 7);
      hashes.add(keyedHash(bytes, 4, 4 + length));
    }
  }
  expect(hashes.size).toBe(12 + (8 * 11 * 12) / 2);
});

function* restsOf(work: Sliced<unknown>): Generator<void> {
  while (!work.next().done) yield;
}

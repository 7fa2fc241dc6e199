// Dates as people write them, against dates and against strings that are dates; and what `explain` says where none can be meant.
import { expect, test } from 'vitest';
import { spanOf } from '../../src/filter/dates.ts';
import { PayloadIndex } from '../../src/filter/payload-index.ts';
import { Bitset } from '../../src/structures/bitset.ts';
import { seededRandom } from '../../src/structures/random.ts';
import type { Metadata, MetadataValue, Where } from '../../src/types.ts';

const at = (...parts: [number, number, ...number[]]) => new Date(Date.UTC(...parts));

function indexOf(values: readonly (MetadataValue | undefined)[]): PayloadIndex {
  const index = new PayloadIndex();
  index.append(
    0,
    values.map((value) => (value === undefined ? undefined : { at: value })),
  );
  return index;
}

const find = (values: readonly MetadataValue[], condition: unknown) => [
  ...indexOf(values).evaluate({ at: condition } as Where, values.length),
];

test('instants are RFC 3339, and what people write for it', () => {
  const ten = Date.UTC(2024, 4, 1, 10);
  for (const [text, time] of [
    ['2024-05-01T10:00:00Z', ten],
    ['2024-05-01t10:00:00z', ten],
    ['2024-05-01 10:00:00', ten],
    ['2024-05-01 10:00:00Z', ten],
    ['2024-05-01T10:00', ten],
    ['2024-05-01 10:00', ten],
    ['2024-05-01T12:00:00+02:00', ten],
    ['2024-05-01T12:00:00+0200', ten],
    ['2024-05-01T12:00:00+02', ten],
    ['2024-05-01 12:00:00+02', ten],
    ['2024-05-01 12:00:00 +0200', ten],
    ['2024-05-01T04:30:00-05:30', ten],
    ['2024-05-01T10:00:00.5Z', ten + 500],
    ['2024-05-01 10:00:00,5', ten + 500],
    ['2024-05-01T10:00:00.123456789123Z', ten + 123],
    ['2024-05-01T10:00:00-00:00', ten],
    ['2024-04-30T24:00:00Z', Date.UTC(2024, 4, 1)],
    ['2024-04-30 24:00', Date.UTC(2024, 4, 1)],
    ['2024-12-31T24:00:00.000+00', Date.UTC(2025, 0, 1)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['2024-05-01', Date.UTC(2024, 4, 1)],
    ['-000001-01-01', new Date('-000001-01-01T00:00:00Z').getTime()],
    ['0099-01-01', new Date('0099-01-01T00:00:00Z').getTime()],
  ] as const) {
    expect(spanOf(text), text).toEqual({ start: time, end: time });
    expect(find([new Date(time), new Date(time + 1)], text), text).toEqual([0]);
    expect(find([new Date(time - 1), new Date(time)], { $gte: text }), text).toEqual([1]);
    expect(find([text, 'no date'], { $eq: new Date(time) }), text).toEqual([0]);
  }
});

test('a month and a year are spans', () => {
  expect(spanOf('2024')).toEqual({ start: Date.UTC(2024, 0), end: Date.UTC(2025, 0) - 1 });
  expect(spanOf('2024-12')).toEqual({ start: Date.UTC(2024, 11), end: Date.UTC(2025, 0) - 1 });
  expect(spanOf('2024-02')).toEqual({ start: Date.UTC(2024, 1), end: Date.UTC(2024, 2) - 1 });
  expect(spanOf('+012345')?.start).toBe(Date.UTC(12_345, 0));
  const dates = [
    at(2023, 11, 31, 23, 59, 59, 999),
    at(2024, 0),
    at(2024, 6, 4),
    at(2024, 11, 31, 23, 59, 59, 999),
    at(2025, 0),
  ];
  expect(find(dates, { $gte: '2024' })).toEqual([1, 2, 3, 4]);
  expect(find(dates, { $gt: '2024' })).toEqual([4]);
  expect(find(dates, { $lt: '2024' })).toEqual([0]);
  expect(find(dates, { $lte: '2024' })).toEqual([0, 1, 2, 3]);
  expect(find(dates, '2024')).toEqual([1, 2, 3]);
  expect(find(dates, { $ne: '2024' })).toEqual([0, 4]);
  expect(find(dates, { $in: ['2023', '2024-07'] })).toEqual([0, 2]);
  expect(find(dates, { $nin: ['2024', '2023'] })).toEqual([4]);
  expect(find([[at(2024, 5)], [at(2023, 5)]], { $contains: '2024' })).toEqual([0]);
  expect(find(dates, { $gte: '2024-07', $lte: '2024-12' })).toEqual([2, 3]);
});

test('what is no date is none', () => {
  for (const text of [
    ...[
      '2024-13',
      '2024-00',
      '2024-5',
      '24',
      '20245',
      '2024-02-30',
      '2024-05-01T24:01',
      '2024-05-01T25:00',
      '2024-05-01T24:00:01Z',
    ],
    ...[
      '2024-05-01T10:60',
      '2024-05-01T10',
      '2024-05-01T10:00:61',
      '2024-05-01T10:00+24',
      '2024-05-01T10:00+02:60',
      '2024-05-01T',
    ],
    ...[
      '2024-05-01T10:00:00.',
      '2024-05-01  10:00',
      'May 2024',
      '2024/05/01',
      '2024-05-01Z',
      ' 2024',
      '2024-05-',
      '',
      'yesterday',
    ],
  ])
    expect(spanOf(text), text).toBeNull();
});

// By definition: what is compared is a time with a span, or text with text.
function oracle(value: MetadataValue, operator: string, operand: MetadataValue): boolean {
  if (typeof value === 'string' && typeof operand === 'string') {
    return {
      $eq: value === operand,
      $gt: value > operand,
      $gte: value >= operand,
      $lt: value < operand,
      $lte: value <= operand,
    }[operator]!;
  }
  const span = (x: MetadataValue) =>
    typeof x === 'string' ? naive(x) : x instanceof Date ? [x.getTime(), x.getTime()] : null;
  const [a, b] = [span(value), span(operand)];
  if (!a || !b) return false;
  const [[start, end], [first, last]] = [a, b] as [[number, number], [number, number]];
  if (operator === '$eq') return start <= last && first <= end;
  if (operator === '$gt') return start > last;
  if (operator === '$lt') return end < first;
  return operator === '$gte' ? end >= first : start <= last;
}

function naive(text: string): [number, number] | null {
  const [year, month, day] = text.split(/[T ]/)[0]!.split('-').map(Number);
  if (!/^\d{4}(-|$)/.test(text)) return null;
  if (month === undefined) return [Date.UTC(year!, 0), Date.UTC(year! + 1, 0) - 1];
  if (day === undefined) return [Date.UTC(year!, month - 1), Date.UTC(year!, month) - 1];
  const [, hour = '0', minute = '0', sign = '+', zone = '0'] = /[T ](\d\d):(\d\d)(?:([+-])(\d\d))?/.exec(text) ?? [];
  const time = Date.UTC(year!, month - 1, day, Number(hour) - Number(sign + zone), Number(minute));
  return [time, time];
}

test('generated dates compare as they are defined to', () => {
  const random = seededRandom(11);
  const two = (below: number, from = 0) => String(from + random.below(below)).padStart(2, '0');
  const text = (): string => {
    let made = String(2023 + random.below(3));
    if (random.below(4) === 0) return made;
    made += `-${two(12, 1)}`;
    if (random.below(4) === 0) return made;
    made += `-${two(28, 1)}`;
    if (random.below(4) === 0) return made;
    made += `${random.below(2) ? 'T' : ' '}${two(25)}:00`;
    return random.below(2) ? made : `${made}${random.below(2) ? '+' : '-'}${two(12)}`;
  };
  const value = (): MetadataValue => {
    const kind = random.below(5);
    if (kind === 0) return text();
    if (kind === 1) return 'soon';
    return new Date(naive(text())![random.below(2)]! + (random.below(3) - 1));
  };
  let count = 0;
  let wrong = 0;
  for (let round = 0; round < 300; round++) {
    const values = Array.from({ length: 20 }, value);
    const index = indexOf(values);
    for (let i = 0; i < 10; i++) {
      const operand = value();
      for (const operator of ['$eq', '$gt', '$gte', '$lt', '$lte']) {
        count++;
        const found = [...index.evaluate({ at: { [operator]: operand } } as Where, values.length)];
        const truth = values.flatMap((stored, row) => (oracle(stored, operator, operand) ? [row] : []));
        if (found.join() === truth.join()) continue;
        if (++wrong < 4) console.log(values, operator, operand, found, truth);
      }
    }
    const list = Array.from({ length: 12 }, value);
    const found = [...index.evaluate({ at: { $in: list } } as Where, values.length)];
    const truth = values.flatMap((stored, row) =>
      list.some((operand) => oracle(stored, '$eq', operand)) ? [row] : [],
    );
    count++;
    if (found.join() !== truth.join()) wrong++;
  }
  console.log(`field.dates count=${count} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

test('explain names what can be no date, and dates that are compared as text', () => {
  const notes = (values: (Metadata | undefined)[], where: Where) => {
    const index = new PayloadIndex();
    index.append(0, values);
    return index.notes(where, Bitset.full(values.length)).join('\n');
  };
  const dates = [{ at: at(2024, 0) }, { at: at(2025, 0) }];
  expect(notes(dates, { at: { $gt: 'yesterday' } })).toBe(
    '`at`: $gt "yesterday" meets no value: it is no date, and the field holds dates only',
  );
  expect(notes(dates, { $or: [{ at: '2024-02-30' }] })).toContain('"2024-02-30" meets no value');
  expect(notes(dates, { at: { $in: ['soon', '2024'] } })).toBe('');
  expect(notes(dates, { at: { $gte: '2024-05' } })).toBe('');
  const zoned = [{ at: '2024-05-01T10:00:00+02:00' }, { at: '2024-05-01T09:00:00Z' }];
  expect(notes(zoned, { at: { $gt: '2024-05-01T08:30:00Z' } })).toContain('as text, zones and all');
  expect(notes(zoned, { at: { $gt: new Date() } })).toBe('');
  expect(notes(zoned, { at: { $gt: '2024' } })).toBe('');
});

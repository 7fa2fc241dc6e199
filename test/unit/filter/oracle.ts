// The naive reading of `where`, record by record, straight from the doc comments: what the columns are held to.

import { isoTime } from '../../../src/filter/values.ts';
import type { Comparison, Metadata, MetadataValue, Where } from '../../../src/types.ts';

export function matches(where: Where, metadata: Metadata | undefined): boolean {
  return Object.entries(where).every(([key, value]) => {
    if (key === '$and') return (value as Where[]).every((part) => matches(part, metadata));
    if (key === '$or') return (value as Where[]).some((part) => matches(part, metadata));
    if (key === '$not') return !matches(value as Where, metadata);
    const found = metadata ? valuesAt(metadata, key.split('.')) : [];
    return Object.entries(comparisonOf(value as MetadataValue)).every(([operator, operand]) =>
      holds(operator, operand as MetadataValue, found),
    );
  });
}

function comparisonOf(value: MetadataValue): Comparison {
  if (isObject(value) && Object.keys(value).some((key) => key.startsWith('$'))) return value;
  return { $eq: value };
}

export function valuesAt(object: Metadata, [name, ...rest]: string[]): MetadataValue[] {
  if (!Object.hasOwn(object, name!)) return [];
  const value = object[name!]!;
  if (value === undefined) return [];
  if (rest.length === 0) return [value];
  if (isObject(value)) return valuesAt(value, rest);
  if (Array.isArray(value)) return value.filter(isObject).flatMap((element) => valuesAt(element, rest));
  return [];
}

function holds(operator: string, operand: MetadataValue, found: MetadataValue[]): boolean {
  const candidates = found.flatMap((value) => (Array.isArray(value) ? [value, ...value] : [value]));
  const equals = (expected: MetadataValue) => candidates.some((value) => equal(value, expected));
  if (operator === '$eq') return equals(operand);
  if (operator === '$ne') return !equals(operand);
  if (operator === '$in') return (operand as MetadataValue[]).some(equals);
  if (operator === '$nin') return !(operand as MetadataValue[]).some(equals);
  if (operator === '$exists') return found.length > 0 === operand;
  if (operator === '$contains') {
    return found.some((value) => {
      if (Array.isArray(value)) return value.some((element) => equal(element, operand));
      return typeof value === 'string' && typeof operand === 'string' && value.includes(operand);
    });
  }
  return candidates.some((value) => {
    const pair = comparable(value, operand);
    if (!pair) return false;
    const [a, b] = pair;
    if (operator === '$gt') return a > b;
    if (operator === '$gte') return a >= b;
    if (operator === '$lt') return a < b;
    if (operator === '$lte') return a <= b;
    throw new Error(`oracle: ${operator}`);
  });
}

function equal(value: MetadataValue, expected: MetadataValue): boolean {
  const pair = comparable(value, expected);
  return pair ? pair[0] === pair[1] : deepEqual(value, expected);
}

/** Two numbers or two strings to compare, or nothing where the types do not compare. */
function comparable(a: MetadataValue, b: MetadataValue): [number, number] | [string, string] | undefined {
  if (typeof a === 'number' && typeof b === 'number') return [a, b];
  if (typeof a === 'string' && typeof b === 'string') return [a, b];
  if (a instanceof Date || b instanceof Date) {
    const times = [a, b].map((v) =>
      v instanceof Date ? v.getTime() : typeof v === 'string' ? isoTime(v) : Number.NaN,
    );
    if (times.every((time) => !Number.isNaN(time))) return times as [number, number];
  }
  return undefined;
}

function deepEqual(a: MetadataValue, b: MetadataValue): boolean {
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, i) => deepEqual(element, b[i]));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key]!, b[key]!))
    );
  }
  return a === b;
}

function isObject(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

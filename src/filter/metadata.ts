// Metadata as JSON. A date is {"$date": "<ISO 8601>"}, which nothing else can be, because keys of metadata do not begin
// with `$`. Lone surrogates survive: JSON.stringify writes them as \u escapes.
import { PiramidError } from '../errors.ts';
import type { MetadataValue } from '../types.ts';
import { isDate } from './values.ts';

/** One record's metadata as JSON with tagged dates. It has passed `checkMetadata`. */
export function encodeMetadataRow(metadata: object): string {
  return JSON.stringify(withoutDates(metadata));
}

/** What `JSON.parse` made of tagged JSON, with its dates. Changes it in place. */
export function decodeMetadataValue(value: unknown): MetadataValue {
  return withDates(value) as MetadataValue;
}

/** `value` with each date as {"$date"}: itself where it holds none, so that only records with dates are copied. */
function withoutDates(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isDate(value)) return { __proto__: null, $date: value.toISOString() };
  // Metadata holds no functions: a page (or an old library) has added it to all objects, and JSON.stringify would call it.
  const isHooked = typeof (value as { toJSON?: unknown }).toJSON === 'function';
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined = isHooked ? Object.setPrototypeOf([...value], null) : undefined;
    for (let i = 0; i < value.length; i++) {
      const plain = withoutDates(value[i]);
      if (plain === value[i]) continue;
      copy ??= value.slice();
      copy[i] = plain;
    }
    return copy ?? value;
  }
  const object = value as { [key: string]: unknown };
  let copy: { [key: string]: unknown } | undefined = isHooked ? Object.assign(Object.create(null), object) : undefined;
  for (const key of Object.keys(object)) {
    const plain = withoutDates(object[key]);
    if (plain === object[key]) continue;
    copy ??= { ...object };
    copy[key] = plain;
  }
  return copy ?? object;
}

/** The reverse, in place: what JSON.parse made belongs to nobody else. */
function withDates(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withDates(value[i]);
    return value;
  }
  const object = value as { [key: string]: unknown };
  if (Object.hasOwn(object, '$date')) {
    const date = new Date(object.$date as string);
    if (Number.isNaN(date.getTime())) throw new PiramidError('CORRUPT', 'metadata: a stored date is not a date');
    return date;
  }
  for (const key of Object.keys(object)) object[key] = withDates(object[key]);
  return object;
}

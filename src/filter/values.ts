// What metadata values are and when two of them are equal: the rules that the columns and the checks share.
// Types never coerce (1 is not '1'), with one exception: a Date and an ISO date string are compared as times.
import type { MetadataValue } from '../types.ts';
import { spanOf } from './dates.ts';

export type MetadataObject = { readonly [key: string]: MetadataValue };

export function isDate(value: unknown): value is Date {
  // By tag, not instanceof: a date made in another frame is one too.
  return Object.prototype.toString.call(value) === '[object Date]';
}

/** Whether `value` is an object literal, of this or another frame: not an array, a date, a Map, a class instance. */
export function isPlainObject(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isDate(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Milliseconds since 1970 of a string that is a date and means an instant, or NaN. */
export function isoTime(text: string): number {
  const span = spanOf(text);
  return span && span.start === span.end ? span.start : Number.NaN;
}

/**
 * A string that two objects or arrays share exactly if they are deeply equal: keys sorted, `undefined` left out. Here
 * dates equal dates only: inside a compared value nothing coerces.
 */
export function canonical(value: MetadataValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isDate(value)) return `{"$date":${value.getTime()}}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const object = value as MetadataObject;
  const fields: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const field = object[key];
    if (field !== undefined) fields.push(`${JSON.stringify(key)}:${canonical(field)}`);
  }
  return `{${fields.join(',')}}`;
}

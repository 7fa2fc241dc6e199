// What metadata values are and when two of them are equal: the rules that the columns and the checks share.
// Types never coerce (1 is not '1'), with one exception: a Date and an ISO date string are compared as times.
import type { MetadataValue } from '../types.ts';

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

const ISO_DATE =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d))?)?$/;

/**
 * Milliseconds since 1970 of an ISO 8601 date ('2024-05-01') or date and time ('2024-05-01T10:00:00.000Z'), or NaN.
 * Without a zone it means UTC: read as local time, as `Date.parse` does, a filter would match other records on other
 * machines. Impossible dates (30 February) are not dates, on every browser.
 */
export function isoTime(text: string): number {
  const parts = ISO_DATE.exec(text);
  if (!parts) return Number.NaN;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', sign, zoneHour, zoneMinute] = parts;
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return Number.NaN;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return Number.NaN;
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3)));
  const offset = sign ? (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000 : 0;
  return date.getTime() - (sign === '-' ? -offset : offset);
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

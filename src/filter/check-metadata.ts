// The check of metadata at the door, and of values in it and in filters: what passes here, the columns and the serialisation
// trust. Holds no search code: it runs on the page, and in the worker on what an import brings.
import { describe } from '../checks.ts';
import { PiramidError } from '../errors.ts';
import type { Metadata } from '../types.ts';
import { isDate, isPlainObject } from './values.ts';

/** How deep metadata may nest; the record's own fields are at depth 1. */
export const METADATA_DEPTH_MAX = 32;
/** How many values one record's metadata may hold, nested ones included. */
export const METADATA_SIZE_MAX = 100_000;

/** What a check carries down: how many values it has seen, and what it is about. */
export interface Walk {
  seen: number;
  readonly sizeMax: number;
  readonly depthMax: number;
  /** In metadata an `undefined` property is one left out, as in JSON; in a filter it is most likely a mistake. */
  readonly allowUndefined: boolean;
}

/** `value`, if it is metadata; throws `INVALID_ARGUMENT`. `recordLabel` begins the message, e.g. `record "a"`. */
export function checkMetadata(value: unknown, recordLabel: () => string): Metadata {
  if (isFlat(value)) return value;
  const path = `${recordLabel()}: metadata`;
  if (!isPlainObject(value)) throw invalid(path, 'expected a plain object of JSON values and dates', value);
  checkValue(value, path, 0, {
    seen: 0,
    sizeMax: METADATA_SIZE_MAX,
    depthMax: METADATA_DEPTH_MAX,
    allowUndefined: true,
  });
  return value as Metadata;
}

/** Whether it is the usual case: few plain fields. Says yes quickly; a no is for the whole check to explain. */
function isFlat(value: unknown): value is Metadata {
  if (!isPlainObject(value)) return false;
  const keys = Object.keys(value);
  if (keys.length > 100) return false;
  for (const key of keys) {
    if (key.startsWith('$') || key.includes('.')) return false;
    const field = value[key];
    const type = typeof field;
    if (type === 'number' ? !Number.isFinite(field) : type !== 'string' && type !== 'boolean' && field !== null)
      return false;
  }
  return true;
}

/** A JSON value or a date; also one without `$` keys, so that `{"$date": ...}` on disk can only be a date. */
export function checkValue(value: unknown, path: string, depth: number, walk: Walk): void {
  enter(path, depth, walk);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(path, 'expected a finite number', value);
  } else if (isDate(value)) {
    if (Number.isNaN(value.getTime())) throw invalid(path, 'expected a valid Date', value);
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkValue(value[i], `${path}[${i}]`, depth + 1, walk);
  } else if (isPlainObject(value)) {
    for (const key of Object.keys(value)) {
      checkKey(key, path);
      const field = value[key];
      if (field !== undefined || !walk.allowUndefined) checkValue(field, `${path}.${key}`, depth + 1, walk);
    }
  } else throw invalid(path, 'expected a string, number, boolean, null, Date, array or plain object', value);
}

export function checkKey(key: string, path: string): void {
  let problem: string | undefined;
  if (key.startsWith('$')) problem = 'begins with "$", which is kept for operators';
  else if (key.includes('.')) problem = 'holds ".", which separates the fields of a path';
  if (problem)
    throw new PiramidError('INVALID_ARGUMENT', `${path}: the key ${JSON.stringify(key)} ${problem}; rename it`);
}

/** Counts one value. The depth limit also ends cycles; the size limit also ends objects that are shared many times. */
export function enter(path: string, depth: number, walk: Walk): void {
  if (depth > walk.depthMax) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `${shortened(path)}: nested deeper than ${walk.depthMax} levels, or contains itself`,
    );
  }
  if (++walk.seen > walk.sizeMax) {
    throw new PiramidError('INVALID_ARGUMENT', `${shortened(path)}: more than ${walk.sizeMax} values in all`);
  }
}

export function invalid(path: string, expected: string, got: unknown): PiramidError {
  return new PiramidError(
    'INVALID_ARGUMENT',
    `${shortened(path)}: ${expected}, got ${typeof got === 'string' ? JSON.stringify(shortened(got)) : describe(got)}`,
  );
}

export function shortened(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 100)} ... ${path.slice(-80)}`;
}

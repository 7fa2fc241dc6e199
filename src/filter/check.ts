// The checks of filters and metadata at the door: what passes here, the columns and the serialisation trust. Runs on
// the page, so it holds no search code.
import { describe } from '../checks.ts';
import { PiramidError } from '../errors.ts';
import type { Metadata, Where } from '../types.ts';
import { isDate, isPlainObject } from './values.ts';

/** How deep `$and`, `$or`, `$not` and compared objects may nest. */
export const WHERE_DEPTH_MAX = 32;
/** How many conditions and values one `where` may hold; a long `$in` is the usual reason to have many. */
export const WHERE_SIZE_MAX = 100_000;
/** How deep metadata may nest; the record's own fields are at depth 1. */
export const METADATA_DEPTH_MAX = 32;
/** How many values one record's metadata may hold, nested ones included. */
export const METADATA_SIZE_MAX = 100_000;

const LOGICAL = ['$and', '$or', '$not'];
const OPERATORS = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$contains'];

/** What a check carries down: how many values it has seen, and what it is about. */
interface Walk {
  seen: number;
  readonly sizeMax: number;
  readonly depthMax: number;
  /** In metadata an `undefined` property is one left out, as in JSON; in a filter it is most likely a mistake. */
  readonly allowUndefined: boolean;
}

/** `where`, if it is a filter; throws `INVALID_ARGUMENT` that names the path, what was expected, and what came. */
export function checkWhere(where: unknown, name = 'where'): Where {
  checkConditions(where, name, 1, {
    seen: 0,
    sizeMax: WHERE_SIZE_MAX,
    depthMax: WHERE_DEPTH_MAX,
    allowUndefined: false,
  });
  return where as Where;
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

/** `path`, if it can name a metadata field; throws `INVALID_ARGUMENT`. */
export function checkPath(path: unknown, name = 'path'): string {
  if (typeof path !== 'string' || path === '') throw invalid(name, 'expected the path of a metadata field', path);
  const keys = path.split('.');
  if (keys.length > METADATA_DEPTH_MAX) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `${name}: expected at most ${METADATA_DEPTH_MAX} names, got ${keys.length}`,
    );
  }
  for (const key of keys) checkKey(key, name);
  return path;
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

function checkConditions(where: unknown, path: string, depth: number, walk: Walk): void {
  if (!isPlainObject(where)) throw invalid(path, 'expected an object of field conditions', where);
  enter(path, depth, walk);
  for (const key of Object.keys(where)) {
    const value = where[key];
    if (key === '$and' || key === '$or') {
      if (!Array.isArray(value)) throw invalid(`${path}.${key}`, 'expected an array of filters', value);
      // Not `forEach`, which would leave holes unchecked.
      for (const [i, part] of value.entries()) checkConditions(part, `${path}.${key}[${i}]`, depth + 1, walk);
    } else if (key === '$not') checkConditions(value, `${path}.$not`, depth + 1, walk);
    else if (key.startsWith('$')) throw unknownOperator(path, key, LOGICAL, OPERATORS, 'belongs below a field');
    else {
      if (LOGICAL.includes(`$${key}`) && holdsFilters(value)) throw forgotten(path, key);
      checkCondition(value, `${path}.${key}`, depth + 1, walk);
    }
  }
}

function holdsFilters(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(isPlainObject);
  return isPlainObject(value) && !Object.keys(value).some((key) => key.startsWith('$'));
}

function checkCondition(condition: unknown, path: string, depth: number, walk: Walk): void {
  const keys = isPlainObject(condition) ? Object.keys(condition) : [];
  if (!keys.some((key) => key.startsWith('$'))) {
    const operator = keys.find((key) => OPERATORS.includes(`$${key}`));
    if (operator && keys.every((key) => OPERATORS.includes(`$${key}`))) throw forgotten(path, operator);
    refuseNested(condition, path);
    checkValue(condition, path, depth, walk);
    return;
  }
  enter(path, depth, walk);
  for (const operator of keys) {
    checkOperand(operator, (condition as { [key: string]: unknown })[operator], path, depth + 1, walk);
  }
}

/** `author: { age: { $gt: 30 } }`: an object is compared as a whole, and conditions on its fields are paths. */
function refuseNested(condition: unknown, path: string): void {
  if (!isPlainObject(condition)) return;
  for (const [field, value] of Object.entries(condition)) {
    if (!isPlainObject(value) || !Object.keys(value).some((key) => OPERATORS.includes(key))) continue;
    const inner = `${path}.${field}`;
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `${shortened(inner)}: operators below an object, which is compared as a whole; write the path: { "${inner.replace(/^.*\]\.|^\w+\./, '')}": … }`,
    );
  }
}

function checkOperand(operator: string, operand: unknown, parent: string, depth: number, walk: Walk): void {
  const path = `${parent}.${operator}`;
  switch (operator) {
    case '$eq':
    case '$ne':
      checkValue(operand, path, depth, walk);
      return;
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (typeof operand !== 'number' && typeof operand !== 'string' && !isDate(operand)) {
        throw invalid(path, 'expected a number, a string or a Date', operand);
      }
      checkValue(operand, path, depth, walk);
      return;
    case '$in':
    case '$nin':
      if (!Array.isArray(operand)) throw invalid(path, 'expected an array of values', operand);
      checkValue(operand, path, depth, walk);
      return;
    case '$exists':
      if (typeof operand !== 'boolean') throw invalid(path, 'expected true or false', operand);
      return;
    case '$contains':
      if (typeof operand === 'object' && operand !== null && !isDate(operand)) {
        throw invalid(path, 'expected a string, number, boolean, null or Date', operand);
      }
      checkValue(operand, path, depth, walk);
      return;
    default:
      if (!operator.startsWith('$')) {
        throw new PiramidError(
          'INVALID_ARGUMENT',
          `${parent}: mixes operators with the field "${operator}"; write the path "field.${operator}" as a condition of its own`,
        );
      }
      throw unknownOperator(parent, operator, OPERATORS, LOGICAL, 'belongs around fields, not below one');
  }
}

/** A JSON value or a date; also one without `$` keys, so that `{"$date": ...}` on disk can only be a date. */
function checkValue(value: unknown, path: string, depth: number, walk: Walk): void {
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

function checkKey(key: string, path: string): void {
  let problem: string | undefined;
  if (key.startsWith('$')) problem = 'begins with "$", which is kept for operators';
  else if (key.includes('.')) problem = 'holds ".", which separates the fields of a path';
  if (problem)
    throw new PiramidError('INVALID_ARGUMENT', `${path}: the key ${JSON.stringify(key)} ${problem}; rename it`);
}

/** Counts one value. The depth limit also ends cycles; the size limit also ends objects that are shared many times. */
function enter(path: string, depth: number, walk: Walk): void {
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

/** Taken at its word it would be a field, and the filter match nothing. */
function forgotten(path: string, key: string): PiramidError {
  return new PiramidError(
    'INVALID_ARGUMENT',
    `${shortened(path)}: "${key}" is no operator; did you mean "$${key}"? A value that has such a field is compared by { $eq: … }`,
  );
}

function unknownOperator(path: string, key: string, known: string[], elsewhere: string[], where: string): PiramidError {
  const what = elsewhere.includes(key) ? `operator "${key}" ${where}` : `unknown operator "${key}"`;
  return new PiramidError('INVALID_ARGUMENT', `${path}: ${what}; known here: ${known.join(', ')}`);
}

function invalid(path: string, expected: string, got: unknown): PiramidError {
  return new PiramidError(
    'INVALID_ARGUMENT',
    `${shortened(path)}: ${expected}, got ${typeof got === 'string' ? JSON.stringify(shortened(got)) : describe(got)}`,
  );
}

function shortened(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 100)} ... ${path.slice(-80)}`;
}

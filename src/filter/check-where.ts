// The checks of filters and paths at the door: what passes here, the columns trust. Runs on the page, so it holds no search code.
import { PiramidError } from '../errors.ts';
import type { Where } from '../types.ts';
import { checkKey, checkValue, enter, invalid, METADATA_DEPTH_MAX, shortened, type Walk } from './check-metadata.ts';
import { isDate, isPlainObject } from './values.ts';

/** How deep `$and`, `$or`, `$not` and compared objects may nest. */
export const WHERE_DEPTH_MAX = 32;
/** How many conditions and values one `where` may hold; a long `$in` is the usual reason to have many. */
export const WHERE_SIZE_MAX = 100_000;
const LOGICAL = ['$and', '$or', '$not'];
const OPERATORS = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$contains'];

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

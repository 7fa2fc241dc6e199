// What every door of the page's side shares: checks of ids, filters, fields to return and vectors. What passes is a copy, or what
// was checked; nothing behind these files checks again.
import { checkId, checkNumbers, describe, door, invalid, requireChoice } from '../checks.ts';
import { PiramidError } from '../errors.ts';
import { checkWhere } from '../filter/check-where.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../filter/metadata.ts';
import type { Select } from '../protocol.ts';
import type { Metric, RecordId, Vector, Where } from '../types.ts';

/** Most results that one call may ask for. */
export const K_MAX = 10_000;

export function checkIds(ids: unknown, where: string): RecordId[] {
  return door(() => {
    if (!Array.isArray(ids)) throw invalid(`${where}: expected an array of ids, got ${describe(ids)}`);
    return Array.from(ids, (id, i) => checkId(id, `${where}[${i}]`)); // not `map`, which leaves holes unchecked
  });
}

/** The filter as a copy: what crosses to the worker is what was checked, and the user's may be a framework's proxy. */
export function checkFilter(where: unknown): Where {
  return door(() => copyOf(checkWhere(where)) as Where);
}

/** A copy of checked JSON and dates. */
export function copyOf(value: object): unknown {
  return decodeMetadataValue(JSON.parse(encodeMetadataRow(value)));
}

export function checkSelect(select: unknown, fallback: Select): Select {
  if (select === undefined) return fallback;
  return door(() => {
    if (!Array.isArray(select)) throw invalid(`select: expected an array, got ${describe(select)}`);
    return Array.from(select, (field) => requireChoice(field, ['text', 'context', 'metadata', 'vector'], 'select'));
  });
}

/** The vector as finite float32, in a buffer of its own. */
export function checkVector(
  vector: Vector,
  dimension: number,
  metric: Metric,
  what: string,
): Float32Array<ArrayBuffer> {
  const target = new Float32Array(dimension);
  door(() => packVector(vector, target, 0, dimension, metric, () => what));
  return target;
}

/** Checks a vector and puts it into `target`. `what` names it in errors; a string for each would cost more than the check. */
export function packVector(
  vector: unknown,
  target: Float32Array,
  offset: number,
  dimension: number,
  metric: Metric,
  what: () => string,
): void {
  const isArray = Array.isArray(vector);
  if (!isArray && !(vector instanceof Float32Array)) {
    throw invalid(`${what()}: expected a vector (Float32Array or array of numbers), got ${describe(vector)}`);
  }
  if (vector.length !== dimension) {
    const detached = !isArray && vector.buffer.byteLength === 0 ? ' (its buffer has been transferred away)' : '';
    throw new PiramidError(
      'DIMENSION_MISMATCH',
      `${what()}: expected ${dimension} numbers, got ${vector.length}${detached}`,
    );
  }
  if (isArray) {
    for (let i = 0; i < dimension; i++) {
      const number: unknown = vector[i];
      if (typeof number !== 'number')
        throw invalid(`${what()}: number ${i} is ${describe(number)}, expected a finite number`);
    }
  }
  target.set(vector as ArrayLike<number>, offset);
  const numbers = target.subarray(offset, offset + dimension);
  checkNumbers(numbers, metric, what, vector as ArrayLike<number>);
}

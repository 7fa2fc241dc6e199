// Changes of a JSON object, field by field: how they are applied, and how those of several updates become one list.
// A date is a value here, not an object: it is {"$date": ...} in stored JSON.

/** Sets the field at a dotted path, or removes it where there is no value. */
export type Change = readonly [path: string, value: unknown] | readonly [path: string];
/** In order. Never changed once they are made, so that rows can share them. */
export type Changes = readonly Change[];

type JsonObject = { [key: string]: unknown };

/** Called where a path runs through a value that is no object; what it returns is ignored. */
export type OnBlocked = (path: string, key: string, value: unknown) => void;

/**
 * `value` with the changes. Shares with `value` what is not changed, and nothing with the changes. A set makes the objects on its way, in place
 * of other values; removing a missing field does nothing. No object and nothing set is still none.
 */
export function applyChanges(value: unknown, changes: Changes, onBlocked: OnBlocked = () => {}): unknown {
  let result: unknown = value;
  for (const change of changes) {
    if (result === null && change.length === 1) continue;
    result = changed((result ?? {}) as JsonObject, change[0].split('.'), 0, change, onBlocked);
  }
  return result;
}

function changed(
  object: JsonObject,
  keys: readonly string[],
  depth: number,
  change: Change,
  onBlocked: OnBlocked,
): JsonObject {
  const key = keys[depth]!;
  const isLast = depth === keys.length - 1;
  const below = Object.hasOwn(object, key) ? object[key] : undefined;
  if (isLast && change.length === 1) return without(object, key);
  if (isLast) return withField(object, key, structuredClone(change[1]));
  if (!isObject(below)) {
    if (Array.isArray(below) || (change.length === 2 && below !== undefined && below !== null))
      onBlocked(change[0], key, below);
    if (change.length === 1) return object;
  }
  return withField(object, key, changed(isObject(below) ? below : {}, keys, depth + 1, change, onBlocked));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '$date');
}

// A field named `__proto__` is data like any other.
function withField(object: JsonObject, key: string, value: unknown): JsonObject {
  const copy = { ...object };
  Object.defineProperty(copy, key, { value, writable: true, enumerable: true, configurable: true });
  return copy;
}

function without(object: JsonObject, key: string): JsonObject {
  if (!Object.hasOwn(object, key)) return object;
  const copy = { ...object };
  delete copy[key];
  return copy;
}

/**
 * One list that does what `earlier` and then `later` do, as short as the number of paths in it: what a later set of the same field, or of
 * one above it, replaces is left out, and so is a removal before another one. `join(a, join(a, b))` is `join(a, b)`.
 */
export function joinChanges(earlier: Changes, later: Changes): Changes {
  const joined: Change[] = [];
  for (const change of [...earlier, ...later]) {
    for (let i = joined.length - 1; i >= 0; i--)
      if ((change.length === 2 || joined[i]!.length === 1) && isWithin(joined[i]![0], change[0])) joined.splice(i, 1);
    joined.push(change);
  }
  return joined;
}

/** Whether `path` is `above`, or below it. */
function isWithin(path: string, above: string): boolean {
  return path.startsWith(above) && (path.length === above.length || path[above.length] === '.');
}

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
  /** Each object is copied once, whatever is changed in it. */
  const copies = new Set<unknown>();
  const copyOf = (object: JsonObject): JsonObject => {
    if (copies.has(object)) return object;
    const copy = { ...object };
    copies.add(copy);
    return copy;
  };
  let result = value as JsonObject | null;
  for (const change of changes) {
    if (result === null && change.length === 1) continue;
    result = copyOf(result ?? {});
    makeChange(result, change, copyOf, onBlocked);
  }
  return result;
}

/** Makes one change in an object that is a copy. */
function makeChange(
  root: JsonObject,
  change: Change,
  copyOf: (object: JsonObject) => JsonObject,
  onBlocked: OnBlocked,
) {
  const keys = change[0].split('.');
  const last = keys.pop()!;
  let object = root;
  for (const key of keys) {
    const below = Object.hasOwn(object, key) ? object[key] : undefined;
    if (!isObject(below)) {
      if (Array.isArray(below) || (change.length === 2 && below !== undefined && below !== null))
        onBlocked(change[0], key, below);
      if (change.length === 1) return;
    }
    const next = copyOf(isObject(below) ? below : {});
    define(object, key, next);
    object = next;
  }
  if (change.length === 1) delete object[last];
  else define(object, last, structuredClone(change[1]));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '$date');
}

// A field named `__proto__` is data like any other.
function define(object: JsonObject, key: string, value: unknown): void {
  const property = { __proto__: null, value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(object, key, property as PropertyDescriptor);
}

/**
 * One list that does what `earlier` and then `later` do, about as short as the number of paths in it: what a later set of the same field, or of
 * one above it, replaces is left out, and so is a removal before another one. What `join(a, b)` does after `a` is what it does at once.
 */
export function joinChanges(earlier: Changes, later: Changes): Changes {
  const joined: (Change | null)[] = [...earlier];
  /** Where the changes of each path are, and of how many paths it is the beginning. */
  const places = new Map<string, number[]>();
  const above = new Set<string>();
  const note = ([path]: Change, place: number) => {
    const known = places.get(path);
    if (known) known.push(place);
    else places.set(path, [place]);
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) above.add(path.slice(0, dot));
  };
  for (const [place, change] of earlier.entries()) note(change, place);
  for (const change of later) {
    const [path] = change;
    // Most fields have none below them: no list is walked for these.
    const reached = above.has(path) ? [...joined.keys()] : (places.get(path) ?? []);
    for (const place of reached) {
      const known = joined[place];
      if (known && (change.length === 2 || known.length === 1) && isWithin(known[0], path)) joined[place] = null;
    }
    note(change, joined.push(change) - 1);
  }
  return joined.filter((change) => change !== null);
}

/** Whether `path` is `above`, or below it. */
function isWithin(path: string, above: string): boolean {
  return path.startsWith(above) && (path.length === above.length || path[above.length] === '.');
}

// What `update` does to a record's metadata: paths reach into nested objects.
import { PiramidError } from '../errors.ts';
import { decodeMetadataValue } from '../filter/metadata.ts';
import type { EngineChanges } from '../protocol.ts';
import type { Metadata, MetadataValue } from '../types.ts';

type MutableObject = { [key: string]: MetadataValue };

/**
 * `stored` with the changes, decoded. `set` makes the objects on its way, `unset` of a missing field does nothing. Changes `stored`. Throws
 * `INVALID_ARGUMENT` where a path runs through a list, or `set` through a value that it would have to replace.
 */
export function applyChanges(stored: unknown, { set = {}, unset = [] }: EngineChanges): Metadata {
  const metadata = decodeMetadataValue(stored) as { [key: string]: MetadataValue };
  for (const [path, value] of Object.entries(set)) {
    const [parent, key] = parentOf(metadata, path, true)!;
    define(parent, key, value);
  }
  for (const path of unset) {
    const found = parentOf(metadata, path, false);
    if (found) delete found[0][found[1]];
  }
  return metadata;
}

function parentOf(root: MutableObject, path: string, create: boolean): [parent: MutableObject, key: string] | null {
  const keys = path.split('.');
  const last = keys.pop()!;
  let object = root;
  for (const key of keys) {
    let next: unknown = Object.hasOwn(object, key) ? object[key] : undefined;
    if (Array.isArray(next)) throw throughValue(path, key, 'a list');
    if (typeof next !== 'object' || next === null || next instanceof Date) {
      if (!create) return null;
      if (next !== undefined && next !== null)
        throw throughValue(path, key, next instanceof Date ? 'a date' : `a ${typeof next}`);
      next = {};
      define(object, key, next as MetadataValue);
    }
    object = next as MutableObject;
  }
  return [object, last];
}

// A field named `__proto__` is data like any other.
function define(object: MutableObject, key: string, value: MetadataValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function throughValue(path: string, key: string, what: string): PiramidError {
  return new PiramidError(
    'INVALID_ARGUMENT',
    `changes: the path ${JSON.stringify(path)} runs through ${JSON.stringify(key)}, which is ${what} in a record that is to be changed. Nothing was changed; set ${JSON.stringify(key)} as a whole.`,
  );
}

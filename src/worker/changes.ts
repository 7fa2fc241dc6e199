// What `update` does to a record's metadata: paths reach into nested objects.
import { decodeMetadataValue } from '../filter/metadata.ts';
import type { Changes, Metadata, MetadataValue } from '../types.ts';

type MutableObject = { [key: string]: MetadataValue };

/** `stored` with the changes, decoded. `set` makes the objects on its way, `unset` of a missing field does nothing. Changes `stored`. */
export function applyChanges(stored: unknown, changes: Changes): Metadata {
  const metadata = decodeMetadataValue(stored) as { [key: string]: MetadataValue };
  for (const [path, value] of Object.entries(changes.set ?? {})) {
    const [parent, key] = parentOf(metadata, path, true)!;
    define(parent, key, value);
  }
  for (const path of changes.unset ?? []) {
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
    if (typeof next !== 'object' || next === null || Array.isArray(next) || next instanceof Date) {
      if (!create) return null;
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

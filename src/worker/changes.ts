// What `update` does to a record's metadata: paths reach into nested objects.
import { PiramidError } from '../errors.ts';
import { encodeMetadataRow } from '../filter/metadata.ts';
import type { EngineChanges } from '../protocol.ts';
import type { Changes } from '../structures/changes.ts';

/** As changes of stored metadata, with tagged dates. */
export function changesOf({ set = {}, unset = [] }: EngineChanges): Changes {
  const stored = JSON.parse(encodeMetadataRow(set)) as { [path: string]: unknown };
  return [...Object.entries(stored), ...unset.map((path) => [path] as const)];
}

/** Fields of the record itself that changes reach. */
export function fieldsOf(changes: Changes): Set<string> {
  return new Set(changes.map(([path]) => path.split('.', 1)[0]!));
}

/** For `applyChanges`, where a path runs through a list, or `set` through a value that it would have to replace. */
export function refuseBlocked(path: string, key: string, value: unknown): never {
  const isDate = typeof value === 'object' && !Array.isArray(value);
  const what = Array.isArray(value) ? 'a list' : isDate ? 'a date' : `a ${typeof value}`;
  throw new PiramidError(
    'INVALID_ARGUMENT',
    `changes: the path ${JSON.stringify(path)} runs through ${JSON.stringify(key)}, which is ${what} in a record that is to be changed. Nothing was changed; set ${JSON.stringify(key)} as a whole.`,
  );
}

import type { LoadedIds } from '../../../src/store/reader.ts';
import type { RecordId } from '../../../src/types.ts';

/** The ids of loaded rows; 0 for those that are damaged. */
export function idsOf({ rowCount, list, json }: LoadedIds): readonly RecordId[] {
  if (json) return JSON.parse(new TextDecoder().decode(json));
  return list ?? new Array<RecordId>(rowCount).fill(0);
}

import type { LoadedIds } from '../../../src/store/reader.ts';
import type { RecordId } from '../../../src/types.ts';

/** The ids of loaded rows; 0 for those that are damaged. */
export function idsOf(parts: readonly LoadedIds[]): RecordId[] {
  return parts.flatMap(({ rowCount, list, json }) =>
    json ? (JSON.parse(new TextDecoder().decode(json)) as RecordId[]) : (list ?? new Array<RecordId>(rowCount).fill(0)),
  );
}

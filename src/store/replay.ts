// What opening does with the log: its entries' rows and deletions are added to what the manifest says. A damaged entry costs
// its own records: rows that were in it are numbered still.
import { PiramidError } from '../errors.ts';
import type { Backend } from './backend.ts';
import { decodeLogEntry, type RowBatch } from './batch.ts';
import type { CollectionRows } from './collection-rows.ts';
import { type DamageList, ifCorrupt, isCorrupt, readTwice } from './damage.ts';
import { decodeBlock, decodeHeader, type Header } from './format.ts';
import { type Journal, LOST_MANIFEST, orphanError } from './journal.ts';
import { noVectors, placeholderIds, type RowReader, readAhead } from './reader.ts';
import { staleRows } from './repair.ts';

/** Adds the log to `collections`, which are by id. Throws `CORRUPT` where the manifest itself must be older than the log. */
export async function replayLog(
  journal: Journal,
  reader: RowReader,
  damage: DamageList,
  collections: ReadonlyMap<number, CollectionRows>,
): Promise<void> {
  const { logStart } = journal.manifest;
  const values = await readLog(journal.backend, logStart);
  const last = [...values.keys()].at(-1) ?? 0;
  for (let key = logStart; key <= last; key++) replayEntry(key, values.get(key), journal, damage, collections);
  if (!damage.all.some(({ kind }) => kind === 'log')) return;
  for (const rows of collections.values()) {
    fillGaps(rows);
    // Deletions are lost with an entry: of several rows of one id, the last is the record.
    rows.markDeleted(await staleRows(reader, rows));
  }
}

/** In one transaction, some ten times as fast as one for each; where a value cannot be read, one by one, so that it fails alone. */
async function readLog(
  backend: Backend,
  firstKey: number,
): Promise<Map<number, ArrayBuffer | PiramidError | undefined>> {
  try {
    return await backend.readAll('log', firstKey);
  } catch (error) {
    ifCorrupt(error);
    const keys = (await backend.keys('log')).filter((key) => key >= firstKey);
    const values = await readAhead(keys, (key) => readTwice(() => backend.read('log', key)).catch(ifCorrupt));
    return new Map(keys.map((key, i) => [key, values[i]]));
  }
}

function replayEntry(
  key: number,
  value: ArrayBuffer | PiramidError | undefined,
  journal: Journal,
  damage: DamageList,
  collections: ReadonlyMap<number, CollectionRows>,
): void {
  let header: Header | undefined;
  let bytes = 0;
  try {
    if (value instanceof PiramidError) throw value;
    bytes = value?.byteLength ?? 0;
    header = decodeHeader(value, { kind: 'log', key });
    const { payload } = decodeBlock(value, { kind: 'log', key });
    if (header.collection >= journal.manifest.nextCollection)
      throw orphanError(`log ${key} belongs to an unknown collection`);
    const rows = collections.get(header.collection);
    const dimension = rows?.stored.config.dimension ?? null;
    const { batch, deleted, patches, origin } = decodeLogEntry(payload, header.firstRow, header.rowCount, dimension);
    journal.noteLogEntry(key, bytes, origin);
    if (!rows) return; // its collection was deleted afterwards
    if (batch) {
      rows.logged.push(batch);
      rows.grow(batch.firstRow + batch.rowCount);
    }
    rows.markDeleted(deleted);
    for (const patch of patches) rows.patch(patch);
  } catch (error) {
    if (!isCorrupt(error) || error.message.includes(LOST_MANIFEST)) throw error;
    journal.noteLogEntry(key, bytes);
    const { collection = null, firstRow = 0, rowCount = 0 } = header ?? {};
    damage.note({ kind: 'log', key, collection, firstRow, rowCount, message: error.message });
    const rows = collection === null ? undefined : collections.get(collection);
    if (rows && rowCount > 0) rows.grow(firstRow + rowCount);
  }
}

/** Placeholders, deleted, stand for the rows that were in a damaged entry. */
function fillGaps(rows: CollectionRows): void {
  const parts = [...rows.stored.segments, ...rows.logged].sort((a, b) => a.firstRow - b.firstRow);
  let next = 0;
  for (const { firstRow, rowCount } of [...parts, { firstRow: rows.rowCount, rowCount: 0 }]) {
    if (firstRow > next) {
      rows.logged.push(placeholders(next, firstRow - next, rows.stored.config.dimension));
      rows.markRangeDeleted(next, firstRow - next);
    }
    next = Math.max(next, firstRow + rowCount);
  }
  rows.logged.sort((a, b) => a.firstRow - b.firstRow);
}

function placeholders(firstRow: number, rowCount: number, dimension: number | null): RowBatch {
  const none = new Array<null>(rowCount).fill(null);
  return {
    firstRow,
    rowCount,
    ids: placeholderIds(rowCount),
    vectors: dimension === null ? null : { dimension, ...noVectors(rowCount, dimension) },
    metadata: none,
    texts: none,
    postings: null,
  };
}

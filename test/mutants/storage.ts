// Mutants of what the store promises: durable, all or nothing, checked, one writer, exactly once, space given back.
import { breaking } from './mutant.ts';

const ROWS = 'test/unit/store/row-file.test.ts';
const PATCHES = 'test/unit/store/patches.test.ts';
const STORE = 'test/unit/store/store.test.ts';
const SEQUENCES = [STORE, 'any sequence of writes'] as const;
const LOG = [STORE, 'the log'] as const;
const IDLE = ['test/unit/worker/engine.test.ts', 'a long log'] as const;
const MANIFEST = [STORE, 'the manifest'] as const;
const FAILED = [STORE, 'a failed commit'] as const;
const DAMAGED = [STORE, 'a damaged chunk'] as const;
const FULL = [STORE, 'a full storage'] as const;
const COMPACTION = [STORE, 'compaction'] as const;
const DELETED = [STORE, 'the chunks of a deleted collection'] as const;
const FENCE = 'test/unit/store/fence.test.ts';
const FORMAT = 'test/unit/store/format.test.ts';
const OPENING = 'test/unit/worker/opening.test.ts';
const RACES = 'test/unit/worker/races.test.ts';
const INDEXEDDB = 'test/browser/indexeddb.test.ts';

export const storage = [
  ...breaking('src/store/indexeddb.ts', INDEXEDDB, [
    [
      'every commit of a strict database is strict',
      'writeOnce(db, writes, vacant, this.#durability)',
      "writeOnce(db, writes, vacant, 'relaxed')",
    ],
  ]),
  ...breaking('src/store/transaction.ts', INDEXEDDB, [
    ['a put that throws takes the ones before it back', '      transaction.abort();', ''],
    ['a commit fails where something stands at its vacant place', 'method: add, store', 'method: put, store'],
    ['of two writes to one key the last counts', "filter((write) => 'value' in write)", 'filter(() => false)'],
    ['of deleted keys those in a row go, and no other', 'range?.[1] === key - 1', 'range'],
  ]),
  ...breaking('src/api/opening.ts', INDEXEDDB, [
    ['a database is strict unless told otherwise', "options.durability ?? 'strict'", "options.durability ?? 'relaxed'"],
  ]),
  ...breaking('src/store/format.ts', FORMAT, [
    ['a payload is checked by its checksum', 'if (view.getUint32(28, true) !== crc32(payload))', 'if (false)'],
    [
      'a header is checked by its checksum',
      'if (view.getUint32(36, true) !== crc32(new Uint8Array(value, 0, 36)))',
      'if (false)',
    ],
    ['a value is refused in the place of another', 'header[field] !== expected[field]', 'false'],
  ]),
  ...breaking('src/store/checksum.ts', FORMAT, [
    ['the checksum covers the bytes before the last eight', 'i = aligned;', 'i = bytes.length & ~1;'],
  ]),
  ...breaking('src/store/manifest.ts', MANIFEST, [
    ['the manifest is written twice', 'return MANIFEST_KEYS.map((key)', 'return MANIFEST_KEYS.slice(1).map((key)'],
    ['the newest manifest counts', 'b.generation - a.generation', 'a.generation - b.generation'],
    ['a damaged copy of the manifest is told', 'return { manifest, damaged: damageOf(slot, found.message) };', ''],
    ['a newer format is refused, untouched', 'manifest.reader > FORMAT_VERSION', 'manifest.reader > 1000'],
  ]),
  ...breaking('src/store/journal.ts', MANIFEST, [
    [
      'a lost manifest is not taken for a first run',
      'newestChunk >= (manifest?.nextChunk ?? 1)',
      'newestChunk >= (manifest?.nextChunk ?? 1e9)',
    ],
    ['an older manifest does not lose rows in silence', '(damaged && manifest.version < TWICE_VERSION)', 'false'],
  ]),
  ...breaking('src/store/journal.ts', FAILED, [
    ['a write that failed but arrived is deleted before the next', 'this.#inDoubt ? [...(await', 'false ? [...(await'],
  ]),
  ...breaking('src/store/journal.ts', DELETED, [
    [
      'garbage is deleted by the manifest after',
      'for (const key of garbage.chunks) if (!this.#held.has(key))',
      'for (const key of garbage.chunks) if (key < 0)',
    ],
    [
      'what the manifest before needs is not deleted',
      'const { garbage, logStart } = this.#current;\n    const deletes',
      'const { garbage, logStart } = this.next();\n    const deletes',
    ],
  ]),
  ...breaking('src/store/rows/row-file.ts', ROWS, [
    ['damaged bytes of a row file are not returned', '!== sums![block]) return false;', '!== sums![block]) {}'],
    ['a chunk in a row file is the one that counts', 'chunk?.checksum === entry.checksum && ', 'chunk && '],
    ['a row file that cannot be written gives its bytes back', 'this.#handle.truncate(0);', ''],
  ]),
  ...breaking('src/store/rows/layout.ts', ROWS, [
    ['a row file is of one database', ' && owner === uuid', ''],
    ['a damaged directory says nothing', ' || checksum !== crc32(json)', ''],
  ]),
  ...breaking('src/store/batch.ts', PATCHES, [
    ['older releases refuse an update of metadata', 'patch ? PATCH_READER : ', 'patch ? VALUE_READER : '],
  ]),
  ...breaking('src/store/patches.ts', PATCHES, [
    ['a later change does not undo an earlier one', 'list ? joinChanges(list, changes) : changes', 'changes'],
    ['rows that were changed alike stay apart from others', 'joined.set(before, after);', ''],
  ]),
  ...breaking('src/store/folding.ts', PATCHES, [
    [
      'a patch that came while a compaction ran is kept',
      'rewrite?.hasWritten(row, patches.of(row)!) ? -1',
      'rewrite ? -1',
    ],
    ['patches are merged with those of chunks before', 'for (const row of patch.rows) fresh.add(row);', ''],
    [
      'no chunk of patches keeps old row numbers',
      'if (rewrite) next.garbage.chunks.push(...chunks.splice',
      'if (rewrite && patches.size > 0) next.garbage.chunks.push(...chunks.splice',
    ],
    ['patches move with their rows', '(renumbering?.row(row) ?? row)', 'row'],
  ]),
  ...breaking('src/store/patch-merge.ts', PATCHES, [
    ['a merge keeps chunks without patches', 'if (part.chunk) chunks.push(part.chunk);', ''],
    ['a merge deletes what it has replaced', 'this.#garbage.push(part.chunk.key);', '{}'],
    ['a patch that came while a merge ran is kept', ' && this.#patches.of(row) === changes', ''],
  ]),
  ...breaking('src/store/store.ts', PATCHES, [
    ['large patches are merged unasked', 'if (bytes < PATCHES_BYTES_MIN) return false;', 'return false;'],
  ]),
  ...breaking('src/store/compaction.ts', PATCHES, [
    [
      'compaction writes patches into metadata',
      'metadata[target] = patchedJson(metadata[target]!, this.#patches.of(row)!);',
      '',
    ],
  ]),
  ...breaking('src/store/store.ts', PATCHES, [
    ['rows do not move under a patch that cannot be read', 'if (refused ?? fixed) throw', 'if (refused) throw'],
    [
      'what a damaged chunk said is written again',
      'if (!unread.delete(chunk.key)) rows.newlyPatched',
      'if (unread.delete(chunk.key)) rows.newlyPatched',
    ],
  ]),
  ...breaking('src/store/journal.ts', LOG, [
    ['log entries go only when their rows are in chunks', 'key < logStart; key++', 'key <= logStart; key++'],
    ['the log is folded before it is too long', 'this.#logBytes >= LOG_BYTES_MAX ||', ''],
  ]),
  ...breaking('src/store/journal.ts', IDLE, [
    ['a long log is folded when there is time for it', 'this.#logBytes >= LOG_BYTES_LONG ||', ''],
  ]),
  ...breaking('src/worker/upkeep.ts', IDLE, [
    ['a log that is too long is folded before the next write', 'if (this.#store.mustFold) await', 'if (false) await'],
  ]),
  ...breaking('src/store/journal.ts', FULL, [
    ['a full storage takes no records', 'if (batch || patch) this.#refuseIfFull();', 'if (patch) {}'],
    [
      'a full storage takes deletions',
      "await this.backend.commit([{ store: 'chunks', key: BALLAST_KEY, delete: true }]);",
      '',
    ],
    ['a storage that fills up says so', 'this.onFull(error);', ''],
    [
      'retryWrites() says whether there is room',
      '        return false;\n      throw error;',
      '        return true;\n      throw error;',
    ],
    ['retryWrites() takes writes again', 'if (this.full) this.onFull(null);\n    this.full = null;', ''],
  ]),
  ...breaking('src/store/journal.ts', FENCE, [
    ['a write sent again is not applied again', 'if (count !== undefined) return again(count);', ''],
    ['a write is known by its origin after a reopening', 'if (!origin) return;', 'return;'],
    ['a write that failed is not remembered', 'this.#answered = answered;', ''],
  ]),
  ...breaking('src/store/journal.ts', 'test/unit/transfer/round-trip.test.ts', [
    ['chunks that an export reads are held', 'garbage.chunks) if (!this.#held.has(key))', 'garbage.chunks)'],
  ]),
  ...breaking('src/store/journal.ts', 'test/unit/transfer/hostile.test.ts', [
    [
      'staged chunks are garbage until they are adopted',
      'nextChunk, garbage: { ...garbage, chunks: [...garbage.chunks, ...keys] } };',
      'nextChunk };',
    ],
  ]),
  ...breaking('src/store/answered.ts', FENCE, [
    ['the answer of a write is kept until it is settled', 'number >= settled', 'number > settled'],
    ['the writes of the last clients are remembered', '1 - ANSWERED_CLIENTS_MAX', '2 - ANSWERED_CLIENTS_MAX'],
    ['an origin names its client', 'entry.client === client)?.calls.find', 'entry)?.calls.find'],
  ]),
  ...breaking('src/store/fence.ts', FENCE, [
    ['who lost the database writes nothing', 'return inner.commit(writes, place);', 'return inner.commit(writes);'],
    ['who lost the database deletes nothing', '      await checkFence();\n', ''],
    [
      'of openers at once one has the database',
      'await inner.commit(writes, before).catch',
      'await inner.commit(writes).catch',
    ],
    ['a fence stays while somebody may need it', 'isLong && (await areOthersGone())', 'isLong'],
    ['the last fence stays', 'fences.slice(0, -1)', 'fences'],
    ['where there is no room for a fence nothing is written', 'if (full) throw full;', ''],
    ['a database that cannot be opened is left as it is', '  await readManifest(inner); // a', '  // a'],
  ]),
  ...breaking('src/store/replay.ts', SEQUENCES, [
    ['deletions in the log are done', '    rows.markDeleted(deleted);', ''],
  ]),
  ...breaking('src/store/replay.ts', LOG, [
    ['a damaged log entry costs its own records', 'if (!isCorrupt(error) ||', 'if (isCorrupt(error) ||'],
  ]),
  ...breaking('src/store/folding.ts', SEQUENCES, [
    ['deleted rows stay deleted when the log is folded', 'rows.deletedChanged || renumbering', 'renumbering'],
    ['an old list of deletions is garbage', 'if (tombstones) next.garbage.chunks.push(tombstones.key);', ''],
  ]),
  ...breaking('src/store/store.ts', DAMAGED, [
    [
      'without the list of its deletions a collection is not read',
      'const { refused } = this.#rows(collection);\n    if (refused) throw refused;',
      '',
    ],
    ['a failed repair changes nothing', 'for (const { rows, was } of before) Object.assign(rows, was);', ''],
    ['rows whose ids are lost are deleted', 'rows.markDeleted(repaired.lost);', ''],
  ]),
  ...breaking('src/store/store.ts', DELETED, [
    [
      'a deleted collection gives its space back',
      'next.garbage.chunks.push(...chunksOf(stored).map((chunk) => chunk.key));',
      '',
    ],
  ]),
  ...breaking('src/store/damage.ts', RACES, [
    ['damage is told', '    this.onDamage(damage);', ''],
    ['what cannot be read for a moment is not damage', 'return read();\n  });', 'throw error;\n  });'],
  ]),
  ...breaking('src/store/reader.ts', DAMAGED, [
    [
      'a chunk is not taken for another one',
      'kind, key, firstRow, rowCount, collection }).payload;',
      'kind }).payload;',
    ],
    [
      'damage is noted with its rows',
      'this.#damage.note({ kind, key, collection, firstRow, rowCount, message: error.message });',
      '',
    ],
  ]),
  ...breaking('src/store/repair.ts', DAMAGED, [
    ['repair makes postings of texts again', "if (chunk.kind !== 'text' || bad.has(chunk)) continue;", 'continue;'],
    ['of several rows of one id the last is the record', 'stale.push(older);', 'stale.push(firstRow + i);'],
  ]),
  ...breaking('src/store/compaction.ts', COMPACTION, [
    ['compaction drops deleted rows, and no other', 'if (deleted.has(row)) dropped.add(row);', 'dropped.add(row);'],
    ['compaction leaves what is not worth it', 'deletedRows >= share * rowCount', 'true'],
    ['small segments become one', 'smallCount >= SMALL_SEGMENTS_MIN', 'false'],
  ]),
  ...breaking('src/worker/loading.ts', OPENING, [
    ['what is ended is not read on', 'if (this.#reason) throw this.#reason;', ''],
    ['who waits hears of the end at once', 'Promise.race([this.#stages[need], this.#ended])', 'this.#stages[need]'],
    ['it is told when all is in memory', 'this.progress.done = this.progress.total;', ''],
  ]),
  ...breaking('src/worker/query-batch.ts', OPENING, [
    [
      'words are found before vectors are there',
      "words !== null) ? 'words' : 'ids'",
      "words !== null) ? 'rows' : 'ids'",
    ],
    ['a vector is compared with all rows', 'vector || embed !== null', 'embed !== null'],
  ]),
  ...breaking('src/worker/open-collections.ts', OPENING, [
    ['who waited for rows asks again', 'if (!(error instanceof LostRows)) throw error;', 'throw error;'],
  ]),
  ...breaking('src/structures/record-ids.ts', 'test/unit/record-ids.test.ts', [
    ['a text is not the number that it looks like', 'if (isText) this.#short[this.#end++] = QUOTE;', ''],
    [
      'what is deleted hides no other id',
      'if (this.#distance(own, slot) < this.#distance(free, slot)) continue;',
      'break;',
    ],
    ['ids that collide are told apart', '!this.#isAt(table[slot]! - 1)', 'false'],
    ['an id is read up to its own end', 'do at += json[at] === BACKSLASH ? 2 : 1;', 'do at++;'],
    ['what was not written is nowhere', 'this.#placed = this.#length;\n    this.#hashes', 'this.#hashes'],
  ]),
  ...breaking('src/structures/renumbering.ts', 'test/unit/worker/compaction.test.ts', [
    ['rows keep their records when they are renumbered', '(1 << (old & 31)) - 1', '(2 << (old & 31)) - 1'],
  ]),
];

// Mutants of what is promised of encrypted databases, and of files that go out and come in.
import { breaking } from './mutant.ts';

const ENCRYPTION = 'test/unit/store/encryption.test.ts';
const DATA_KEYS = 'test/unit/store/data-keys.test.ts';
const CONTEXTS = 'test/unit/store/contexts.test.ts';
const HOSTILE = 'test/unit/transfer/hostile.test.ts';
const CHECKER = 'test/unit/transfer/checker.test.ts';
const ROUND_TRIP = 'test/unit/transfer/round-trip.test.ts';

export const files = [
  ...breaking('src/store/encryption.ts', ENCRYPTION, [
    ['a value is encrypted for its key', '.setUint32(1, key, true)', '.setUint32(1, 0, true)'],
    ['a value is encrypted for its object store', 'place[0] = STORES.indexOf(store);', ''],
    ['a value is encrypted with its header', 'place.set(header.subarray(0, 28), 5);', ''],
    ['a value is encrypted for its database', 'place.set(encoder.encode(this.unlocked.salt), 5 + 28);', ''],
    [
      'no initialisation vector is used twice',
      'const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));\n    const ciphertext',
      'const iv = new Uint8Array(IV_BYTES);\n    const ciphertext',
    ],
    [
      'a value in the clear is not taken for an encrypted one',
      'if (codec !== CODEC ||',
      'if (codec === 0) return value;\n    if (',
    ],
    ['without a key an encrypted database is not opened', 'if (!key && known?.salt !== salt)', 'if (false)'],
    ['a key for a database without one is refused', 'if (key)\n      throw', 'if (false)\n      throw'],
    ['a key block belongs to its database', "data key 1'), salt);", "data key 1'));"],
    [
      'a key is exchanged by its holder alone',
      'await this.#putKeyBlock(fenced, await wrap',
      'await this.#putKeyBlock(this.#inner, await wrap',
    ],
    ['who was quicker keeps his key', 'if (!this.#fresh) return;\n    const other', 'return;\n    const other'],
  ]),
  ...breaking('src/store/encryption.ts', DATA_KEYS, [
    ['a value is counted before it is encrypted', 'if (this.#used > place) await', 'if (this.#used > place) void'],
    ['a data key that is full is left', 'Math.floor(place++ / valuesPerKey)', 'Math.floor(0 * place++)'],
    ['each data key has a number', 'writeKeyNumber(header, keyNumber);', ''],
    [
      'what an opener leaves over counts as used',
      'this.#used = this.#counted = keyNumberOf',
      'this.#counted = keyNumberOf',
    ],
    ['the key block is read once nobody else can change it', 'await this.#readKeyBlock();', ''],
    ['an exchange that has arrived is not undone', 'await this.#readKeyBlock().catch(ifCorrupt);', ''],
    ['a damaged key block is mended', 'await this.#readKeyBlock().catch(ifCorrupt);', 'await this.#readKeyBlock();'],
    ['the key block changes step by step', 'const turn = this.#turn.then(change);', 'const turn = change();'],
    ['who has lost the database counts nothing', 'this.#countAhead(inner, vacant)', 'this.#countAhead(inner)'],
    [
      'an exchange of the key keeps the count',
      'await wrap(raw, salt, key), this.#counted)',
      'await wrap(raw, salt, key), 0)',
    ],
    ['values are counted many at once', 'this.#used + this.#countedAhead', 'this.#used'],
    ['each later key is another one', '{keyNumber + 1}', '{2}'],
  ]),
  ...breaking('src/store/format.ts', CONTEXTS, [
    [
      'a context is stored apart from its text',
      'const context = contextOf(stored);',
      'const context = undefined as string | undefined;',
    ],
    [
      'older releases refuse contexts',
      'hasContext(text)) ? CONTEXT_READER : VALUE_READER',
      'hasContext(text)) ? VALUE_READER : VALUE_READER',
    ],
  ]),
  ...breaking('src/store/batch.ts', CONTEXTS, [
    ['older releases refuse log entries with contexts', ': readerOf(batch?.texts ?? []),', ': VALUE_READER,'],
    ['older releases refuse chunks with contexts', 'encodeTexts(texts), readerOf(texts))', 'encodeTexts(texts))'],
  ]),
  ...breaking('src/store/format.ts', DATA_KEYS, [
    ['older releases refuse later keys', 'if (keyNumber > 0) header[4] = Math.max(header[4]!, LATER_KEY_READER);', ''],
  ]),
  ...breaking('src/worker/imported.ts', HOSTILE, [
    ['blocks of another file are refused', 'if (chain !== this.#chain)', 'if (false)'],
    ['one id stands in a file once', 'if (this.#ids.has(checked))', 'if (false)'],
    ['vectors of files are checked as those of users', 'checkNumbers(numbers, metric, what(i));', '{}'],
    [
      'ids of files are checked as those of users',
      'const checked = checkId(',
      'const checked = ((of: unknown, _: string) => of as RecordId)(',
    ],
    [
      'metadata of files is checked as that of users',
      'encodeMetadataRow(checkMetadata(decodeMetadataValue(value), what))',
      'JSON.stringify(value)',
    ],
    ['nothing but a date is tagged as one', '  checkDates(value, what, 0);', ''],
  ]),
  ...breaking('src/worker/imported.ts', CHECKER, [
    ['a file says how many blocks it has', 'if (blocks !== this.#number)', 'if (false)'],
    ['a file has as many records as it says', 'rows[i] !== count || this.#rows[i] !== count', 'false'],
    ['no two collections of a file have one name', 'if (names.has(name))', 'if (false)'],
    ['no collection is imported that could not be made', 'if (!isPossible ||', 'if ('],
    ['nothing stands behind the end of a file', 'if (this.isWhole) throw', 'if (false) throw'],
  ]),
  ...breaking('src/store/exchange.ts', CHECKER, [
    ['the texts of a file are where they are said to be', 'if (!areInOrder ||', 'if ('],
    ['a section stands in a block once', 'if (view.getUint32(0, true) !== sections.size) throw', 'if (false) throw'],
  ]),
  ...breaking('src/store/exchange.ts', HOSTILE, [
    ['no length in a file is believed', 'if (length > BLOCK_BYTES_MAX) throw', 'if (false) throw'],
  ]),
  ...breaking('src/store/import.ts', HOSTILE, [
    ['an import that ends early leaves no chunk', '  abandon(): void {\n', '  abandon(): void {\n    return;\n'],
    [
      'an import over a collection that came meanwhile is refused',
      'await this.#closeSegment();\n    this.#refuseKnown',
      'await this.#closeSegment();\n    ((_: string[]) => {})',
    ],
  ]),
  ...breaking('src/worker/transfer.ts', HOSTILE, [
    [
      'a file that is cut off is refused',
      'if (!this.#file.isWhole || this.#cutter.rest > 0)',
      'if (this.#cutter.rest > 0)',
    ],
  ]),
  ...breaking('src/worker/transfer.ts', ROUND_TRIP, [
    [
      'an engine that knows nothing of an export does not go on with it',
      "if (!session || session.number !== number) throw interrupted('export')",
      "if (!session) throw interrupted('export')",
    ],
  ]),
  ...breaking('src/store/export.ts', ROUND_TRIP, [
    ['an export holds nothing of deleted records', '!renumbering.dropped.has(firstRow + i)', 'true'],
    ['an export holds what it reads', '    journal.hold(this.#keys);', ''],
  ]),
];

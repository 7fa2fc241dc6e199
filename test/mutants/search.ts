// Mutants of what words and filters find.
import { breaking } from './mutant.ts';

const POSTINGS = 'test/unit/text/postings.test.ts';
const STATISTICS = 'test/field/01-statistics.test.ts';
const WORDS = 'test/field/02-words.test.ts';
const LANGUAGES = 'test/field/03-languages.test.ts';
const BUILDER = 'test/unit/worker/word-builder.test.ts';
const ENGINE = 'test/unit/worker/engine.test.ts';
const FUSION = 'test/unit/text/fusion.test.ts';
const LEGS = 'test/unit/worker/fusion.test.ts';
const REINDEXING = 'test/unit/worker/reindexing.test.ts';
const FILTERS = 'test/unit/filter/payload-index.test.ts';
const DATES = 'test/field/11-dates.test.ts';
const SCROLLS = 'test/unit/worker/scrolls.test.ts';
const RENUMBERED = ['test/unit/worker/compaction.test.ts', 'answers are those of a plain list'] as const;

export const search = [
  ...breaking('src/text/search.ts', STATISTICS, [
    ['a word is as rare as it is among live records', 'if (!deleted.has(postings.firstRow + row)) live++;', 'live++;'],
  ]),
  ...breaking('src/text/word-index.ts', STATISTICS, [
    ['a deleted text does not count', '    this.#texts--;', ''],
    ['the average length is that of live texts', '    this.#length -= length;', ''],
    ['blocks know of their deleted rows', '    block.deadTexts++;', ''],
    ['a merged block knows of its deleted rows', 'sum + block.deadTexts, 0', 'sum, 0'],
    [
      'rows that are deleted already count nowhere',
      'if (deleted.has(postings.firstRow + i)) this.#remove(block, i);',
      ';',
    ],
  ]),
  ...breaking('src/text/search.ts', POSTINGS, [
    ['a long text counts for less', 'B * lengths[row]!', 'B * lengths[0]!'],
    ['a word that is asked twice counts twice', 'if (word) word.repeat++;', 'if (word) word.repeat = 1;'],
    ['a mask leaves rows out', '(!mask || mask.has(block.firstRow + row))', '(!mask || true)'],
    ['no word is too common to weigh', 'Math.log(1 + (texts', 'Math.log((texts'],
  ]),
  ...breaking('src/text/fusion.ts', FUSION, [
    ['a leg is worth 1 / (60 + rank)', 'rank: i + 1', 'rank: i'],
    ['equal sums come in order of rows', 'b.score - a.score || a.row - b.row', 'b.score - a.score || b.row - a.row'],
    [
      'equal scores of a leg are all its best',
      '(max > min ? (score - min) / (max - min) : 1)',
      '(max > min ? (score - min) / (max - min) : 0)',
    ],
    ['ranks are those of the leg alone', 'rank === undefined ? 0 :', 'rank === undefined ? 1 :'],
  ]),
  ...breaking('src/text/fusion.ts', LEGS, [
    ["what no list has ranked is bounded by each list's last", 'sum + worth, 0)', 'sum + worth, -0.2)'],
    ['of ranks nothing is known', 'Number.POSITIVE_INFINITY : unseenMost', '0 : unseenMost'],
    ['of scaled shares nothing is known', ' || legs.some(({ share }) => !share)', ''],
  ]),
  ...breaking('src/worker/legs.ts', LEGS, [
    [
      'words say something of what vectors found',
      'scoresOf(rowsBeyond(near.rows, said.rows), said.scoreOf)',
      'new Map<number, number>()',
    ],
    ['what points away is as far as what is unrelated', 'Math.max(0, score)', 'score'],
    ['vector.minScore bounds the vectors of what words found', 'score >= least', 'true'],
    [
      'a text without direction scores a share',
      'return fuse([{ ...said, share }], fusion, k);',
      'return fuse([said], fusion, k);',
    ],
    ['words are a share of what they could reach', 'score / said.reach', 'score'],
  ]),
  ...breaking('src/text/normalize.ts', WORDS, [
    ['digits of all scripts are found', 'return unit.length === 1 ? digitOf(unit) : unit;', 'return unit;'],
    ['katakana and hiragana are one', 'kana.charCodeAt(0) - 0x60', 'kana.charCodeAt(0)'],
    ['marks begin and end where characters do', 'offsets[end] = text.length;', ''],
  ]),
  ...breaking('src/text/normalize.ts', WORDS, [
    [
      'a letter and its composed form are one',
      "withShortMarks(oneToOne(text)).normalize('NFC')",
      'withShortMarks(oneToOne(text))',
    ],
  ]),
  ...breaking('src/text/tokenize.ts', 'test/unit/text/tokenize.test.ts', [
    ['letters before an apostrophe are no word yet', ' || unit === 0x27', ''],
    ['letters before a digit are no word yet', 'isDigit(unit) || ', ''],
    ['"U.S." goes on behind a point', 'return length > 1;', 'return true;'],
    ['a word of the same place is another word', 'if (!isAt(text, at, end, known.word))', 'if (!known.word)'],
  ]),
  ...breaking('src/text/postings-writer.ts', BUILDER, [
    [
      'words that another worker built are moved to their rows',
      'setUint32(8, firstRow, true);',
      'setUint32(8, 0, true);',
    ],
  ]),
  ...breaking('src/worker/word-builder.ts', BUILDER, [
    ['a worker that builds words may end', '.catch(() => null)', ''],
    ['a worker without work is ended', 'IDLE_MS);', 'IDLE_MS * 1e4);'],
    ['words of other languages are built where their stemmers are', ' || analysis !== ENGLISH', ''],
  ]),
  ...breaking('src/worker/engine.ts', ENGINE, [
    ['a write waits for what is embedded ahead', 'await begun;', ''],
    [
      'texts are embedded in the order of the calls',
      'embeddings.run(() => embedTexts(id, records, call, signal))',
      'embedTexts(id, records, call, signal)',
    ],
  ]),
  ...breaking('src/text/tokenize.ts', WORDS, [
    ['a query of stop words alone looks for them', 'telling.length > 0 ? telling : all', 'telling'],
    ['stop words are left out of queries', 'if (!part.isStop || isShouted)', 'if (true)'],
    ['IT among other words is no stop word', '!part.isStop || isShouted', '!part.isStop'],
  ]),
  ...breaking('src/text/analyzer.ts', LANGUAGES, [
    ['a language without its stemmers is refused', 'id > 0xff && id !==', 'id > 0xffffff && id !=='],
    ['stop words are those of the language', 'known.stopWords[spoken] ?? []', '[] as string[]'],
  ]),
  ...breaking('src/worker/config.ts', LANGUAGES, [
    ['another language than the stored one is refused', "  compare('language');", ''],
  ]),
  ...breaking('src/worker/languages.ts', LANGUAGES, [
    ['the script of a text tells its language', 'if (isReady) return BY_SCRIPT;', ''],
    ['a told language is kept', 'state.stored.config.language || this.#isMissing', 'this.#isMissing'],
  ]),
  ...breaking('src/store/reindexing.ts', REINDEXING, [
    ['deleted records are in no new postings', 'deleted.has(chunk.firstRow - shift + row) ? null :', ''],
    ['old postings are garbage', "filter(({ kind }) => kind === 'postings').map", 'filter(() => false).map'],
  ]),
  ...breaking('src/store/store.ts', REINDEXING, [
    ['what is written while words are indexed again is in it', 'for await (const _ of this.reindex(reindexing));', ''],
  ]),
  ...breaking('src/filter/payload-index.ts', FILTERS, [
    ['$ne matches records without the field', "operator === '$ne' || operator === '$nin'", "operator === '$nin'"],
    ['$exists: false is its opposite', "(operator === '$exists' && !operand)", 'false'],
    ['$or takes what any part takes', 'either.union(this', 'either.intersect(this'],
    ['values are counted by how often they are', 'b.count - a.count ||', ''],
  ]),
  ...breaking('src/filter/entries.ts', FILTERS, [
    ['a number counts once a record', 'else if (counter.row !== row)', 'else'],
    ['a word counts once a record', 'lastRow[code] === row || !rows', '!rows'],
  ]),
  ...breaking('src/filter/values.ts', FILTERS, [
    ['objects are equal whatever the order of their keys', 'Object.keys(object).sort()', 'Object.keys(object)'],
  ]),
  ...breaking('src/filter/dates.ts', DATES, [
    ['a month ends before the next one', 'end: next - 1', 'end: next'],
    ['a zone behind UTC is behind it', "sign === '-' ? -60_000 : 60_000", "sign === '-' ? 60_000 : 60_000"],
    ['30 February is no date', 'date.getUTCMonth() === month', 'true'],
    ['24:00 is midnight', "hour === '24'", "hour === '25'"],
    ['fractions of a second count', "fraction.padEnd(3, '0')", "fraction.padStart(3, '0')"],
  ]),
  ...breaking('src/filter/column.ts', DATES, [
    [
      'what is after a month is after all of it',
      "this.#dates.scan(order, order === '$gt' || order === '$lte' ? span.end : span.start, ANY, rows)",
      'this.#dates.scan(order, span.start, ANY, rows)',
    ],
    [
      'a stored month is compared as a span',
      "order === '$gt' || order === '$lte' ? this.#starts : this.#ends",
      'this.#starts',
    ],
  ]),
  ...breaking('src/worker/scrolls.ts', SCROLLS, [
    ['a page begins behind the one before', 'if (place >= first) yield', 'yield'],
    ['a scroll ends where it began to', 'matching.resized(scroll.end)', 'matching.clone()'],
    ['a record that was written again is seen', 'if (matching.has(row)) places.add(place);', ''],
    ['of two rows of one record one is a place', 'if (older !== undefined) again.delete(older);', ''],
    ['a record that a compaction moved is seen once', ' || known.has(row)', ''],
    ['a record that a compaction moved is seen', 'scroll.moved.set(place, rows.id(row));', ';'],
    ['a cursor goes through compactions', 'scroll.endNow = renumbering.row(scroll.endNow);', ''],
    ['a cursor of before a reopening is refused', 'numbering !== this.#numbering || end > rowCount', 'false'],
  ]),
  ...breaking('src/worker/collection.ts', RENUMBERED, [
    [
      'a filter lets no deleted record through',
      '.evaluate(where, this.rowCount).subtract(this.store.deleted(this.stored.id))',
      '.evaluate(where, this.rowCount)',
    ],
    [
      'records are found under their new numbers',
      'return inSlices(this.ids.renumbered(renumbering));',
      'return inSlices(this.ids.renumbered({ ...renumbering, dropped: renumbering.dropped, row: (row: number) => row } as never));',
    ],
  ]),
  ...breaking(
    'src/worker/collection.ts',
    ['test/unit/worker/collection.test.ts', 'records without a vector'],
    [
      [
        'rows without a vector are in no vector search',
        'return this.presence.among(rows, this.rowCount);',
        'return rows;',
      ],
    ],
  ),
  ...breaking('src/worker/gate.ts', 'test/unit/worker/gate.test.ts', [
    ['who wants to be alone waits for those inside', 'if (this.#readers > 0) {', 'if (false) {'],
  ]),
];

// Mutants of what is promised of documents, and of answers from them.
import { breaking } from './mutant.ts';

const HTML = 'test/unit/rag/extract.test.ts';
const PAGES = 'test/field/05-html.test.ts';
const ENCODINGS = 'test/field/06-encodings.test.ts';
const MARKDOWN = 'test/field/07-markdown.test.ts';
const CHUNK = 'test/unit/rag/chunk.test.ts';
const ASK = 'test/unit/rag/ask.test.ts';
const VERIFY = 'test/unit/rag/verify.test.ts';
const INGEST = 'test/unit/rag/ingest.test.ts';
const TOKENS = 'test/unit/models-special-tokens.test.ts';

export const documents = [
  ...breaking('src/rag/html/read.ts', PAGES, [
    ['ways to other pages are not read', 'iframe nav noembed', 'iframe noembed'],
    ['templates are not read', 'svg template textarea', 'svg textarea'],
    ['formulas are read once', 'DROPPED_IN_MATH.has(node.localName!)', 'false'],
  ]),
  ...breaking('src/rag/html/read.ts', HTML, [
    ['scripts are not read', 'object script select', 'object select'],
    ['the title is the first one of HTML', '!isDropped(node, name);\n      title', 'true;\n      title'],
    [
      'a spanning cell keeps the columns in place',
      'columns > 1 ? Math.min(columns, SPAN_MAX) : 1',
      'false ? SPAN_MAX : 1',
    ],
  ]),
  ...breaking('src/rag/files/encoding.ts', ENCODINGS, [
    ['a byte order mark wins', 'byteOrderMark(bytes) ?? given ??', 'given ?? byteOrderMark(bytes) ??'],
    ['UTF-16 is told by its zeros', 'const found = utf16(bytes) ??', 'const found ='],
    ['the order of UTF-16 is settled by its bytes', "even < odd ? 'utf-16le' : 'utf-16be'", "'utf-16le'"],
    ['a name of UTF-16 in ASCII is not believed', "if (encoding?.startsWith('utf-16')) return 'utf-8';", ''],
    ['a damaged byte does not change the encoding', 'return replaced <= characters;', 'return replaced === 0;'],
    ['what is not UTF-8 is windows-1252', "decoded(bytes, 'windows-1252');\n}", 'text;\n}'],
  ]),
  ...breaking('src/rag/markdown-parser.ts', MARKDOWN, [
    ['the title is the first heading of the first level', 'level === 1 && text', 'text'],
    ['front matter names the title', "title: head?.title ?? ''", "title: ''"],
    ['an HTML heading is one', 'outline.headings.push(...html.read(start, end));', 'html.read(start, end);'],
  ]),
  ...breaking('src/rag/chunk.ts', MARKDOWN, [
    [
      'later pieces of a table carry its header row',
      "if (isContinued(first) && first.repeat!.before !== '')",
      'if (false)',
    ],
    [
      'a passage is under its own headings',
      'open.at(-1)!.level >= heading.level',
      'open.at(-1)!.level > heading.level',
    ],
  ]),
  ...breaking('src/rag/chunk.ts', CHUNK, [
    [
      'no passage has more words than it may',
      '? piece.words : alone) <= maxWords',
      '? piece.words : alone) <= maxWords + 1',
    ],
    ['a heading stays with what follows it', "current.at(-1)!.kind === 'heading') carried", 'false) carried'],
  ]),
  ...breaking('src/rag/citation.ts', ASK, [
    ['a citation is a range of its document', 'start: source.start + sentence.start', 'start: sentence.start'],
    ['a citation ends with its sentence', 'end: source.start + sentence.end', 'end: source.start + sentence.end + 1'],
  ]),
  ...breaking('src/rag/citation.ts', MARKDOWN, [
    ['what a passage repeats is not cited', 'text.slice(repeats, repeats + end - start)', 'text.slice(0, end - start)'],
  ]),
  ...breaking('src/rag/quote.ts', VERIFY, [
    ['an answer names each sentence once', 'overlap(window.terms, other.terms) > OVERLAP_MAX', 'false'],
  ]),
  ...breaking('src/rag/quote.ts', ASK, [
    ['what may not answer is quoted as such', 'let answer = intro;', "let answer = '';"],
    ['the kind of thing asked for is quoted', 'kind: 0.2,', 'kind: 0,'],
  ]),
  ...breaking('src/rag/support.ts', ASK, [
    ['a missing name is never yes', '[...exact].every((term) => held.has(term))', 'true'],
    ['a near passage may answer', 'near >= NEAR_MIN', 'near > 1'],
    ['nearness counts', '(nearness?.passages[i] ?? 0) / 2', '0'],
  ]),
  ...breaking('src/rag/nearness.ts', ASK, [
    [
      'nearness counts from what is near by chance',
      '(cosine(asked, vector) - level.cosine) / (1 - level.cosine)',
      'cosine(asked, vector)',
    ],
    ['the built-in embedder reads Latin script only', 'level.isLatinOnly && ', 'false && '],
  ]),
  ...breaking('src/rag/titles.ts', ASK, [
    ['a speaker is answered for by nobody else', 'if (asks !== undefined ||', 'if (false ||'],
  ]),
  ...breaking('src/rag/stream.ts', ASK, [
    ['a repeated sentence is written once', 'if (!wasRepeated && hidden < to) yield', 'if (hidden < to) yield'],
    ['marks of sources stay with what is before them', '(?:\\s*\\[\\d{1,9}\\])*\\s*/', '/'],
  ]),
  ...breaking('src/rag/prompt.ts', ASK, [
    ['a source cannot close its fence', '<(?=\\s*\\/?\\s*source|', '<(?='],
    [
      'a source cannot speak as another role',
      "replace(MARKER, '‹').replace(/\\[(?=\\/?INST\\])/g, '(')",
      "replace(MARKER, '‹')",
    ],
    ['a title cannot close its quotes', '.replaceAll(\'"\', "\'")', ''],
    ['a title leaves the text its room', 'Math.min(TITLE_LENGTH_MAX, room)', '1e9'],
    ['sources beyond the budget are left out', 'if (left < 0 && i > 0) break;', ''],
    ['a question is fenced, too', 'fence(question.trim())', 'question.trim()'],
  ]),
  ...breaking('src/models/special-tokens.ts', TOKENS, [
    [
      'a special token that another one hid is found',
      'if (!rest.some((token) => safe.includes(token))) return safe;',
      'return safe;',
    ],
    ['markers of the chat template are special', '...(templates.match(MARKER) ?? [])', ''],
  ]),
  ...breaking('src/rag/verify.ts', VERIFY, [
    ['a long sentence supports little', '? SUPPORT_MIN : SUPPORT_MIN_LONG', '? SUPPORT_MIN : SUPPORT_MIN'],
    ['most of a sentence stands in its source', 'SUPPORT_MIN = 0.6', 'SUPPORT_MIN = 0.1'],
    ['a denial is seen', 'if (!contradicts(text, claim.terms, candidate)) best', 'best'],
    ['a name of the passage is one of its sentences', '...stated, ...held', '...stated'],
  ]),
  ...breaking('src/rag/numbers.ts', VERIFY, [['words are numbers', 'return VALUES.get(word) ??', 'return']]),
  ...breaking('src/rag/verify.ts', ASK, [
    [
      'a wrong number is unsupported',
      '!claim.numbers.every((number) => stated.has(number) || ofHead.has(number))',
      'false',
    ],
    ['a wrong name is unsupported', ' || held.length < claim.names.length', ''],
    ['an answer that finds nothing claims nothing', ' || raw.startsWith(NOT_FOUND.slice(0, -1))', ''],
  ]),
  ...breaking('src/rag/quote.ts', 'test/unit/rag/best-sentences.test.ts', [
    ['a clause that is too long to be quoted reaches a model', ', Number.POSITIVE_INFINITY)', ')'],
    ['a row comes with the head of its table', "if (!text.startsWith('|')) return '';", "if (text) return '';"],
    [
      'a long title leaves sentences their room',
      'tokens(titleFor(sources[window.source]!.title, budget))',
      'tokens(sources[window.source]!.title)',
    ],
    ['sentences together have the room that they are given', 'if (needs > left && chosen.length > 0) continue;', ''],
  ]),
  ...breaking('src/rag/ask.ts', ASK, [
    ['no list is reranked twice for one question', 'found ??=', 'found ='],
    ['without support the model is not asked', "if (!answers) return complete(sources, 'no');", ''],
  ]),
  ...breaking('src/rag/ingest.ts', INGEST, [
    ['nothing of an ingest goes on behind its end', 'await Promise.allSettled(writes);', ''],
    ['two writes are under way at most', 'if (writes.length === WRITES_MAX)', 'if (false)'],
    ['what is in is told in order', 'await before; // told', '// told'],
    ['an unchanged document is skipped', 'known?.hash === hash &&', 'false &&'],
    ['what an interrupted update left behind is tidied up', ' && !(await hasLeftovers(collection, known, signal))', ''],
    ['a shorter version replaces all of a longer one', 'if (stale.length > 0) await', 'if (stale.length < 0) await'],
  ]),
];

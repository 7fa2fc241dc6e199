// Time is linear in the size of the input, for whatever we parse, cut, check or import: nobody's text may block every tab. Each
// subject runs over texts that repeat a random pattern of its own alphabet, at doubling sizes; the slope is that of processor time against
// size, over the largest three sizes, each the least of five runs of at least 50 ms. PIRAMID_LINEAR sets how many patterns each subject gets, PIRAMID_SEED which.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkMetadata } from '../../src/filter/check-metadata.ts';
import { checkWhere } from '../../src/filter/check-where.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../../src/filter/metadata.ts';
import { PayloadIndex } from '../../src/filter/payload-index.ts';
import { importJsonl } from '../../src/import/index.ts';
import { createWordPieces } from '../../src/models/word-pieces.ts';
import { chunk } from '../../src/rag/chunk.ts';
import { sentencesOf } from '../../src/rag/citation.ts';
import { extract } from '../../src/rag/extract.ts';
import { numbersIn } from '../../src/rag/numbers.ts';
import { passages, promptFor } from '../../src/rag/prompt.ts';
import { sentences } from '../../src/rag/sentences.ts';
import { verify } from '../../src/rag/verify.ts';
import { contentTerms } from '../../src/rag/words.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import { atOnce } from '../../src/structures/slices.ts';
import { analyzerOf, BY_SCRIPT, ENGLISH, provideStemmers } from '../../src/text/analyzer.ts';
import { matchRanges } from '../../src/text/highlight.ts';
import { buildPostings } from '../../src/text/postings.ts';
import * as stemmers from '../../src/text/stemmers.ts';
import type { Metadata, Where } from '../../src/types.ts';

const PATTERNS = Number(process.env.PIRAMID_LINEAR ?? 2);
const SEED = Number(process.env.PIRAMID_SEED ?? 1);
const SLOPE_MAX = 1.3;
const RUN_MS = 50;
/** An input that takes less than that at this size takes too little to be measured, and to hurt. */
const SIZE_MAX = 16 << 20;
/** Of a single run: one that takes longer before it can be measured is not linear. */
const GIVE_UP_MS = 4000;

provideStemmers(stemmers as never);

const LETTERS = [
  'a',
  'B',
  'é',
  'ß',
  'é',
  '\u0301',
  '\u0323',
  '漢',
  'か',
  'ｶ',
  'ﾞ',
  '한',
  'ᄒ',
  'ᅡ',
  'ไ',
  'ا',
  'ـ',
  'й',
  '٣',
  '1',
];
const SIGNS = [
  ' ',
  '\n',
  '.',
  ',',
  "'",
  '’',
  '-',
  '_',
  '+',
  '#',
  '🎉',
  '\u200d',
  '🏽',
  '🇩',
  '\ufe0f',
  '\u00ad',
  'ﷺ',
  '"',
  '(',
  '\\',
];
const WORDS = [
  'the ',
  'U.S.',
  "l'",
  'v1.',
  'getName',
  'A.',
  '1,000',
  'C++ ',
  'e-',
  'ing ',
  '. ',
  '? ',
  'Mr. ',
  '\n\n',
  '\t',
];
const MARKUP = [
  '# ',
  '## x\n',
  '```',
  '~~~\n',
  '|',
  '---\n',
  '- ',
  '> ',
  '<b>',
  '<!--',
  '[x](',
  '![',
  '* ',
  '`',
  '===\n',
  '1. ',
  '&amp;',
];

type Subject = { name: string; alphabet: readonly string[]; run: (text: string) => unknown };

const tokenizer = JSON.parse(readFileSync(new URL('../../models/static-en/tokenizer.json', import.meta.url), 'utf8'));
const encode = createWordPieces(tokenizer);
const source = (text: string) => ({ text, title: text, id: 1, documentId: 'd', start: 0, end: text.length }) as never;
const all = [...LETTERS, ...SIGNS, ...WORDS];

const TEXTS: Subject[] = [
  { name: 'terms, English', alphabet: all, run: (text) => analyzerOf(ENGLISH).tokenize(text) },
  { name: 'terms, by script', alphabet: all, run: (text) => analyzerOf(BY_SCRIPT).tokenize(text) },
  { name: 'terms of format 4', alphabet: all, run: (text) => analyzerOf(0).tokenize(text) },
  { name: 'terms of a query', alphabet: all, run: (text) => analyzerOf(ENGLISH).queryTerms(text) },
  { name: 'marks', alphabet: all, run: (text) => matchRanges(text, 'a the 漢か') },
  { name: 'postings', alphabet: all, run: (text) => atOnce(buildPostings(text.split('\n'), 0, analyzerOf(ENGLISH))) },
  { name: 'word pieces', alphabet: all, run: (text) => encode(text) },
  {
    name: 'marks of typed words',
    alphabet: all,
    run: (text) => matchRanges(text, 'a the', { prefix: true, fuzzy: true }),
  },
  {
    name: 'numbers',
    alphabet: [...all, 'five ', 'and ', 'hundred ', ' '],
    run: (text) => numbersIn(text),
  },
  {
    name: 'claims',
    alphabet: [...all, "éan't ", 'not ', '35 '],
    run: (text) => verify('The fee is 35 euros.', [source(text)], sentencesOf([source(text)])),
  },
  { name: 'sentences', alphabet: all, run: (text) => sentences(text) },
  { name: 'words of answers', alphabet: all, run: (text) => contentTerms(text) },
  {
    name: 'prompt',
    alphabet: [...all, '<source', '</s>', '<|', '[INST]'],
    run: (text) => promptFor(text, passages([source(text)]), 1e9),
  },
  { name: 'passages of text', alphabet: all, run: (text) => chunk(text) },
  {
    name: 'passages of Markdown',
    alphabet: [...MARKUP, 'word ', '\n', '\n\n'],
    run: (text) => chunk(text, { format: 'markdown' }),
  },
];

/** Runs over something of `size` parts. */
const SHAPES: {
  name: string;
  /** Most parts that are let in at the door. */
  most: number;
  make: (size: number, random: SeededRandom) => unknown;
  run: (input: never) => unknown;
}[] = [
  {
    name: 'metadata of many keys',
    most: 65_536,
    make: (size) => Object.fromEntries(Array.from({ length: size }, (_, i) => [`key${i}`, i])),
    run: (metadata: Metadata) => decodeMetadataValue(JSON.parse(encodeMetadataRow(checkMetadata(metadata, () => 'x')))),
  },
  {
    name: 'columns of many fields',
    most: 1 << 18,
    make: (size) =>
      Array.from({ length: 100 }, (_, row) =>
        Object.fromEntries(Array.from({ length: size / 100 }, (_, i) => [`key${row % 2 ? i : `${row}_${i}`}`, i])),
      ),
    run: (rows: Metadata[]) => {
      const index = new PayloadIndex();
      index.append(0, rows);
      return index.evaluate({ key1: 1 }, rows.length);
    },
  },
  {
    name: 'a list in metadata',
    most: 1 << 19,
    make: (size) => Array.from({ length: 8 }, () => ({ list: Array.from({ length: size / 8 }, (_, i) => `v${i}`) })),
    run: (rows: Metadata[]) => {
      const index = new PayloadIndex();
      index.append(
        0,
        rows.map((row) => checkMetadata(row, () => 'x')),
      );
      return index.evaluate({ list: { $contains: 'v1' } }, rows.length);
    },
  },
  {
    name: 'a filter of many values',
    most: 65_536,
    make: (size) => ({ a: { $in: Array.from({ length: size }, (_, i) => `v${i}`) } }),
    run: (where: Where) => {
      const index = new PayloadIndex();
      index.append(0, [{ a: 'v1' }]);
      return index.evaluate(checkWhere(where), 1);
    },
  },
  {
    name: 'a filter of many conditions',
    most: 32_768,
    make: (size) => ({ $or: Array.from({ length: size }, (_, i) => ({ a: i })) }),
    run: (where: Where) => {
      const index = new PayloadIndex();
      index.append(0, [{ a: 1 }]);
      return index.evaluate(checkWhere(where), 1);
    },
  },
];

/** Files of every kind that is read here. */
const FILES: Subject[] = [
  [
    'html',
    [
      '<p>',
      '</p>',
      '<h1>',
      '</h1>',
      '<b>',
      '<table><tr><td>',
      '</td>',
      '<!--',
      '-->',
      '&amp;',
      '&',
      '<',
      '"',
      '<svg/>',
      '<li>',
    ],
  ],
  ['xhtml', ['<p>', '</p>', '<h1>', '</h1>', '<b/>', '<!--', '-->', '<![CDATA[', ']]>', '&amp;', '&', '<a b="">']],
  ['xml', ['<a>', '</a>', '<b c="d"/>', '<!--', '-->', '<![CDATA[', ']]>', '&lt;', '&']],
  ['md', MARKUP],
  ['csv', [',', '"', '""', '\n', '1', ';', '\t']],
  ['json', ['[', ']', '{', '}', '"a":', '1,', '"', '\\"', 'null']],
  ['jsonl', ['{"a":1}\n', '{"b":"', '"}\n', '[', '\n', '1\n']],
  ['ipynb', ['{"cells":[', '{"source":"', '"},', ']}', '\n']],
  ['rst', ['==\n', '--\n', '.. x::\n', '``', '`a`_', '* ', '\n', '  ', '|']],
  ['log', ['2024-01-01 ', 'INFO ', '\n', 'x']],
  ['txt', all],
].map(([kind, alphabet]) => ({
  name: `a file of kind ${kind}`,
  alphabet: [...(alphabet as string[]), 'word ', ' ', '\n', 'é'],
  // A limit of length or depth is an answer, too.
  run: (text) => extract({ name: `x.${kind}`, text }).catch(() => {}),
}));

const collection = { upsert: async () => {}, dimension: null } as never;
const LINES: Subject[] = [
  {
    name: 'JSON lines',
    alphabet: ['{"id":1,"text":"', 'a', '\\n', '"}\n', '[', '{"a":', '1', '\n', '"', '9007199254740993,', 'é'],
    run: (text) => importJsonl(collection, new Blob([text])).catch(() => {}),
  },
];

async function milliseconds(run: () => unknown): Promise<number> {
  globalThis.gc!();
  const start = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** The size from which on runs are measured. Null where the largest input takes too little time, infinite where one takes too much. */
async function firstSize<T>(make: (size: number) => T, run: (input: T) => unknown, most: number) {
  for (let size = 1 << 10; 4 * size <= most; size *= 2) {
    const input = make(size);
    const once = await milliseconds(() => run(input));
    // A first run may compile; the second one counts.
    if (once >= RUN_MS && (await milliseconds(() => run(input))) >= RUN_MS) return size;
    if (once > GIVE_UP_MS) return Number.POSITIVE_INFINITY;
  }
  return null;
}

/** Of the line through three points at 0, 1, 2 doublings. The sizes take turns, so that a slow second of this machine meets all of them. */
async function slopeFrom<T>(size: number, make: (size: number) => T, run: (input: T) => unknown): Promise<number> {
  const inputs = [1, 2, 4].map((factor) => make(size * factor));
  const times = inputs.map(() => Number.POSITIVE_INFINITY);
  for (let i = 0; i < 5; i++)
    for (const [at, input] of inputs.entries()) times[at] = Math.min(times[at]!, await milliseconds(() => run(input)));
  return Math.log2(times[2]! / times[0]!) / 2;
}

const slopes: { name: string; slope: number }[] = [];

/**
 * A slope above the bound is measured again, at twice the size each time: what is not linear is so at larger sizes all the more,
 * but a neighbour, or a cache that the larger two sizes no longer fit into, may have caused it once, not three times.
 */
async function measure<T>(
  name: string,
  make: (size: number) => T,
  run: (input: T) => unknown,
  most = SIZE_MAX,
): Promise<number> {
  const size = await firstSize(make, run, most);
  let slope = size ?? 0;
  if (size && Number.isFinite(size)) {
    slope = await slopeFrom(size, make, run);
    for (let factor = 2; slope > SLOPE_MAX && factor <= 4; factor *= 2)
      slope = Math.min(slope, await slopeFrom(size * factor, make, run));
  }
  slopes.push({ name, slope });
  return slope;
}

const repeated = (pattern: string) => (size: number) => pattern.repeat(Math.ceil(size / pattern.length));

describe(`time against size (PIRAMID_SEED=${SEED})`, () => {
  test.each([...TEXTS, ...FILES, ...LINES])('$name', async ({ name, alphabet, run }) => {
    const random = seededRandom(SEED);
    const draw = () => alphabet[random.below(alphabet.length)]!;
    // One letter under very many marks is what Unicode's normal forms sort.
    const shapes: [string, (size: number) => string][] = [
      ['a + marks', (size) => `a${'\u0301\u0323'.repeat(size / 2)}`],
    ];
    for (let i = 0; i < PATTERNS; i++) {
      const pattern = Array.from({ length: 1 + random.below(4) }, draw).join('');
      const first = random.below(3) === 0 ? draw() : '';
      shapes.push([JSON.stringify(first + pattern), (size) => first + repeated(pattern)(size)]);
    }
    for (const [what, make] of shapes) {
      const slope = await measure(`${name}: ${what}`, make, run);
      expect(slope, what).toBeLessThanOrEqual(SLOPE_MAX);
    }
  });

  test.each(SHAPES)('$name', async ({ name, make, run, most }) => {
    const input = (size: number) => make(size, seededRandom(SEED));
    const slope = await measure(name, input, run as (input: unknown) => unknown, most);
    expect(slope).toBeLessThanOrEqual(SLOPE_MAX);
  });

  // Of each, a word of the kind that ran its regular expressions out of stack.
  test.each([
    ['passages of text', 'a'],
    ['passages of Markdown', 'a_'],
    ['words of answers', '1,'],
    ['terms, English', "l'"],
    ['terms, by script', 'e-'],
    ['terms of a query', '1,'],
    ['terms of format 4', 'a\u0301'],
    ['marks', "l'"],
    ['word pieces', '🎉'],
  ])('a word of 16 million characters is read: %s', (name, letters) => {
    const { run } = TEXTS.find((subject) => subject.name === name)!;
    run(letters.repeat(SIZE_MAX / letters.length));
  });

  test('is linear', () => {
    slopes.sort((a, b) => b.slope - a.slope);
    const worst = slopes[0]!;
    console.log(
      slopes
        .slice(0, 8)
        .map(({ name, slope }) => `${slope.toFixed(2)} ${name}`)
        .join('\n'),
    );
    console.log(`linear worst_slope=${worst.slope.toFixed(2)} of ${slopes.length}: ${worst.name}`);
    expect(worst.slope).toBeLessThanOrEqual(SLOPE_MAX);
  });
});

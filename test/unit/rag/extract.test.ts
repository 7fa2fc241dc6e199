import { describe, expect, test } from 'vitest';
import { extract } from '../../../src/rag/extract.ts';
import { readHtml } from '../../../src/rag/html/index.ts';

describe('HTML', () => {
  test.each([
    [
      'blocks are paragraphs and inline tags are nothing',
      '<p>One <b>bo</b>ld\n word.</p><p>Two</p>',
      'One bold word.\n\nTwo\n',
    ],
    [
      'script, style and head are dropped, closed or not',
      '<head><meta x><style>p{}</style></head>a<script>if (a<b) "</p>"</script>b<SCRIPT>c',
      'ab\n',
    ],
    ['line breaks and lists keep their lines', 'a<br>b<ul><li>c</li><li>d</li></ul>', 'a\nb\n\n- c\n- d\n'],
    ['a > in a quoted value ends no tag', '<a title="1>2" b=\'>\'>x</a><a b=c"d>y', 'xy\n'],
    ['preformatted text keeps its lines, as code', '<pre>a\n  # b\n```</pre>c', '````\na\n  # b\n```\n````\n\nc\n'],
    ['headings are headings of Markdown', '<h2>A <i>b</i></h2>c<h3><div>D</div></h3>', '## A b\n\nc\n\n### D\n'],
    [
      'a table with a header row is one of Markdown',
      '<table><tr><th>A<th colspan=2>B|<tr><td>1<td>2<p>x</table>',
      '| A | B\\| |  |\n| --- | --- | --- |\n| 1 | 2 x |  |\n',
    ],
    ['other tables are lines', '<table><tr><td>1<td>2<tr><td><h2>x</h2>y</table>', '1\t2\n\n## x\n\ny\n'],
    ['what would begin a block is escaped', '<p># a<p>===<p>&lt;div>', '\\# a\n\n\\===\n\n\\<div>\n'],
    ['nothing is nothing', '<p> </p><h1></h1><pre>\n</pre>', ''],
  ])('%s', async (_, html, text) => {
    expect((await readHtml(html)).text).toBe(text);
  });

  test('the title is the document’s, else its first headline', async () => {
    const title = async (html: string) => (await readHtml(html)).title;
    expect(await title('<svg><title>S</title></svg><title> A &amp;\n B </title><h1>C</h1>')).toBe('A & B');
    expect(await title('<h1></h1><h1>First <i>one</i></h1><h1>Second</h1>')).toBe('First one');
    expect(await title('text')).toBe('');
    expect(await title('<body><object><title>no</title></object><title>T</title>')).toBe('T');
  });

  test('hostile markup takes linear time', async () => {
    const start = performance.now();
    for (const part of [
      '<a "',
      '<',
      '<a b="',
      '</',
      '<!--',
      '&#',
      '<script',
      '<p>',
      '<a b=\'"',
      '<pre> ',
      ' \t',
      '<h1>',
    ])
      await readHtml(part.repeat(20_000)).catch((error) => expect(error.code).toBe('INVALID_ARGUMENT'));
    for (const part of ['</h1>', '<p>a </p>\n', '<h1></h1>', '<li>', '<table>', '<td>', '<b>', '<h1>a</h1>'])
      await readHtml(part.repeat(20_000)).catch((error) => expect(error.code).toBe('INVALID_ARGUMENT'));
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('extract', () => {
  test('text and Markdown stay as they are, and are called by heading or name', async () => {
    expect(await extract({ name: 'a/b/notes.v2.txt', text: 'x\r\ny' })).toEqual({
      title: 'notes.v2',
      text: 'x\r\ny',
      format: 'text',
    });
    expect(await extract({ name: 'README.md', text: 'intro\n## The *house* ##\n' })).toEqual({
      title: 'The house',
      text: 'intro\n## The *house* ##\n',
      format: 'markdown',
    });
    expect((await extract({ name: 'page.HTML', text: '<title>T</title><p>x' })).title).toBe('T');
  });

  test('files are read as UTF-8, UTF-16 or an old Windows code page', async () => {
    const read = async (bytes: number[]) => (await extract(new File([Uint8Array.from(bytes)], 'a.txt'))).text;
    expect(await read([0xef, 0xbb, 0xbf, 0xc3, 0xa9])).toBe('é');
    expect(await read([0xff, 0xfe, 0xe9, 0x00])).toBe('é');
    expect(await read([0xfe, 0xff, 0x00, 0xe9])).toBe('é');
    expect(await read([0x63, 0x61, 0x66, 0xe9])).toBe('café');
  });

  test('what is no text is refused with what can be read', async () => {
    await expect(extract({ name: 'a.pdf', text: '' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/"a.pdf".*extractors: { pdf }.*piramid\/extract-pdf/),
    });
    await expect(extract({ name: 'a.constructor', text: '' })).rejects.toThrow('cannot read .constructor files');
    await expect(extract({ name: 'a.txt', text: 'PK\0\0' })).rejects.toThrow('bytes that are not text');
  });
});

import { describe, expect, test } from 'vitest';
import { extract } from '../../../src/rag/extract.ts';
import { htmlToText } from '../../../src/rag/html.ts';

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
    ['line breaks and lists keep their lines', 'a<br>b<ul><li>c</li><li>d</li></ul>', 'a\nb\n\nc\n\nd\n'],
    [
      'entities are decoded, unknown ones stay',
      '&lt;b&gt; &amp;amp; &#228;&#xe4;&eacute; &nope; &copy AT&T &#0; &#xD800; &constructor;',
      '<b> &amp; ääé &nope; © AT&T \ufffd \ufffd &constructor;\n',
    ],
    ['a < that begins no tag is text', 'a < b <3 c<=d', 'a < b <3 c<=d\n'],
    ['comments and declarations are dropped', '<!DOCTYPE html><!-- <p>no</p> -->yes<!-- open', 'yes\n'],
    ['a > in a quoted value ends no tag', '<a title="1>2" b=\'>\'>x</a><a b=c"d>y', 'xy\n'],
    ['preformatted text keeps its lines', '<pre>a\n  b</pre>c', 'a\n  b\n\nc\n'],
    ['what is not closed ends with the document', 'a<p', 'a\n'],
    ['nothing is nothing', '<p> </p>', ''],
  ])('%s', (_, html, text) => {
    expect(htmlToText(html).text).toBe(text);
  });

  test('the title is the document’s, else its first headline', () => {
    expect(htmlToText('<title> A &amp;\n B </title><h1>C</h1>').title).toBe('A & B');
    expect(htmlToText('<h1>First <i>one</i></h1><h1>Second</h1>').title).toBe('First one');
    expect(htmlToText('text').title).toBe('');
  });

  test('hostile markup takes linear time', () => {
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
      '</h1>',
      '<p>a </p>\n',
    ])
      htmlToText(part.repeat(100_000));
    expect(performance.now() - start).toBeLessThan(5000);
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
      title: 'The *house*',
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
    await expect(extract({ name: 'a.pdf', text: '' })).rejects.toThrow(/"a.pdf": cannot read .pdf files.*\.txt/);
    await expect(extract({ name: 'constructor', text: '' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(extract({ name: 'a.txt', text: 'PK\0\0' })).rejects.toThrow('bytes that are not text');
  });
});

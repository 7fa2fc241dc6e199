// Item 5 in Node, as in a worker: pages are read as browsers read them, by libraries.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { extract } from '../../src/rag/extract.ts';
import { readHtml } from '../../src/rag/html/index.ts';
import { droppedElements, mistakes, page } from './html.documents.ts';
import { SEED } from './seed.ts';

const PAGES = Number(process.env.PIRAMID_FIELD_PAGES ?? 10_000);
const documentation = readFileSync(new URL('../../docs/DOCUMENTS.md', import.meta.url), 'utf8');

describe('faults that people met', () => {
  test.each([
    [
      'an empty svg',
      '<p>Intro</p><svg class="i"/><h2>Warranty</h2><p>Two years</p>',
      'Intro\n\n## Warranty\n\nTwo years\n',
    ],
    ['nav in nav', '<nav>a<nav>b</nav>c</nav>d', 'd\n'],
    ['comments that end at once', 'a<!-->b<!--->c', 'abc\n'],
    ['comments that end with --!>', 'a<!-- x --!>b', 'ab\n'],
    ['CDATA in HTML is a comment', 'a<![CDATA[ x ]]>b', 'ab\n'],
    ['characters by name', '&copy2024 &CounterClockwiseContourIntegral; &notit; &fjlig;', '©2024 ∳ ¬it; fj\n'],
    ['characters by their Windows number', 'it&#146;s &#x80;', 'it’s €\n'],
    ['headings in Markdown', '<h1>A</h1><h6>B <b>c</b></h6>', '# A\n\n###### B c\n'],
    ['headings in headings', '<h1>A<div><h2>B</h2>c</div></h1>d', '# A\n\n## B\n\nc\n\nd\n'],
    ['frames of old pages', '<noframes><p>x</p></noframes>a<iframe>b</iframe>c', 'ac\n'],
  ])('%s', async (_, html, text) => {
    const file = { name: 'a.html', text: html };
    expect(await extract(file)).toMatchObject({ text, format: 'markdown' });
  });

  test('XHTML is read by its own rules, and as HTML where it breaks them', async () => {
    const xhtml = (body: string) =>
      `<html xmlns="http://www.w3.org/1999/xhtml"><head><script src="a.js"/><title/></head><body>${body}</body></html>`;
    const read = async (text: string) => (await extract({ name: 'a.xhtml', text })).text;
    expect(await read(xhtml('<iframe/><h2>A</h2><textarea/>b<svg xmlns="http://www.w3.org/2000/svg"/>c'))).toBe(
      '## A\n\nbc\n',
    );
    expect(await read(xhtml('a&nbsp;<![CDATA[<b>]]>'))).toBe('a\u00a0<b>\n');
    expect(await read('<html><body><p>a<br>b &amp c</body>')).toBe('a\nb & c\n');
  });
});

test(`generated pages (seed ${SEED})`, async () => {
  const dropped = droppedElements(documentation);
  expect(dropped).toContain('noscript');
  const wrong: string[] = [];
  for (let i = 0; i < PAGES; i++) {
    const generated = page(SEED * 1_000_003 + i, dropped);
    const { text } = await readHtml(generated.source, generated.syntax);
    const found = await mistakes(generated, text);
    if (found.length > 0) wrong.push(`page ${i}: ${found.join(', ')}\n${generated.source}`);
  }
  console.log(`field.html count=${PAGES} wrong=${wrong.length} way=library`);
  expect(wrong[0]).toBeUndefined();
});

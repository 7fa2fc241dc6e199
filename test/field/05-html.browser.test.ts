// Item 5 on the page: the browser parses, and what comes of it is what the libraries make in a worker, to the character.
import { expect, test } from 'vitest';
import documentation from '../../docs/DOCUMENTS.md?raw';
import { extract } from '../../src/rag/extract.ts';
import { parseHtml } from '../../src/rag/html/html-parser.ts';
import { readHtml } from '../../src/rag/html/index.ts';
import { readPage } from '../../src/rag/html/read.ts';
import { parseXml } from '../../src/rag/html/xml-parser.ts';
import { droppedElements, mistakes, page } from './html.documents.ts';

const SEED = 1;
const PAGES = 10_000;

/** As a worker reads it. */
async function byLibrary(source: string, syntax: 'html' | 'xml' = 'html') {
  const tree = syntax === 'xml' ? parseXml(source) : null;
  return readPage(tree ?? (await parseHtml(source)));
}

test(`generated pages (seed ${SEED})`, async () => {
  const dropped = droppedElements(documentation);
  const wrong: string[] = [];
  for (let i = 0; i < PAGES; i++) {
    const generated = page(SEED * 1_000_003 + i, dropped);
    const { source, syntax } = generated;
    const read = await readHtml(source, syntax);
    const found = await mistakes(generated, read.text);
    if (JSON.stringify(read) !== JSON.stringify(await byLibrary(source, syntax)))
      found.push('the library reads otherwise');
    if (found.length > 0) wrong.push(`page ${i}: ${found.join(', ')}\n${source}`);
  }
  console.log(`field.html count=${PAGES} wrong=${wrong.length} way=browser`);
  expect(wrong[0]).toBeUndefined();
});

// Not `select`: browsers have begun to allow other elements in it.
test('broken markup is mended the same way by both', async () => {
  const parts =
    '<b>|</b>|<p>|</p>|<table>|<tr>|<td>|</table>|<h2>|</h3>|<li>|<ul>|</ul>|<a>|x |y\n|<svg>|</svg>|<title>|</title>|<math>|<mi>|<nav>|</nav>|<form>|</form>|<!--|-->|&am|p;|<object>|</object>|<br|/>|</body>|<template>|</template>|<pre>\n|</pre>|<frameset>|<button>|<dd>|\0'.split(
      '|',
    );
  let state = 7;
  const next = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const wrong: string[] = [];
  for (let i = 0; i < 3000; i++) {
    const source = Array.from({ length: 3 + next(12) }, () => parts[next(parts.length)]).join('');
    const [page, library] = [await readHtml(source), await byLibrary(source)];
    if (JSON.stringify(page) !== JSON.stringify(library)) wrong.push(JSON.stringify([source, page, library]));
  }
  expect(wrong).toEqual([]);
});

test('XHTML, also without its namespace, with names of characters, and broken', async () => {
  for (const source of [
    '<html><body><h1>A</h1><script src="a"/>b</body></html>',
    '<html xmlns="http://www.w3.org/1999/xhtml"><body>a&nbsp;&eacute;<svg:svg xmlns:svg="http://www.w3.org/2000/svg">no</svg:svg></body></html>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html xmlns="http://www.w3.org/1999/xhtml"><body>a&nbsp;b</body></html>',
    '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>a<br>b</body></html>',
    '<!DOCTYPE html [<!ENTITY own "of its own"><!ENTITY x \'y\'>]><html xmlns="http://www.w3.org/1999/xhtml"><body>&own;&x;</body></html>',
    '<html xmlns="http://www.w3.org/1999/xhtml"><body><p a=b>c</p></body></html>',
    '',
  ])
    expect(await readHtml(source, 'xml')).toEqual(await byLibrary(source, 'xml'));
});

test('deep and large pages are read, or refused with a code', async () => {
  // Deeper than browsers nest: the navigation is still not read.
  expect((await readHtml(`${'<div>'.repeat(600)}<nav><p>no</p></nav><p>yes</p>`)).text).toBe('yes\n');
  const large = `<h1>A</h1>${'<p>some words <b>and</b> more &amp; more</p>'.repeat(30_000)}<h2>End</h2>`;
  expect((await extract({ name: 'a.html', text: large })).text).toMatch(
    /^# A\n\nsome words and more & more\n[\s\S]*## End\n$/,
  );
  await expect(extract({ name: 'a.html', text: '<div>'.repeat(250_000) })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

test('scripts of a page that is read do not run, and nothing of it is fetched', async () => {
  const scope = globalThis as { ran?: boolean };
  await readHtml('<img src=/no onerror="ran = true"><script>ran = true</script><svg onload="ran = true">');
  expect(scope.ran).toBeUndefined();
});

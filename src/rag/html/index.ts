// HTML and XHTML to Markdown, on the page, in workers and in Node, with the same result.
import { parseDocument, type Syntax } from './parse.ts';
import { readPage } from './read.ts';

/** A page's text as Markdown, and its title ('' where it has none). */
export async function readHtml(source: string, syntax: Syntax = 'html'): Promise<{ title: string; text: string }> {
  return readPage(await parseDocument(source, syntax));
}

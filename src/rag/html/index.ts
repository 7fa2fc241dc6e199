// HTML, XHTML and other XML to text, on the page, in workers and in Node, with the same result.
import { readAside } from '../reading/index.ts';
import { parseByBrowser, type Syntax } from './parse.ts';
import { readPage } from './read.ts';
import { type ReadXml, readXml } from './read-xml.ts';

/** A page's text as Markdown, and its title ('' where it has none). */
export async function readHtml(source: string, syntax: Syntax = 'html'): Promise<{ title: string; text: string }> {
  const tree = parseByBrowser(source, syntax);
  return tree ? readPage(tree) : readAside(syntax === 'xml' ? 'xhtml' : 'html', source);
}

/** The text of XML that may be no page. */
export async function readXmlFile(source: string): Promise<ReadXml> {
  const tree = parseByBrowser(source, 'xml');
  return tree ? readXml(tree) : readAside('xml', source);
}

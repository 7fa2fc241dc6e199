// XML by saxes, where there is no DOMParser, or where that one refuses: this one knows the named characters of HTML in any
// document. Loaded on demand.
import { decodeHTMLStrict } from 'entities';
import { SaxesParser } from 'saxes';
import { CDATA, LightNode, ParserLimits } from './tree.ts';

const DOCUMENT = 9;

/** The document as a tree; null where it is not well-formed. */
export function parseXml(source: string): LightNode | null {
  const limits = new ParserLimits(source.length);
  const parser = new SaxesParser({ xmlns: true });
  const document = new LightNode(DOCUMENT);
  let parent = document;
  let depth = 0;
  let failed = false;
  parser.ENTITIES = new Proxy(parser.ENTITIES, { get: (known, name) => known[name as string] ?? character(name) });
  parser.on('doctype', (doctype) => {
    // Declarations of plain text; such as name others would have to be bounded.
    for (const { 1: name, 2: quoted } of doctype.matchAll(/<!ENTITY\s+([\w.:-]+)\s+("[^"&<%]*"|'[^'&<%]*')\s*>/g))
      if (!Object.hasOwn(parser.ENTITIES, name!)) parser.ENTITIES[name!] = quoted!.slice(1, -1);
  });
  const add = (node: LightNode): void => {
    limits.node();
    parent.insert(node);
  };
  parser.on('error', () => {
    failed = true;
  });
  parser.on('opentag', ({ local, uri, attributes }) => {
    limits.depth(++depth);
    const list = Object.values(attributes).map(({ name, value }) => ({ name, value }));
    const node = new LightNode(1, local, uri || null, list);
    add(node);
    parent = node;
  });
  parser.on('closetag', () => {
    depth--;
    parent = parent.parentNode ?? document;
  });
  parser.on('text', (text) => {
    if (parent.insertText(text)) limits.node();
  });
  parser.on('cdata', (text) => add(Object.assign(new LightNode(CDATA), { data: text })));
  // The parser goes on behind an error; what comes of that is not wanted.
  const SLICE = 1 << 16;
  for (let at = 0; at < source.length && !failed; at += SLICE) parser.write(source.slice(at, at + SLICE));
  if (!failed) parser.close();
  return failed ? null : document;
}

function character(name: string | symbol): string | undefined {
  if (typeof name !== 'string') return undefined;
  const decoded = decodeHTMLStrict(`&${name};`);
  return decoded === `&${name};` ? undefined : decoded;
}

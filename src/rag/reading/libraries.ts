// What libraries read, by the kind of document. Runs in the reader, a worker, or where there is none on the thread that asks. What
// comes of it can be cloned. The libraries are loaded on demand.

import { readTable } from '../files/table.ts';
import { parseByLibrary } from '../html/parse.ts';
import { readPage } from '../html/read.ts';
import { readXml } from '../html/read-xml.ts';

export const LIBRARIES = {
  html: async (source: string) => readPage(await parseByLibrary(source, 'html')),
  xhtml: async (source: string) => readPage(await parseByLibrary(source, 'xml')),
  xml: async (source: string) => readXml(await parseByLibrary(source, 'xml')),
  markdown: async (source: string) => (await import('../markdown-parser.ts')).parse(source),
  csv: (source: string) => readTable(source, ''),
  tsv: (source: string) => readTable(source, '\t'),
};

export type Kind = keyof typeof LIBRARIES;
/** What is read of a document of a kind. */
export type Read<K extends Kind> = Awaited<ReturnType<(typeof LIBRARIES)[K]>>;

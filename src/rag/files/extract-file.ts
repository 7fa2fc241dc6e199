// Reads files by their kind: plain text and Markdown as they are, pages as Markdown, tables and JSON as records, others by
// extractors that are passed in. What cannot be read is refused with the reason, so that no garbage is indexed.
import { PiramidError } from '../../errors.ts';
import { checkFormat } from '../chunk.ts';
import type { ExtractedText, Extraction, ExtractOptions, FileInput } from '../extract.ts';
import { readHtml, readXmlFile } from '../html/index.ts';
import { outlineOf } from '../markdown.ts';
import { readAside } from '../reading/index.ts';
import { shortened } from '../words.ts';
import { decode, latin1 } from './encoding.ts';
import { readJson, readJsonLines, readNotebook } from './json.ts';
import { readStructuredText } from './structured-text.ts';

type Reader = (source: string, name: string) => Extraction | Promise<Extraction>;

const text: Reader = (source) => ({ text: source });
const markdown: Reader = (source) => ({ text: source, format: 'markdown' });
const html: Reader = (source) => ({ text: source, format: 'html' });
const xhtml: Reader = async (source) => ({ ...(await readHtml(source, 'xml')), format: 'markdown' });

const READERS: { readonly [ending: string]: Reader } = {
  txt: text,
  text,
  log: text,
  md: markdown,
  markdown,
  html,
  htm: html,
  xhtml,
  xht: xhtml,
  xml: (source) => readXmlFile(source),
  rst: (source) => ({ text: readStructuredText(source), format: 'markdown' }),
  csv: async (source) => ({ text: await readAside('csv', source), format: 'records' }),
  tsv: async (source) => ({ text: await readAside('tsv', source), format: 'records' }),
  json: (source, name) => ({ text: readJson(source, name), format: 'records' }),
  jsonl: (source, name) => ({ text: readJsonLines(source, name), format: 'records' }),
  ndjson: (source, name) => ({ text: readJsonLines(source, name), format: 'records' }),
  ipynb: (source, name) => ({ ...readNotebook(source, name), format: 'markdown' }),
};

/** Entries of the package that read further kinds. */
const ENTRIES: { readonly [ending: string]: string } = { pdf: 'piramid/extract-pdf', docx: 'piramid/extract-docx' };
/** What a server says of a file whose name does not tell: none, or `.php`. */
const TYPES: { readonly [type: string]: string } = {
  'text/plain': 'txt',
  'text/html': 'html',
  'application/xhtml+xml': 'xhtml',
  'text/markdown': 'md',
  'text/csv': 'csv',
  'text/tab-separated-values': 'tsv',
  'application/json': 'json',
  'application/xml': 'xml',
  'text/xml': 'xml',
  'application/pdf': 'pdf',
};
const MARKUP = new Set(['html', 'htm', 'xhtml', 'xht', 'xml']);
/** Characters of a title: each passage carries it. */
const TITLE_MAX = 300;
/** Bytes at the beginning that tell what a file without an ending is. */
const HEAD = 1024;

/** See `extract`. */
export async function extractFile(file: FileInput, options: ExtractOptions): Promise<ExtractedText> {
  const name = file.name.split(/[\\/]/).at(-1)!;
  const ending = /[^.]\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const bytes = typeof file.text === 'string' ? undefined : new Uint8Array(await (file as File).arrayBuffer());
  const type = typeof file.text === 'string' ? '' : (file as File).type;
  const isKnown = [READERS, ENTRIES, options.extractors ?? {}].some((kinds) => Object.hasOwn(kinds, ending));
  const kind =
    (isKnown ? ending : typed(type)) ||
    ending ||
    sniffed(bytes ? latin1(bytes.subarray(0, HEAD)) : (file.text as string).slice(0, HEAD));
  const found = await reading(file.name, kind, () => {
    const { extractors } = options;
    if (extractors && Object.hasOwn(extractors, kind))
      return extractors[kind]!(bytes ?? new TextEncoder().encode(file.text as string), name);
    const reader = readerOf(kind, file.name, extractors);
    const source = bytes
      ? decode(bytes, { charset: options.charset, type, isMarkup: MARKUP.has(kind) })
      : (file.text as string);
    return reader(checkedText(source, file.name), `"${file.name}"`);
  });
  const { title, text, format } = await structured(found, file.name);
  const fallback = ending === '' ? name : name.slice(0, -ending.length - 1);
  return { title: shortened(title.trim(), TITLE_MAX) || fallback, text, format };
}

/** What a reader or extractor gives; what it throws, as an error that names the file. */
async function reading(name: string, kind: string, read: () => Extraction | Promise<Extraction>): Promise<Extraction> {
  let found: Extraction;
  try {
    found = await read();
  } catch (error) {
    if (error instanceof PiramidError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PiramidError('INVALID_ARGUMENT', `"${name}": cannot be read: ${reason}`, { cause: error });
  }
  if (typeof found?.text === 'string') return found;
  throw new PiramidError(
    'INVALID_ARGUMENT',
    `extractors.${kind}: expected it to return { text }, a string, for "${name}"`,
  );
}

/** HTML read, and a title looked for. */
async function structured(found: Extraction, name: string): Promise<ExtractedText> {
  const { format = 'text' } = found;
  const source = found.text.replace(/^\ufeff/, '').toWellFormed();
  if (format === 'html') {
    const page = await readHtml(source);
    return { title: found.title || page.title, text: page.text, format: 'markdown' };
  }
  checkFormat(format, `extractors, for "${name}": format`);
  const title = found.title || (format === 'markdown' ? (await outlineOf(source)).title : '');
  return { title, text: source, format };
}

function readerOf(kind: string, name: string, extractors: ExtractOptions['extractors']): Reader {
  if (kind === '') return text;
  if (Object.hasOwn(READERS, kind)) return READERS[kind]!;
  const entry = Object.hasOwn(ENTRIES, kind) ? ENTRIES[kind]! : undefined;
  const endings = [...new Set([...Object.keys(READERS), ...Object.keys(extractors ?? {})])].join(', .');
  throw new PiramidError(
    'UNSUPPORTED',
    entry
      ? `"${name}": .${kind} files are read with extractors: { ${kind} }, where ${kind} is imported from '${entry}'`
      : `"${name}": cannot read .${kind} files; those that can be read end in .${endings}, or are passed an extractor: extractors: { ${JSON.stringify(kind)}: (bytes, name) => ({ text }) }`,
  );
}

function typed(type: string): string {
  const mime = type.split(';')[0]!.trim().toLowerCase();
  return Object.hasOwn(TYPES, mime) ? TYPES[mime]! : '';
}

/** What a file without an ending is by its first characters; '' for plain text. */
function sniffed(head: string): string {
  const start = head
    .replaceAll('\0', '')
    .replace(/^(?:\ufeff|ï»¿|ÿþ|þÿ)/, '')
    .trimStart()
    .toLowerCase();
  if (start.startsWith('%pdf-')) return 'pdf';
  if (start.startsWith('pk\x03\x04') && /word\/|\[content_types\]/.test(start)) return 'docx';
  if (/^(?:<!doctype html|<html)[\s>]/.test(start)) return 'html';
  return start.startsWith('<?xml') ? (/<html[\s>]/.test(start) ? 'xhtml' : 'xml') : '';
}

function checkedText(source: string, name: string): string {
  if (!source.includes('\0')) return source;
  throw new PiramidError(
    'INVALID_ARGUMENT',
    `"${name}" holds bytes that are not text; its encoding can be given as charset`,
  );
}

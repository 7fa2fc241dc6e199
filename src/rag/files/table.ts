// CSV and TSV to records: each row with the names of its columns. The parser is Papa Parse, loaded on demand.
import type Papa from 'papaparse';
import { shortened } from '../words.ts';

/** Characters of a name that is repeated. */
const KEY_MAX = 100;

/** Rows as records, one `name: value` a line. */
export async function readTable(source: string, separator: '' | '\t'): Promise<string> {
  const { default: papa } = await import('papaparse');
  const rows = parse(papa, source, separator);
  const names = hasNames(rows) ? rows.shift()! : [];
  return rows
    .map((row) =>
      row
        .map((value, column) => [names[column]?.trim() || `column ${column + 1}`, oneLine(value)])
        .filter(([, value]) => value !== '')
        .map(([name, value]) => `${keyOf(name!)}: ${value}\n`)
        .join(''),
    )
    .filter((record) => record !== '')
    .join('\n');
}

function parse(papa: typeof Papa, source: string, delimiter: string): string[][] {
  const options = { delimiter, skipEmptyLines: 'greedy' } as const;
  const { data, errors } = papa.parse<string[]>(source, options);
  // A quotation mark that is never closed is one of the text.
  if (!errors.some(({ type }) => type === 'Quotes')) return data;
  return papa.parse<string[]>(source, { ...options, quoteChar: '\0' }).data;
}

/** Whether the first row names the columns: words, each once. */
function hasNames([first, second]: readonly string[][]): boolean {
  if (!first || !second) return false;
  const names = first.map((name) => name.trim()).filter((name) => name !== '');
  return names.length > 0 && new Set(names).size === names.length && names.every((name) => Number.isNaN(Number(name)));
}

/** A name to repeat in each record. */
export function keyOf(name: string): string {
  return shortened(oneLine(name), KEY_MAX);
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

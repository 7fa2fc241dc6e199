// JSON, JSON lines and notebooks. Records get one line per value, `author.name: Ann`.
import { PiramidError } from '../../errors.ts';
import { keyOf, oneLine } from './table.ts';

/** Keys of a value that are told, the innermost. */
const KEYS_MAX = 8;

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The items of a list as records, those of lists in an object too; anything else is one record. */
export function readJson(source: string, name: string): string {
  return joined(items(parse(source, name)));
}

/** One record a line. */
export function readJsonLines(source: string, name: string): string {
  const records: string[] = [];
  for (const [i, line] of source.split(/\r?\n/).entries())
    if (line.trim() !== '') records.push(record(parse(line, `${name}, line ${i + 1}`)));
  return joined(records);
}

/** A Jupyter notebook as Markdown: its texts, its code, and what that printed. */
export function readNotebook(source: string, name: string): { title: string; text: string } {
  const book = parse(source, name);
  const sheets = asArray(field(book, 'worksheets')).flatMap((sheet) => asArray(field(sheet, 'cells')));
  const language = text(field(field(field(book, 'metadata'), 'language_info'), 'name')).replace(/\W/g, '');
  const parts: string[] = [];
  for (const cell of [...asArray(field(book, 'cells')), ...sheets]) {
    const kind = field(cell, 'cell_type');
    const content = text(field(cell, 'source') ?? field(cell, 'input')).trimEnd();
    if (content !== '' && kind === 'code') parts.push(fenced(content, language));
    else if (content !== '' && kind === 'heading')
      parts.push(`${'#'.repeat(Number(field(cell, 'level')) || 1)} ${oneLine(content)}`);
    else if (content.trim() !== '') parts.push(content);
    for (const output of asArray(field(cell, 'outputs'))) {
      const printed = text(field(output, 'text') ?? field(field(output, 'data'), 'text/plain')).trimEnd();
      if (printed !== '') parts.push(fenced(printed, ''));
    }
  }
  return {
    title: text(field(field(book, 'metadata'), 'title')),
    text: parts.length === 0 ? '' : `${parts.join('\n\n')}\n`,
  };
}

/** Numbers stay as they are written: JavaScript would round the long ones. */
function parse(source: string, name: string): Json {
  try {
    JSON.parse(source);
    return JSON.parse(
      source.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) => (token[0] === '"' ? token : `"${token}"`)),
    ) as Json;
  } catch (error) {
    throw new PiramidError('INVALID_ARGUMENT', `${name} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function items(value: Json): string[] {
  if (Array.isArray(value)) return value.map((item) => record(item));
  if (typeof value !== 'object' || value === null) return [record(value)];
  const lists = Object.entries(value).filter(([, list]) => Array.isArray(list) && list.some(isObject));
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !lists.some(([name]) => name === key)));
  return [record(rest), ...lists.flatMap(([key, list]) => (list as Json[]).map((item) => record(item, [keyOf(key)])))];
}

/** Each value with its keys on a line of its own. Without recursion: nesting can be deep. */
function record(value: Json, keys: readonly string[] = []): string {
  let lines = '';
  const todo: { keys: readonly string[]; value: Json }[] = [{ keys, value }];
  for (let next = todo.pop(); next; next = todo.pop()) {
    const { keys, value } = next;
    if (Array.isArray(value) && value.some((item) => typeof item === 'object')) {
      for (let i = value.length - 1; i >= 0; i--) todo.push({ keys, value: value[i]! });
    } else if (isObject(value)) {
      for (const [key, inner] of Object.entries(value).reverse()) {
        todo.push({ keys: [...keys, keyOf(key)].slice(-KEYS_MAX), value: inner });
      }
    } else if (value !== null) {
      const words = oneLine(Array.isArray(value) ? value.join(', ') : String(value));
      if (words !== '') lines += keys.length > 0 ? `${keys.join('.')}: ${words}\n` : `${words}\n`;
    }
  }
  return lines;
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function field(value: Json | undefined, key: string): Json | undefined {
  return value !== undefined && isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function asArray(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

/** Notebooks keep a text as one string or as its lines. */
function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : asArray(value).join('');
}

function fenced(code: string, language: string): string {
  let fence = '```';
  while (code.includes(fence)) fence += '`';
  return `${fence}${language}\n${code}\n${fence}`;
}

function joined(records: readonly string[]): string {
  return records.filter((lines) => lines !== '').join('\n');
}

// JSON Lines: one JSON value a line, UTF-8.
import type { Collection, Metadata, VectorRecord } from 'piramid';
import { type ByteReader, invalidFile, type Source, type SourceOptions, writeAll } from './bytes.ts';

/** Most characters of one line. */
const LINE_MAX = 1 << 28;

export interface JsonlOptions<M extends object = Metadata> extends SourceOptions {
  /** Turns the value of a line (counted from 1) into a record; null skips it. @default the value is the record */
  map?: (value: unknown, line: number) => VectorRecord<M> | null;
}

/**
 * Writes one record per line: `{ id, vector?, text?, context?, metadata? }`, or the result of `map`. A `null` vector,
 * text or metadata counts as absent. Of several lines with one id the last one stays. `{ "$date": "…" }` in metadata is
 * a date. Empty lines are skipped, and gzipped files are unpacked. Returns how many lines were written.
 *
 * `INVALID_FILE` names the line that is not JSON, or that has an integer beyond 2^53, which a number cannot hold: write
 * it as a string. If `upsert` refuses a batch, the error names its lines. Earlier batches stay.
 */
export function importJsonl<M extends object = Metadata>(
  collection: Pick<Collection<M>, 'upsert'>,
  source: Source,
  options: JsonlOptions<M> = {},
): Promise<number> {
  const { map = (value) => value as VectorRecord<M> } = options;
  return writeAll(collection, source, options, async function* (reader) {
    for await (const { text, line } of lines(reader)) {
      if (text.trim() === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (error) {
        throw invalidFile(`line ${line}`, `is not JSON (${(error as Error).message})`, error);
      }
      const large = largeInteger(text);
      if (large !== undefined)
        throw invalidFile(`line ${line}`, `${large} is beyond 2^53 and would be rounded; write it as a string`);
      const record = map(value, line);
      if (record !== null) yield { record: withoutNulls(record, text.includes('"$date"')), where: `line ${line}` };
    }
  });
}

/**
 * An integer of a line of JSON that a number cannot hold. Found in the text: what `JSON.parse` made of it is rounded.
 */
function largeInteger(json: string): string | undefined {
  if (!/(?:^|[^\d.])\d{16}/.test(json)) return undefined;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g))
    if (/^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))) return token;
  return undefined;
}

/** Other programs write what is not there as null. */
function withoutNulls<M extends object>(record: VectorRecord<M>, hasDates: boolean): VectorRecord<M> {
  if (typeof record !== 'object') return record; // for `upsert` to refuse
  const kept = Object.entries(record).filter(([key, value]) => value !== null || key === 'id');
  if (!hasDates && kept.length === Object.keys(record).length) return record;
  return Object.fromEntries(
    kept.map(([key, value]) => [key, key === 'metadata' && hasDates ? dated(value) : value]),
  ) as unknown as VectorRecord<M>;
}

/** With its dates. What is tagged but no date is for `upsert` to refuse. */
function dated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dated);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const entries = Object.entries(value);
  const [[key, text] = []] = entries;
  if (entries.length === 1 && key === '$date' && typeof text === 'string' && !Number.isNaN(Date.parse(text)))
    return new Date(text);
  return Object.fromEntries(entries.map(([name, field]) => [name, dated(field)]));
}

async function* lines(reader: ByteReader): AsyncGenerator<{ text: string; line: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  /** Of a line whose end has not come yet. */
  let parts: string[] = [];
  let length = 0;
  for (;;) {
    const bytes = await reader.next();
    let text: string;
    try {
      text = bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (error) {
      throw invalidFile(`line ${line} or one soon after`, 'is not UTF-8', error);
    }
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      yield { text: parts.join('') + text.slice(start, end), line };
      line++;
      parts = [];
      length = 0;
      start = end + 1;
    }
    parts.push(text.slice(start));
    length += text.length - start;
    if (length > LINE_MAX) throw invalidFile(`line ${line}`, `is longer than ${LINE_MAX} characters`);
    if (!bytes) break;
  }
  yield { text: parts.join(''), line };
}

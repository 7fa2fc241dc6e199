// JSON Lines: one JSON value a line, UTF-8.
import type { Collection, Metadata, VectorRecord } from 'piramid';
import { type ByteReader, invalidFile, type Source, type SourceOptions, writeAll } from './bytes.ts';

/** Most characters of one line. */
const LINE_MAX = 1 << 28;

export interface JsonlOptions<M extends object = Metadata> extends SourceOptions {
  /** Makes a record of what stands in a line (counted from 1); null leaves it out. @default the line is the record */
  map?: (value: unknown, line: number) => VectorRecord<M> | null;
}

/**
 * Writes one record per line: `{ id, vector?, text?, metadata? }`, or what `map` makes of it. Empty lines are left out. Returns how
 * many records were written. `INVALID_FILE` names the line that is no JSON; what `upsert` refuses names the lines of the batch. Batches
 * before it stay.
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
      const record = map(value, line);
      if (record !== null) yield { record, where: `line ${line}` };
    }
  });
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

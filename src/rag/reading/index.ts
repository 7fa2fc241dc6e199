// Has a library read a document: a long one in the reader, a worker of its own, which leaves the page's thread free and is ended
// where the library does not come to an end. Short ones are read at once, and all where no worker can be had (Node, strict pages).
import { PiramidError } from '../../errors.ts';
import type { Kind, Read } from './libraries.ts';
import { Reader } from './reader.ts';

/** Longer documents are read in the worker. Characters. */
const AT_ONCE_MAX = 100_000;
/** Longer ones are refused. Characters. */
const LENGTH_MAX = 50_000_000;
const MARKDOWN_LENGTH_MAX = 20_000_000;

let reader: Reader | undefined;

/** Throws `INVALID_ARGUMENT` where a document is too long, or too deep; `TIMEOUT` where reading it does not end. */
export async function readAside<K extends Kind>(kind: K, source: string): Promise<Read<K>> {
  const longest = kind === 'markdown' ? MARKDOWN_LENGTH_MAX : LENGTH_MAX;
  if (source.length > longest) {
    const of = kind === 'markdown' ? 'of Markdown at' : 'at';
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `the document has ${source.length} characters; ${of} most ${longest} can be read`,
    );
  }
  if (source.length > AT_ONCE_MAX && typeof Worker !== 'undefined') {
    reader ??= new Reader(async () => (await import('./make-worker.ts')).makeWorker());
    const read = await reader.read(kind, source);
    if (read !== undefined) return read;
  }
  const { LIBRARIES } = await import('./libraries.ts');
  return LIBRARIES[kind](source) as Promise<Read<K>>;
}

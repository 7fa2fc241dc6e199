// What all formats share: bytes of a stream in the amounts that a format asks for, and records written in batches. No more
// than one batch, and one piece of the stream, is in memory.
import type { Collection, VectorRecord } from 'piramid';
import { PiramidError } from '../errors.ts';

/** Progress of an import. */
export interface ImportProgress {
  /** Records written. */
  records: number;
  /** Bytes of the source read. */
  bytes: number;
}

/** Options of every import. */
export interface SourceOptions {
  /** Called after each batch. */
  onProgress?: (progress: ImportProgress) => void;
  /** Cancels the import: it rejects with `ABORTED`. Batches that have been written stay. */
  signal?: AbortSignal;
  /** Records per write, 1 to 100 000. @default 1000 */
  batch?: number;
}

/** Source of records, gzipped or not: the first bytes tell. */
export type Source = ReadableStream<Uint8Array> | Blob;

/** Refuses a file for what stands at some place of it. */
export function invalidFile(where: string, why: string, cause?: unknown): PiramidError {
  return new PiramidError('INVALID_FILE', `${where}: ${why}`, { cause });
}

/** A stream's bytes in the amounts that are asked for. */
export class ByteReader {
  /** Bytes taken so far. */
  position = 0;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #isFirst = true;
  /** What the packed bytes come from; null where they are not packed. */
  #packed: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #isAtEnd = false;

  constructor(source: Source, signal: AbortSignal | undefined) {
    const stream = source instanceof Blob ? source.stream() : source;
    if (!(stream instanceof ReadableStream))
      throw new PiramidError('INVALID_ARGUMENT', 'source: expected a ReadableStream or a Blob');
    this.#reader = stream.getReader();
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort);
  }

  /** So many bytes, or null at the very end. Throws `INVALID_FILE` where there are fewer: `what` they are. */
  async take(count: number, what: () => string): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#held < count && !(await this.#fill(count))) {
      if (this.#held === 0) return null;
      throw invalidFile(what(), `expected ${count} bytes, the file ends after ${this.#held}`);
    }
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const piece = this.#pieces[0]!;
      const part = piece.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(part.length);
    }
    this.#held -= count;
    this.position += count;
    return bytes;
  }

  /** A source may be silent for long. */
  readonly #onAbort = () => void this.#reader.cancel().catch(() => {});

  /** Whatever bytes come next; null at the end. */
  async next(): Promise<Uint8Array | null> {
    if (this.#held === 0 && !(await this.#fill(1))) return null;
    const piece = this.#pieces.shift()!;
    this.#held -= piece.length;
    this.position += piece.length;
    return piece;
  }

  /** Lets go of the stream. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (!this.#isAtEnd) this.#reader.cancel().catch(() => {});
  }

  async #fill(count: number): Promise<boolean> {
    if (this.#isFirst) await this.#unpack();
    while (this.#held < count && !this.#isAtEnd) {
      const { done, value } = await this.#read();
      this.#isAtEnd = done;
      if (!value) continue;
      if (value.length > 0) this.#pieces.push(value);
      this.#held += value.length;
    }
    return this.#held >= count;
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const reader = this.#reader;
    const result = await reader.read().catch((error) => {
      throwIfAborted(this.#signal);
      throw this.#packed ? invalidFile('gzip', (error as Error).message, error) : error;
    });
    throwIfAborted(this.#signal);
    if (!result.done && !(result.value instanceof Uint8Array))
      throw new PiramidError('INVALID_ARGUMENT', 'source: expected a stream of Uint8Array');
    return result;
  }

  /** Looks at the first two bytes, which may come one by one. */
  async #unpack(): Promise<void> {
    this.#isFirst = false;
    const first: Uint8Array[] = [];
    let length = 0;
    while (length < 2) {
      const { done, value } = await this.#read();
      if (done) break;
      first.push(value);
      length += value.length;
    }
    const [one, two] = first.flatMap((piece) => [...piece.subarray(0, 2)]);
    const isPacked = one === 0x1f && two === 0x8b;
    if (!isPacked) {
      this.#pieces = first.filter((piece) => piece.length > 0);
      this.#held = length;
      return;
    }
    const reader = this.#reader;
    this.#packed = reader;
    const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const piece = first.shift();
        const { done, value } = piece ? { done: false, value: piece } : await reader.read();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      },
      cancel: (reason) => reader.cancel(reason),
    });
    this.#reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
  }
}

/** Writes records as they come, a batch at a time. Returns how many. `where` names a record in errors. */
export async function writeAll<M extends object>(
  collection: Pick<Collection<M>, 'upsert'>,
  source: Source,
  options: SourceOptions,
  records: (reader: ByteReader) => AsyncIterable<{ record: VectorRecord<M>; where: string }>,
): Promise<number> {
  const { signal, onProgress, batch = 1000 } = options;
  if (!Number.isInteger(batch) || batch < 1 || batch > 100_000)
    throw new PiramidError('INVALID_ARGUMENT', `batch: expected an integer from 1 to 100000, got ${batch}`);
  const reader = new ByteReader(source, signal);
  let written = 0;
  let taken = 0;
  /** By id: of several records with one, in one batch or in two, the last one stays. */
  let waiting = new Map<unknown, { record: VectorRecord<M>; where: string }>();
  const write = async () => {
    const list = [...waiting.values()];
    waiting = new Map();
    try {
      await collection.upsert(
        list.map(({ record }) => record),
        signal ? { signal } : {},
      );
    } catch (error) {
      if (!(error instanceof PiramidError)) throw error;
      throw new PiramidError(
        error.code,
        `${list[0]!.where} to ${list.at(-1)!.where}: ${error.message} (${written} records before them have been written)`,
        { cause: error },
      );
    }
    written += taken;
    taken = 0;
    onProgress?.({ records: written, bytes: reader.position });
  };
  try {
    for await (const item of records(reader)) {
      const id = item.record?.id ?? item; // what has none is for `upsert` to refuse
      waiting.delete(id); // it moves to the end, as across batches
      waiting.set(id, item);
      if (++taken === batch) await write();
    }
    if (taken > 0) await write();
  } finally {
    reader.close();
  }
  return written;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PiramidError('ABORTED', 'the import was cancelled by its signal', { cause: signal.reason });
}

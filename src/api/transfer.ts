// The page's ends of exports and imports: a stream that pulls blocks from the worker when it is read, and a pump that gives
// a stream's bytes to the worker piece by piece, each when the one before has been worked in.
import { transfer } from 'comlink';
import { PiramidError } from '../errors.ts';
import type { ExportOptions, Imported, ImportOptions } from '../types.ts';
import type { Connection } from './connect.ts';
import { describe, type Given, invalid } from './input.ts';

/** Bytes that go to the worker in one call, whatever the source's own pieces are. */
const PIECE_BYTES = 1 << 20;

/** A file's blocks, from the moment of this call, or of the code's arrival. `collections`: by name; null: all. */
export function exportStream(
  connection: Connection,
  collections: string[] | null,
  { signal, onProgress }: ExportOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const name = newName();
  const stop = new AbortController();
  const run = connection.call((engine, call) => engine.runExport(name, collections, call), {
    signal: either(signal, stop.signal),
  });
  let number = 0;
  return new ReadableStream(
    {
      __proto__: null,
      start(controller) {
        // Also while nobody reads.
        run.catch((error) => controller.error(error));
      },
      async pull(controller) {
        const { block, done, total } = await connection.call((engine) => engine.exportBlock(name, number++), {
          signal,
        });
        if (!block) return controller.close();
        controller.enqueue(block);
        onProgress?.({ done, total });
      },
      cancel: () => stop.abort(),
    } as UnderlyingDefaultSource<Uint8Array<ArrayBuffer>>,
    { __proto__: null, highWaterMark: 0 } as QueuingStrategy,
  );
}

export async function importStream(
  connection: Connection,
  source: ReadableStream<Uint8Array>,
  { signal, onProgress, rename }: Given<ImportOptions>,
): Promise<Imported> {
  const name = newName();
  const stop = new AbortController();
  const run = connection.call((engine, call) => engine.runImport(name, call), {
    signal: either(signal, stop.signal),
    waits: true, // until nothing is left of what was written
  });
  const ended = run.then(
    () => {},
    () => {},
  );
  let imported: Imported = { collections: [], records: 0 };
  let number = 0;
  try {
    for await (const piece of pieces(source, signal)) {
      const { done, total, collections } = await connection.call(
        (engine) => engine.importPiece(name, number++, transfer(piece, [piece.buffer]), rename),
        { signal },
      );
      imported = { collections, records: total };
      onProgress?.({ done, total });
    }
    await connection.call((engine, call) => engine.finishImport(name, call), { signal, waits: true });
    return imported;
  } finally {
    stop.abort();
    await ended;
  }
}

/** The stream's bytes in buffers of their own, of one size but for the last. Cancels the stream when it is left. */
async function* pieces(
  source: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = source.getReader();
  const onAbort = () => void reader.cancel(signal!.reason).catch(() => {});
  signal?.addEventListener('abort', onAbort);
  let isAtEnd = false;
  try {
    let piece = new Uint8Array(PIECE_BYTES);
    let filled = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (signal?.aborted)
        throw new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
      isAtEnd = done;
      if (done) break;
      if (!(value instanceof Uint8Array))
        throw invalid(`import: expected a stream of Uint8Array, got ${describe(value)}`);
      for (let taken = 0; taken < value.length; ) {
        const part = value.subarray(taken, taken + PIECE_BYTES - filled);
        piece.set(part, filled);
        filled += part.length;
        taken += part.length;
        if (filled < PIECE_BYTES) continue;
        yield piece;
        piece = new Uint8Array(PIECE_BYTES);
        filled = 0;
      }
    }
    if (filled > 0) yield piece.slice(0, filled);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (!isAtEnd) reader.cancel().catch(() => {});
    else reader.releaseLock();
  }
}

/** Tells transfers apart, whoever else has the database open. */
function newName(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function either(signal: AbortSignal | undefined, stop: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, stop]) : stop;
}

// Calls of an engine that export and import. What carries them out is loaded at the first (see assets.ts).
import { PiramidError } from '../errors.ts';
import type { CallId, Engine } from '../protocol.ts';
import type { CoderFor, Store } from '../store/store.ts';
import { type ImportAsset, loadCode } from './assets.ts';
import type { Languages } from './languages.ts';
import { postingsOf } from './postings.ts';
import type { Queue } from './queue.ts';
import type { Transfers } from './transfer.ts';

interface WriteSteps<T> {
  prepare: (signal: AbortSignal) => Promise<unknown>;
  again: (count: number) => T;
}

/**
 * `cancellable` runs a call so that it can be cancelled, `write` in its turn, which `prepare` does not hold; `opened` throws `CLOSED`, and
 * `closing` fires before it does.
 */
export function transferCalls(
  cancellable: <T>(call: CallId, run: (signal: AbortSignal) => Promise<T>) => Promise<T>,
  write: <T>(call: CallId, run: () => Promise<T>, how: WriteSteps<T>) => Promise<T>,
  opened: () => { store: Store; coderFor: CoderFor },
  {
    importAsset,
    languages,
    writes,
    closing,
  }: { importAsset: ImportAsset; languages: Languages; writes: Queue; closing: AbortSignal },
): Pick<Engine, 'runExport' | 'exportBlock' | 'runImport' | 'importPiece' | 'finishImport'> {
  let loaded: Promise<Transfers> | null = null;
  /** Once it is there. */
  let current: Transfers | null = null;

  /** Loaded when it is first wanted, and tried again if that failed. */
  function transfers(): Promise<Transfers> {
    const { store, coderFor } = opened();
    if (!loaded) {
      loaded = loadCode(importAsset, 'transfer.js', 'exports and imports need').then(({ Transfers }) => {
        current = new Transfers({ store, writes, coderFor, languages, postingsOf });
        return current;
      });
      loaded.catch(() => {
        loaded = null;
      });
    }
    return loaded;
  }

  /** Begins a call as soon as the code is there, before any other that waits for it. Nobody who cancels or closes waits for a download. */
  function begun<T>(signal: AbortSignal, begin: (code: Transfers) => Promise<T>): Promise<T> {
    const stop = AbortSignal.any([signal, closing]);
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(new PiramidError('ABORTED', 'the call was cancelled by its signal'));
      stop.addEventListener('abort', onAbort);
      transfers().then((code) => {
        stop.removeEventListener('abort', onAbort);
        if (!stop.aborted) resolve(begin(code));
      }, reject);
    });
  }

  return {
    runExport(name, wanted, call) {
      return cancellable(call, (signal) => {
        const begin = (code: Transfers) => {
          // Its moment is now: what is written from here on waits, and is not in it. No job of the queue waits for the code.
          const source = writes.run(async () => code.export(wanted));
          source.catch(() => {});
          return code.runExport(name, source, signal);
        };
        opened();
        return current ? begin(current) : begun(signal, begin);
      });
    },

    async exportBlock(name, number) {
      return (await transfers()).exportBlock(name, number);
    },

    runImport(name, call) {
      return cancellable(call, (signal) => begun(signal, (code) => code.runImport(name, signal)));
    },

    async importPiece(name, number, bytes, rename) {
      return (await transfers()).importPiece(name, number, bytes, rename);
    },

    finishImport(name, call) {
      let why: unknown;
      return write(
        call,
        async () => {
          if (!current) throw why;
          return current.finishImport(name);
        },
        {
          // Not there where another worker has taken the database over.
          prepare: (signal) =>
            begun(signal, async () => {}).catch((error) => {
              why = error;
            }),
          again: () => {},
        },
      );
    },
  };
}

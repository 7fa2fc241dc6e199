// Calls of an engine that export and import. What carries them out is loaded at the first (see assets.ts).
import type { CallId, Engine } from '../protocol.ts';
import type { CoderFor, Store } from '../store/store.ts';
import { type ImportAsset, loadCode } from './assets.ts';
import type { Languages } from './languages.ts';
import { postingsOf } from './postings.ts';
import type { Queue } from './queue.ts';
import type { Transfers } from './transfer.ts';

/** `cancellable` runs a call so that it can be cancelled, `write` in its turn; `opened` throws `CLOSED`. */
export function transferCalls(
  cancellable: <T>(call: CallId, run: (signal: AbortSignal) => Promise<T>) => Promise<T>,
  write: <T>(call: CallId, run: () => Promise<T>, how: { again: (count: number) => T }) => Promise<T>,
  opened: () => { store: Store; coderFor: CoderFor },
  { importAsset, languages, writes }: { importAsset: ImportAsset; languages: Languages; writes: Queue },
): Pick<Engine, 'runExport' | 'exportBlock' | 'runImport' | 'importPiece' | 'finishImport'> {
  let loaded: Promise<Transfers> | null = null;

  /** Loaded when it is first wanted, and tried again if that failed. */
  function transfers(): Promise<Transfers> {
    const { store, coderFor } = opened();
    if (!loaded) {
      loaded = loadCode(importAsset, 'transfer.js', 'exports and imports need').then(
        ({ Transfers }) => new Transfers({ store, writes, coderFor, languages, postingsOf }),
      );
      loaded.catch(() => {
        loaded = null;
      });
    }
    return loaded;
  }

  return {
    runExport(name, wanted, call) {
      return cancellable(call, async (signal) => {
        // Its moment is now: what is written from here on waits, and is not in it.
        const loading = transfers();
        const source = writes.run(async () => (await loading).export(wanted));
        source.catch(() => {});
        return (await loading).runExport(name, source, signal);
      });
    },

    async exportBlock(name, number) {
      return (await transfers()).exportBlock(name, number);
    },

    runImport(name, call) {
      return cancellable(call, async (signal) => (await transfers()).runImport(name, signal));
    },

    async importPiece(name, number, bytes, rename) {
      return (await transfers()).importPiece(name, number, bytes, rename);
    },

    finishImport(name, call) {
      return write(call, async () => (await transfers()).finishImport(name), { again: () => {} });
    },
  };
}

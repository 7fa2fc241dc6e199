// Loads each thing once however many ask for it: callers share the load, each can leave on its own signal, and when the
// last one leaves the load is stopped. A failed load is forgotten, so that the next call tries again.
import { PiramidError, throwIfAborted } from '../errors.ts';
import type { LoadOptions } from './model.ts';

export interface SharedLoads<T> {
  /** The thing of this key; `start` is called where it is neither there nor on its way. */
  get(key: string, load: LoadOptions, start: (load: LoadOptions) => Promise<T>): Promise<T>;
  /** Rejects what is loading with `CLOSED` and disposes of what is loaded. */
  close(): Promise<void>;
}

interface Entry<T> {
  loaded: Promise<T>;
  settled: boolean;
  stop: AbortController;
  callers: Set<LoadOptions>;
}

export function createSharedLoads<T>(dispose: (thing: T) => Promise<void>): SharedLoads<T> {
  const entries = new Map<string, Entry<T>>();
  let closed = false;

  function begin(key: string, start: (load: LoadOptions) => Promise<T>): Entry<T> {
    const stop = new AbortController();
    const callers = new Set<LoadOptions>();
    const started = start({
      signal: stop.signal,
      onProgress(progress) {
        for (const caller of callers) caller.onProgress(progress);
      },
    });
    const stopped = new Promise<never>((_, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
    });
    // Some loads cannot be stopped half way: what comes out of one that nobody waits for is disposed of.
    started.then((thing) => (stop.signal.aborted ? dispose(thing) : undefined)).catch(() => undefined);
    const entry: Entry<T> = { loaded: Promise.race([started, stopped]), settled: false, stop, callers };
    entry.loaded.then(
      () => {
        entry.settled = true;
      },
      (error) => {
        forget(key, entry);
        // One file failed: the others need not arrive.
        stop.abort(error);
      },
    );
    entries.set(key, entry);
    return entry;
  }

  function forget(key: string, entry: Entry<T>): void {
    if (entries.get(key) === entry) entries.delete(key);
  }

  function wait(key: string, entry: Entry<T>, load: LoadOptions): Promise<T> {
    const caller = { ...load };
    entry.callers.add(caller);
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        entry.callers.delete(caller);
        load.signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        leave();
        const error = cancelled(load.signal);
        reject(error);
        if (entry.callers.size > 0 || entry.settled) return;
        forget(key, entry);
        entry.stop.abort(error);
      };
      load.signal.addEventListener('abort', onAbort);
      entry.loaded.finally(leave).then(resolve, reject);
    });
  }

  return {
    async get(key, load, start) {
      if (closed) throw closedError();
      const known = entries.get(key);
      if (known?.settled) return known.loaded;
      throwIfAborted(load.signal);
      return wait(key, known ?? begin(key, start), load);
    },
    async close() {
      closed = true;
      const all = [...entries.values()];
      entries.clear();
      for (const { settled, stop } of all) if (!settled) stop.abort(closedError());
      await Promise.all(all.map(async ({ settled, loaded }) => (settled ? dispose(await loaded) : undefined)));
    },
  };
}

function closedError(): PiramidError {
  return new PiramidError('CLOSED', 'the database was closed while a model was asked for');
}

function cancelled(signal: AbortSignal): PiramidError {
  return new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
}

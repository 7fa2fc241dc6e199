// When an index's memory may be freed: once it is closed, and every search that began before has its answer.
import { PiramidError } from '../errors.ts';

export interface Lifetime {
  /** Throws `CLOSED`. */
  check(): void;
  /** Runs what needs the memory to its end. */
  within<T>(run: () => Promise<T>): Promise<T>;
  close(): void;
}

export function createLifetime(free: () => void): Lifetime {
  let inFlight = 0;
  let closed = false;

  function check(): void {
    if (closed) throw new PiramidError('CLOSED', 'the index has been closed');
  }

  return {
    check,
    async within(run) {
      check();
      inFlight++;
      try {
        return await run();
      } finally {
        inFlight--;
        if (closed && inFlight === 0) free();
      }
    },
    close() {
      if (closed) return;
      closed = true;
      if (inFlight === 0) free();
    },
  };
}

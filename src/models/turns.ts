// Who runs next on a model: one job at a time, urgent ones before those that wait. A model's session can run one thing at
// a time, and a question someone waits for must not stand behind a batch of documents.
import { throwIfAborted } from '../errors.ts';

/** Runs `job` when it is its turn; not at all if `signal` fires before. */
export type TakeTurn = <T>(urgent: boolean, signal: AbortSignal | undefined, job: () => Promise<T>) => Promise<T>;

export function createTurns(): TakeTurn {
  const urgent: (() => void)[] = [];
  const patient: (() => void)[] = [];
  let busy = false;

  return async (isUrgent, signal, job) => {
    if (busy) await new Promise<void>((resolve) => (isUrgent ? urgent : patient).push(resolve));
    busy = true;
    try {
      throwIfAborted(signal);
      return await job();
    } finally {
      const next = urgent.shift() ?? patient.shift();
      // `busy` stays set while the turn is handed on, so that nobody slips in between.
      if (next) next();
      else busy = false;
    }
  };
}

// Text that arrives in pieces, kept so that it can be read by anyone at any time: reading and finishing are apart, and
// whoever waits for the end need not read.

export interface TextStream extends AsyncIterable<string> {
  /** All of it; rejects as reading does. */
  readonly whole: Promise<string>;
}

/** Reads `pieces` to their end at once. A reader that stops early calls `stop`. */
export function keep(pieces: AsyncIterable<string>, stop: () => void): TextStream {
  const kept: string[] = [];
  let state: 'open' | 'done' | 'failed' = 'open';
  let failure: unknown;
  let waiting: (() => void)[] = [];
  const notify = (): void => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  const whole = (async () => {
    try {
      for await (const piece of pieces) {
        kept.push(piece);
        notify();
      }
      state = 'done';
      return kept.join('');
    } catch (error) {
      state = 'failed';
      failure = error;
      throw error;
    } finally {
      notify();
    }
  })();
  whole.catch(() => {}); // a reader gets the error too; nobody need wait for the whole
  return {
    whole,
    async *[Symbol.asyncIterator]() {
      let finished = false;
      try {
        for (let given = 0; ; ) {
          if (given < kept.length) yield kept[given++]!;
          else if (state === 'failed') {
            finished = true;
            throw failure;
          } else if (state === 'done') {
            finished = true;
            return;
          } else await new Promise<void>((wake) => waiting.push(wake));
        }
      } finally {
        if (!finished) stop();
      }
    },
  };
}

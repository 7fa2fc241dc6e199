// Text that arrives in pieces, kept so that it can be read by anyone at any time: reading and finishing are apart, and
// whoever waits for the end need not read.

import { sentences } from './sentences.ts';

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

/** Characters of a sentence that is looked for. */
const SENTENCE_MAX = 4000;
const MARKS = /^(?:\s*\[\d{1,9}\])*\s*/;
/** Characters without a word that are held back, until it is known what they belong to. */
const HELD_MAX = 40;

/**
 * The pieces without sentences that were written before, which small models like to repeat. What may still become such a
 * sentence is held back; everything else passes as it comes.
 */
export async function* once(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  const written = new Set<string>();
  let rest = ''; // since the last end of a sentence
  let shown = 0; // characters of `rest`
  let wasRepeated = false; // the last sentence with words
  for await (const piece of pieces) {
    rest += piece;
    for (const { start, end } of sentences(rest).slice(0, -1)) {
      // Marks of sources in front belong to what is before them, and so does what has no words at all.
      const words = start + MARKS.exec(rest.slice(start, end))![0].length;
      for (const [from, to] of [
        [start, words],
        [words, end],
      ] as const) {
        const key = plain(rest.slice(from, to));
        if (key !== '') wasRepeated = written.has(key);
        const hidden = Math.max(from, start + shown);
        if (!wasRepeated && hidden < to) yield rest.slice(hidden, to);
        if (key !== '') written.add(key);
      }
      shown = 0;
    }
    rest = rest.slice(sentences(rest).at(-1)?.start ?? 0);
    const begun = plain(rest);
    if (begun === '' ? rest.length < HELD_MAX : [...written].some((sentence) => sentence.startsWith(begun))) continue;
    if (shown < rest.length) yield rest.slice(shown);
    shown = rest.length;
    // What never ends is no sentence.
    if (shown > SENTENCE_MAX) [rest, shown] = ['', 0];
  }
  const key = plain(rest);
  if (!(key === '' ? wasRepeated : written.has(key)) && shown < rest.length) yield rest.slice(shown);
}

/** Without marks of sources, case and punctuation. */
function plain(sentence: string): string {
  const words = sentence.replace(/\[\d*\]?/g, ' ').match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.join(' ').toLowerCase();
}

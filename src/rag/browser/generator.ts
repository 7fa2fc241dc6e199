// The Prompt API as a generator. Interface: https://webmachinelearning.github.io/prompt-api/ (pages only: workers do not have it).
// Each answer has a session of its own, so that answers do not see each other.
import type { ChatMessage, Generator } from 'piramid';
import { PiramidError } from '../../errors.ts';
import type { BrowserGeneratorOptions } from '../browser-models.ts';
import { availability, type BuiltIn, create, explain, throwIfAborted } from './built-in.ts';

const LANGUAGE_MODEL: BuiltIn = {
  name: 'LanguageModel',
  called: 'language model',
  advice:
    'desktop Chrome from 148 on has one on pages (not in workers); give ask a `model` by name or a generator of your own, or leave both out and it quotes',
};

/** No option of the API bounds an answer. */
const CHARACTERS_PER_TOKEN = 4;
/** What templates write around messages, and what several languages' counts differ by. */
const MARGIN_TOKENS = 64;

/** A session that measures, and how many measurements it is in. */
interface Meter {
  session: Promise<Session>;
  uses: number;
}

/** What of a session is used. Extensions of older releases have the names in brackets. */
interface Session {
  promptStreaming(messages: readonly ChatMessage[], options: { signal?: AbortSignal }): ReadableStream<string>;
  readonly contextWindow?: number;
  readonly inputQuota?: number;
  measureContextUsage?(text: string): Promise<number>;
  measureInputUsage?(text: string): Promise<number>;
  destroy(): void;
}

export async function createGenerator({ languages = ['en'], ...start }: BrowserGeneratorOptions): Promise<Generator> {
  checkLanguages(languages);
  const expected = [{ type: 'text', languages: [...languages] }];
  const options = { expectedInputs: expected, expectedOutputs: expected };
  const open = (more: object, signal: AbortSignal | undefined) =>
    create<Session>(LANGUAGE_MODEL, { ...options, ...more }, signal ? { signal } : {});
  if ((await availability(LANGUAGE_MODEL, options)) !== 'available')
    (await create<Session>(LANGUAGE_MODEL, options, start)).destroy();

  /**
   * The meters of answers that have not begun, by their signals. A session takes long to make, and `ask` measures up to four times
   * before it generates. The browser ends a session when its signal fires.
   */
  const meters = new WeakMap<AbortSignal, Meter>();
  const isKept = (meter: Meter, signal: AbortSignal | undefined) => !!signal && meters.get(signal) === meter;
  async function endUnused(meter: Meter, signal: AbortSignal | undefined): Promise<void> {
    if (meter.uses === 0 && !isKept(meter, signal)) (await meter.session).destroy();
  }
  /** Ends the meter of `signal`, at the latest when its measurements have ended. */
  async function retire(signal: AbortSignal | undefined): Promise<void> {
    const meter = signal && meters.get(signal);
    if (!meter) return;
    meters.delete(signal);
    await endUnused(meter, signal).catch(() => undefined);
  }

  return {
    name: 'browser',

    async fits(messages, { maxTokens = 0, signal }) {
      const meter = (signal && meters.get(signal)) ?? { session: open({}, signal), uses: 0 };
      if (signal) meters.set(signal, meter);
      meter.uses++;
      try {
        const session = await meter.session;
        const room = session.contextWindow ?? session.inputQuota ?? Number.POSITIVE_INFINITY;
        const text = messages.map(({ content }) => content).join('\n');
        const used = (await session.measureContextUsage?.(text)) ?? (await session.measureInputUsage?.(text)) ?? 0;
        return used + MARGIN_TOKENS + maxTokens <= room;
      } catch (error) {
        await retire(signal);
        throwIfAborted(signal);
        throw explain(error, LANGUAGE_MODEL);
      } finally {
        meter.uses--;
        // Without a session there is nothing to end.
        await endUnused(meter, signal).catch(() => undefined);
      }
    },

    async *generate(messages, { maxTokens = 256, signal }) {
      await retire(signal);
      // Rules are kept where they are given first.
      const session = await open({ initialPrompts: messages.slice(0, -1) }, signal);
      try {
        const stream = session.promptStreaming(messages.slice(-1), signal ? { signal } : {});
        const reader = stream.getReader();
        for (let left = maxTokens * CHARACTERS_PER_TOKEN; left > 0; ) {
          const { done, value } = await reader.read();
          if (done) return;
          // Where the last piece is cut, no half of a character stays.
          yield value.length > left ? value.slice(0, left).replace(/[\ud800-\udbff]$/, '') : value;
          left -= value.length;
        }
        await reader.cancel();
      } catch (error) {
        throwIfAborted(signal);
        throw explain(error, LANGUAGE_MODEL);
      } finally {
        session.destroy();
      }
    },
  };
}

/** Browsers say no more of a wrong list than that it is wrong, and read a string as a list of letters. */
function checkLanguages(languages: unknown): void {
  const isList = Array.isArray(languages);
  const wrong = isList ? [...languages].filter((tag) => !isTag(tag)) : [languages];
  if (wrong.length === 0) return;
  const [tag] = wrong;
  const shown = typeof tag === 'string' ? `"${tag}"` : tag === null ? 'null' : typeof tag;
  throw new PiramidError(
    'INVALID_ARGUMENT',
    `browserGenerator: languages: expected a list of language tags (BCP 47, such as ['en', 'pt-BR']), got ${shown}${isList ? ' in it' : ''}`,
  );
}

function isTag(tag: unknown): boolean {
  try {
    return typeof tag === 'string' && Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

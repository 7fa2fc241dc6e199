// The Prompt API as a generator. Interface: https://webmachinelearning.github.io/prompt-api/ (pages only: workers do not have it).
// Each answer has a session of its own, so that answers do not see each other.
import type { ChatMessage, Generator } from 'piramid';
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
  const expected = [{ type: 'text', languages: [...languages] }];
  const options = { expectedInputs: expected, expectedOutputs: expected };
  const open = (more: object, signal: AbortSignal | undefined) =>
    create<Session>(LANGUAGE_MODEL, { ...options, ...more }, signal ? { signal } : {});
  if ((await availability(LANGUAGE_MODEL, options)) !== 'available')
    (await create<Session>(LANGUAGE_MODEL, options, start)).destroy();

  return {
    name: 'browser',

    async fits(messages, { maxTokens = 0, signal }) {
      const session = await open({}, signal);
      try {
        const room = session.contextWindow ?? session.inputQuota ?? Number.POSITIVE_INFINITY;
        const text = messages.map(({ content }) => content).join('\n');
        const used = (await session.measureContextUsage?.(text)) ?? (await session.measureInputUsage?.(text)) ?? 0;
        return used + MARGIN_TOKENS + maxTokens <= room;
      } catch (error) {
        throwIfAborted(signal);
        throw explain(error, LANGUAGE_MODEL);
      } finally {
        session.destroy();
      }
    },

    async *generate(messages, { maxTokens = 256, signal }) {
      // Rules are kept where they are given first.
      const session = await open({ initialPrompts: messages.slice(0, -1) }, signal);
      try {
        const stream = session.promptStreaming(messages.slice(-1), signal ? { signal } : {});
        const reader = stream.getReader();
        for (let left = maxTokens * CHARACTERS_PER_TOKEN; left > 0; ) {
          const { done, value } = await reader.read();
          if (done) return;
          left -= value.length;
          yield value;
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

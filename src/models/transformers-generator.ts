// A transformers.js language model as a generator: chat template, greedy decoding, text piece by piece, stopped by a
// signal between two tokens.
import { throwIfAborted } from '../errors.ts';
import { nextTask } from '../structures/slices.ts';
import type { ChatMessage, ModelInfo } from '../types.ts';
import type { LoadOptions, WorkerGenerator } from './model.ts';
import { specialTokensOf, withoutSpecialTokens } from './special-tokens.ts';
import { explain, failure, type Runtime, type Transformers } from './transformers-runtime.ts';
import { createTurns } from './turns.ts';

const KNOWN_PROMPT: readonly ChatMessage[] = [{ role: 'user', content: 'Say hello.' }];
const KNOWN_PROMPT_TOKENS = 3;

export interface OwnedGenerator {
  generator: WorkerGenerator;
  dispose(): Promise<void>;
}

export async function loadTransformersGenerator(
  runtime: Runtime,
  model: string,
  load: LoadOptions,
): Promise<OwnedGenerator> {
  const begin = performance.now();
  const { pipe, transformers } = await runtime.load(model, 'q8', load, async (transformers) => ({
    // On a CPU int8 decodes five times as fast as blocks of four bits.
    pipe: await transformers.pipeline('text-generation', model, { device: 'wasm', dtype: 'q8' }),
    transformers,
  }));
  if (!pipe.tokenizer?.chat_template) {
    await pipe.dispose();
    throw failure(`model "${model}"`, 'it has no chat template; take a model made for instructions or chat');
  }
  const specialTokens = specialTokensOf(pipe.tokenizer);
  const takeTurn = createTurns();
  // Decoding in WASM never leaves the thread by itself: between two tokens, what came meanwhile (a cancel, a query) is
  // handled.
  const forward = pipe.model.forward.bind(pipe.model);
  pipe.model.forward = async (inputs: object) => {
    await nextTask();
    const outputs = (await forward(inputs)) as { logits: { data: ArrayLike<number> } };
    const { data } = outputs.logits;
    if (!Number.isFinite(data[0]) || !Number.isFinite(data[data.length - 1])) {
      throw failure(`model "${model}"`, 'it gave numbers that are not finite; take other weights');
    }
    return outputs;
  };

  async function run(
    messages: readonly ChatMessage[],
    maxTokens: number,
    signal: AbortSignal,
    onToken: (piece: string) => void,
  ): Promise<void> {
    const { InterruptableStoppingCriteria } = transformers;
    const stop = new InterruptableStoppingCriteria();
    const interrupt = () => stop.interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      await pipe(withoutSpecialTokens(messages, specialTokens), {
        max_new_tokens: maxTokens,
        do_sample: false,
        stopping_criteria: stop,
        streamer: pieces(transformers, signal, onToken),
      });
    } catch (error) {
      throw explain(error, model, {});
    } finally {
      signal.removeEventListener('abort', interrupt);
    }
    throwIfAborted(signal);
  }

  function pieces({ TextStreamer }: Transformers, signal: AbortSignal, onToken: (piece: string) => void) {
    return new TextStreamer(pipe.tokenizer, {
      skip_prompt: true,
      callback_function(piece: string) {
        if (piece !== '' && !signal.aborted) onToken(piece);
      },
    });
  }

  try {
    await selfTest();
  } catch (error) {
    await pipe.dispose();
    throw error;
  }
  const info: ModelInfo = { name: model, task: 'generate', device: 'wasm', loadMs: performance.now() - begin };
  return {
    dispose: () => pipe.dispose().then(() => undefined),
    generator: {
      info,
      generate: (messages, { signal, maxTokens, onToken }) =>
        takeTurn(false, signal, () => run(messages, maxTokens, signal, onToken)),
    },
  };

  async function selfTest(): Promise<void> {
    let reply = '';
    await run(KNOWN_PROMPT, KNOWN_PROMPT_TOKENS, load.signal, (piece) => {
      reply += piece;
    });
    if (reply.trim() !== '') return;
    throw failure(
      `model "${model}"`,
      'its self-test failed: it had no answer to a greeting; the weights may be broken',
    );
  }
}

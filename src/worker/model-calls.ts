// Calls of an engine that ask its models, and no collection.
import type { LoadOptions, ModelLoader } from '../models/model.ts';
import type { CallId, Engine, EngineEvent } from '../protocol.ts';

/** `cancellable` runs a call so that it can be cancelled; `opened` throws `CLOSED`. */
export function modelCalls(
  cancellable: <T>(call: CallId, run: (signal: AbortSignal) => Promise<T>) => Promise<T>,
  opened: () => { models: ModelLoader; onEvent: (event: EngineEvent) => void | Promise<void> },
  loadOptions: (call: CallId, signal: AbortSignal) => LoadOptions,
): Pick<Engine, 'loadModel' | 'embed' | 'generate' | 'rerank'> {
  return {
    loadModel(task, model, call) {
      return cancellable(call, async (signal) => {
        const { models } = opened();
        const load = loadOptions(call, signal);
        const { info } = await (task === 'embed'
          ? models.embedder(model, load)
          : models[task === 'rerank' ? 'reranker' : 'generator'](model.model, load));
        return info;
      });
    },

    embed(model, texts, kind, call) {
      return cancellable(call, async (signal) => {
        const embedder = await opened().models.embedder(model, loadOptions(call, signal));
        return embedder.embed(texts, { kind, signal });
      });
    },

    generate(model, messages, maxTokens, call) {
      return cancellable(call, async (signal) => {
        const { models, onEvent } = opened();
        const generator = await models.generator(model, loadOptions(call, signal));
        let delivered: unknown;
        const onToken = (piece: string) => {
          delivered = onEvent({ type: 'token', call, piece });
        };
        await generator.generate(messages, { signal, maxTokens, onToken });
        // Pieces and the answer go by different ports: the answer waits for the last piece.
        await delivered;
      });
    },

    rerank(model, query, texts, call) {
      return cancellable(call, async (signal) => {
        const reranker = await opened().models.reranker(model, loadOptions(call, signal));
        return reranker.rerank(query, texts, { signal });
      });
    },
  };
}

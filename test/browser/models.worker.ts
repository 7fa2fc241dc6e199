// A worker that runs the rag worker's model loader for `models.test.ts`: what crosses is plain, as in the engine.
import { expose } from 'comlink';
import { createTransformersLoader } from '../../src/models/transformers-loader.ts';
import type { EmbedderOptions, ModelProgress, ModelSource } from '../../src/types.ts';

let loader = createTransformersLoader({});
const progress: ModelProgress[] = [];
const forever = new AbortController().signal;
const loadOptions = { signal: forever, onProgress: (event: ModelProgress) => void progress.push(event) };

const methods = {
  use(source: ModelSource) {
    loader = createTransformersLoader(source);
  },
  async embedder(options: EmbedderOptions) {
    const { info, fingerprint, dimension } = await loader.embedder(options, loadOptions).catch(told);
    return { info, fingerprint, dimension, progress };
  },
  async embed(options: EmbedderOptions, texts: string[], kind: 'query' | 'document') {
    return (await loader.embedder(options, loadOptions)).embed(texts, { kind });
  },
  /** In which order a batch and a question asked right after it were answered. */
  async race(options: EmbedderOptions, documents: string[], question: string) {
    const embedder = await loader.embedder(options, loadOptions);
    const order: string[] = [];
    await Promise.all([
      embedder.embed(documents, { kind: 'document' }).then(() => order.push('documents')),
      embedder.embed([question], { kind: 'query' }).then(() => order.push('question')),
    ]);
    return order;
  },
  async generator(model: string) {
    return (await loader.generator(model, loadOptions).catch(told)).info;
  },
  /** The pieces of an answer; stops after `stopAfter` of them by a signal that fires from outside the decoding loop. */
  async generate(model: string, prompt: string, maxTokens: number, stopAfter = Number.POSITIVE_INFINITY) {
    const generator = await loader.generator(model, loadOptions);
    const stop = new AbortController();
    const pieces: { piece: string; at: number }[] = [];
    let code = 'done';
    await generator
      .generate([{ role: 'user', content: prompt }], {
        signal: stop.signal,
        maxTokens,
        onToken(piece) {
          pieces.push({ piece, at: performance.now() });
          // A task of its own, like a message from the page: it only runs if decoding lets others in.
          if (pieces.length === stopAfter) setTimeout(() => stop.abort(), 0);
        },
      })
      .catch((error) => {
        code = error.code;
      });
    return { pieces, code };
  },
  close: () => loader.close(),
};

/** Comlink forgets an error's code: the message begins with it. */
function told(error: Error): never {
  throw new Error(error.message);
}

export type ModelsWorker = typeof methods;
expose(methods);

// The models of the rag worker: the built-in embedder, and any embedder, language model or cross-encoder that transformers.js
// can run.
// Nothing of transformers.js is loaded before a model of it is asked for.

import { embedderRecipe } from './known-models.ts';
import { checkStatic } from './loader.ts';
import type { CreateModelLoader } from './model.ts';
import { STATIC_MODEL } from './model-files.ts';
import { createSharedLoads } from './shared-loads.ts';
import { loadStaticEmbedder } from './static-embedder.ts';
import { loadTransformersEmbedder, type OwnedEmbedder } from './transformers-embedder.ts';
import { loadTransformersGenerator, type OwnedGenerator } from './transformers-generator.ts';
import { loadTransformersReranker, type OwnedReranker } from './transformers-reranker.ts';
import { createRuntime } from './transformers-runtime.ts';

export const createTransformersLoader: CreateModelLoader = (source) => {
  const runtime = createRuntime(source);
  const embedders = createSharedLoads<OwnedEmbedder>((owned) => owned.dispose());
  const generators = createSharedLoads<OwnedGenerator>((owned) => owned.dispose());
  const rerankers = createSharedLoads<OwnedReranker>((owned) => owned.dispose());
  return {
    async embedder(options, load) {
      if (options.model === STATIC_MODEL) {
        checkStatic(options, source);
        const { embedder } = await embedders.get(STATIC_MODEL, load, async (shared) => ({
          embedder: await loadStaticEmbedder(source, shared),
          dispose: async () => undefined,
        }));
        return embedder;
      }
      const recipe = embedderRecipe(options);
      const key = JSON.stringify(recipe);
      const { embedder } = await embedders.get(key, load, (shared) =>
        loadTransformersEmbedder(runtime, recipe, shared),
      );
      return embedder;
    },
    async generator(model, load) {
      const { generator } = await generators.get(model, load, (shared) =>
        loadTransformersGenerator(runtime, model, shared),
      );
      return generator;
    },
    async reranker(model, load) {
      const { reranker } = await rerankers.get(model, load, (shared) =>
        loadTransformersReranker(runtime, model, shared),
      );
      return reranker;
    },
    async close() {
      await Promise.all([embedders.close(), generators.close(), rerankers.close()]);
    },
  };
};

// The models of the plain worker: the built-in embedder and nothing else, so that the core stays small. The rag worker
// (`transformers-loader.ts`) starts from the same embedder.
import { PiramidError } from '../errors.ts';
import type { EmbedderOptions, ModelSource } from '../types.ts';
import type { CreateModelLoader, LoadedEmbedder } from './model.ts';
import { MISSING_FILES_ADVICE, STATIC_MODEL } from './model-files.ts';
import { createSharedLoads } from './shared-loads.ts';
import { loadStaticEmbedder } from './static-embedder.ts';

export const createStaticLoader: CreateModelLoader = (source) => {
  const embedders = createSharedLoads<LoadedEmbedder>(async () => undefined);
  return {
    async embedder(options, load) {
      if (options.model !== STATIC_MODEL) throw needsRuntime(options.model);
      checkStatic(options, source);
      return embedders.get(STATIC_MODEL, load, (shared) => loadStaticEmbedder(source, shared));
    },
    generator: refuse,
    reranker: refuse,
    close: () => embedders.close(),
  };
};

/** `INVALID_ARGUMENT` if the built-in embedder was asked for in a way that it does not know, or is nowhere. */
export function checkStatic(options: EmbedderOptions, source: ModelSource): void {
  const { model, ...rest } = options;
  const inapplicable = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (inapplicable.length > 0) {
    const names = inapplicable.map(([name]) => name).join(', ');
    throw new PiramidError('INVALID_ARGUMENT', `embedder: "${model}" has no options, got ${names}`);
  }
  if (source.path === undefined && source.bytes?.[STATIC_MODEL] === undefined) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `model "${model}" needs its files: ${MISSING_FILES_ADVICE}, or with models: { bytes } of piramid-static-en`,
    );
  }
}

async function refuse(model: string): Promise<never> {
  throw needsRuntime(model);
}

function needsRuntime(model: string): PiramidError {
  return new PiramidError(
    'UNSUPPORTED',
    `model "${model}" needs the transformers.js runtime, which this worker does not have (it knows "${STATIC_MODEL}" only); ` +
      "open the database with worker: () => new Worker(new URL('piramid/rag-worker', import.meta.url), { type: 'module' })",
  );
}

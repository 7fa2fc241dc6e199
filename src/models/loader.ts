// The models of the plain worker: the built-in embedder and nothing else, so that the core stays small. The rag worker
// (`transformers-loader.ts`) starts from the same embedder.
import { PiramidError } from '../errors.ts';
import type { EmbedderOptions, ModelSource } from '../types.ts';
import type { CreateModelLoader, LoadedEmbedder } from './model.ts';
import { createSharedLoads } from './shared-loads.ts';
import { loadStaticEmbedder, STATIC_MODEL } from './static-embedder.ts';

export const createStaticLoader: CreateModelLoader = (source) => {
  const embedders = createSharedLoads<LoadedEmbedder>(async () => undefined);
  return {
    async embedder(options, load) {
      if (options.model !== STATIC_MODEL) throw needsRuntime(options.model);
      const folder = staticFolder(options, source);
      return embedders.get(STATIC_MODEL, load, (shared) => loadStaticEmbedder(folder, shared));
    },
    async generator(model) {
      throw needsRuntime(model);
    },
    close: () => embedders.close(),
  };
};

/** URL of the built-in embedder's folder; `INVALID_ARGUMENT` if it was asked for in a way it does not know. */
export function staticFolder(options: EmbedderOptions, source: ModelSource): string {
  const { model, ...rest } = options;
  const inapplicable = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (inapplicable.length > 0) {
    const names = inapplicable.map(([name]) => name).join(', ');
    throw new PiramidError('INVALID_ARGUMENT', `embedder: "${model}" has no options, got ${names}`);
  }
  if (source.path === undefined) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `model "${model}" is read from files that your page serves: copy the package piramid-static-en to a folder of ` +
        "your site, e.g. 'public/models/static-en', and open the database with models: { path: '/models/' }",
    );
  }
  return new URL(`${model}/`, withSlash(source.path)).href;
}

/** `folder` so that URLs resolve below it. */
export function withSlash(folder: string): string {
  return folder.endsWith('/') ? folder : `${folder}/`;
}

function needsRuntime(model: string): PiramidError {
  return new PiramidError(
    'UNSUPPORTED',
    `model "${model}" needs the transformers.js runtime, which this worker does not have (it knows "${STATIC_MODEL}" only); ` +
      "open the database with worker: () => new Worker(new URL('piramid/rag-worker', import.meta.url), { type: 'module' })",
  );
}

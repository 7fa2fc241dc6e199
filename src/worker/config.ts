// What a new collection is, and whether a stored one is what it is opened as.
import { PiramidError } from '../errors.ts';
import { isProductMetric } from '../kernels/kernel.ts';
import type { CollectionRequest } from '../protocol.ts';
import type { CollectionConfig, StoredCollection } from '../store/manifest.ts';
import { analysisOf, ENGLISH } from '../text/analyzer.ts';
import type { EmbedderOptions } from '../types.ts';

/** What a new collection is; `load` gives the model that embeds its texts. */
export async function configOf(
  request: CollectionRequest,
  load: (options: EmbedderOptions) => Promise<{ fingerprint: string; dimension: number }>,
): Promise<CollectionConfig> {
  const config: CollectionConfig = {
    dimension: request.dimension,
    metric: request.metric ?? 'cosine',
    embedder: null,
    quantization: request.quantization ?? 'none',
    analysis: request.language ? analysisOf(request.language) : ENGLISH,
    ...(request.language && { language: request.language }),
  };
  if (request.embedder) {
    const options = 'model' in request.embedder ? request.embedder : null;
    const { fingerprint, dimension } = options
      ? await load(options)
      : (request.embedder as { fingerprint: string; dimension: number });
    if (config.dimension !== null && config.dimension !== dimension) {
      throw new PiramidError(
        'INVALID_ARGUMENT',
        `dimension is ${config.dimension}, but the embedder's vectors have ${dimension} numbers`,
      );
    }
    config.dimension = dimension;
    config.embedder = { fingerprint, options };
  }
  if (config.quantization !== 'none' && config.quantization !== 'auto' && !isProductMetric(config.metric)) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `quantization '${config.quantization}' is not supported for metric '${config.metric}' (supported: cosine, dot, l2)`,
    );
  }
  if (config.dimension === null && config.quantization !== 'none') {
    throw new PiramidError('INVALID_ARGUMENT', 'quantization needs a dimension or an embedder');
  }
  return config;
}

/** Throws if what is asked for is not what is stored. What was not asked for is as stored. */
export function compareConfig({ name, config }: StoredCollection, request: CollectionRequest): void {
  const compare = (field: 'dimension' | 'metric' | 'quantization' | 'language') => {
    const storedAs = field === 'quantization' ? (config[field] ?? 'none') : (config[field] ?? null);
    if ((request[field] ?? null) !== null && request[field] !== storedAs) {
      throw new PiramidError(
        'CONFIG_MISMATCH',
        `collection "${name}" has ${field} ${storedAs ?? 'none'}, but was opened with ${request[field]}`,
      );
    }
  };
  compare('metric');
  compare('quantization');
  compare('language');
  if (request.embedder) {
    const asked = 'model' in request.embedder ? describeEmbedder(request.embedder) : request.embedder.fingerprint;
    const { embedder } = config;
    const asName = 'model' in request.embedder ? request.embedder.model : asked;
    if (!embedder) throw mismatch(name, null, asName);
    const storedAs =
      'model' in request.embedder ? embedder.options && describeEmbedder(embedder.options) : embedder.fingerprint;
    if (storedAs !== asked) throw mismatch(name, embedder.fingerprint, asName);
  }
  compare('dimension');
}

function describeEmbedder({ model, dtype, pooling, queryPrefix, documentPrefix }: EmbedderOptions): string {
  return JSON.stringify([model, dtype, pooling, queryPrefix, documentPrefix]);
}

/** Vectors of two models that must not be mixed. */
export function mismatch(name: string, storedAs: string | null, asked: string): PiramidError {
  const was = storedAs === null ? 'was made without an embedder' : `was embedded by ${storedAs}`;
  return new PiramidError(
    'MODEL_MISMATCH',
    `collection "${name}" ${was}, but was asked for with ${asked}. Vectors of different models cannot be compared; embed the texts again into another collection.`,
  );
}

// How well-known embedding models want to be used (their cards say so; used otherwise they find far worse), and the
// fingerprint of a model used in some way. What the user says goes before what is known here.
import type { EmbedderOptions } from '../types.ts';

/** How texts become vectors. */
export type EmbedderRecipe = Required<EmbedderOptions>;

const KNOWN: readonly [RegExp, Partial<EmbedderOptions>][] = [
  [
    /(^|\/)bge-(small|base|large)-en/,
    { pooling: 'cls', queryPrefix: 'Represent this sentence for searching relevant passages: ' },
  ],
  [/(^|\/)(multilingual-)?e5-(small|base|large)/, { queryPrefix: 'query: ', documentPrefix: 'passage: ' }],
  [
    /(^|\/)snowflake-arctic-embed-(xs|s|m|l)/,
    { pooling: 'cls', queryPrefix: 'Represent this sentence for searching relevant passages: ' },
  ],
  [/(^|\/)nomic-embed-text/, { queryPrefix: 'search_query: ', documentPrefix: 'search_document: ' }],
];

export function embedderRecipe(options: EmbedderOptions): EmbedderRecipe {
  const known = KNOWN.find(([name]) => name.test(options.model))?.[1];
  return {
    model: options.model,
    // int8 is what the CPU builds of ONNX Runtime run fastest.
    dtype: options.dtype ?? 'q8',
    pooling: options.pooling ?? known?.pooling ?? 'mean',
    queryPrefix: options.queryPrefix ?? known?.queryPrefix ?? '',
    documentPrefix: options.documentPrefix ?? known?.documentPrefix ?? '',
  };
}

/** Names the vector space. The revision is the hub's `main`: transformers.js does not say which commit it loaded. */
export function fingerprintOf(
  { model, dtype, pooling, queryPrefix, documentPrefix }: EmbedderRecipe,
  dimension: number,
): string {
  return `${model}@main;dtype=${dtype};d=${dimension};${pooling};q=${JSON.stringify(queryPrefix)};p=${JSON.stringify(documentPrefix)}`;
}

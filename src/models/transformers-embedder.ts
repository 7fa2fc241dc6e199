// A transformers.js encoder as an embedder: prefixes, pooling, unit length. Texts run one by one, questions first.
//
// Not in batches: int8 models scale a whole batch alike, so a text's vector would depend on its neighbours (cosine 0.995
// measured on MiniLM), and on a CPU a batch is hardly quicker (none on passages, 1.3x on short texts; 8 a batch).
import { throwIfAborted } from '../errors.ts';
import { nextTask } from '../structures/slices.ts';
import type { ModelInfo } from '../types.ts';
import { type EmbedderRecipe, fingerprintOf } from './known-models.ts';
import type { LoadedEmbedder, LoadOptions } from './model.ts';
import { explain, failure, type Runtime } from './transformers-runtime.ts';
import { createTurns } from './turns.ts';

const POOLING = { mean: 'mean', cls: 'cls', last: 'last_token' } as const;

/** Two that mean the same in other words, and one about something else. */
const KNOWN_ANSWER = [
  'A kitten sleeps in the sun.',
  'The little cat is napping in the sunshine.',
  'The central bank raised interest rates.',
] as const;

export interface OwnedEmbedder {
  embedder: LoadedEmbedder;
  dispose(): Promise<void>;
}

export async function loadTransformersEmbedder(
  runtime: Runtime,
  recipe: EmbedderRecipe,
  load: LoadOptions,
): Promise<OwnedEmbedder> {
  const { model, dtype, pooling } = recipe;
  const begin = performance.now();
  const pipe = await runtime.load(model, dtype, load, ({ pipeline }) =>
    pipeline('feature-extraction', model, { device: 'wasm', dtype: dtype as 'q8' }),
  );
  if (!pipe.tokenizer) throw failure(`model "${model}"`, 'its folder has no tokenizer.json and tokenizer_config.json');
  const takeTurn = createTurns();

  async function embedOne(text: string): Promise<Float32Array | null> {
    // Inference holds the thread: what came meanwhile (a cancel, a query) is handled first.
    await nextTask();
    const output = await pipe(text, { pooling: POOLING[pooling] }).catch((error) => {
      throw explain(error, model, {});
    });
    return unitVector(output.data as Float32Array, model);
  }

  const dimension = await selfTest().catch(async (error) => {
    await pipe.dispose();
    throw error;
  });
  const info: ModelInfo = { name: model, task: 'embed', device: 'wasm', loadMs: performance.now() - begin };
  return {
    dispose: () => pipe.dispose().then(() => undefined),
    embedder: {
      info,
      dimension,
      fingerprint: fingerprintOf(recipe, dimension),
      async embed(texts, { kind, signal }) {
        const prefix = kind === 'query' ? recipe.queryPrefix : recipe.documentPrefix;
        const vectors: (Float32Array | null)[] = [];
        for (const text of texts) {
          vectors.push(await takeTurn(kind === 'query', signal, () => embedOne(prefix + text)));
        }
        throwIfAborted(signal);
        return vectors;
      },
    },
  };

  /** The model's dimension, if its answers make sense. */
  async function selfTest(): Promise<number> {
    const answers: (Float32Array | null)[] = [];
    for (const text of KNOWN_ANSWER) answers.push(await embedOne(text));
    const [same, alike, other] = answers;
    if (same && alike && other && dot(same, alike) > dot(same, other)) return same.length;
    throw failure(
      `model "${model}"`,
      'its self-test failed: a paraphrase is no nearer than another subject; the weights or the pooling are wrong for it',
    );
  }
}

/** A copy of `values` with length 1; null if it has no direction. */
function unitVector(values: Float32Array, model: string): Float32Array | null {
  const length = Math.sqrt(dot(values, values));
  if (!Number.isFinite(length)) {
    throw failure(`model "${model}"`, 'it gave numbers that are not finite; take other weights (`dtype`)');
  }
  return length === 0 ? null : values.map((value) => value / length);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

// A transformers.js encoder as an embedder: prefixes, batches of like length, pooling, unit length. Questions go before
// documents, batch by batch.
import { throwIfAborted } from '../errors.ts';
import type { ModelInfo } from '../types.ts';
import { type EmbedderRecipe, fingerprintOf } from './known-models.ts';
import type { LoadedEmbedder, LoadOptions } from './model.ts';
import { explain, failure, type Runtime } from './transformers-runtime.ts';
import { createTurns, nextTask } from './turns.ts';

/** More does not make a CPU quicker, and a question waits for the batch that runs. */
const BATCH_TEXTS_MAX = 8;
/** Padded length of a batch times its texts: bounds the memory of attention, and how long a question waits. */
const BATCH_CHARACTERS_MAX = 4096;

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
  const pipe = await runtime.load(model, load, ({ pipeline }) =>
    pipeline('feature-extraction', model, { device: 'wasm', dtype: dtype as 'q8' }),
  );
  if (!pipe.tokenizer) throw failure(`model "${model}"`, 'its folder has no tokenizer.json and tokenizer_config.json');
  // The last token is a text's last only if the padding stands before it.
  if (pooling === 'last') pipe.tokenizer.padding_side = 'left';
  const takeTurn = createTurns();

  async function embedBatch(texts: string[]): Promise<(Float32Array | null)[]> {
    // Inference holds the thread: what came meanwhile (a cancel, a query) is handled first.
    await nextTask();
    const output = await pipe(texts, { pooling: POOLING[pooling] }).catch((error) => {
      throw explain(error, model, {});
    });
    const dimension = output.dims.at(-1)!;
    const rows = output.data as Float32Array;
    return texts.map((_, i) => unitVector(rows.subarray(i * dimension, (i + 1) * dimension), model));
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
        const vectors = new Array<Float32Array | null>(texts.length).fill(null);
        for (const batch of batchesOf(texts)) {
          const answers = await takeTurn(kind === 'query', signal, () =>
            embedBatch(batch.map((position) => prefix + texts[position]!)),
          );
          for (const [i, position] of batch.entries()) vectors[position] = answers[i]!;
        }
        throwIfAborted(signal);
        return vectors;
      },
    },
  };

  /** The model's dimension, if its answers make sense. */
  async function selfTest(): Promise<number> {
    const [same, alike, other] = await embedBatch([...KNOWN_ANSWER]);
    if (same && alike && other && dot(same, alike) > dot(same, other)) return same.length;
    throw failure(
      `model "${model}"`,
      'its self-test failed: a paraphrase is no nearer than another subject; the weights or the pooling are wrong for it',
    );
  }
}

/** Positions of texts, those of like length together: a batch is as long as its longest text. */
function* batchesOf(texts: readonly string[]): Generator<number[]> {
  const order = Array.from(texts.keys()).sort((a, b) => texts[a]!.length - texts[b]!.length || a - b);
  let batch: number[] = [];
  for (const position of order) {
    const padded = texts[position]!.length * (batch.length + 1);
    if (batch.length === BATCH_TEXTS_MAX || (batch.length > 0 && padded > BATCH_CHARACTERS_MAX)) {
      yield batch;
      batch = [];
    }
    batch.push(position);
  }
  if (batch.length > 0) yield batch;
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

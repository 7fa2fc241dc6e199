// A transformers.js cross-encoder as a reranker: reads the query and a text together, and says how well the text answers.
//
// Pairs run one by one. int8 models scale a whole batch alike, so a text's score would depend on its neighbours, and a page of an
// answer on how many candidates there were; on a CPU a batch is hardly quicker (see transformers-embedder.ts). So a run is as small as
// it can be: its memory is bounded by TOKENS_MAX, nothing is padded, and between two pairs queries and cancels are handled.
import { throwIfAborted } from '../errors.ts';
import { nextTask } from '../structures/slices.ts';
import type { ModelInfo } from '../types.ts';
import type { LoadedReranker, LoadOptions } from './model.ts';
import { harmless, specialTokensOf } from './special-tokens.ts';
import { explain, failure, type Runtime } from './transformers-runtime.ts';
import { createTurns } from './turns.ts';

/** Most tokens of a pair, whatever the model could read: attention takes memory and time by their square. */
const TOKENS_MAX = 512;

const KNOWN_QUERY = 'How many people live in Berlin?';
const KNOWN_ANSWERS = ['3.5 million people live in Berlin.', 'The museum shows paintings of the old masters.'] as const;

export interface OwnedReranker {
  reranker: LoadedReranker;
  dispose(): Promise<void>;
}

export async function loadTransformersReranker(
  runtime: Runtime,
  model: string,
  load: LoadOptions,
): Promise<OwnedReranker> {
  const begin = performance.now();
  const what = `model "${model}"`;
  const { pipe, Tensor } = await runtime.load(model, 'q8', load, async (transformers) => ({
    pipe: await transformers.pipeline('text-classification', model, { device: 'wasm', dtype: 'q8' }),
    Tensor: transformers.Tensor,
  }));
  const dispose = () => pipe.dispose().then(() => undefined);

  async function prepare(): Promise<LoadedReranker> {
    const { tokenizer } = pipe;
    if (!tokenizer) throw failure(what, 'its folder has no tokenizer.json and tokenizer_config.json');
    const { max_position_embeddings: positions } = pipe.model.config as { max_position_embeddings?: number };
    const tokensMax = Math.min(tokenizer.model_max_length, positions ?? TOKENS_MAX, TOKENS_MAX);
    const specialTokens = specialTokensOf(tokenizer);
    const idsOf = (text: string): number[] =>
      tokenizer.encode(harmless(text, specialTokens), { add_special_tokens: false });
    const form = pairForm(
      (a, b) => tokenizer(a, { text_pair: b, return_token_type_ids: true, return_tensor: false }),
      idsOf,
    );
    if (!form) throw failure(what, 'its tokenizer does not put two texts together; take a cross-encoder');
    const tensorOf = (numbers: readonly number[]) =>
      new Tensor('int64', BigInt64Array.from(numbers, BigInt), [1, numbers.length]);
    const takeTurn = createTurns();

    async function score(query: readonly number[], text: readonly number[]): Promise<number> {
      // Inference holds the thread: what came meanwhile (a cancel, a query) is handled first.
      await nextTask();
      const { ids, types } = pairOf(form!, query, text, tokensMax);
      const { logits } = await pipe
        .model({
          input_ids: tensorOf(ids),
          attention_mask: tensorOf(ids.map(() => 1)),
          token_type_ids: tensorOf(types),
        })
        .catch((error: unknown) => {
          throw explain(error, model, {});
        });
      return relevance(logits.data as Float32Array, what);
    }

    async function rerank(query: string, texts: readonly string[], { signal }: { signal?: AbortSignal }) {
      const queryIds = idsOf(query);
      const scores: number[] = [];
      for (const text of texts) scores.push(await takeTurn(true, signal, () => score(queryIds, idsOf(text))));
      throwIfAborted(signal);
      return scores;
    }

    const [right, wrong] = await rerank(KNOWN_QUERY, KNOWN_ANSWERS, load);
    if (!(right! > wrong!)) {
      throw failure(
        what,
        'its self-test failed: an answer scores no more than a text about something else; it is no cross-encoder for search, or its weights are broken',
      );
    }
    const info: ModelInfo = { name: model, task: 'rerank', device: 'wasm', loadMs: performance.now() - begin };
    return { info, rerank };
  }

  try {
    return { reranker: await prepare(), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** From 0 to 1. One label says how relevant a text is; of two, the second says that it is. */
function relevance(logits: Float32Array, what: string): number {
  const logit = logits.length === 1 ? logits[0]! : logits[1]! - logits[0]!;
  if (logits.length > 2)
    throw failure(what, `it has ${logits.length} labels; a cross-encoder for search has one or two`);
  if (!Number.isFinite(logit)) throw failure(what, 'it gave numbers that are not finite; take other weights');
  return 1 / (1 + Math.exp(-logit));
}

/** What a model's tokenizer writes before, between and behind two texts, and the types of all these tokens and of theirs. */
interface PairForm {
  before: number[];
  between: number[];
  behind: number[];
  typesBefore: number[];
  typesBetween: number[];
  typesBehind: number[];
  queryType: number;
  textType: number;
}

/** Seen of a pair of short texts; null if these are not found in it, one behind the other. */
export function pairForm(
  encodePair: (a: string, b: string) => { input_ids: number[]; token_type_ids?: number[] },
  idsOf: (text: string) => number[],
): PairForm | null {
  const [a, b] = ['a query', 'the text'];
  const { input_ids: ids, token_type_ids: types = ids.map(() => 0) } = encodePair(a, b);
  const [query, text] = [idsOf(a), idsOf(b)];
  const atQuery = indexOf(ids, query, 0);
  const queryEnd = atQuery + query.length;
  const atText = atQuery < 0 ? -1 : indexOf(ids, text, queryEnd);
  if (atText < 0) return null;
  const textEnd = atText + text.length;
  return {
    before: ids.slice(0, atQuery),
    between: ids.slice(queryEnd, atText),
    behind: ids.slice(textEnd),
    typesBefore: types.slice(0, atQuery),
    typesBetween: types.slice(queryEnd, atText),
    typesBehind: types.slice(textEnd),
    queryType: types[atQuery]!,
    textType: types[atText]!,
  };
}

/** A pair of at most `tokensMax` tokens. The end of the text is cut off; of the query only what is longer than half of the room, where the text needs the rest. */
export function pairOf(
  form: PairForm,
  query: readonly number[],
  text: readonly number[],
  tokensMax: number,
): { ids: number[]; types: number[] } {
  const { before, between, behind, typesBefore, typesBetween, typesBehind, queryType, textType } = form;
  const room = tokensMax - before.length - between.length - behind.length;
  const asked = query.slice(0, Math.max(Math.floor(room / 2), room - text.length));
  const read = text.slice(0, room - asked.length);
  return {
    ids: [...before, ...asked, ...between, ...read, ...behind],
    types: [
      ...typesBefore,
      ...asked.map(() => queryType),
      ...typesBetween,
      ...read.map(() => textType),
      ...typesBehind,
    ],
  };
}

/** Where `part` begins in `all`, from `from` on; -1 if it is not there. */
function indexOf(all: readonly number[], part: readonly number[], from: number): number {
  for (let at = from; at + part.length <= all.length; at++) {
    if (part.every((id, i) => all[at + i] === id)) return at;
  }
  return -1;
}

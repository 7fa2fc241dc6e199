// The browser's embedding model as an embedder. The API is a proposal of Chrome's, so far behind a flag (2026):
// https://github.com/explainers-by-googlers/embedding-api, webmachinelearning/proposals#18, and web-platform-tests ai/semantic_embedder.
//
// It names neither its model nor the space of its vectors, and the browser may change both. So a space is named by where a few
// sentences lie in it. The names are compared by nearness: the same model on another driver gives numbers that differ in the
// fourth digit, and a hash of rounded ones would sooner or later call that another space, and the collection lost.
import type { Database, Embedder } from 'piramid';
import { PiramidError } from '../../errors.ts';
import type { BrowserModelOptions } from '../browser-models.ts';
import { availability, type BuiltIn, create, explain, throwIfAborted } from './built-in.ts';

const EMBEDDER: BuiltIn = {
  name: 'SemanticEmbedder',
  called: 'embedding model',
  advice: "use the built-in embedder ('static-en') or a transformers.js model by name",
};

/** Texts of one call; between two, the signal is looked at. */
const BATCH = 32;
/** A text that is too long is halved at most so often. */
const CUTS_MAX = 16;

const CANARIES = [
  'The harbour was quiet at dawn, and the nets hung drying in the wind.',
  'Interest on the loan is paid twice a year, in March and in September.',
  'def parse(line): return line.strip().split(",")',
  'how do plants turn light into sugar',
];
/** Numbers of each canary that stand in the name. */
const FOLDED = 24;
/** Least cosine of each canary to the one in a name, to be of its space. Other roundings give 0.999, other models hardly 0.5. */
const SAME_MIN = 0.99;
const NAME = /^browser;d=(\d+);([A-Za-z0-9+/]+)$/;

interface Session {
  embed(
    texts: string[],
    options: { taskType: 'retrieval-query' | 'retrieval-document'; signal?: AbortSignal },
  ): Promise<{ embeddings?: { values: Float32Array }[] }>;
  destroy(): void;
}

export async function createEmbedder(
  database: Pick<Database, 'listCollections'>,
  options: BrowserModelOptions,
): Promise<Embedder> {
  await availability(EMBEDDER, {});
  const session = await create<Session>(EMBEDDER, {}, options);
  const embed = embedderOf(session);
  try {
    const { signal } = options;
    const canaries = [
      ...(await embed(CANARIES, { kind: 'document', ...(signal && { signal }) })),
      ...(await embed(CANARIES.slice(-1), { kind: 'query', ...(signal && { signal }) })),
    ];
    const dimension = canaries[0]?.length ?? 0;
    if (!canaries.every((vector) => vector?.length === dimension && dimension > 0))
      throw failed('gave no vectors of one length for plain sentences');
    const place = Int8Array.from(canaries.flatMap((vector) => folded(vector!)));
    const known = (await database.listCollections()).map(({ embedder }) => embedder ?? '');
    return {
      dimension,
      fingerprint: known.find((name) => isNear(name, dimension, place)) ?? nameOf(dimension, place),
      embed,
    };
  } catch (error) {
    session.destroy();
    throw error;
  }
}

function embedderOf(session: Session): Embedder['embed'] {
  async function ask(texts: string[], call: Parameters<Session['embed']>[1]): Promise<Float32Array[]> {
    const { embeddings = [] } = await session.embed(texts, call);
    const vectors = embeddings.map(({ values }) => values);
    if (vectors.length === texts.length && vectors.every((vector) => vector instanceof Float32Array)) return vectors;
    throw failed(`was given ${texts.length} texts, and gave ${vectors.length} vectors`);
  }

  /** The vector of what it can read of one text. */
  async function beginning(text: string, call: Parameters<Session['embed']>[1]): Promise<Float32Array> {
    for (let cuts = 0; ; cuts++) {
      try {
        return (await ask([text], call))[0]!;
      } catch (error) {
        if (!isTooLong(error) || cuts === CUTS_MAX) throw error;
        text = text.slice(0, text.length >> 1);
      }
    }
  }

  return async (texts, { kind, signal }) => {
    const call = { taskType: `retrieval-${kind}` as const, ...(signal && { signal }) };
    const all: (Float32Array | null)[] = [];
    try {
      for (let at = 0; at < texts.length; at += BATCH) {
        throwIfAborted(signal);
        const some = texts.slice(at, at + BATCH);
        let vectors: Float32Array[] = [];
        try {
          vectors = await ask(some, call);
        } catch (error) {
          if (!isTooLong(error)) throw error;
          for (const text of some) vectors.push(await beginning(text, call));
        }
        all.push(...vectors.map((vector) => (vector.some((x) => x !== 0) ? vector : null)));
      }
    } catch (error) {
      throwIfAborted(signal);
      throw explain(error, EMBEDDER);
    }
    return all;
  };
}

function isTooLong(error: unknown): boolean {
  return (error as { name?: string } | null)?.name === 'QuotaExceededError';
}

/** A vector's direction in a few whole numbers up to 127: each the sum of every `FOLDED`-th. */
function folded(vector: Float32Array): number[] {
  const sums = new Array<number>(FOLDED).fill(0);
  for (const [i, x] of vector.entries()) sums[i % FOLDED]! += x;
  const most = Math.max(...sums.map(Math.abs)) || 1;
  return sums.map((sum) => Math.round((sum / most) * 127));
}

function nameOf(dimension: number, place: Int8Array): string {
  return `browser;d=${dimension};${btoa(String.fromCharCode(...new Uint8Array(place.buffer)))}`;
}

/** Whether a name is that of the space where the canaries lie at `place`. */
function isNear(name: string, dimension: number, place: Int8Array): boolean {
  const [, length, code] = NAME.exec(name) ?? [];
  if (code === undefined || Number(length) !== dimension) return false;
  const other = Int8Array.from(atob(code), (letter) => letter.charCodeAt(0));
  if (other.length !== place.length) return false;
  for (let at = 0; at < place.length; at += FOLDED) {
    if (!(cosine(place.subarray(at, at + FOLDED), other.subarray(at, at + FOLDED)) >= SAME_MIN)) return false;
  }
  return true;
}

function cosine(a: Int8Array, b: Int8Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

function failed(why: string): PiramidError {
  return new PiramidError('MODEL_FAILED', `the browser's embedding model ${why}`);
}

// A question answered from documents: find passages, decide whether they support an answer, quote them or have a language
// model write, and say for each sentence where it stands. Without support no model is asked.
import { type ChatMessage, type Generator, type ModelProgress, PiramidError } from 'piramid';
import { type Citation, sentencesOf } from './citation.ts';
import { checkCollection, checkOptions, type DocumentCollection, throwIfAborted } from './documents.ts';
import { NOT_FOUND, promptFor } from './prompt.ts';
import { quote, type Similarities } from './quote.ts';
import { checkQuestion, K, type RetrieveOptions, retrievePlain, retrieveTitled, type Source } from './retrieve.ts';
import { keep } from './stream.ts';
import { isSupported, type QuestionWeights, weighQuestion } from './support.ts';
import { verify } from './verify.ts';

export interface AskOptions extends RetrieveOptions {
  /** A language model by name, for `db.generate`. @default none: the answer is quoted */
  model?: string;
  /** Your own language model. Excludes `model`. */
  generator?: Generator;
  /** Length of the generated answer. @default 192 */
  maxTokens?: number;
  /** Room for sources in the prompt, tokens (estimated). Small models answer better, and without a GPU sooner, from few. @default 700 */
  sourceTokens?: number;
  /** Called while the model is loaded. */
  onProgress?: (progress: ModelProgress) => void;
}

export interface Answer {
  /** Passages found, best first; without support the closest ones. */
  sources: Source[];
  /** Whether the sources can support an answer. If not, the answer says so. */
  supported: boolean;
  /** Who wrote it: the model's name, or `'quotations'`. */
  author: string;
  /** Piece by piece; can be read more than once. Leaving the loop early stops a model. Throws `MODEL_FAILED`, `ABORTED`. */
  answer: AsyncIterable<string>;
  /** When the answer is complete; rejects as it does. In order of the answer. */
  citations: Promise<Citation[]>;
}

/** Shown as `author` where no language model wrote. */
export const QUOTATIONS = 'quotations';

/** Answers from the documents in a collection. Resolves when the sources are known, before the answer is complete. */
export async function ask(collection: DocumentCollection, question: string, options: AskOptions = {}): Promise<Answer> {
  checkOptions(
    options,
    ['k', 'where', 'signal', 'model', 'generator', 'maxTokens', 'sourceTokens', 'onProgress'],
    'ask',
  );
  checkCollection(collection, 'ask');
  checkQuestion(question);
  const { k = K, where, model, generator, signal } = options;
  if (generator !== undefined && typeof generator?.generate !== 'function')
    throw new PiramidError('INVALID_ARGUMENT', 'ask: generator has no method `generate`');
  if (model !== undefined && generator !== undefined) {
    throw new PiramidError('INVALID_ARGUMENT', 'ask: model and generator exclude each other');
  }
  const scope = { ...(where && { where }), ...(signal && { signal }) };
  const weights = await weighQuestion(collection, question, where, signal);
  const look = (found: Source[]) => examine(collection, question, weights, found, signal);
  const titled = await retrieveTitled(collection, question, { k, ...scope });
  let view = await look(titled ?? (await retrievePlain(collection, question, { k, ...scope })));
  if (titled && !view.supported) {
    // Not the named ones: what was asked may be about them, or only sound like them.
    const plain = await look(await retrievePlain(collection, question, { k, ...scope }));
    if (plain.supported) view = plain;
  }
  const { sources, candidates, similarities, supported } = view;
  if (!supported) return complete(sources, false, QUOTATIONS, NOT_FOUND, []);
  if (model === undefined && generator === undefined) {
    const { answer, citations } = quote(sources, candidates, weights, similarities);
    return citations.length > 0
      ? complete(sources, true, QUOTATIONS, answer, citations)
      : complete(sources, false, QUOTATIONS, NOT_FOUND, []);
  }

  const stop = new AbortController();
  const messages = promptFor(question, sources, options.sourceTokens ?? 700);
  const written = keep(write(collection, messages, options, stop.signal), () => stop.abort());
  const citations = written.whole.then((answer) => verify(answer, sources, candidates));
  citations.catch(() => {}); // whoever reads the answer gets the error
  return { sources, supported, author: generator?.name ?? model!, answer: written, citations };
}

/** Passages with their sentences, how near each sentence is to the question, and whether they can support an answer. */
async function examine(
  collection: DocumentCollection,
  question: string,
  weights: QuestionWeights,
  sources: Source[],
  signal: AbortSignal | undefined,
) {
  const candidates = sentencesOf(sources);
  const texts = sources.map(({ text }) => text);
  const all = await compare(collection, question, [...texts, ...candidates.map(({ text }) => text)], signal);
  throwIfAborted(signal);
  const similarities = all?.slice(texts.length) ?? null;
  const nearness = all && {
    passage: Math.max(0, ...all.slice(0, texts.length)),
    sentence: Math.max(0, ...all.slice(texts.length)),
  };
  return { sources, candidates, similarities, supported: isSupported(weights, sources, nearness) };
}

function complete(
  sources: Source[],
  supported: boolean,
  author: string,
  answer: string,
  citations: Citation[],
): Answer {
  return {
    sources,
    supported,
    author,
    answer: {
      async *[Symbol.asyncIterator]() {
        yield answer;
      },
    },
    citations: Promise.resolve(citations),
  };
}

/** The model's pieces. Ends without an error where the reader stopped; the caller's own signal is `ABORTED`. */
async function* write(
  collection: DocumentCollection,
  messages: ChatMessage[],
  { model, generator, maxTokens = 192, signal, onProgress }: AskOptions,
  stop: AbortSignal,
): AsyncGenerator<string> {
  const either = signal ? AbortSignal.any([signal, stop]) : stop;
  const pieces = generator
    ? generator.generate(messages, { maxTokens, signal: either })
    : collection.database.generate(messages, {
        model: model!,
        maxTokens,
        signal: either,
        ...(onProgress && { onProgress }),
      });
  try {
    for await (const piece of pieces) {
      yield piece;
      if (either.aborted) break;
    }
  } catch (error) {
    if (stop.aborted && !signal?.aborted) return;
    throwIfAborted(signal);
    if (error instanceof PiramidError) throw error;
    throw new PiramidError('MODEL_FAILED', `the generator failed: ${error}`, { cause: error });
  }
  throwIfAborted(signal);
}

/** Similarity of the question with each text by the built-in embedder: good enough to compare, and at hand. */
async function compare(
  collection: DocumentCollection,
  question: string,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Similarities> {
  // It has pieces of words of every language in Latin script, and of no other; there its vectors say nothing.
  if (texts.length === 0 || /(?!\p{Script=Latin})\p{L}/u.test(question)) return null;
  const call = signal ? { signal } : {};
  try {
    const [[asked], found] = await Promise.all([
      collection.database.embed([question], { kind: 'query', ...call }),
      collection.database.embed(texts, { kind: 'document', ...call }),
    ]);
    return asked ? found.map((vector) => (vector ? cosine(asked, vector) : 0)) : null;
  } catch (error) {
    // Words alone do. Only what ends everything else too is passed on.
    if (error instanceof PiramidError && !['UNSUPPORTED', 'MODEL_FAILED', 'INVALID_ARGUMENT'].includes(error.code))
      throw error;
    return null;
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}

// A question answered from documents: find passages, decide how far they support an answer, quote them or have a language
// model write, and say for each sentence where it stands. Without support no model is asked.
import type { ChatMessage, Generator, ModelProgress } from 'piramid';
import { PiramidError } from '../errors.ts';
import { type BrowserModelOptions, browserGenerator } from './browser-models.ts';
import { type Citation, type Quotation, type Sentence, sentencesOf } from './citation.ts';
import { checkCollection, checkOptions, type DocumentCollection, throwIfAborted } from './documents.ts';
import { measureNearness, type Nearness } from './nearness.ts';
import { NEAREST, NOT_FOUND, passages, promptFor } from './prompt.ts';
import { bestSentences, type Quoted, quote } from './quote.ts';
import {
  checkQuestion,
  K,
  type RetrieveOptions,
  retrievePlain,
  retrieveTitled,
  type Source,
  underTitles,
} from './retrieve.ts';
import { keep, once } from './stream.ts';
import { type QuestionWeights, type Support, scoreOf, supportOf, weighQuestion, without } from './support.ts';
import { namedTitles } from './titles.ts';
import { verify } from './verify.ts';

export interface AskOptions extends RetrieveOptions {
  /**
   * How much support an answer needs. `'strict'`: it answers only from passages that support it; `'perhaps'` counts as
   * `'no'`. `'balanced'`: with `'perhaps'`, the nearest passages are quoted as such, or the language model is asked.
   * `'off'`: it always answers, from the best passages; `support` still says what they are worth. @default 'balanced'
   */
  when?: 'strict' | 'balanced' | 'off';
  /** A language model by name, for `db.generate`. @default none: the answer is quoted */
  model?: string;
  /**
   * Your own language model, or `'browser'`: the browser's own (see `browserGenerator`), `UNSUPPORTED` if there is
   * none. Not together with `model`.
   */
  generator?: Generator | 'browser';
  /** Length of the generated answer. @default 192 */
  maxTokens?: number;
  /**
   * Which part of the sources a language model gets. `'sentences'`: the best sentences of all sources, so that it
   * begins sooner (a model on a CPU reads about fifty tokens per second). `'passages'`: whole passages, best first.
   * @default 'sentences'
   */
  evidence?: 'sentences' | 'passages';
  /** Length of the sources in the prompt, in (estimated) tokens. @default 256 for sentences, 700 for passages */
  sourceTokens?: number;
  /** Called while the model is loaded. */
  onProgress?: (progress: ModelProgress) => void;
}

export interface Answer {
  /** The passages found, best first; without support the closest ones. */
  sources: Source[];
  /**
   * How far the sources support an answer. `'yes'`: they do. `'perhaps'`: they are about it, and may or may not answer;
   * without a language model `answer` begins with `NEAREST`. `'no'`: nothing found is about it, and `answer` is
   * `NOT_FOUND`.
   */
  support: Support;
  /**
   * The best sentences of the sources, best first, at most 4. They are available at once, before a model has written
   * anything. Empty if nothing was found, or if no sentence is short enough to be quoted. Without a language model,
   * they are the answer.
   */
  quotations: readonly Quotation[];
  /** Name of the model that wrote it, or `'quotations'`. */
  author: string;
  /**
   * Piece by piece; can be read more than once. Leaving the loop early stops a model. Throws `MODEL_FAILED`, `ABORTED`.
   */
  answer: AsyncIterable<string>;
  /** In order of the answer. Resolves when the answer is complete, and rejects if it does. */
  citations: Promise<Citation[]>;
}

/** Shown as `author` where no language model wrote. */
export const QUOTATIONS = 'quotations';
const WHEN = ['strict', 'balanced', 'off'];

const SOURCE_TOKENS = { sentences: 256, passages: 700 };

/** Answers from the documents in a collection. Resolves when the sources are known, before the answer is complete. */
export async function ask(collection: DocumentCollection, question: string, options: AskOptions = {}): Promise<Answer> {
  checkOptions(
    options,
    [
      'k',
      'where',
      'rerank',
      'signal',
      'when',
      'model',
      'generator',
      'evidence',
      'maxTokens',
      'sourceTokens',
      'onProgress',
    ],
    'ask',
  );
  checkCollection(collection, 'ask');
  checkQuestion(question);
  const { when = 'balanced', evidence = 'sentences', model } = options;
  const { sourceTokens = SOURCE_TOKENS[evidence] } = options;
  checkChoice('when', when, WHEN);
  checkChoice('evidence', evidence, Object.keys(SOURCE_TOKENS));
  if (model !== undefined && options.generator !== undefined) {
    throw new PiramidError('INVALID_ARGUMENT', 'ask: model and generator exclude each other');
  }
  // Before all else: while the click that asks still counts, and before anything is looked for in vain.
  const generator = options.generator === 'browser' ? await browserGenerator(startOptions(options)) : options.generator;
  if (generator !== undefined && typeof generator?.generate !== 'function')
    throw new PiramidError('INVALID_ARGUMENT', 'ask: generator has no method `generate`');
  const view = await find(collection, question, options);
  const { sources, candidates } = view;
  const support = when === 'strict' && view.support === 'perhaps' ? 'no' : view.support;
  const answers = sources.length > 0 && (support !== 'no' || when === 'off');
  if (!answers) return complete(sources, 'no');
  const intro = support === 'yes' || when === 'off' ? '' : NEAREST;
  const quoted = quote(sources, candidates, view.question, view.nearness, intro);
  if (model === undefined && generator === undefined) {
    return quoted.citations.length > 0 ? complete(sources, support, quoted) : complete(sources, 'no');
  }

  const stop = new AbortController();
  const prompt = (room: number) => promptFor(question, evidenceOf(view, evidence, room), room);
  const pieces = write(collection, prompt, sourceTokens, generator, options, stop.signal);
  const written = keep(once(pieces), () => stop.abort());
  const citations = written.whole.then((answer) => verify(answer, sources, candidates));
  citations.catch(() => {}); // whoever reads the answer gets the error
  return {
    sources,
    support,
    quotations: quoted.quotations,
    author: generator?.name ?? model!,
    answer: written,
    citations,
  };
}

function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  const known = choices.map((choice) => `'${choice}'`).join(', ');
  throw new PiramidError('INVALID_ARGUMENT', `${name}: expected one of ${known}, got ${JSON.stringify(value)}`);
}

function evidenceOf({ sources, candidates, question, nearness }: View, kind: AskOptions['evidence'], room: number) {
  const best = kind === 'sentences' ? bestSentences(sources, candidates, question, nearness, room) : [];
  return best.length > 0 ? best : passages(sources);
}

/** Passages, and what they are worth as an answer. */
interface View {
  sources: Source[];
  candidates: Sentence[];
  /** What of the question the passages have to hold. */
  question: QuestionWeights;
  nearness: Nearness | null;
  score: number;
  support: Support;
}

/** From the least on. */
const DEGREES: readonly Support[] = ['no', 'perhaps', 'yes'];

/** The passages that support an answer best: of those whose words the question asks for, or of all. */
export async function find(
  collection: DocumentCollection,
  question: string,
  { k = K, where, rerank, signal }: RetrieveOptions,
): Promise<View> {
  const scope = { ...(where && { where }), ...(rerank !== undefined && { rerank }), ...(signal && { signal }) };
  const [weights, named] = await Promise.all([
    weighQuestion(collection, question, where, signal),
    namedTitles(collection, question, where, signal),
  ]);
  const look = async (sources: Source[], asked = weights) => examine(collection, question, asked, sources, signal);
  if (named?.speaker) {
    const theirs = where ? { $and: [where, underTitles(named)] } : underTitles(named);
    const found = await retrievePlain(collection, question, { ...scope, k, where: theirs });
    return look(found, without(weights, named.speaker));
  }
  // Reranking is slow: once is enough.
  let found: Promise<Source[]> | undefined;
  const plainly = () => {
    found ??= retrievePlain(collection, question, { ...scope, k });
    return found;
  };
  const speaking = named && (await retrieveTitled(collection, question, named, { ...scope, k }, plainly));
  const titled = speaking && (await look(speaking));
  if (titled?.support === 'yes') return titled;
  // Not the named ones: what was asked may be about them, or only sound like them.
  const plain = await look(await plainly());
  const worth = ({ support, score }: View) => DEGREES.indexOf(support) * 10 + score;
  return titled && worth(titled) >= worth(plain) ? titled : plain;
}

async function examine(
  collection: DocumentCollection,
  text: string,
  question: QuestionWeights,
  sources: Source[],
  signal: AbortSignal | undefined,
): Promise<View> {
  const candidates = sentencesOf(sources);
  const nearness = await measureNearness(collection, text, sources, candidates, signal);
  throwIfAborted(signal);
  const score = scoreOf(question, sources, candidates, nearness);
  const support = supportOf(score, question, sources, nearness);
  return { sources, candidates, question, nearness, score, support };
}

const NOTHING: Quoted = { answer: NOT_FOUND, citations: [], quotations: [] };

function complete(sources: Source[], support: Support, { answer, citations, quotations } = NOTHING): Answer {
  return {
    sources,
    support,
    quotations,
    author: QUOTATIONS,
    answer: {
      async *[Symbol.asyncIterator]() {
        yield answer;
      },
    },
    citations: Promise.resolve(citations),
  };
}

function startOptions({ signal, onProgress }: AskOptions): BrowserModelOptions {
  return { ...(signal && { signal }), ...(onProgress && { onProgress }) };
}

/** Sources that a generator cannot read are halved down to this, tokens; then it has to say itself that it cannot. */
const SOURCE_TOKENS_MIN = 32;

/** The model's pieces. Ends without an error where the reader stopped; the caller's own signal is `ABORTED`. */
async function* write(
  collection: DocumentCollection,
  prompt: (sourceTokens: number) => ChatMessage[],
  sourceTokens: number,
  generator: Generator | undefined,
  { model, maxTokens = 192, signal, onProgress }: AskOptions,
  stop: AbortSignal,
): AsyncGenerator<string> {
  const either = signal ? AbortSignal.any([signal, stop]) : stop;
  const call = { maxTokens, signal: either };
  try {
    let room = sourceTokens;
    let messages = prompt(room);
    while (room > SOURCE_TOKENS_MIN && (await generator?.fits?.(messages, call)) === false) {
      room /= 2;
      messages = prompt(room);
    }
    const pieces = generator
      ? generator.generate(messages, call)
      : collection.database.generate(messages, { model: model!, ...call, ...(onProgress && { onProgress }) });
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

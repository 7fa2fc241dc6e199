// The models of a browser, by stand-ins with the interfaces that are published: webmachinelearning.github.io/prompt-api, and
// for embeddings explainers-by-googlers/embedding-api and web-platform-tests ai/semantic_embedder.
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ChatMessage, ModelProgress } from '../../../src/index.ts';
import { ask } from '../../../src/rag/ask.ts';
import { browserEmbedder, browserGenerator } from '../../../src/rag/browser-models.ts';
import { ingest } from '../../../src/rag/ingest.ts';
import { FakeCollection } from './fake-collection.ts';

afterEach(() => vi.unstubAllGlobals());

type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';
type Monitor = (monitor: EventTarget) => void;

interface CreateOptions {
  signal?: AbortSignal;
  monitor?: Monitor;
  initialPrompts?: ChatMessage[];
  expectedInputs?: object[];
  expectedOutputs?: object[];
}

const domError = (name: string, message = 'as it is') => new DOMException(message, name);

/** What `create` of all of these does: refuses, downloads with progress, ends at the signal. */
async function start(model: { state: Availability; failure?: unknown }, { signal, monitor }: CreateOptions) {
  signal?.throwIfAborted();
  if (model.failure) throw model.failure;
  const target = new EventTarget();
  monitor?.(target);
  for (const loaded of model.state === 'available' ? [0, 1] : [0, 0.5, 1]) {
    await Promise.resolve();
    signal?.throwIfAborted();
    target.dispatchEvent(Object.assign(new Event('downloadprogress'), { loaded, total: 1 }));
  }
  model.state = 'available';
}

/** A language model of the browser. A token is a word. */
function standIn({ state = 'available' as Availability, window = 1000 } = {}) {
  const model = {
    state,
    failure: undefined as unknown,
    reply: ['Booth shot ', 'Lincoln. [1]'],
    /** What breaks an answer after its first piece. */
    broken: undefined as unknown,
    measured: 0,
    created: [] as CreateOptions[],
    asked: [] as ChatMessage[][],
    open: 0,
    /** Sessions at once. */
    most: 0,
    cancelled: 0,
  };
  const count = (text: string) => text.split(/\s+/).length;
  class LanguageModel {
    readonly contextWindow = window;
    readonly contextUsage = 0;
    readonly #initial: ChatMessage[];
    constructor(initial: ChatMessage[]) {
      this.#initial = initial;
      model.most = Math.max(model.most, ++model.open);
    }
    static async availability() {
      return model.state;
    }
    static async create(options: CreateOptions = {}) {
      model.created.push(options);
      await start(model, options);
      return new LanguageModel(options.initialPrompts ?? []);
    }
    async measureContextUsage(text: string) {
      model.measured++;
      return count(text);
    }
    promptStreaming(messages: ChatMessage[], { signal }: { signal?: AbortSignal } = {}) {
      const all = [...this.#initial, ...messages];
      model.asked.push(all);
      if (all.reduce((sum, { content }) => sum + count(content), 0) > window)
        return new ReadableStream({ start: (c) => c.error(domError('QuotaExceededError')) });
      const pieces = [...model.reply];
      return new ReadableStream<string>(
        {
          pull(controller) {
            if (signal?.aborted) return controller.error(signal.reason);
            const piece = pieces.shift();
            if (piece === undefined) return controller.close();
            if (model.broken !== undefined && pieces.length < model.reply.length - 1)
              return controller.error(model.broken);
            controller.enqueue(piece);
          },
          cancel() {
            model.cancelled++;
          },
        },
        { highWaterMark: 0 },
      );
    }
    destroy() {
      model.open--;
    }
  }
  vi.stubGlobal('LanguageModel', LanguageModel);
  return model;
}

async function library(): Promise<FakeCollection> {
  const collection = new FakeCollection();
  const sentence = (n: number) =>
    `Lincoln was shot by Booth at the theatre, as witness ${n} told the court in Washington.`;
  await ingest(collection.typed, [
    { id: 'lincoln', text: Array.from({ length: 60 }, (_, n) => sentence(n)).join(' ') },
  ]);
  return collection;
}

async function textOf(answer: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of answer) text += piece;
  return text;
}

const QUESTION = 'Who shot Lincoln?';

describe('the browser’s language model', () => {
  test('answers a question from the sources, in a session of its own that is ended', async () => {
    const model = standIn();
    const { answer, author, support, citations } = await ask((await library()).typed, QUESTION, {
      generator: 'browser',
    });
    expect(await textOf(answer)).toBe('Booth shot Lincoln. [1]');
    expect({ author, support }).toEqual({ author: 'browser', support: 'yes' });
    expect((await citations)[0]).toMatchObject({ supported: true });
    const [messages] = model.asked;
    expect(messages!.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(messages![1]!.content).toContain('<source id="1"');
    // The rules are what a session keeps.
    expect(model.created.at(-1)!.initialPrompts).toEqual([messages![0]]);
    expect(model.created.at(-1)!.expectedOutputs).toEqual([{ type: 'text', languages: ['en'] }]);
    expect(model.open).toBe(0);
  });

  test('is not asked where nothing supports an answer', async () => {
    const model = standIn();
    const { support } = await ask((await library()).typed, 'How do I tune a violin?', { generator: 'browser' });
    expect(support).toBe('no');
    expect(model.created).toEqual([]);
  });

  test.each(['downloadable', 'downloading'] as const)(
    'that is %s is downloaded first, with progress',
    async (state) => {
      const model = standIn({ state });
      const seen: ModelProgress[] = [];
      const { answer } = await ask((await library()).typed, QUESTION, {
        generator: 'browser',
        onProgress: (progress) => seen.push(progress),
      });
      expect(seen.map(({ model, loadedBytes, totalBytes }) => [model, loadedBytes, totalBytes])).toEqual([
        ['browser', 0, 1],
        ['browser', 0.5, 1],
        ['browser', 1, 1],
      ]);
      expect(await textOf(answer)).toBe('Booth shot Lincoln. [1]');
      expect(model.open).toBe(0);
    },
  );

  test('reads as many sources as its window holds', async () => {
    const model = standIn({ window: 620 });
    const options = { generator: 'browser', evidence: 'passages', sourceTokens: 4000 } as const;
    const { answer } = await ask((await library()).typed, QUESTION, options);
    expect(await textOf(answer)).toBe('Booth shot Lincoln. [1]');
    const words = (messages: ChatMessage[]) =>
      messages
        .map(({ content }) => content)
        .join(' ')
        .split(/\s+/).length;
    expect(words(model.asked[0]!)).toBeLessThan(620 - 192);
    expect(words(model.asked[0]!)).toBeGreaterThan(100);
    // One session measures, and ends before the one that answers is made.
    expect([model.measured > 1, model.created.length, model.most, model.open]).toEqual([true, 2, 1, 0]);
    standIn({ window: 60 }); // not even the rules
    const tight = await ask((await library()).typed, QUESTION, options);
    await expect(textOf(tight.answer)).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('cannot read so much at once'),
    });
  });

  test('stops at the length that is asked for, at the signal, and where its reader leaves', async () => {
    const model = standIn();
    model.reply = Array.from({ length: 100 }, (_, n) => `This is sentence ${n}. `);
    const generator = await browserGenerator();
    const messages: ChatMessage[] = [{ role: 'user', content: 'Go on.' }];
    expect((await textOf(generator.generate(messages, { maxTokens: 10 }))).length).toBeLessThan(80);
    expect([model.cancelled, model.open]).toEqual([1, 0]);
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of generator.generate(messages, { signal: stop.signal })) stop.abort();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    for await (const _ of generator.generate(messages, {})) break;
    expect(model.open).toBe(0);
    await expect(browserGenerator({ signal: AbortSignal.abort() })).resolves.toBeDefined();
    model.state = 'downloadable';
    await expect(browserGenerator({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('holds the length within a piece, and cuts no character in two', async () => {
    const model = standIn();
    const generator = await browserGenerator();
    const messages: ChatMessage[] = [{ role: 'user', content: 'Go on.' }];
    model.reply = ['x'.repeat(30), 'y'.repeat(5000)];
    expect(await textOf(generator.generate(messages, { maxTokens: 10 }))).toBe(`${'x'.repeat(30)}${'y'.repeat(10)}`);
    model.reply = [`abc${'🐳'.repeat(50)}`];
    expect(await textOf(generator.generate(messages, { maxTokens: 2 }))).toBe('abc🐳🐳');
    expect(model.open).toBe(0);
  });

  test('measures for several at once, with a signal or without, and leaves no session', async () => {
    const model = standIn();
    const generator = await browserGenerator();
    const messages: ChatMessage[] = [{ role: 'user', content: 'Go on.' }];
    const fits = (signal?: AbortSignal) => generator.fits!(messages, { ...(signal && { signal }) });
    expect(await Promise.all([fits(), fits()])).toEqual([true, true]);
    expect([model.created.length, model.open]).toEqual([2, 0]);
    // Two answers by one signal: the first to begin does not take the other's session away.
    const { signal } = new AbortController();
    const [first, text, second] = await Promise.all([
      fits(signal),
      textOf(generator.generate(messages, { signal })),
      fits(signal),
    ]);
    expect([first, text, second]).toEqual([true, 'Booth shot Lincoln. [1]', true]);
    await textOf(generator.generate(messages, { signal }));
    expect(model.open).toBe(0);
    model.failure = domError('InvalidStateError');
    await expect(fits(signal)).rejects.toMatchObject({ code: 'MODEL_FAILED' });
    model.failure = undefined;
    expect(await fits(signal)).toBe(true);
    const stopped = AbortSignal.abort();
    await expect(fits(stopped)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test.each([
    ['es', '"es"'],
    [null, 'null'],
    [{}, 'object'],
    [['en', 'not a tag'], '"not a tag" in it'],
    [['en', ''], '"" in it'],
    [['en', undefined], 'undefined in it'],
    [[['en']], 'object in it'],
    [new Array(1), 'undefined in it'],
  ])('the languages %j are refused', async (languages, shown) => {
    const model = standIn();
    await expect(browserGenerator({ languages: languages as string[] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `browserGenerator: languages: expected a list of language tags (BCP 47, such as ['en', 'pt-BR']), got ${shown}`,
    });
    expect(model.created).toEqual([]);
    await expect(browserGenerator({ languages: ['en', 'pt-BR', 'zh-Hant'] })).resolves.toBeDefined();
  });

  test('that throws at once has a code, too', async () => {
    const availability = () => {
      throw new TypeError('at once');
    };
    vi.stubGlobal('LanguageModel', { availability });
    vi.stubGlobal('SemanticEmbedder', { availability });
    const failed = { code: 'MODEL_FAILED', message: expect.stringContaining('at once') };
    await expect(browserGenerator()).rejects.toMatchObject(failed);
    await expect(browserEmbedder({ listCollections: async () => [] })).rejects.toMatchObject(failed);
  });

  test('that is not there is UNSUPPORTED before anything is looked for', async () => {
    const collection = await library();
    const asking = () => ask(collection.typed, QUESTION, { generator: 'browser' });
    await expect(asking()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        /^there is no language model here \(LanguageModel is missing\); desktop Chrome .* `model`/,
      ),
    });
    vi.stubGlobal('isSecureContext', false);
    await expect(asking()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('needs https'),
    });
    vi.unstubAllGlobals();
    standIn({ state: 'unavailable' });
    await expect(asking()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('the device may have too little memory or disk'),
    });
  });

  test.each([
    ['NotAllowedError', 'MODEL_FAILED', 'only after a click or key press'],
    ['NetworkError', 'MODEL_FAILED', 'could not be downloaded'],
    ['NotSupportedError', 'UNSUPPORTED', 'does not support this (as it is)'],
    ['InvalidStateError', 'MODEL_FAILED', 'try again'],
    ['OperationError', 'MODEL_FAILED', 'OperationError: as it is'],
  ])('a %s of its start is %s, in words that help', async (name, code, words) => {
    const model = standIn({ state: 'downloadable' });
    model.failure = domError(name);
    await expect(ask((await library()).typed, QUESTION, { generator: 'browser' })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
      cause: model.failure,
    });
  });

  test('what breaks its answer has a code, and the session is ended', async () => {
    const model = standIn();
    model.broken = domError('UnknownError', 'lost the GPU');
    const { answer } = await ask((await library()).typed, QUESTION, { generator: 'browser' });
    await expect(textOf(answer)).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('lost the GPU'),
    });
    expect(model.open).toBe(0);
  });

  test('wrong options are refused', async () => {
    const typed = (await library()).typed;
    await expect(ask(typed, QUESTION, { generator: 'browser', model: 'x' })).rejects.toThrow('exclude each other');
    await expect(ask(typed, QUESTION, { generator: 'Browser' as 'browser' })).rejects.toThrow('no method `generate`');
    await expect(browserGenerator({ language: 'en' } as object)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

test('the sources are shortened for a generator of one’s own that says what fits', async () => {
  const asked: number[] = [];
  const length = (messages: readonly ChatMessage[]) => messages.map(({ content }) => content).join('').length;
  const generator = {
    name: 'small',
    fits: async (messages: readonly ChatMessage[]) => length(messages) < 1500,
    async *generate(messages: readonly ChatMessage[]) {
      asked.push(length(messages));
      yield 'Booth.';
    },
  };
  await textOf((await ask((await library()).typed, QUESTION, { generator, evidence: 'passages' })).answer);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toBeLessThan(1500);
  const all = { ...generator, fits: async () => true };
  await textOf((await ask((await library()).typed, QUESTION, { generator: all, evidence: 'passages' })).answer);
  expect(asked[1]).toBeGreaterThan(1500);
});

describe('the browser’s embedding model', () => {
  /** `seed`: which model. `noise`: how much its numbers differ on another driver. `window`: characters of a text. */
  function embedderStandIn({
    state = 'available' as Availability,
    seed = 1,
    noise = 0,
    window = 2000,
    dimension = 96,
  } = {}) {
    const model = {
      state,
      failure: undefined as unknown,
      calls: [] as { texts: string[]; taskType?: string }[],
      open: 0,
    };
    const random = (text: string) => {
      let state = seed;
      for (const letter of text) state = (Math.imul(state, 31) + letter.codePointAt(0)!) | 0;
      return () => {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        return (state >>> 0) / 2 ** 32 - 0.5;
      };
    };
    class SemanticEmbedder {
      constructor() {
        model.open++;
      }
      static async availability() {
        return model.state;
      }
      static async create(options: CreateOptions = {}) {
        await start(model, options);
        return new SemanticEmbedder();
      }
      async embed(input: string | string[], options: { taskType?: string; signal?: AbortSignal } = {}) {
        options.signal?.throwIfAborted();
        const texts = typeof input === 'string' ? [input] : input;
        model.calls.push({ texts, ...(options.taskType && { taskType: options.taskType }) });
        if (texts.some(({ length }) => length > window)) throw domError('QuotaExceededError');
        const embeddings = texts.map((text) => {
          const next = random(`${options.taskType} ${text}`);
          const drift = random(`noise ${text}`);
          return { values: Float32Array.from({ length: dimension }, () => next() * 0.2 + noise * drift()) };
        });
        return { embeddings };
      }
      destroy() {
        model.open--;
      }
    }
    vi.stubGlobal('SemanticEmbedder', SemanticEmbedder);
    return model;
  }
  /** A database whose collections have embedders of these names. */
  const database = (...names: string[]) => ({
    listCollections: async () => [
      { name: 'plain', metric: 'cosine' as const, count: 0 },
      ...names.map((embedder) => ({ name: embedder, metric: 'cosine' as const, count: 0, embedder })),
    ],
  });

  test('embeds texts for what they are, in order, a few at a time', async () => {
    const model = embedderStandIn();
    const embedder = await browserEmbedder(database());
    expect(embedder.dimension).toBe(96);
    expect(embedder.fingerprint).toMatch(/^browser;d=96;[A-Za-z0-9+/]+$/);
    expect(embedder.fingerprint.length).toBeLessThan(512);
    model.calls.length = 0;
    const texts = Array.from({ length: 70 }, (_, i) => `text ${i}`);
    const vectors = await embedder.embed(texts, { kind: 'document' });
    expect(vectors).toHaveLength(70);
    expect(model.calls.map(({ texts, taskType }) => [texts.length, taskType])).toEqual([
      [32, 'retrieval-document'],
      [32, 'retrieval-document'],
      [6, 'retrieval-document'],
    ]);
    expect((await embedder.embed(['text 69'], { kind: 'document' }))[0]).toEqual(vectors[69]);
    expect((await embedder.embed(['text 69'], { kind: 'query' }))[0]).not.toEqual(vectors[69]);
    expect(model.calls.at(-1)!.taskType).toBe('retrieval-query');
    const stop = new AbortController();
    stop.abort();
    await expect(embedder.embed(texts, { kind: 'document', signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  test('is known again though its numbers are a little other, and another model is another space', async () => {
    embedderStandIn();
    const { fingerprint } = await browserEmbedder(database());
    for (const noise of [0, 1e-4, 1e-3]) {
      embedderStandIn({ noise });
      expect((await browserEmbedder(database('all-MiniLM-L6-v2@main;…', fingerprint))).fingerprint).toBe(fingerprint);
    }
    for (const other of [{ seed: 2 }, { dimension: 48 }, { noise: 0.2 }]) {
      embedderStandIn(other);
      expect((await browserEmbedder(database(fingerprint))).fingerprint).not.toBe(fingerprint);
    }
  });

  test('reads the beginning of a text that is too long for it, and the others whole', async () => {
    const model = embedderStandIn({ window: 100 });
    const embedder = await browserEmbedder(database());
    const long = 'x'.repeat(390);
    const [short, cut] = await embedder.embed(['short', long], { kind: 'document' });
    expect([short, cut]).toEqual([
      (await embedder.embed(['short'], { kind: 'document' }))[0],
      (await embedder.embed(['x'.repeat(97)], { kind: 'document' }))[0],
    ]);
    expect(model.calls.some(({ texts }) => texts[0]!.length === 195)).toBe(true);
  });

  test('that is not there, or cannot be had, has a code and a way out', async () => {
    await expect(browserEmbedder(database())).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        /^there is no embedding model here \(SemanticEmbedder is missing\); use .*'static-en'/,
      ),
    });
    embedderStandIn({ state: 'unavailable' });
    await expect(browserEmbedder(database())).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const model = embedderStandIn({ state: 'downloadable' });
    const seen: number[] = [];
    await browserEmbedder(database(), { onProgress: ({ loadedBytes }) => seen.push(loadedBytes) });
    expect(seen).toEqual([0, 0.5, 1]);
    model.failure = domError('NotAllowedError');
    await expect(browserEmbedder(database())).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('click'),
    });
    const empty = embedderStandIn({ dimension: 0 });
    await expect(browserEmbedder(database())).rejects.toMatchObject({ code: 'MODEL_FAILED' });
    expect(empty.open).toBe(0);
  });
});

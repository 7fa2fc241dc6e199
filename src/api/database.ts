// A database as the page sees it: collections and models. Turns calls into calls of the worker's engine; holds no data.
import type { CollectionRequest, EngineEvent } from '../protocol.ts';
import type {
  CallOptions,
  ChatMessage,
  CollectionInfo,
  CollectionOptions,
  Damage,
  DatabaseEvents,
  DatabaseStats,
  Device,
  Embedder,
  EmbedderOptions,
  ExportOptions,
  Imported,
  ImportOptions,
  Metadata,
  ModelInfo,
  ModelProgress,
  OpenOptions,
  Reranker,
} from '../types.ts';
import { Collection } from './collection.ts';
import type { Connection } from './connect.ts';
import {
  checkChoice,
  checkInteger,
  checkMessages,
  checkName,
  checkReranker,
  checkText,
  checkTexts,
  DIMENSION_MAX,
  describe,
  door,
  embedderOptions,
  type Given,
  hasMethod,
  invalid,
  LANGUAGES,
  METRICS,
  QUANTIZATIONS,
  readOptions,
  requireChoice,
} from './input.ts';
import { importKey } from './key.ts';
import { runOnPage } from './run-on-page.ts';
import { exportStream, importStream } from './transfer.ts';
import { Witness } from './witness.ts';

/** Options of calls that may have to load a model first. */
export interface ModelCallOptions extends CallOptions {
  /** Called while files of the model are loaded. */
  onProgress?: (progress: ModelProgress) => void;
}

/** An open database. Get one from `open`, end it with `close` or `await using`. */
export class Database implements AsyncDisposable {
  readonly name: string;
  /** What runs the distance kernels. In a follower: what the leader ran them on when this tab opened the database. */
  readonly device: Device;
  readonly #connection: Connection;
  readonly #witness: Witness | null;
  #mayPersist: boolean;
  readonly #listeners = new Map<keyof DatabaseEvents, Set<(detail: never) => void>>();
  #closing: Promise<void> | undefined;
  /** @internal What open collections are called now, by the engine's number. */
  readonly names = new Map<number, string>();

  /** Reactive frameworks wrap objects that call themselves plain ones; a wrapper could not reach private members. */
  get [Symbol.toStringTag](): string {
    return 'Database';
  }

  /** @internal */
  constructor(connection: Connection, name: string, device: Device, options: Pick<OpenOptions, 'storage' | 'persist'>) {
    this.#connection = connection;
    this.name = name;
    this.device = device;
    const isStored = options.storage !== 'memory';
    this.#witness = isStored ? new Witness(name, () => connection.call((engine) => engine.testify())) : null;
    this.#mayPersist = isStored && options.persist !== false;
  }

  /**
   * @internal Looks for what may have been lost; events reach listeners that are added as soon as `open` has resolved.
   */
  begin(): void {
    const examined = this.#witness?.examine();
    setTimeout(async () => {
      this.#connection.onNotice(({ name, detail }) => {
        if (name === 'renamed') this.names.set(detail.id, detail.name);
        else this.#tell(name, detail);
      });
      const loss = await examined;
      if (loss) this.#tell('dataloss', loss);
    });
  }

  /** @internal A write has been made. */
  written(): void {
    this.#witness?.note();
    if (!this.#mayPersist) return;
    this.#mayPersist = false;
    globalThis.navigator?.storage?.persist?.().catch(() => {}); // a wish: what the browser says is in `stats`
  }

  /** Calls `listener` at each event of this name. Returns a function that stops it. */
  on<Name extends keyof DatabaseEvents>(name: Name, listener: (detail: DatabaseEvents[Name]) => void): () => void {
    requireChoice(name, ['damage', 'dataloss', 'opening', 'readonly', 'writable'], 'event');
    if (typeof listener !== 'function') throw invalid(`listener: expected a function, got ${describe(listener)}`);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #tell<Name extends keyof DatabaseEvents>(name: Name, detail: DatabaseEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as (detail: DatabaseEvents[Name]) => void)(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /**
   * Opens a collection, creating it if it does not exist. Without options it must exist (`NOT_FOUND`). Options that
   * differ from the stored ones are `CONFIG_MISMATCH`, another embedder is `MODEL_MISMATCH`; the message names both.
   *
   * Its records come into memory behind this call. `count` and `get` do not wait for vectors; queries and writes wait for what
   * they need, and the `opening` event says how far it is. What fails then is said by the calls that need it.
   */
  async collection<M extends object = Metadata>(
    name: string,
    options?: CollectionOptions,
    call?: ModelCallOptions,
  ): Promise<Collection<M>> {
    checkName(name, 'collection');
    const { dimension, metric, embedder, quantization, language } = readOptions(
      options,
      ['dimension', 'metric', 'embedder', 'quantization', 'language'],
      'collection',
    );
    const events = readCall(call);
    if (dimension !== undefined) checkInteger(dimension, 1, DIMENSION_MAX, 'dimension');
    checkChoice(metric, METRICS, 'metric');
    checkChoice(quantization, QUANTIZATIONS, 'quantization');
    checkChoice(language, LANGUAGES, 'language');
    const own = door(() => hasMethod<Embedder>(embedder, 'embed')) ? (embedder as Embedder) : null;
    const request: CollectionRequest = {
      dimension: dimension ?? null,
      metric: metric ?? null,
      quantization: quantization ?? null,
      language,
      embedder: own
        ? {
            fingerprint: checkName(own.fingerprint, 'embedder.fingerprint'),
            dimension: checkInteger(own.dimension, 1, DIMENSION_MAX, 'embedder.dimension'),
          }
        : embedder === undefined
          ? null
          : embedderOptions(embedder as string | EmbedderOptions),
      mustExist: options === undefined,
    };
    const opened = await this.#connection.call((engine, id) => engine.openCollection(name, request, id), events);
    this.names.set(opened.id, name);
    return new Collection<M>(this, this.#connection, opened, own);
  }

  /** All collections, in order of creation. */
  async listCollections(): Promise<CollectionInfo[]> {
    return this.#connection.call((engine) => engine.listCollections());
  }

  /** Whether there is a collection with this name. */
  async exists(name: string): Promise<boolean> {
    checkName(name, 'collection');
    return (await this.listCollections()).some((collection) => collection.name === name);
  }

  /** Deletes a collection with all its records. Returns whether there was one. */
  async deleteCollection(name: string): Promise<boolean> {
    checkName(name, 'collection');
    return this.#connection.call((engine, id) => engine.deleteCollection(name, id));
  }

  /** Renames a collection. `NOT_FOUND` if it does not exist, `CONFLICT` if the new name is taken. */
  async renameCollection(from: string, to: string): Promise<void> {
    checkName(from, 'collection');
    checkName(to, 'new name');
    await this.#connection.call((engine, id) => engine.renameCollection(from, to, id));
    for (const [id, name] of this.names) if (name === from) this.names.set(id, to);
  }

  /** Statistics of the database and of each collection: rows, bytes, devices. */
  async stats(): Promise<DatabaseStats> {
    return this.#connection.call((engine) => engine.stats());
  }

  /**
   * Reads everything that is stored and removes what is damaged. Rebuilds whatever other parts allow; the rest is
   * dropped. Returns the damage; afterwards `stats` has none of it. If the tab that runs it dies before its answer, the
   * next one starts again and returns what it found; what was repaired before was reported by `damage` events only.
   */
  async repair(options?: CallOptions): Promise<Damage[]> {
    const { signal } = readOptions(options, ['signal'], 'repair');
    return this.#connection.call((engine, call) => engine.repair(call), { signal, waits: true });
  }

  /** After a 'readonly' event, when space has been freed: tries whether writes are possible again, and returns it. */
  async retryWrites(): Promise<boolean> {
    return this.#connection.call((engine) => engine.retryWrites());
  }

  /** Loads a model ahead of its first use. `UNSUPPORTED` if the worker has no runtime for it. */
  async loadModel(
    task: ModelInfo['task'],
    model: string | EmbedderOptions,
    call?: ModelCallOptions,
  ): Promise<ModelInfo> {
    requireChoice(task, ['embed', 'generate', 'rerank'], 'task');
    const events = readCall(call);
    const options = embedderOptions(model);
    return this.#connection.call((engine, id) => engine.loadModel(task, options, id), events);
  }

  /**
   * One vector per text, in order; null for a text without direction. @default { model: 'static-en', kind: 'document' }
   */
  async embed(
    texts: readonly string[],
    options?: ModelCallOptions & { model?: string | EmbedderOptions; kind?: 'query' | 'document' },
  ): Promise<(Float32Array | null)[]> {
    const {
      model = 'static-en',
      kind = 'document',
      signal,
      onProgress,
    } = readOptions(options, ['model', 'kind', 'signal', 'onProgress'], 'embed');
    const embedder = embedderOptions(model);
    const list = checkTexts(texts, kind);
    return this.#connection.call(
      (engine, id) => engine.embed(embedder, list, kind, id),
      eventOptions({ signal, onProgress }),
    );
  }

  /**
   * How well each text answers the query, in order; higher is better. Scored by a cross-encoder of transformers.js in
   * the worker, 0 to 1 (`UNSUPPORTED` without `piramid/rag-worker`), or by your own reranker. Texts that are too long
   * for the model are cut.
   */
  async rerank(
    query: string,
    texts: readonly string[],
    options: ModelCallOptions & { model: string | Reranker },
  ): Promise<number[]> {
    const { model, signal, onProgress } = readOptions(options, ['model', 'signal', 'onProgress'], 'rerank');
    const reranker = checkReranker(model);
    checkText(query, () => 'query');
    const list = checkTexts(texts, 'query');
    return this.#connection.call(
      (engine, id) =>
        typeof reranker === 'string'
          ? engine.rerank(reranker, query, list, id)
          : runOnPage('reranker', list.length, () => reranker.rerank(query, list, { ...(signal && { signal }) })),
      eventOptions({ signal, onProgress }),
    );
  }

  /**
   * An answer to a conversation, piece by piece, by a language model in the worker. Leaving the loop early stops it.
   */
  async *generate(
    messages: readonly ChatMessage[],
    options: ModelCallOptions & {
      model: string;
      /** @default 256 */
      maxTokens?: number;
    },
  ): AsyncGenerator<string, void, undefined> {
    const {
      model,
      maxTokens = 256,
      signal,
      onProgress,
    } = readOptions(options, ['model', 'maxTokens', 'signal', 'onProgress'], 'generate');
    checkName(model, 'model');
    checkInteger(maxTokens, 1, 100_000, 'maxTokens');
    const conversation = checkMessages(messages);
    const stop = new AbortController();
    const pieces: string[] = [];
    let finished = false;
    let failure: unknown;
    let wake = () => {};
    this.#connection
      .call((engine, id) => engine.generate(model, conversation, maxTokens, id), {
        signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
        onEvent: (event) => {
          if (event.type === 'token') pieces.push(event.piece);
          else if (event.type === 'progress') onProgress?.(event.progress);
          wake();
        },
      })
      .catch((error) => {
        failure = error;
      })
      .finally(() => {
        finished = true;
        wake();
      });
    try {
      for (let given = 0; ; ) {
        if (given < pieces.length) yield pieces[given++]!;
        else if (failure !== undefined) throw failure;
        else if (finished) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      stop.abort();
    }
  }

  /**
   * Exchanges the key of an encrypted database in one small transaction; records are not written again. From then on
   * the database opens with `key` only; tabs that have it open keep it. `WRONG_KEY` if the database is not encrypted.
   *
   * The old key still opens an older copy of the database, and what it opens there also decrypts later records. If
   * someone else has the old key, export the database and import it into a new one.
   */
  async rotateKey(key: CryptoKey | Uint8Array): Promise<void> {
    const imported = await importKey(key);
    return this.#connection.call((engine, call) => engine.rotateKey(imported, call), { waits: true });
  }

  /**
   * The database, or some of its collections, as a file. It has what they hold at the moment of the call (of the first
   * one: when `transfer.js` has been loaded, which no write waits for), whatever is written afterwards. Read it at your own pace (nothing is produced ahead): pipe it into a file, or make a `Blob` of
   * it by `new Response(stream).blob()` (which rejects with the browser's `TypeError` if the stream fails). The file is
   * not encrypted. Cancelling the stream or the signal ends the export.
   *
   * The stream fails with `NOT_FOUND`, `INVALID_ARGUMENT`, `CORRUPT`, `ABORTED`, with `WORKER_FAILED` if another
   * tab takes the database over before its end, and with `UNSUPPORTED` if `transfer.js` is missing
   * (`OpenOptions.assets`).
   */
  export(options?: ExportOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
    const given = readOptions(options, ['collections', 'signal', 'onProgress'], 'export');
    const { collections } = given;
    const names = door(() => {
      if (collections !== undefined && !Array.isArray(collections))
        throw invalid(`collections: expected an array of names, got ${describe(collections)}`);
      return collections && Array.from(collections, (name, i) => checkName(name, `collections[${i}]`));
    });
    return exportStream(this.#connection, names ? [...new Set(names)] : null, given);
  }

  /**
   * Brings in the collections of a file that `export` wrote, all of them or none. They are new ones: `CONFLICT` if one
   * of that name exists (`rename` gives another), `NOT_FOUND` if `rename` names one that the file does not have. The
   * file is checked like any input; one that is damaged, cut off or made up is `INVALID_FILE`, and then, as on any
   * failure, nothing has changed. `UNSUPPORTED` if `transfer.js` is missing (`OpenOptions.assets`).
   */
  async import(source: ReadableStream<Uint8Array> | Blob, options?: ImportOptions): Promise<Imported> {
    const { rename, signal, onProgress } = readOptions(options, ['rename', 'signal', 'onProgress'], 'import');
    const names = readOptions(rename, Object.keys(rename ?? {}), 'rename');
    for (const [from, to] of Object.entries(names)) checkName(to, `rename["${from}"]`);
    const stream = source instanceof Blob ? source.stream() : source;
    if (!(stream instanceof ReadableStream))
      throw invalid(`import: expected a ReadableStream or a Blob, got ${describe(source)}`);
    return importStream(this.#connection, stream, { signal, onProgress, rename: { ...names } });
  }

  /**
   * Waits for writes under way, then ends the worker. Other calls still waiting, and later ones, reject with `CLOSED`.
   */
  close(): Promise<void> {
    // Asked before the worker is told to end.
    const seen = this.#closing ? null : this.#witness?.close();
    this.#closing ??= Promise.all([this.#connection.close(), seen]).then(() => {});
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function readCall(call: ModelCallOptions | undefined) {
  const { signal, onProgress } = readOptions(call, ['signal', 'onProgress'], 'options');
  return eventOptions({ signal, onProgress });
}

function eventOptions({ signal, onProgress }: Given<ModelCallOptions>) {
  return {
    signal,
    ...(onProgress && { onEvent: (event: EngineEvent) => event.type === 'progress' && onProgress(event.progress) }),
  };
}

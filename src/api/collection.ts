// A collection as the page sees it. Checks and packs what goes out, turns what comes back into records and matches.
import { type Remote, transfer } from 'comlink';
import { PiramidError } from '../errors.ts';
import { checkPath } from '../filter/check.ts';
import { decodeMetadataValue } from '../filter/metadata.ts';
import type {
  CallId,
  Engine,
  EngineAnswer,
  EngineEvent,
  EngineQuery,
  EngineRows,
  OpenedCollection,
} from '../protocol.ts';
import type {
  CallOptions,
  Changes,
  CollectionStats,
  Compacted,
  CompactOptions,
  Embedder,
  Facet,
  FacetOptions,
  GetOptions,
  Match,
  Matches,
  Metadata,
  Metric,
  Quantization,
  Query,
  RecallCheck,
  RecallCheckOptions,
  RecordId,
  ScrollOptions,
  ScrollPage,
  StoredRecord,
  Target,
  UpsertOptions,
  VectorRecord,
  Where,
} from '../types.ts';
import type { Connection } from './connect.ts';
import type { Database } from './database.ts';
import {
  checkChanges,
  checkChoice,
  checkCursor,
  checkFilter,
  checkIds,
  checkInteger,
  checkOptions,
  checkSelect,
  checkSignal,
  checkTarget,
  checkVector,
  describe,
  invalid,
  K_MAX,
  type PackingRules,
  packQuery,
  packRecords,
  placeEmbedded,
} from './input.ts';

/** Most neighbours that `recallCheck` compares. */
const RECALL_K_MAX = 1000;

/** An open collection. Get one from `db.collection`. `M` is the shape of its metadata. */
export class Collection<M extends object = Metadata> {
  readonly database: Database;
  readonly name: string;
  /** Length of its vectors; undefined for a collection of text only. */
  readonly dimension: number | undefined;
  readonly metric: Metric;
  readonly quantization: Quantization;
  readonly #connection: Connection;
  readonly #id: number;
  readonly #rules: PackingRules;
  readonly #embedder: Embedder | null;
  /** Settles when the writes so far have been sent. */
  #sent: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(
    database: Database,
    connection: Connection,
    name: string,
    opened: OpenedCollection,
    embedder: Embedder | null,
  ) {
    this.database = database;
    this.#connection = connection;
    this.name = name;
    this.#id = opened.id;
    this.dimension = opened.dimension ?? undefined;
    this.metric = opened.metric;
    this.quantization = opened.quantization;
    this.#embedder = embedder;
    this.#rules = {
      dimension: opened.dimension,
      metric: opened.metric,
      quantization: opened.quantization,
      embeds: embedder !== null || opened.embeds === 'worker',
    };
  }

  /**
   * Adds or replaces records, whole ones: all of them or none. Resolves when they are durable and the next query sees them. What embeds
   * texts does not let go of one call's: some hundreds a call let queries in between. (`update` changes metadata alone.)
   *
   * Throws `INVALID_ARGUMENT`, `DIMENSION_MISMATCH`, `CONFLICT`, `NOT_FOUND` (see `mode`), `MODEL_FAILED`,
   * `MODEL_MISMATCH`, `QUOTA_EXCEEDED`, `STORAGE_FULL`; then nothing has been written.
   */
  async upsert(records: VectorRecord<M> | readonly VectorRecord<M>[], options: UpsertOptions = {}): Promise<void> {
    checkOptions(options, ['mode', 'signal'], 'upsert');
    checkChoice(options.mode, ['upsert', 'insert', 'update'], 'mode');
    const signal = checkSignal(options.signal);
    const list = Array.isArray(records) ? (records as readonly VectorRecord<M>[]) : [records as VectorRecord<M>];
    const { packed, toEmbed } = packRecords(list, this.#rules);
    const embed = async () => {
      const texts = toEmbed.map((i) => packed.texts![i]!);
      placeEmbedded(packed, toEmbed, await this.#runEmbedder(texts, 'document', signal), this.#rules);
    };
    const buffers = [packed.vectors?.buffer, packed.sources?.buffer].filter((buffer) => buffer !== undefined);
    await this.#write(
      (engine, call) => engine.upsert(this.#id, transfer(packed, buffers), options.mode ?? 'upsert', call),
      signal,
      this.#embedder && toEmbed.length > 0 ? embed : undefined,
    );
  }

  /**
   * Changes metadata of records, all of them or none. Returns how many there were; ids that do not exist are left out. `CORRUPT`
   * where something of one of them is damaged: it would be written again without.
   */
  async update(target: Target, changes: Changes, options: CallOptions = {}): Promise<number> {
    checkOptions(options, ['signal'], 'update');
    const checkedTarget = checkTarget(target);
    const checkedChanges = checkChanges(changes);
    const signal = checkSignal(options.signal);
    return this.#write((engine, call) => engine.update(this.#id, checkedTarget, checkedChanges, call), signal);
  }

  /** Deletes records, all of them or none. Returns how many there were; ids that do not exist are left out. */
  async delete(target: Target, options: CallOptions = {}): Promise<number> {
    checkOptions(options, ['signal'], 'delete');
    const checkedTarget = checkTarget(target);
    const signal = checkSignal(options.signal);
    return this.#write((engine, call) => engine.delete(this.#id, checkedTarget, call), signal);
  }

  /** Records by id, in the order of `ids`; those that do not exist are left out. */
  async get(ids: RecordId | readonly RecordId[], options: GetOptions = {}): Promise<StoredRecord<M>[]> {
    checkOptions(options, ['select', 'signal'], 'get');
    const wanted = checkIds(Array.isArray(ids) ? ids : [ids], 'ids');
    const select = checkSelect(options.select, ['text', 'metadata', 'vector']);
    const found = await this.#connection.call((engine) => engine.get(this.#id, wanted, select), {
      signal: checkSignal(options.signal),
    });
    return toRecords<M>(found.ids, found.rows);
  }

  /** How many records there are, or match: `count({ pinned: true })`. */
  async count(where?: Where, options: CallOptions = {}): Promise<number> {
    checkOptions(options, ['signal'], 'count');
    if (isWrapped(where))
      throw invalid(
        'count takes the filter itself: count({ pinned: true }). For a field named "where": { $and: [{ where: … }] }',
      );
    const checked = where === undefined ? null : checkFilter(where);
    return this.#connection.call((engine) => engine.count(this.#id, checked), { signal: checkSignal(options.signal) });
  }

  /** Pages through records in order of writing. A record that is replaced meanwhile moves to the end. */
  async scroll(options: ScrollOptions = {}): Promise<ScrollPage<M>> {
    checkOptions(options, ['where', 'limit', 'cursor', 'select', 'signal'], 'scroll');
    const request = {
      where: options.where === undefined ? null : checkFilter(options.where),
      limit: options.limit === undefined ? 100 : checkInteger(options.limit, 1, K_MAX, 'limit'),
      cursor: checkCursor(options.cursor),
      select: checkSelect(options.select, ['text', 'metadata', 'vector']),
    };
    const page = await this.#connection.call((engine) => engine.scroll(this.#id, request), {
      signal: checkSignal(options.signal),
    });
    return { records: toRecords<M>(page.ids, page.rows), ...(page.next !== null && { next: page.next }) };
  }

  /** The most frequent values of a metadata field, most frequent first, with how many records have each. */
  async facets(options: FacetOptions): Promise<Facet[]> {
    checkOptions(options, ['field', 'where', 'limit', 'signal'], 'facets');
    checkPath(options?.field, 'field');
    const request = {
      field: options.field,
      where: options.where === undefined ? null : checkFilter(options.where),
      limit: options.limit === undefined ? 100 : checkInteger(options.limit, 1, K_MAX, 'limit'),
    };
    return this.#connection.call((engine) => engine.facets(this.#id, request), { signal: checkSignal(options.signal) });
  }

  /** The best matches, best first. Always min(k, matching records) of them for a vector; words match what holds them. */
  async query(query: Query): Promise<Matches<M>> {
    const [matches] = await this.#run([query], query?.signal);
    return matches!;
  }

  /** Several queries in one call; the same answers as one by one. */
  async queryBatch(queries: readonly Query[], options: CallOptions = {}): Promise<Matches<M>[]> {
    checkOptions(options, ['signal'], 'queryBatch');
    if (!Array.isArray(queries)) throw invalid('queryBatch: expected an array of queries');
    if (queries.some((query) => query?.signal !== undefined))
      throw invalid('queryBatch: give the signal to the batch, not to a query in it');
    return queries.length === 0 ? [] : this.#run(queries, options.signal);
  }

  /**
   * Measures the recall of this collection's queries on its own records: `sample` of them, drawn at random but the same in
   * each call, are looked for by their vectors, as queries do and exactly. Of a collection without quantisation it is 1.
   */
  async recallCheck(options: RecallCheckOptions = {}): Promise<RecallCheck> {
    checkOptions(options, ['sample', 'k', 'signal'], 'recallCheck');
    const request = {
      sample: options.sample === undefined ? 100 : checkInteger(options.sample, 1, K_MAX, 'sample'),
      k: options.k === undefined ? 10 : checkInteger(options.k, 1, RECALL_K_MAX, 'k'),
    };
    if (this.dimension === undefined)
      throw invalid('recallCheck: the collection holds text only (it was created without a dimension)');
    return this.#connection.call((engine, call) => engine.recallCheck(this.#id, request, call), {
      signal: checkSignal(options.signal),
    });
  }

  /**
   * Takes deleted and replaced records out of every chunk that holds some, and merges small chunks, so that disk and memory
   * come back; queries and writes go on meanwhile. It also happens by itself, where a quarter of the records is deleted.
   * Cancelled, it leaves everything as it was.
   */
  async compact(options: CompactOptions = {}): Promise<Compacted> {
    checkOptions(options, ['signal', 'onProgress'], 'compact');
    const { signal, onProgress } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw invalid(`onProgress: expected a function, got ${describe(onProgress)}`);
    return this.#connection.call((engine, call) => engine.compact(this.#id, call), {
      signal: checkSignal(signal),
      ...(onProgress && { onEvent: (event: EngineEvent) => event.type === 'step' && onProgress(event.progress) }),
    });
  }

  /** Rows, bytes and device of this collection. */
  async stats(): Promise<CollectionStats> {
    return this.#connection.call((engine) => engine.collectionStats(this.#id));
  }

  /**
   * Sends a write once it is prepared. Where the page embeds, writes still reach the worker in the order of the calls: a
   * quick one does not overtake a slow one.
   */
  async #write<T>(
    run: (engine: Remote<Engine>, call: CallId) => Promise<T>,
    signal: AbortSignal | undefined,
    prepare?: () => Promise<void>,
  ): Promise<T> {
    const send = async () => {
      const answer = await this.#connection.call(run, { signal, waits: true });
      this.database.written();
      return answer;
    };
    if (!this.#embedder) return send();
    const before = this.#sent;
    const turn = this.#connection.call(() => Promise.all([prepare?.(), before]), { signal });
    const sending = turn.then(() => ({ answer: send() }));
    this.#sent = sending.then(
      () => {},
      () => before,
    );
    return (await sending).answer;
  }

  async #run(queries: readonly Query[], givenSignal: AbortSignal | undefined): Promise<Matches<M>[]> {
    const signal = checkSignal(givenSignal);
    const packed = Array.from(queries, (query) => packQuery(query, this.#rules));
    if (this.#embedder) await this.#embedOnPage(packed, signal);
    const answers = await this.#connection.call((engine, call) => engine.query(this.#id, packed, call), { signal });
    return answers.map(toMatches<M>);
  }

  async #embedOnPage(queries: EngineQuery[], signal: AbortSignal | undefined): Promise<void> {
    const waiting = queries.filter((query) => query.embed !== null);
    if (waiting.length === 0) return;
    const texts = waiting.map((query) => query.embed!);
    const vectors = await this.#runEmbedder(texts, 'query', signal);
    for (const [i, query] of waiting.entries()) {
      const vector = vectors[i]!;
      const { dimension, metric } = this.#rules;
      query.vector =
        vector === null ? null : checkVector(vector, dimension!, metric, "the embedder's vector of the query");
      query.embed = null;
    }
  }

  /** As a call like any other, so that it ends with its signal and with the database, whatever the embedder does. */
  #runEmbedder(
    texts: string[],
    kind: 'query' | 'document',
    signal: AbortSignal | undefined,
  ): Promise<(Float32Array | null)[]> {
    const failed = (why: string, cause?: unknown) => new PiramidError('MODEL_FAILED', why, { cause });
    const embed = async () => {
      const vectors = await this.#embedder!.embed(texts, { kind, ...(signal && { signal }) });
      if (!Array.isArray(vectors) || vectors.length !== texts.length) {
        const got = Array.isArray(vectors) ? vectors.length : describe(vectors);
        throw failed(`the embedder was given ${texts.length} texts, expected as many vectors, got ${got}`);
      }
      return vectors;
    };
    return this.#connection.call(
      () =>
        embed().catch((error) => {
          throw error instanceof PiramidError ? error : failed(`the embedder failed: ${error}`, error);
        }),
      { signal },
    );
  }
}

/** `{ where: {…} }`, as the other calls take it. */
function isWrapped(where: Where | undefined): boolean {
  const inner =
    where !== null && typeof where === 'object' && Object.keys(where).length === 1 ? where.where : undefined;
  return typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Date);
}

function toRecords<M extends object>(ids: readonly RecordId[], rows: EngineRows): StoredRecord<M>[] {
  return ids.map((id, i) => ({ id, ...selected<M>(rows, i) }));
}

function toMatches<M extends object>(answer: EngineAnswer): Matches<M> {
  const matches = answer.ids.map((id, i): Match<M> => {
    const legs = answer.legs?.[i];
    return { id, score: answer.scores[i]!, ...selected<M>(answer.rows, i), ...(legs && { legs }) };
  }) as Matches<M>;
  matches.exact = answer.exact;
  matches.took = answer.took;
  if (answer.plan) matches.plan = answer.plan;
  return matches;
}

function selected<M extends object>(
  rows: EngineRows,
  i: number,
): { text?: string; metadata?: M; vector?: Float32Array } {
  const text = rows.texts?.[i] ?? null;
  const metadata = rows.metadata?.[i] ?? null;
  const vector = rows.vectors?.[i] ?? null;
  return {
    ...(text !== null && { text }),
    ...(metadata !== null && { metadata: decodeMetadataValue(metadata) as M }),
    ...(vector !== null && { vector }),
  };
}

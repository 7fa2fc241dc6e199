// A collection as the page sees it. Checks and packs what goes out, turns what comes back into records and matches.
import { type Remote, transfer } from 'comlink';
import { checkPath } from '../filter/check-where.ts';
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
import { readAs } from '../structures/context.ts';
import type {
  CallOptions,
  Changes,
  CollectionStats,
  Compacted,
  CompactOptions,
  Embedder,
  EmbedderOptions,
  Facet,
  FacetOptions,
  FieldPath,
  FieldValue,
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
  checkChoice,
  checkCursor,
  checkFilter,
  checkIds,
  checkInteger,
  checkSelect,
  checkTarget,
  checkTexts,
  checkVector,
  describe,
  door,
  invalid,
  K_MAX,
  type PackedQuery,
  type PackingRules,
  packChanges,
  packQueries,
  packQuery,
  packRecords,
  placeEmbedded,
  readOptions,
} from './input.ts';
import { reorder } from './reorder.ts';
import { runOnPage } from './run-on-page.ts';

/** Most neighbours that `recallCheck` compares. */
const RECALL_K_MAX = 1000;

/** An open collection. Get one from `db.collection`. `M` is the shape of its metadata. */
export class Collection<M extends object = Metadata> {
  readonly database: Database;
  /** Length of its vectors; undefined for a collection of text only. */
  readonly dimension: number | undefined;
  readonly metric: Metric;
  readonly quantization: Quantization;
  readonly #connection: Connection;
  readonly #id: number;
  readonly #rules: PackingRules;
  readonly #embedder: Embedder | null;
  readonly #model: EmbedderOptions | null;
  /** Settles when the writes so far have been sent. */
  #sent: Promise<unknown> = Promise.resolve();

  /** Reactive frameworks wrap objects that call themselves plain ones; a wrapper could not reach private members. */
  get [Symbol.toStringTag](): string {
    return 'Collection';
  }

  /** @internal */
  constructor(database: Database, connection: Connection, opened: OpenedCollection, embedder: Embedder | null) {
    this.database = database;
    this.#connection = connection;
    this.#id = opened.id;
    this.dimension = opened.dimension ?? undefined;
    this.metric = opened.metric;
    this.quantization = opened.quantization;
    this.#embedder = embedder;
    this.#model = opened.model;
    this.#rules = {
      dimension: opened.dimension,
      metric: opened.metric,
      quantization: opened.quantization,
      embeds: embedder !== null || opened.embeds === 'worker',
    };
  }

  /** Its current name, whichever tab renamed it. */
  get name(): string {
    return this.database.names.get(this.#id)!;
  }

  /**
   * Adds or replaces whole records: all of them or none. Resolves when they are durable and the next query sees them.
   * Texts of one call are embedded without yielding: write a few hundred per call so that queries can run between.
   * (`update` changes parts of records.)
   *
   * Throws `INVALID_ARGUMENT`, `DIMENSION_MISMATCH`, `CONFLICT`, `NOT_FOUND` (see `mode`), `MODEL_FAILED`,
   * `MODEL_MISMATCH`, `QUOTA_EXCEEDED`, `STORAGE_FULL`; then nothing has been written.
   */
  async upsert(records: VectorRecord<M> | readonly VectorRecord<M>[], options?: UpsertOptions): Promise<void> {
    const { mode = 'upsert', signal } = readOptions(options, ['mode', 'signal'], 'upsert');
    checkChoice(mode, ['upsert', 'insert', 'update'], 'mode');
    const { packed, toEmbed } = packRecords(records, this.#rules);
    const embed = async () => {
      const texts = toEmbed.map((i) => readAs(packed.texts![i]!));
      placeEmbedded(packed, toEmbed, await this.#runEmbedder(texts, 'document', signal), this.#rules);
    };
    const buffers = [packed.vectors?.buffer, packed.sources?.buffer].filter((buffer) => buffer !== undefined);
    await this.#write(
      (engine, call) => engine.upsert(this.#id, transfer(packed, buffers), mode, call),
      signal,
      this.#embedder && toEmbed.length > 0 ? embed : undefined,
    );
  }

  /**
   * Changes metadata fields, the text or the vector of records: of all of them or none. Returns how many there were;
   * ids that do not exist are skipped. A change of metadata alone keeps a record's place. A record with a new text or
   * vector is written again and moves to the end of the order of writing. `CORRUPT` if a part that a record would keep
   * is damaged.
   */
  async update(
    target: Target<M> | RecordId | readonly RecordId[],
    changes: Changes<M>,
    options?: CallOptions,
  ): Promise<number> {
    const { signal } = readOptions(options, ['signal'], 'update');
    const checkedTarget = checkTarget(target as Target);
    const checked = packChanges(changes as Changes, this.#rules);
    const embed = async () => {
      checked.vector = this.#checkEmbedded(
        (await this.#runEmbedder([readAs(checked.text!)], 'document', signal))[0]!,
        'text',
      );
      checked.embed = false;
    };
    return this.#write(
      (engine, call) => engine.update(this.#id, checkedTarget, checked, call),
      signal,
      this.#embedder && checked.embed ? embed : undefined,
    );
  }

  /** Deletes records, all of them or none. Returns how many there were; ids that do not exist are skipped. */
  async delete(target: Target<M> | RecordId | readonly RecordId[], options?: CallOptions): Promise<number> {
    const { signal } = readOptions(options, ['signal'], 'delete');
    const checkedTarget = checkTarget(target as Target);
    return this.#write((engine, call) => engine.delete(this.#id, checkedTarget, call), signal);
  }

  /**
   * The record with this id, or undefined; or the records with these ids, in their order, without those that do not
   * exist.
   */
  async get(id: RecordId, options?: GetOptions): Promise<StoredRecord<M> | undefined>;
  async get(ids: readonly RecordId[], options?: GetOptions): Promise<StoredRecord<M>[]>;
  async get(
    given: RecordId | readonly RecordId[],
    options?: GetOptions,
  ): Promise<StoredRecord<M> | undefined | StoredRecord<M>[]> {
    const { select, signal } = readOptions(options, ['select', 'signal'], 'get');
    const isOne = typeof given === 'string' || typeof given === 'number';
    if (!isOne && !Array.isArray(given))
      throw invalid(`get: expected an id or an array of ids, got ${describe(given)}`);
    const wanted = checkIds(isOne ? [given] : given, 'ids');
    const fields = checkSelect(select, ['text', 'metadata', 'vector']);
    const found = await this.#connection.call((engine) => engine.get(this.#id, wanted, fields), { signal });
    const records = toRecords<M>(found.ids, found.rows);
    return isOne ? records[0] : records;
  }

  /** Whether there is a record with this id. */
  async exists(id: RecordId, options?: CallOptions): Promise<boolean> {
    return (await this.get(id, { ...options, select: [] })) !== undefined;
  }

  /** The number of records, or of those that match: `count({ pinned: true })`. */
  async count(where?: Where<M>, options?: CallOptions): Promise<number> {
    const { signal } = readOptions(options, ['signal'], 'count');
    if (door(() => isWrapped(where)))
      throw invalid(
        'count takes the filter itself: count({ pinned: true }). For a field named "where": { $and: [{ where: … }] }',
      );
    const checked = where === undefined ? null : checkFilter(where);
    return this.#connection.call((engine) => engine.count(this.#id, checked), { signal });
  }

  /** Pages through records in order of writing, each record once, whatever is written meanwhile (see `ScrollPage`). */
  async scroll(options?: ScrollOptions<M>): Promise<ScrollPage<M>> {
    const given = readOptions(options, ['where', 'limit', 'cursor', 'select', 'signal'], 'scroll');
    const request = {
      where: given.where === undefined ? null : checkFilter(given.where),
      limit: given.limit === undefined ? 100 : checkInteger(given.limit, 1, K_MAX, 'limit'),
      cursor: checkCursor(given.cursor),
      select: checkSelect(given.select, ['text', 'metadata', 'vector']),
    };
    const { signal } = given;
    const page = await this.#connection.call((engine) => engine.scroll(this.#id, request), { signal });
    return { records: toRecords<M>(page.ids, page.rows), ...(page.next !== null && { next: page.next }) };
  }

  /** The most frequent values of a metadata field, most frequent first, with the number of records that have each. */
  async facets<Path extends FieldPath<M>>(options: FacetOptions<M, Path>): Promise<Facet<FieldValue<M, Path>>[]> {
    const given = readOptions(options, ['field', 'where', 'limit', 'signal'], 'facets');
    const request = {
      field: checkPath(given.field, 'field'),
      where: given.where === undefined ? null : checkFilter(given.where),
      limit: given.limit === undefined ? 100 : checkInteger(given.limit, 1, K_MAX, 'limit'),
    };
    const { signal } = given;
    const facets = await this.#connection.call((engine) => engine.facets(this.#id, request), { signal });
    return facets as Facet<FieldValue<M, Path>>[];
  }

  /**
   * One vector per text by this collection's embedder, in order; null for a text without direction. `INVALID_ARGUMENT`
   * if the collection was opened without an embedder. @default { kind: 'document' }
   */
  async embed(
    texts: readonly string[],
    options?: CallOptions & { kind?: 'query' | 'document' },
  ): Promise<(Float32Array | null)[]> {
    const { kind = 'document', signal } = readOptions(options, ['kind', 'signal'], 'embed');
    if (this.#embedder) return this.#runEmbedder(checkTexts(texts, kind), kind, signal);
    if (!this.#model) throw invalid('embed: the collection has no embedder here');
    return this.database.embed(texts, { model: this.#model, kind, ...(signal && { signal }) });
  }

  /**
   * The best matches, best first. A vector query always returns min(k, matching records); words match records that
   * contain them.
   */
  async query(query: Query<M>): Promise<Matches<M>> {
    const packed = packQuery(query as unknown as Query, this.#rules);
    const [matches] = await this.#run([packed], packed.signal);
    return matches!;
  }

  /** Several queries in one call; the same answers as one by one. */
  async queryBatch(queries: readonly Query<M>[], options?: CallOptions): Promise<Matches<M>[]> {
    const { signal } = readOptions(options, ['signal'], 'queryBatch');
    const packed = packQueries(queries as unknown as readonly Query[], this.#rules);
    return packed.length === 0 ? [] : this.#run(packed, signal);
  }

  /**
   * Measures the recall of this collection's queries on its own data. The queries are the vectors of `sample` random
   * records (the same in each call), and points between records. Each is answered as queries are, and exactly. The recall
   * is 1 unless binary codes are scanned (`quantization: 'binary'`, or `'auto'` once it has chosen that).
   */
  async recallCheck(options?: RecallCheckOptions): Promise<RecallCheck> {
    const { sample = 100, k = 10, signal } = readOptions(options, ['sample', 'k', 'signal'], 'recallCheck');
    const request = { sample: checkInteger(sample, 1, K_MAX, 'sample'), k: checkInteger(k, 1, RECALL_K_MAX, 'k') };
    if (this.dimension === undefined)
      throw invalid('recallCheck: the collection holds text only (it was created without a dimension)');
    return this.#connection.call((engine, call) => engine.recallCheck(this.#id, request, call), { signal });
  }

  /**
   * Removes deleted and replaced records from disk and memory, and merges small chunks, while queries and writes go on.
   * It also happens by itself once a quarter of the records is deleted. If cancelled, it leaves everything as it was.
   */
  async compact(options?: CompactOptions): Promise<Compacted> {
    const { signal, onProgress } = readOptions(options, ['signal', 'onProgress'], 'compact');
    return this.#connection.call((engine, call) => engine.compact(this.#id, call), {
      signal,
      ...(onProgress && { onEvent: (event: EngineEvent) => event.type === 'step' && onProgress(event.progress) }),
    });
  }

  /** Rows, bytes and device of this collection. */
  async stats(): Promise<CollectionStats> {
    return this.#connection.call((engine) => engine.collectionStats(this.#id));
  }

  /**
   * Sends a write once it is prepared. Where the page embeds, writes still reach the worker in the order of the calls:
   * a quick one does not overtake a slow one.
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

  async #run(packed: PackedQuery[], signal: AbortSignal | undefined): Promise<Matches<M>[]> {
    const queries = packed.map(({ query }) => query);
    if (this.#embedder) await this.#embedOnPage(queries, signal);
    const answers = await this.#connection.call((engine, call) => engine.query(this.#id, queries, call), { signal });
    return Promise.all(
      answers.map((answer, i) => {
        const { rerank } = packed[i]!;
        const matches = toMatches<M>(answer);
        return rerank ? reorder(this.database, matches, rerank, signal) : matches;
      }),
    );
  }

  async #embedOnPage(queries: EngineQuery[], signal: AbortSignal | undefined): Promise<void> {
    const waiting = queries.filter((query) => query.embed !== null);
    if (waiting.length === 0) return;
    const texts = waiting.map((query) => query.embed!);
    const vectors = await this.#runEmbedder(texts, 'query', signal);
    for (const [i, query] of waiting.entries()) {
      query.vector = this.#checkEmbedded(vectors[i]!, 'query');
      query.embed = null;
    }
  }

  #checkEmbedded(vector: Float32Array | null, what: string): Float32Array | null {
    const { dimension, metric } = this.#rules;
    return vector === null ? null : checkVector(vector, dimension!, metric, `the embedder's vector of the ${what}`);
  }

  /** As a call like any other, so that it ends with its signal and with the database, whatever the embedder does. */
  #runEmbedder(
    texts: string[],
    kind: 'query' | 'document',
    signal: AbortSignal | undefined,
  ): Promise<(Float32Array | null)[]> {
    const run = () => this.#embedder!.embed(texts, { kind, ...(signal && { signal }) });
    return this.#connection.call(() => runOnPage('embedder', texts.length, run), { signal });
  }
}

/** `{ where: {…} }`, as the other calls take it. */
function isWrapped(where: unknown): boolean {
  const isObject = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
  const [[key, inner] = [], ...others] = isObject(where) ? Object.entries(where) : [];
  return key === 'where' && others.length === 0 && isObject(inner);
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
  matches.complete = answer.complete;
  matches.took = answer.took;
  if (answer.plan) matches.plan = answer.plan;
  return matches;
}

function selected<M extends object>(
  rows: EngineRows,
  i: number,
): { text?: string; context?: string; metadata?: M; vector?: Float32Array } {
  const text = rows.texts?.[i] ?? null;
  const context = rows.contexts?.[i] ?? null;
  const metadata = rows.metadata?.[i] ?? null;
  const vector = rows.vectors?.[i] ?? null;
  return {
    ...(text !== null && { text }),
    ...(context !== null && { context }),
    ...(metadata !== null && { metadata: decodeMetadataValue(metadata) as M }),
    ...(vector !== null && { vector }),
  };
}

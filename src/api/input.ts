// The one door: everything that users pass is checked here and in the files that it exports from, once, and turned into the form that
// crosses to the worker. Every refusal says what was expected, what came and which record. Nothing behind it checks again.

import {
  checkId,
  checkInteger,
  checkName,
  checkText,
  describe,
  door,
  invalid,
  readOptions,
  requireChoice,
} from '../checks.ts';
import { PiramidError } from '../errors.ts';
import { checkMetadata } from '../filter/check-metadata.ts';
import { encodeMetadataRow } from '../filter/metadata.ts';
import { isPlainObject } from '../filter/values.ts';
import {
  type EngineChanges,
  type EngineQuery,
  type PackedRecords,
  VECTOR_FROM_TEXT,
  VECTOR_GIVEN,
  VECTOR_NONE,
} from '../protocol.ts';
import { withContext } from '../structures/context.ts';
import type {
  Changes,
  ChatMessage,
  Fusion,
  Metric,
  Quantization,
  Query,
  RecordId,
  Reranker,
  RerankOptions,
  Vector,
  VectorLeg,
  VectorRecord,
} from '../types.ts';
import { checkFilter, checkSelect, checkVector, K_MAX, packVector } from './door.ts';
import { packFiltered } from './filtered-query.ts';
import { checkChanges } from './target.ts';

export {
  checkChoice,
  checkInteger,
  checkName,
  checkText,
  DIMENSION_MAX,
  describe,
  door,
  embedderOptions,
  type Given,
  invalid,
  LANGUAGES,
  METRICS,
  QUANTIZATIONS,
  readOptions,
  requireChoice,
} from '../checks.ts';
export { checkFilter, checkIds, checkSelect, checkVector, K_MAX } from './door.ts';
export { checkChanges, checkTarget } from './target.ts';

/** Where a page of `scroll` begins. */
export function checkCursor(cursor: unknown): string | null {
  if (cursor === undefined) return null;
  if (typeof cursor !== 'string' || !/^\d{1,10}\.\d{1,10}\.\d{1,10}$/.test(cursor))
    throw invalid(`cursor: expected the \`next\` of the page before, got ${describe(cursor)}`);
  return cursor;
}

/** What packing needs to know of the collection. */
export interface PackingRules {
  dimension: number | null;
  metric: Metric;
  quantization: Quantization;
  /** Whether a text without a vector gets one. */
  embeds: boolean;
}

/** One record or an array of them, as an array. */
export function listOf<T>(records: T | readonly T[]): readonly T[] {
  if (Array.isArray(records)) return records;
  const isOne =
    typeof records === 'object' &&
    records !== null &&
    !(Symbol.iterator in records || Symbol.asyncIterator in records || records instanceof Promise);
  if (!isOne) throw invalid(`records: expected a record or an array of records, got ${describe(records)}`);
  return [records as T];
}

/** Checks records and packs them into one buffer. `toEmbed`: positions of the records whose vector is to come from text. */
export function packRecords<M extends object>(
  records: VectorRecord<M> | readonly VectorRecord<M>[],
  rules: PackingRules,
): { packed: PackedRecords; toEmbed: number[] } {
  return door(() => packList(listOf(records), rules));
}

function packList<M extends object>(
  records: readonly VectorRecord<M>[],
  { dimension, metric, embeds }: PackingRules,
): { packed: PackedRecords; toEmbed: number[] } {
  const n = records.length;
  const packed: PackedRecords = {
    ids: new Array(n),
    vectors: dimension === null ? null : allocate(n, dimension),
    sources: null,
    texts: null,
    metadata: null,
  };
  const toEmbed: number[] = [];
  const seen = new Map<RecordId, number>();
  for (let i = 0; i < n; i++) {
    const { id: given, vector, text, context, metadata, unknown } = fieldsOf(records[i], i);
    const id = checkId(given, `record ${i}: id`);
    const what = () => `record ${JSON.stringify(id)}`;
    if (unknown !== null)
      throw invalid(
        `${what()}: unknown field "${unknown}"; known are id, vector, text, context, metadata. Your own fields belong into metadata.`,
      );
    const before = seen.get(id);
    if (before !== undefined) throw invalid(`${what()}: duplicate id: records ${before} and ${i} of this call`);
    seen.set(id, i);
    packed.ids[i] = id;
    if (text !== undefined) {
      packed.texts ??= new Array<null>(n).fill(null);
      packed.texts[i] = withContext(
        checkText(text, () => `${what()}: text`),
        context === undefined ? '' : checkText(context, () => `${what()}: context`),
      );
    } else if (context !== undefined) throw invalid(`${what()}: has a context, but no text whose context it could be`);
    if (metadata !== undefined) {
      packed.metadata ??= new Array<null>(n).fill(null);
      packed.metadata[i] = encodeMetadataRow(checkMetadata(metadata, what));
    }
    if (vector !== undefined) {
      if (dimension === null)
        throw invalid(
          `${what()}: has a vector, but the collection holds text only (it was created without a dimension)`,
        );
      packVector(vector, packed.vectors!, i * dimension, dimension, metric, what);
    } else if (dimension === null) {
      if (text === undefined) throw invalid(`${what()}: expected a text`);
    } else {
      packed.sources ??= new Uint8Array(n).fill(VECTOR_GIVEN);
      if (text === undefined) throw invalid(`${what()}: expected a vector or a text`);
      if (!embeds)
        throw invalid(`${what()}: has no vector, and the collection has no embedder that could make one from its text`);
      packed.sources[i] = VECTOR_FROM_TEXT;
      toEmbed.push(i);
    }
  }
  return { packed, toEmbed };
}

/** A record's own fields, each read once. `unknown`: one that it should not have. */
function fieldsOf(record: unknown, i: number) {
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    throw invalid(`record ${i}: expected an object, got ${describe(record)}`);
  const fields: Record<'id' | 'vector' | 'text' | 'context' | 'metadata', unknown> & { unknown: string | null } = {
    id: undefined,
    vector: undefined,
    text: undefined,
    context: undefined,
    metadata: undefined,
    unknown: null,
  };
  for (const key of Object.keys(record)) {
    if (key !== 'unknown' && Object.hasOwn(fields, key)) fields[key as 'id'] = (record as Record<string, unknown>)[key];
    else fields.unknown ??= key;
  }
  return fields;
}

function allocate(n: number, dimension: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(n * dimension);
  } catch (cause) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `records: ${n} vectors of ${dimension} numbers do not fit into one call; write them in several`,
      { cause },
    );
  }
}

/** Puts the vectors that the page's own embedder made into packed records. */
export function placeEmbedded(
  packed: PackedRecords,
  positions: readonly number[],
  vectors: readonly (Vector | null)[],
  rules: PackingRules,
): void {
  for (const [j, i] of positions.entries()) {
    const vector = vectors[j]!;
    packed.sources![i] = vector === null ? VECTOR_NONE : VECTOR_GIVEN;
    const what = () => `the embedder's vector of record ${JSON.stringify(packed.ids[i])}`;
    if (vector !== null)
      packVector(vector, packed.vectors!, i * rules.dimension!, rules.dimension!, rules.metric, what);
  }
}

const QUERY_OPTIONS = [
  'vector',
  'text',
  'keywords',
  'prefix',
  'fuzzy',
  'k',
  'minScore',
  'maxDistance',
  'offset',
  'where',
  'orderBy',
  'fusion',
  'rerank',
  'select',
  'exact',
  'oversample',
  'explain',
  'signal',
];
/** Most candidates per default candidate. */
const OVERSAMPLE_MAX = 1000;

/** What is asked for of a query that is reranked, and by what. */
export interface Rerank extends EngineQuery {
  model: string | Reranker;
  onProgress: RerankOptions['onProgress'] | undefined;
}

/** A query in the engine's form, and what comes behind its answer. */
export interface PackedQuery {
  query: EngineQuery;
  rerank: Rerank | false;
  signal: AbortSignal | undefined;
}

/** A query in the engine's form. `embeds` is whose business it is to embed `text`. */
export function packQuery(query: Query, rules: PackingRules & { embeds: boolean }): PackedQuery {
  return door(() => {
    if (query === undefined || Array.isArray(query)) throw invalid(`query: expected an object, got ${describe(query)}`);
    const own = readOptions(query, QUERY_OPTIONS, 'query');
    const packed = packOwn(own, rules);
    return { query: packed, rerank: own.rerank !== undefined && takeRerank(own.rerank, packed), signal: own.signal };
  });
}

function packOwn(query: Query, rules: PackingRules): EngineQuery {
  const { text, keywords } = query;
  const near = vectorLegOf(query.vector);
  const { values: vector } = near;
  if (vector === undefined && text === undefined && keywords === undefined) return packFiltered(query);
  if (query.orderBy !== undefined)
    throw invalid('orderBy: only for queries of a filter alone; a vector, a text and keywords sort by score');
  for (const name of ['text', 'keywords'] as const) {
    const words = query[name];
    if (words !== undefined) checkText(words, () => `query: ${name}`);
  }
  if (text !== undefined && keywords !== undefined)
    throw invalid(
      'query: text and keywords exclude each other (text searches meaning and words, keywords words alone)',
    );
  if (vector !== undefined && rules.dimension === null)
    throw invalid('query: the collection holds text only (it was created without a dimension)');
  const embed = text !== undefined && vector === undefined && rules.dimension !== null;
  if (embed && !rules.embeds) {
    throw invalid(
      'query: nothing here embeds the text: the collection was opened without an embedder (a function of your own is given each time it is opened). Give a vector beside it, or use keywords',
    );
  }
  const words = text ?? keywords ?? null;
  for (const name of ['explain', 'exact', 'prefix', 'fuzzy'] as const) {
    if (query[name] !== undefined && typeof query[name] !== 'boolean')
      throw invalid(`${name}: expected a boolean, got ${describe(query[name])}`);
  }
  const searchesVectors = vector !== undefined || embed;
  if (query.oversample !== undefined) checkOversample(query.oversample, query, rules, searchesVectors);
  const bounds = boundsOf(query, near, rules, searchesVectors, words !== null);
  const { minScore } = bounds;
  const { prefix, fuzzy } = query;
  if (words === null && (prefix ?? fuzzy) !== undefined)
    throw invalid('prefix, fuzzy: only for queries that search words');
  if (query.fusion !== undefined && !(searchesVectors && words !== null))
    throw invalid('fusion: only for queries that search vectors and words');
  // Of a range, any part may be asked for: it has an end.
  const offsetMax = minScore === null ? K_MAX : 2 ** 32 - 1;
  return {
    vector: vector === undefined ? null : checkVector(vector, rules.dimension!, rules.metric, 'query vector'),
    embed: embed ? text : null,
    words,
    ...((prefix || fuzzy) && { wordOptions: { prefix: !!prefix, fuzzy: !!fuzzy } }),
    k: query.k === undefined ? (minScore === null || query.rerank ? 10 : K_MAX) : checkInteger(query.k, 1, K_MAX, 'k'),
    offset: query.offset === undefined ? 0 : checkInteger(query.offset, 0, offsetMax, 'offset'),
    ...bounds,
    where: query.where === undefined ? null : checkFilter(query.where),
    fusion: checkFusion(query.fusion),
    select: checkSelect(query.select, ['text', 'metadata']),
    exact: query.exact ?? false,
    oversample: query.oversample ?? 1,
    explain: query.explain ?? false,
  };
}

/** Most matches that are reranked: each costs a run of the model, and its text travels. */
const RERANK_MAX = 1000;

/** What the page does with the answer. `query` is from now on one for all that is reranked. */
function takeRerank(rerank: Query['rerank'], query: EngineQuery): Rerank {
  const {
    model,
    candidates = 50,
    onProgress,
  } = typeof rerank === 'string' || hasMethod<Reranker>(rerank, 'rerank')
    ? ({ model: rerank } as RerankOptions)
    : readOptions(rerank, ['model', 'candidates', 'onProgress'], 'rerank');
  checkText(query.words, () => 'rerank: needs `text` or `keywords` to score texts against');
  const asked = Object.assign({ model: checkReranker(model), onProgress }, query);
  const wanted = checkInteger(query.offset + query.k, 1, RERANK_MAX, 'rerank: offset + k');
  query.k = Math.max(wanted, checkInteger(candidates, 1, RERANK_MAX, 'rerank: candidates'));
  query.offset = 0;
  query.select = [...query.select, 'text', 'context'];
  return asked;
}

/** A batch of them; what is refused says which query it is of. */
export function packQueries(queries: readonly Query[], rules: PackingRules): PackedQuery[] {
  return door(() => {
    if (!Array.isArray(queries)) throw invalid(`queryBatch: expected an array of queries, got ${describe(queries)}`);
    return Array.from(queries, (query, i) => {
      try {
        const packed = packQuery(query, rules);
        if (packed.signal) throw invalid('give the signal to the batch, not to a query in it');
        return packed;
      } catch (error) {
        const { code, message } = error as PiramidError;
        throw new PiramidError(code ?? 'INVALID_ARGUMENT', `queries[${i}]: ${message}`, { cause: error });
      }
    });
  });
}

const DISTANCES: readonly Metric[] = ['l2', 'l1', 'hamming'];

/** `vector` of a query: numbers, or how they are searched. What is neither is refused with the numbers. */
function vectorLegOf(vector: Query['vector']): VectorLeg {
  if (isPlainObject(vector)) return readOptions(vector as VectorLeg, ['values', 'minScore', 'maxDistance'], 'vector');
  // Of its own alone, as what is read of the user's options.
  return { __proto__: null, values: vector } as VectorLeg;
}

/** The least scores that a match and its vector may have. */
function boundsOf(
  query: Query,
  near: VectorLeg,
  { metric }: PackingRules,
  searchesVectors: boolean,
  searchesWords: boolean,
): Pick<EngineQuery, 'minScore' | 'vectorMin'> {
  if (query.maxDistance !== undefined && searchesWords)
    throw invalid(
      'maxDistance: only for queries that search vectors alone; beside words, give vector: { maxDistance }',
    );
  const minScore = leastScore(query, metric, '');
  const vectorMin = leastScore(near, metric, 'vector: ');
  if (vectorMin === null) return { minScore };
  if (!searchesVectors) throw invalid('vector: expected values or a text to embed, got bounds alone');
  // Where there is one leg, both bound the same score.
  return searchesWords ? { minScore, vectorMin } : { minScore: Math.max(minScore ?? vectorMin, vectorMin) };
}

/** As the float32 that scores are; null: any. */
function leastScore({ minScore, maxDistance }: VectorLeg, metric: Metric, where: string): number | null {
  if (minScore === undefined && maxDistance === undefined) return null;
  const name = `${where}${minScore === undefined ? 'maxDistance' : 'minScore'}`;
  if (minScore !== undefined && maxDistance !== undefined)
    throw invalid(`${where || 'query: '}minScore and maxDistance exclude each other`);
  const value = minScore ?? maxDistance;
  if (typeof value !== 'number' || !Number.isFinite(Math.fround(value)))
    throw invalid(`${name}: expected a finite number, got ${describe(value)}`);
  if (minScore !== undefined) return Math.fround(minScore);
  if (!DISTANCES.includes(metric))
    throw invalid(`${name}: metric '${metric}' is not a distance (${DISTANCES.join(', ')} are); use minScore`);
  if (value < 0) throw invalid(`${name}: expected 0 or more, got ${value}`);
  return -Math.fround(value);
}

function checkOversample(oversample: unknown, query: Query, rules: PackingRules, searchesVectors: boolean): void {
  if (typeof oversample !== 'number' || !(oversample > 0 && oversample <= OVERSAMPLE_MAX))
    throw invalid(`oversample: expected a number above 0, at most ${OVERSAMPLE_MAX}, got ${describe(oversample)}`);
  const hasCodes = ['int8', 'binary', 'auto'].includes(rules.quantization);
  if (!hasCodes || query.exact || !searchesVectors)
    throw invalid('oversample: only for vector queries of int8, binary and auto collections that are not exact');
}

function checkFusion(fusion: Fusion | undefined): Fusion {
  if (fusion === undefined) return { weighted: {} };
  const { rrf, weighted } = readOptions(
    fusion as { rrf?: { rrfConstant?: number }; weighted?: { vector?: number; words?: number } },
    ['rrf', 'weighted'],
    'fusion',
  );
  if ((rrf === undefined) === (weighted === undefined)) throw invalid('fusion: expected { rrf } or { weighted }');
  const constant = { ...readOptions(rrf, ['rrfConstant'], 'fusion.rrf') };
  const weights = { ...readOptions(weighted, ['vector', 'words'], 'fusion.weighted') };
  for (const [name, value] of Object.entries({ ...constant, ...weights })) {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw invalid(`fusion: ${name}: expected a number of at least 0, got ${describe(value)}`);
  }
  if (weights.vector === 0 && weights.words === 0)
    throw invalid(
      'fusion.weighted: expected a weight above 0 for vector or words; with both at 0, all scores are equal',
    );
  return rrf === undefined ? { weighted: weights } : { rrf: constant };
}

/** Changes in the engine's form. */
export function packChanges(changes: Changes, { dimension, metric, embeds }: PackingRules): EngineChanges {
  const checked = checkChanges(changes);
  if (checked.vector !== undefined) {
    if (dimension === null)
      throw invalid('changes.vector: the collection holds text only (it was created without a dimension)');
    checked.vector = checkVector(checked.vector!, dimension, metric, 'changes.vector');
  } else if (checked.text !== undefined && dimension !== null && embeds) checked.embed = true;
  return checked;
}

/** The texts of an `embed` call. */
export function checkTexts(texts: unknown, kind: string): string[] {
  requireChoice(kind, ['query', 'document'], 'kind');
  return door(() => {
    if (!Array.isArray(texts)) throw invalid(`texts: expected an array, got ${describe(texts)}`);
    return Array.from(texts, (text, i) => checkText(text, () => `texts[${i}]`));
  });
}

/** Whether it is an object with this method, of its own or its class; what a page adds to `Object.prototype` is none. */
export function hasMethod<T extends object>(value: unknown, name: keyof T & string): value is T {
  const method = (value as T | null)?.[name];
  return typeof method === 'function' && method !== (Object.prototype as T)[name];
}

/** A cross-encoder by name, or the user's own. */
export function checkReranker(model: unknown): string | Reranker {
  return door(() => (hasMethod<Reranker>(model, 'rerank') ? model : checkName(model, 'rerank: model')));
}

/** A conversation for a generator. */
export function checkMessages(messages: unknown): ChatMessage[] {
  return door(() => {
    if (!Array.isArray(messages) || messages.length === 0)
      throw invalid(`messages: expected an array of at least one message, got ${describe(messages)}`);
    return Array.from(messages, (message: ChatMessage | undefined, i) => {
      if (message === undefined) throw invalid(`messages[${i}]: expected { role, content }, got undefined`);
      const { role, content } = readOptions(message, ['role', 'content'], `messages[${i}]`);
      requireChoice(role, ['system', 'user', 'assistant'], `messages[${i}].role`);
      if (typeof content !== 'string')
        throw invalid(`messages[${i}].content: expected a string, got ${describe(content)}`);
      return { role, content };
    });
  });
}

/** A worker made from a blob has no folder of its own: URLs are resolved here, against the page. */
export function absolute(url: unknown, what: string, isFolder = true): string {
  if (typeof url !== 'string') throw invalid(`${what}: expected a URL, got ${describe(url)}`);
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    const resolved = new URL(url, base);
    if (isFolder && !resolved.pathname.endsWith('/')) resolved.pathname += '/';
    return resolved.href;
  } catch {
    throw invalid(`${what}: "${url}" is not a URL`);
  }
}

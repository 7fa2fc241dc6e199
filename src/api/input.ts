// The one door: everything that users pass is checked here, once, and turned into the form that crosses to the worker.
// Every refusal says what was expected, what came and which record. Nothing behind this file checks again.
import {
  checkId,
  checkInteger,
  checkNumbers,
  checkOptions,
  checkText,
  describe,
  invalid,
  requireChoice,
} from '../checks.ts';
import { PiramidError } from '../errors.ts';
import { checkMetadata, checkPath, checkWhere } from '../filter/check.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../filter/metadata.ts';
import { isPlainObject } from '../filter/values.ts';
import {
  type EngineQuery,
  type PackedRecords,
  type Select,
  VECTOR_FROM_TEXT,
  VECTOR_GIVEN,
  VECTOR_NONE,
} from '../protocol.ts';
import type {
  Changes,
  ChatMessage,
  Fusion,
  Metric,
  Quantization,
  Query,
  RecordId,
  Target,
  Vector,
  VectorRecord,
  Where,
} from '../types.ts';

export {
  checkChoice,
  checkInteger,
  checkName,
  checkOptions,
  checkText,
  DIMENSION_MAX,
  describe,
  embedderOptions,
  invalid,
  LANGUAGES,
  METRICS,
  QUANTIZATIONS,
  requireChoice,
} from '../checks.ts';

/** Most results that one call may ask for. */
export const K_MAX = 10_000;

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid(`signal: expected an AbortSignal, got ${describe(signal)}`);
  return signal;
}

export function checkIds(ids: unknown, where: string): RecordId[] {
  if (!Array.isArray(ids)) throw invalid(`${where}: expected an array of ids, got ${describe(ids)}`);
  return Array.from(ids, (id, i) => checkId(id, `${where}[${i}]`)); // not `map`, which leaves holes unchecked
}

export function checkTarget(target: Target): Target {
  checkOptions(target, ['ids', 'where'], 'target');
  const has = (key: 'ids' | 'where') => (target as Record<string, unknown>)[key] !== undefined;
  if (target === undefined || has('ids') === has('where')) throw invalid('target: expected { ids } or { where }');
  return has('ids')
    ? { ids: checkIds((target as { ids: unknown }).ids, 'target.ids') }
    : { where: checkFilter((target as { where: unknown }).where) };
}

/** The filter as a copy: what crosses to the worker is what was checked, and the user's may be a framework's proxy. */
export function checkFilter(where: unknown): Where {
  return copyOf(checkWhere(where)) as Where;
}

export function checkChanges(changes: Changes): Changes {
  checkOptions(changes, ['set', 'unset'], 'changes');
  const { set = {}, unset = [] } = changes ?? {};
  if (changes?.set === undefined && changes?.unset === undefined)
    throw invalid('changes: expected { set } or { unset } or both');
  if (!isPlainObject(set)) throw invalid(`changes.set: expected an object of field paths, got ${describe(set)}`);
  if (!Array.isArray(unset)) throw invalid(`changes.unset: expected an array of field paths, got ${describe(unset)}`);
  for (const path of [...Object.keys(set), ...unset]) checkPath(path);
  for (const [path, value] of Object.entries(set)) checkMetadata({ value }, () => `changes.set["${path}"]`);
  return { set: copyOf(set) as NonNullable<Changes['set']>, unset: [...unset] };
}

/** A copy of checked JSON and dates. */
function copyOf(value: object): unknown {
  return decodeMetadataValue(JSON.parse(encodeMetadataRow(value)));
}

export function checkSelect(select: unknown, fallback: Select): Select {
  if (select === undefined) return fallback;
  if (!Array.isArray(select)) throw invalid(`select: expected an array, got ${describe(select)}`);
  return Array.from(select, (field) => requireChoice(field, ['text', 'metadata', 'vector'], 'select'));
}

/** Where a page of `scroll` begins. */
export function checkCursor(cursor: unknown): string | null {
  if (cursor === undefined) return null;
  if (typeof cursor !== 'string' || !/^\d{1,10}\.\d{1,10}$/.test(cursor))
    throw invalid(`cursor: expected the \`next\` of the page before, got ${describe(cursor)}`);
  return cursor;
}

/** The vector as finite float32, in a buffer of its own. */
export function checkVector(
  vector: Vector,
  dimension: number,
  metric: Metric,
  what: string,
): Float32Array<ArrayBuffer> {
  const target = new Float32Array(dimension);
  packVector(vector, target, 0, dimension, metric, () => what);
  return target;
}

/** Checks a vector and puts it into `target`. `what` names it in errors; a string for each would cost more than the check. */
function packVector(
  vector: unknown,
  target: Float32Array,
  offset: number,
  dimension: number,
  metric: Metric,
  what: () => string,
): void {
  const isArray = Array.isArray(vector);
  if (!isArray && !(vector instanceof Float32Array)) {
    throw invalid(`${what()}: expected a vector (Float32Array or array of numbers), got ${describe(vector)}`);
  }
  if (vector.length !== dimension) {
    const detached = !isArray && vector.buffer.byteLength === 0 ? ' (its buffer has been transferred away)' : '';
    throw new PiramidError(
      'DIMENSION_MISMATCH',
      `${what()}: expected ${dimension} numbers, got ${vector.length}${detached}`,
    );
  }
  if (isArray) {
    for (let i = 0; i < dimension; i++) {
      if (typeof vector[i] !== 'number') throw invalid(`${what()}: number ${i} is ${describe(vector[i])}`);
    }
  }
  target.set(vector as ArrayLike<number>, offset);
  const numbers = target.subarray(offset, offset + dimension);
  checkNumbers(numbers, metric, what, vector as ArrayLike<number>);
}

/** What packing needs to know of the collection. */
export interface PackingRules {
  dimension: number | null;
  metric: Metric;
  quantization: Quantization;
  /** Whether a text without a vector gets one. */
  embeds: boolean;
}

/** Checks records and packs them into one buffer. `toEmbed`: positions of the records whose vector is to come from text. */
export function packRecords<M extends object>(
  records: readonly VectorRecord<M>[],
  rules: PackingRules,
): { packed: PackedRecords; toEmbed: number[] } {
  if (!Array.isArray(records)) throw invalid(`records: expected an array, got ${describe(records)}`);
  const { dimension, metric, embeds } = rules;
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
    const record = records[i] as VectorRecord<M> | undefined;
    if (typeof record !== 'object' || record === null)
      throw invalid(`record ${i}: expected an object, got ${describe(record)}`);
    const id = checkId(record.id, `record ${i}: id`);
    const what = () => `record ${JSON.stringify(id)}`;
    for (const key in record) {
      if (key !== 'id' && key !== 'vector' && key !== 'text' && key !== 'metadata') {
        throw invalid(
          `${what()}: unknown field "${key}"; known are id, vector, text, metadata. Your own fields belong into metadata.`,
        );
      }
    }
    const before = seen.get(id);
    if (before !== undefined) throw invalid(`${what()}: stands twice in one call, at ${before} and ${i}`);
    seen.set(id, i);
    packed.ids[i] = id;
    if (record.text !== undefined) {
      packed.texts ??= new Array<null>(n).fill(null);
      packed.texts[i] = checkText(record.text, what);
    }
    if (record.metadata !== undefined) {
      checkMetadata(record.metadata, what);
      packed.metadata ??= new Array<null>(n).fill(null);
      packed.metadata[i] = encodeMetadataRow(record.metadata);
    }
    if (record.vector !== undefined) {
      if (dimension === null)
        throw invalid(
          `${what()}: has a vector, but the collection holds text only (it was created without a dimension)`,
        );
      packVector(record.vector, packed.vectors!, i * dimension, dimension, metric, what);
    } else if (dimension === null) {
      if (record.text === undefined) throw invalid(`${what()}: expected a text`);
    } else {
      packed.sources ??= new Uint8Array(n).fill(VECTOR_GIVEN);
      if (record.text === undefined) throw invalid(`${what()}: expected a vector or a text`);
      if (!embeds)
        throw invalid(`${what()}: has no vector, and the collection has no embedder that could make one from its text`);
      packed.sources[i] = VECTOR_FROM_TEXT;
      toEmbed.push(i);
    }
  }
  return { packed, toEmbed };
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
  'k',
  'minScore',
  'maxDistance',
  'offset',
  'where',
  'fusion',
  'select',
  'exact',
  'oversample',
  'explain',
  'signal',
];
/** Most candidates per default candidate. */
const OVERSAMPLE_MAX = 1000;

/** A query in the engine's form. `embeds` is whose business it is to embed `text`. */
export function packQuery(query: Query, rules: PackingRules & { embeds: boolean }): EngineQuery {
  checkOptions(query, QUERY_OPTIONS, 'query');
  if (query === undefined) throw invalid('query: expected an object');
  const { vector, text, keywords } = query;
  if (vector === undefined && text === undefined && keywords === undefined)
    throw invalid('query: expected a vector, a text or keywords');
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
  for (const name of ['explain', 'exact'] as const) {
    if (query[name] !== undefined && typeof query[name] !== 'boolean')
      throw invalid(`${name}: expected a boolean, got ${describe(query[name])}`);
  }
  const searchesVectors = vector !== undefined || embed;
  if (query.oversample !== undefined) checkOversample(query.oversample, query, rules, searchesVectors);
  const minScore = checkRange(query, rules, searchesVectors);
  const words = text ?? keywords;
  return {
    vector: vector === undefined ? null : checkVector(vector, rules.dimension!, rules.metric, 'query vector'),
    embed: embed ? checkText(text, () => 'query') : null,
    words: words === undefined ? null : checkText(words, () => 'query'),
    k: query.k === undefined ? (minScore === null ? 10 : K_MAX) : checkInteger(query.k, 1, K_MAX, 'k'),
    offset: query.offset === undefined ? 0 : checkInteger(query.offset, 0, K_MAX, 'offset'),
    minScore,
    where: query.where === undefined ? null : checkFilter(query.where),
    fusion: checkFusion(query.fusion),
    select: checkSelect(query.select, ['text', 'metadata']),
    exact: query.exact ?? false,
    oversample: query.oversample ?? 1,
    explain: query.explain ?? false,
  };
}

const DISTANCES: readonly Metric[] = ['l2', 'l1', 'hamming'];

/** The least score that a match may have, as the float32 that scores are; null: any. */
function checkRange(
  { minScore, maxDistance }: Query,
  { metric }: PackingRules,
  searchesVectors: boolean,
): number | null {
  if (minScore === undefined && maxDistance === undefined) return null;
  const name = minScore === undefined ? 'maxDistance' : 'minScore';
  if (!searchesVectors) throw invalid(`${name}: only for queries that search vectors`);
  if (minScore !== undefined && maxDistance !== undefined)
    throw invalid('query: minScore and maxDistance exclude each other');
  const value = minScore ?? maxDistance;
  if (typeof value !== 'number' || !Number.isFinite(Math.fround(value)))
    throw invalid(`${name}: expected a finite number, got ${describe(value)}`);
  if (minScore !== undefined) return Math.fround(minScore);
  if (!DISTANCES.includes(metric))
    throw invalid(`maxDistance: metric '${metric}' is not a distance (${DISTANCES.join(', ')} are); use minScore`);
  if (value < 0) throw invalid(`maxDistance: expected 0 or more, got ${value}`);
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
  if (fusion === undefined) return { rrf: {} };
  checkOptions(fusion, ['rrf', 'weighted'], 'fusion');
  const { rrf, weighted } = fusion as {
    rrf?: { rrfConstant?: number };
    weighted?: { vector?: number; words?: number };
  };
  if ((rrf === undefined) === (weighted === undefined)) throw invalid('fusion: expected { rrf } or { weighted }');
  checkOptions(rrf, ['rrfConstant'], 'fusion.rrf');
  checkOptions(weighted, ['vector', 'words'], 'fusion.weighted');
  for (const [name, value] of Object.entries({ ...rrf, ...weighted })) {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      throw invalid(`fusion: ${name}: expected a number of at least 0, got ${describe(value)}`);
  }
  if (weighted?.vector === 0 && weighted.words === 0)
    throw invalid(
      'fusion.weighted: expected a weight above 0 for vector or words; with both at 0, all scores are equal',
    );
  return rrf === undefined ? { weighted: { ...weighted } } : { rrf: { ...rrf } };
}

/** A conversation for a generator. */
export function checkMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid(`messages: expected an array of at least one message, got ${describe(messages)}`);
  return Array.from(messages, (message: ChatMessage | undefined, i) => {
    if (message === undefined) throw invalid(`messages[${i}]: expected { role, content }, got undefined`);
    checkOptions(message, ['role', 'content'], `messages[${i}]`);
    const { role, content } = message;
    requireChoice(role, ['system', 'user', 'assistant'], `messages[${i}].role`);
    if (typeof content !== 'string')
      throw invalid(`messages[${i}].content: expected a string, got ${describe(content)}`);
    return { role, content };
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

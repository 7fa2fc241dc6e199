// Answers one query over one collection: embed, filter, look for vectors and words, fuse, fetch what was selected.
// Plans nothing that it does not report: `explain` returns each phase with its time.
import { throwIfAborted } from '../errors.ts';
import type { VectorHits, VectorSearch } from '../indexes/vector-index.ts';
import { isCertain } from '../kernels/codes/coder.ts';
import type { EngineAnswer, EngineQuery } from '../protocol.ts';
import type { Bitset } from '../structures/bitset.ts';
import type { ScoredWords } from '../text/search.ts';
import type { LegScore, QueryPlan } from '../types.ts';
import type { CollectionState } from './collection.ts';
import { fuseLegs } from './legs.ts';

/** Each leg of a fused query ranks at least this many: a record low in one leg may be high in the other. */
const FUSION_DEPTH_MIN = 100;

/** Embeds the query's text; null for one without direction. */
export type EmbedQuery = (text: string) => Promise<Float32Array | null>;

/** `batch`: how many such queries are asked together, this one among them. */
export async function answerQuery(
  state: CollectionState,
  query: EngineQuery,
  embed: EmbedQuery,
  signal: AbortSignal,
  batch = 1,
): Promise<EngineAnswer> {
  const start = performance.now();
  let { vector } = query;
  // Nobody waits for a model at the gate.
  if (query.embed !== null) {
    vector = await embed(query.embed);
    throwIfAborted(signal);
  }
  return state.gate.read(() => answer(state, query, vector, batch, start, signal));
}

async function answer(
  state: CollectionState,
  query: EngineQuery,
  vector: Float32Array | null,
  batch: number,
  start: number,
  signal: AbortSignal,
): Promise<EngineAnswer> {
  const plan: QueryPlan = { phases: [] };
  let phaseStart = start;
  const phase = (name: string) => {
    const now = performance.now();
    plan.phases.push({ name, ms: now - phaseStart });
    phaseStart = now;
  };

  if (query.embed !== null) phase('embed');
  else phaseStart = performance.now();
  const pending = () => state.ready(query.where ?? (query.orderBy?.length ? {} : null), query.wordOptions);
  for (let reading = pending(); reading; reading = pending()) {
    await reading;
    throwIfAborted(signal);
    if (query.wordOptions) phase('forms');
  }
  // From here to the start of the scan nothing is awaited: mask, postings and rows belong together.
  const live = state.liveRows(query.where);
  if (query.where) {
    plan.filtered = { matched: live!.count(), of: state.count };
    if (query.explain) plan.notes = state.notes(query.where);
    phase('filter');
  }

  const wanted = query.k + query.offset;
  if (vector === null && query.words === null && query.embed === null) {
    const rows = await state.inOrder(live, query.orderBy ?? [], wanted + 1);
    throwIfAborted(signal);
    phase('order');
    const some = rows.subarray(query.offset, wanted);
    const selected = await state.select(some, query.select);
    if (query.select.length > 0) phase('payload');
    return {
      ids: Array.from(some, (row) => state.id(row)),
      scores: new Float32Array(some.length),
      rows: selected,
      legs: query.explain ? Array.from(some, () => ({})) : null,
      ...{ exact: true, complete: rows.length <= wanted, took: performance.now() - start },
      plan: query.explain ? plan : null,
    };
  }
  const fused = vector !== null && query.words !== null;
  // Of a range any part may be asked for, also far behind its end.
  const depth = Math.min(fused ? Math.max(wanted, FUSION_DEPTH_MIN) : wanted, Math.max(state.rowCount, 1));
  let complete = true;
  let sawAll = true;

  let wordHits: ScoredWords | null = null;
  if (query.words !== null) {
    // One more says whether there are more.
    const found = state.searchWords(query.words, depth + 1, live, query.wordOptions);
    if (query.explain) plan.notes = [...(plan.notes ?? []), ...found.notes];
    complete = found.rows.length <= depth;
    sawAll = !found.isCut;
    wordHits = firstOf(found, depth);
    phase('words');
  }
  let vectorHits: VectorHits | null = null;
  if (vector !== null && state.index) {
    const { exact, oversample } = query;
    const minScore = (fused ? query.vectorMin : query.minScore) ?? null;
    const { choice } = state;
    const { mask, found } = await searched(state, live, {
      query: vector,
      k: minScore === null ? depth : depth + 1,
      batch: query.embed === null ? batch : 1,
      rowCount: state.rowCount,
      exact,
      oversample: oversample * state.oversample,
      ...(minScore !== null && { minScore }),
    });
    const near = minScore === null ? found : reaching(found, minScore);
    vectorHits = firstOf(near, depth);
    const eligible = mask?.count() ?? state.rowCount;
    complete &&= minScore === null ? eligible <= depth : near.rows.length <= depth;
    sawAll &&= isCertain(found.tier) || (found.candidates ?? 0) >= eligible;
    plan.device = vectorHits.device;
    plan.route = vectorHits.route;
    plan.tier = vectorHits.tier;
    if (vectorHits.layout) plan.layout = vectorHits.layout;
    if (choice?.tier === vectorHits.tier && !exact) plan.why = choice.why;
    if (vectorHits.workers !== undefined) plan.workers = vectorHits.workers;
    if (vectorHits.candidates !== undefined) plan.candidates = vectorHits.candidates;
    plan.phases.push({ name: 'scan', ms: vectorHits.scanMs }, { name: 'rescore', ms: vectorHits.rescoreMs });
    phaseStart = performance.now();
    throwIfAborted(signal);
  }

  const { minScore } = query;
  const found =
    wordHits && (query.vector !== null || query.embed !== null)
      ? await fusedHits(state, query, vector, vectorHits, wordHits)
      : hitsOf(query, vectorHits, wordHits);
  if (fused) phase('fuse');
  if (minScore !== null) complete ||= found.unseenMost < minScore;
  const hits = minScore === null ? found : reaching(found, minScore);
  complete &&= sawAll && hits.rows.length <= wanted;
  const end = Math.min(hits.rows.length, wanted);
  const rows = hits.rows.subarray(query.offset, end);
  const selected = await state.select(rows, query.select);
  if (query.select.length > 0) phase('payload');
  return {
    ids: Array.from(rows, (row) => state.id(row)),
    scores: hits.scores.slice(query.offset, end),
    rows: selected,
    legs: query.explain ? hits.legs.slice(query.offset, end) : null,
    exact: vectorHits === null || isCertain(vectorHits.tier),
    complete,
    took: performance.now() - start,
    plan: query.explain ? withNotes(plan, query, vector) : null,
  };
}

/** Vectors that turn out to be damaged may have pushed others out: without them it is asked again. */
async function searched(
  state: CollectionState,
  live: Bitset | null,
  search: VectorSearch,
): Promise<{ mask: Bitset | null; found: VectorHits }> {
  for (;;) {
    const { vectorsLost } = state;
    const mask = state.rowsWithVector(live);
    const found = await state.index!.search({ ...search, ...(mask && { mask }) });
    if (state.vectorsLost === vectorsLost) return { mask, found };
  }
}

function withNotes(plan: QueryPlan, query: EngineQuery, vector: Float32Array | null): QueryPlan {
  const { notes = [], ...rest } = plan;
  const all =
    query.embed !== null && vector === null
      ? [...notes, 'the text has no direction: words alone were searched']
      : notes;
  return all.length > 0 ? { ...rest, notes: all } : rest;
}

/** The hits that score at least so much: the first of them. */
function reaching<H extends RowScores>(hits: H, minScore: number): H {
  const below = hits.scores.findIndex((score) => score < minScore);
  return below < 0 ? hits : firstOf(hits, below);
}

function firstOf<H extends RowScores>(hits: H, count: number): H {
  if (hits.rows.length <= count) return hits;
  return { ...hits, rows: hits.rows.subarray(0, count), scores: hits.scores.subarray(0, count) };
}

interface RowScores {
  rows: Uint32Array;
  scores: Float32Array;
}

interface Hits extends RowScores {
  legs: { vector?: LegScore; words?: LegScore }[];
  /** No other row scores more. */
  unseenMost: number;
}

/** Of one leg, or of none. */
function hitsOf({ explain }: EngineQuery, near: VectorHits | null, said: ScoredWords | null): Hits {
  const name = near ? 'vector' : 'words';
  const { rows, scores } = near ?? said ?? { rows: new Uint32Array(), scores: new Float32Array() };
  const legs = explain ? Array.from(scores, (score, i) => ({ [name]: { rank: i + 1, score } })) : [];
  return { rows, scores, legs, unseenMost: scores.at(-1) ?? Number.NEGATIVE_INFINITY };
}

/** `near` is null where the text has no direction: the words say it all. */
async function fusedHits(
  state: CollectionState,
  query: EngineQuery,
  vector: Float32Array | null,
  near: VectorHits | null,
  said: ScoredWords,
): Promise<Hits> {
  const k = query.k + query.offset + 1;
  const { rows, scores, legs, unseenMost } = await fuseLegs(state, query, vector, near, said, k);
  const named = legs.map(([words, vector]) => ({ ...(vector && { vector }), ...(words && { words }) }));
  return { rows, scores, legs: named, unseenMost };
}

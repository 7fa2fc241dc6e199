// A database and a plain model of it, side by side: random operations on both, and what both must then agree on.
import { expect } from 'vitest';
import { PiramidError } from '../../src/errors.ts';
import { canonical } from '../../src/filter/values.ts';
import type { EngineQuery } from '../../src/protocol.ts';
import type { Backend } from '../../src/store/backend.ts';
import { patient } from '../../src/store/patience.ts';
import { SEGMENT_BYTES_MIN } from '../../src/store/schema.ts';
import { withContext } from '../../src/structures/context.ts';
import type { SeededRandom } from '../../src/structures/random.ts';
import type { Metadata, Quantization, RecordId } from '../../src/types.ts';
import { createEngine, type LocalEngine } from '../../src/worker/engine.ts';
import { importIncluded } from '../import-included.ts';

const DIMENSION = 4;
const IDS = 60;
/** Of 'auto': float32 up to 20 rows, int8 up to 80. */
const SCAN_BUDGET = 20 * DIMENSION * 4;
/** Of a collection so named; of all others none. */
const QUANTIZATIONS: { [name: string]: Quantization } = { b: 'int8', c: 'auto' };

export interface ModelRecord {
  /** Null where it is damaged. */
  vector: number[] | null;
  text: string | null;
  /** Of the text; absent where it has none. */
  context?: string;
  metadata: { [key: string]: unknown } | null;
}

/** By collection, then by id in order of writing. Changed by copying, so that older ones can be kept. */
export type Model = ReadonlyMap<string, ReadonlyMap<RecordId, ModelRecord>>;

export const EMPTY: Model = new Map();

let call = 0;

export const nextTask = () => new Promise((resolve) => setImmediate(resolve));

/** Time in which a worker runs, as fast as it goes. */
function everyTurn(_ms: number, run: () => void): () => void {
  let turn = setImmediate(function tick() {
    turn = setImmediate(tick);
    run();
  });
  return () => clearImmediate(turn);
}

/** How long a call may take before it counts as hung, milliseconds: storages that never answer are given up within turns. */
const PATIENCE_MS = 30_000;

/** As the call; throws where it never settles. */
export function settled<T>(call: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const hung = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('hung')), PATIENCE_MS);
  });
  return Promise.race([call, hung]).finally(() => clearTimeout(timer));
}

/** The engine, each of whose calls throws where it never settles: no suite may wait for ever without saying so. */
function everyCallSettles(engine: LocalEngine): LocalEngine {
  return new Proxy(engine, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...given: unknown[]) => {
        const answer = method.apply(target, given);
        return answer instanceof Promise ? settled(answer) : answer;
      };
    },
  });
}

export async function openEngine(backend: Backend, key?: CryptoKey): Promise<LocalEngine> {
  const engine = everyCallSettles(
    createEngine(
      () => ({
        embedder: () => Promise.reject(new Error('none')),
        generator: () => Promise.reject(new Error('none')),
        reranker: () => Promise.reject(new Error('none')),
        close: async () => {},
      }),
      { openBackend: () => patient(backend, undefined, everyTurn), importAsset: importIncluded },
    ),
  );
  const options = { name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} } as const;
  await engine.open({ ...options, scanBudget: SCAN_BUDGET, ...(key && { key }) }, () => {});
  return engine;
}

export async function openCollection(engine: LocalEngine, name: string): Promise<number> {
  const request = {
    dimension: DIMENSION,
    metric: 'dot',
    quantization: QUANTIZATIONS[name] ?? 'none',
    embedder: null,
    mustExist: false,
  } as const;
  return (await engine.openCollection(name, request, ++call)).id;
}

/** One thing to do: on the database, and on the model. Its parts are drawn before it is done, so that both do the same. */
export interface Operation {
  name: string;
  run(engine: LocalEngine): Promise<unknown>;
  /** The model afterwards; as it was where the operation is refused. */
  apply(model: Model): Model;
}

export function drawOperation(random: SeededRandom, model: Model): Operation {
  const name = 'aaaaabbccc'[random.below(10)]!;
  const known = model.get(name);
  const kind = known ? random.below(100) : 0;
  if (!known)
    return {
      name: `create ${name}`,
      run: (engine) => openCollection(engine, name),
      apply: (before) => new Map([...before, [name, before.get(name) ?? new Map()]]),
    };
  if (kind < 55) return upsert(random, name, known);
  if (kind < 70) {
    const n = random.below(5);
    const where = { n: { $lt: n } };
    const value = random.below(1000);
    const changes = [{ set: { v: value } }, { set: { 'deep.v': value } }, { unset: ['v', 'deep'] }][random.below(3)]!;
    const change = (metadata: { [key: string]: unknown }) => {
      if (!changes.set) {
        const { v: _, deep: __, ...others } = metadata;
        return others;
      }
      return 'v' in changes.set ? { ...metadata, v: value } : { ...metadata, deep: { v: value } };
    };
    return {
      name: `update ${name} n < ${n} ${JSON.stringify(changes)}`,
      run: async (engine) => engine.update(await openCollection(engine, name), { where }, changes, ++call),
      apply: (before) =>
        changed(before, name, (records) => {
          // Each keeps its place.
          for (const [id, record] of records)
            if (record.metadata && (record.metadata.n as number) < n)
              records.set(id, { ...record, metadata: change(record.metadata) });
        }),
    };
  }
  if (kind < 88) {
    const ids = Array.from({ length: 1 + random.below(20) }, () => random.below(IDS));
    return {
      name: `delete ${name} ${ids}`,
      run: async (engine) => engine.delete(await openCollection(engine, name), { ids }, ++call),
      apply: (before) =>
        changed(before, name, (records) => {
          for (const id of ids) records.delete(id);
        }),
    };
  }
  if (kind < 97)
    return {
      name: `compact ${name}`,
      run: async (engine) => engine.compact(await openCollection(engine, name), ++call),
      apply: (before) => before,
    };
  return {
    name: `delete collection ${name}`,
    run: (engine) => engine.deleteCollection(name, ++call),
    apply: (before) => new Map([...before].filter(([other]) => other !== name)),
  };
}

function upsert(random: SeededRandom, name: string, known: ReadonlyMap<RecordId, ModelRecord>): Operation {
  const count = 1 + random.below(6);
  const ids = [...new Set(Array.from({ length: count }, () => random.below(IDS)))];
  const isLarge = random.below(24) === 0; // a segment of its own, not a log entry
  const records = ids.map((id): ModelRecord => {
    const n = random.below(10);
    const long = isLarge ? '.'.repeat(Math.ceil((1.1 * SEGMENT_BYTES_MIN) / ids.length)) : ''; // no words, which would take most of the time
    const text = isLarge || random.below(4) > 0 ? `word${n} id${id}${long}` : null;
    return {
      vector: Array.from({ length: DIMENSION }, () => random.below(9) - 4),
      text,
      ...(text !== null && random.below(3) === 0 && { context: `word${random.below(10)}` }),
      metadata: random.below(4) > 0 ? { n, tags: ['x', `y${n}`] } : null,
    };
  });
  const isInsert = random.below(6) === 0;
  const isRefused = isInsert && ids.some((id) => known.has(id));
  return {
    name: `${isInsert ? 'insert' : 'upsert'} ${name} ${ids}${isLarge ? ' large' : ''}`,
    run: async (engine) => {
      const written = engine.upsert(
        await openCollection(engine, name),
        {
          ids,
          vectors: Float32Array.from(records.flatMap(({ vector }) => vector!)),
          sources: null,
          texts: records.map(({ text, context = '' }) => text && withContext(text, context)),
          metadata: records.map(({ metadata }) => metadata && JSON.stringify(metadata)),
        },
        isInsert ? 'insert' : 'upsert',
        ++call,
      );
      if (!isRefused) return written;
      const error = await written.then(
        () => null,
        (reason: unknown) => reason,
      );
      // A storage that fails may fail first.
      if (!(error instanceof PiramidError)) throw new Error(`an insert over existing records gave ${error}`);
      if (error.code !== 'CONFLICT') throw error;
      return undefined;
    },
    apply: (before) =>
      isRefused
        ? before
        : changed(before, name, (target) => {
            for (const [i, id] of ids.entries()) {
              target.delete(id);
              target.set(id, records[i]!);
            }
          }),
  };
}

function changed(model: Model, name: string, change: (records: Map<RecordId, ModelRecord>) => void): Model {
  const records = new Map(model.get(name));
  change(records);
  return new Map([...model].map(([other, values]) => [other, other === name ? records : values]));
}

export async function openExisting(engine: LocalEngine, name: string): Promise<number> {
  const request = { dimension: null, metric: null, quantization: null, embedder: null, mustExist: true };
  return (await engine.openCollection(name, request, ++call)).id;
}

/** Everything that a database holds, as the public calls give it. */
export async function contents(engine: LocalEngine): Promise<Model> {
  const model = new Map<string, Map<RecordId, ModelRecord>>();
  for (const { name } of await engine.listCollections()) {
    const id = await openExisting(engine, name);
    const { ids, rows } = await engine.scroll(id, {
      where: null,
      limit: 10_000,
      cursor: null,
      select: ['text', 'context', 'metadata', 'vector'],
    });
    const records = new Map<RecordId, ModelRecord>();
    for (const [i, rid] of ids.entries()) {
      if (records.has(rid)) throw new Error(`record ${rid} is there twice`);
      records.set(rid, {
        vector: rows.vectors?.[i] ? [...rows.vectors[i]!].map((x) => x + 0) : null,
        text: rows.texts![i] ?? null,
        ...(rows.contexts![i] !== null && { context: rows.contexts![i]! }),
        metadata: (rows.metadata![i] as ModelRecord['metadata']) ?? null,
      });
    }
    model.set(name, records);
  }
  return model;
}

/** In a form that compares and can be told apart from others: the order of records counts, that of fields does not. */
export function fingerprint(model: Model): string {
  return JSON.stringify(
    [...model].map(([name, records]) => [
      name,
      [...records].map(([id, { vector, text, context, metadata }]) => [
        id,
        vector,
        text && [text.length, text.slice(0, 40), context],
        metadata && canonical(metadata as Metadata),
      ]),
    ]),
  );
}

/** Queries of every kind give what the model says. */
export async function checkQueries(engine: LocalEngine, model: Model, random: SeededRandom): Promise<void> {
  for (const [name, records] of model) {
    const id = await openCollection(engine, name);
    const vector = Array.from({ length: DIMENSION }, () => random.below(9) - 4);
    const n = random.below(10);
    const base: EngineQuery = {
      vector: Float32Array.from(vector),
      embed: null,
      words: null,
      k: 15,
      offset: 0,
      minScore: null,
      where: null,
      fusion: { rrf: {} },
      select: [],
      exact: true,
      oversample: 1,
      explain: false,
    };
    const nearest = (matches: (record: ModelRecord) => boolean) =>
      [...records]
        .filter(([, record]) => matches(record))
        .map(([rid, record]) => ({ rid, score: record.vector!.reduce((sum, x, i) => sum + x * vector[i]!, 0) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 15)
        .map(({ rid }) => rid);
    const flagged = { $or: [{ v: { $lt: 500 } }, { 'deep.v': { $lt: 500 } }] };
    const isFlagged = ({ metadata }: ModelRecord) =>
      [metadata?.v, (metadata?.deep as { v?: unknown } | undefined)?.v].some((v) => typeof v === 'number' && v < 500);
    const [all, filtered, words, changed] = await engine.query(
      id,
      [
        base,
        { ...base, where: { tags: `y${n}` } },
        { ...base, vector: null, words: `word${n}`, k: 1000 },
        { ...base, where: flagged },
      ],
      ++call,
    );
    expect(changed!.ids).toEqual(nearest(isFlagged));
    expect(all!.ids).toEqual(nearest(() => true));
    expect(filtered!.ids).toEqual(nearest(({ metadata }) => metadata?.n === n));
    const holding = [...records]
      .filter(([, { text, context }]) => text?.startsWith(`word${n} `) || context === `word${n}`)
      .map(([rid]) => rid);
    expect([...words!.ids].sort()).toEqual(holding.sort());
    expect(await engine.count(id, null)).toBe(records.size);
  }
}

// The engine: one database in one worker. Owns the store, the open collections, the one write queue, the models, and
// which calls are under way; the work itself is done by the files beside it.
import { PiramidError } from '../errors.ts';
import { type Devices, openDevices } from '../kernels/devices.ts';
import { vectorNorm } from '../kernels/js.ts';
import type { ShardPoolOptions, ShardWorker } from '../kernels/shards/pool.ts';
import type { CreateModelLoader, LoadOptions, ModelLoader } from '../models/model.ts';
import {
  type CallId,
  type Engine,
  type EngineEvent,
  type EngineOptions,
  type Notice,
  type NoticeEvent,
  type OpenedCollection,
  type OpenedDatabase,
  type PackedRecords,
  type Select,
  VECTOR_FROM_TEXT,
  VECTOR_NONE,
} from '../protocol.ts';
import type { Origin } from '../store/answered.ts';
import type { Backend } from '../store/backend.ts';
import type { Damage } from '../store/damage.ts';
import type { Encryption, Unlocked } from '../store/encryption.ts';
import type { FencedBackend } from '../store/fence.ts';
import type { StoredCollection } from '../store/manifest.ts';
import { FiledRows } from '../store/rows/filed-rows.ts';
import type { RowHandle } from '../store/rows/row-file.ts';
import type { CoderFor, Store } from '../store/store.ts';
import { readAs } from '../structures/context.ts';
import { analysisOf } from '../text/analyzer.ts';
import type { CollectionInfo, CollectionStats, DatabaseStats, Progress } from '../types.ts';
import { type ImportAsset, loadCode, noAssets } from './assets.ts';
import { CollectionState, coderFor } from './collection.ts';
import { compareConfig, configOf, mismatch } from './config.ts';
import { describeDamage, infoOf, recordCount } from './describe.ts';
import { Languages } from './languages.ts';
import { Loading, type Need } from './loading.ts';
import { modelCalls } from './model-calls.ts';
import { OpenCollections } from './open-collections.ts';
import { backendOf, openStore } from './open-store.ts';
import { postingsOf } from './postings.ts';
import { answerQueries } from './query-batch.ts';
import { Queue } from './queue.ts';
import { checkRecall } from './recall.ts';
import { reindexEmpty } from './reindexing.ts';
import { defaultScanBudget } from './tiers.ts';
import { transferCalls } from './transfer-calls.ts';
import { reportUpkeep, Upkeep } from './upkeep.ts';
import { VectorMemory } from './vector-memory.ts';
import { type BuiltWords, WordBuilder } from './word-builder.ts';

type OnEvent = (event: EngineEvent | NoticeEvent) => void | Promise<void>;

interface OpenDatabase {
  name: string;
  store: Store;
  collections: OpenCollections;
  backend: FencedBackend;
  encryption: Encryption | null;
  devices: Devices;
  memory: VectorMemory;
  models: ModelLoader;
  coderFor: CoderFor;
  upkeep: Upkeep;
  onEvent: OnEvent;
}

/** How long what a browser says of its storage is waited for, milliseconds. */
const PATIENCE_MS = 1000;

/** How long opening waits for what computes on a GPU, milliseconds. */
const GPU_PATIENCE_MS = 3000;

/** Undefined where it takes longer. */
function atMost<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
  return Promise.race([answer, new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/** Starts another worker for rows; null where there is none. */
export type OpenShard = (device: EngineOptions['device']) => Promise<ShardWorker | null>;

export interface LocalEngine extends Omit<Engine, 'open' | 'becomeShard'> {
  /** `known`: opens an encrypted database whose key has been exchanged since the worker proved it. */
  open(options: EngineOptions, onEvent: OnEvent, known?: Unlocked | null): Promise<OpenedDatabase>;
  /** What is to be told to a tab that comes now: what is damaged, and that the storage is full. */
  notices(): Notice[];
  /** Null where the database is not encrypted, or not open. */
  encryption(): Encryption | null;
  /** Throws `BLOCKED` if the database was taken over by another engine since it was opened. */
  checkFence(): Promise<void>;
}

/** What is around an engine. */
export interface Environment {
  /** Whose write a call is, where it may be sent again to the next engine. @default nobody's */
  originOf?: (call: CallId) => Origin | null;
  /** @default all rows stay in this worker */
  openShard?: OpenShard;
  /** Imports code that is loaded on demand. @default there is none */
  importAsset?: ImportAsset;
  /** How many other workers there may be, and how rows lie in them. @default as the processor and the size of rows say */
  shards?: ShardPoolOptions;
  /** What the records are stored in. @default as the options of `open` say */
  openBackend?: (options: EngineOptions) => Promise<Backend>;
  /** Opens a file for vectors that do not fit into memory. @default there are no files */
  openRowHandle?: ((database: string) => Promise<RowHandle | null>) | null;
  /** Whether nobody else who has opened the database can write to it any more. @default that is not known */
  areOthersGone?: () => Promise<boolean>;
  /** Called when a collection has another name. */
  onRenamed?: (id: number, name: string) => void;
}

export function createEngine(
  createModelLoader: CreateModelLoader,
  {
    originOf = () => null,
    openShard,
    importAsset = noAssets,
    shards = {},
    openBackend = backendOf,
    openRowHandle = null,
    areOthersGone = async () => false,
    onRenamed = () => {},
  }: Environment = {},
): LocalEngine {
  let database: OpenDatabase | null = null;
  const writes = new Queue();
  const embeddings = new Queue();
  const wordBuilder = new WordBuilder(openShard ? () => openShard('js') : null, shards.count);
  const languages = new Languages(importAsset);
  const calls = new Map<CallId, AbortController>();
  const closing = new AbortController();

  function opened(): OpenDatabase {
    if (!database) throw new PiramidError('CLOSED', 'the database is not open');
    return database;
  }

  function notices(): Notice[] {
    if (!database) return [];
    const { store, collections } = database;
    const damages = store.damage.all.map((damage) => damageNotice(damage, store));
    const openings = collections.loadings.map((loading) => openingNotice(loading, store));
    return [...damages, ...(store.full ? [readonlyNotice(store.full)] : []), ...openings];
  }

  /** Runs a call that `cancel` can reach. */
  async function cancellable<T>(call: CallId, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    calls.set(call, controller);
    try {
      return await run(controller.signal);
    } catch (error) {
      if (closing.signal.aborted && error instanceof PiramidError && error.code === 'ABORTED')
        throw new PiramidError('CLOSED', 'the database has been closed', { cause: error });
      throw error;
    } finally {
      calls.delete(call);
    }
  }

  /**
   * A write: runs alone, in order; not begun if its call was cancelled while it waited. `prepare` holds up no other; it has its turn
   * afterwards. `ahead` begins at once, beside earlier writes, and changes nothing of the order. `again`: the answer of a write that is sent again though it was applied, from how many records it changed; without,
   * the write does no harm twice.
   */
  function write<T>(
    call: CallId,
    run: (signal: AbortSignal) => Promise<T>,
    {
      prepare,
      ahead,
      again,
    }: { [step in 'prepare' | 'ahead']?: (signal: AbortSignal) => Promise<unknown> } & {
      again?: (count: number) => T;
    } = {},
  ): Promise<T> {
    return cancellable(call, async (signal) => {
      if (prepare) await prepare(signal);
      const begun = ahead?.(signal);
      begun?.catch(() => {});
      return writes.run(async () => {
        const begin = async () => {
          await begun;
          if (signal.aborted)
            throw new PiramidError('ABORTED', 'the call was cancelled by its signal; nothing was written');
          return run(signal);
        };
        const { store, upkeep } = opened();
        await upkeep.foldIfTooLong();
        const result = again ? await store.once(originOf(call), begin, again) : await begin();
        upkeep.foldSoon();
        return result;
      });
    });
  }

  function loadOptions(call: CallId, signal: AbortSignal): LoadOptions {
    const { onEvent } = opened();
    return {
      // Nobody who closes waits for a download, though a write may.
      signal: AbortSignal.any([signal, closing.signal]),
      onProgress: (progress) => void onEvent({ type: 'progress', call, progress }),
    };
  }

  /** The model that embeds a collection's texts, checked against the one that embedded what is in it. */
  async function embedderOf(stored: StoredCollection, load: LoadOptions) {
    const { embedder, dimension } = stored.config;
    if (!embedder?.options)
      throw new PiramidError('INVALID_ARGUMENT', `collection "${stored.name}" has no embedder in the worker`);
    const model = await opened().models.embedder(embedder.options, load);
    if (model.fingerprint !== embedder.fingerprint || model.dimension !== dimension) {
      throw mismatch(stored.name, embedder.fingerprint, model.fingerprint);
    }
    return model;
  }

  /** The vectors that are to be made from texts, in place. */
  async function embedTexts(id: number, records: PackedRecords, call: CallId, signal: AbortSignal): Promise<void> {
    const positions = [...(records.sources?.entries() ?? [])]
      .filter(([, source]) => source === VECTOR_FROM_TEXT)
      .map(([i]) => i);
    const stored = opened().store.collections.find((collection) => collection.id === id);
    if (positions.length === 0 || !stored) return;
    const embedder = await embedderOf(stored, loadOptions(call, signal));
    const texts = positions.map((i) => readAs(records.texts![i]!));
    const vectors = await embedder.embed(texts, { kind: 'document', signal });
    for (const [j, i] of positions.entries()) {
      const vector = vectors[j]!;
      if (vector) records.vectors!.set(vector, i * embedder.dimension);
      else records.sources![i] = VECTOR_NONE;
    }
  }

  return {
    hello: async () => null,
    ping() {},
    checkFence: () => opened().backend.checkFence(),

    notices,

    encryption: () => database?.encryption ?? null,

    async open(options: EngineOptions, onEvent, known = null) {
      if (database) throw new PiramidError('CONFLICT', 'this worker has a database open already');
      const { scanBudget = defaultScanBudget() } = options;
      const codersFor: CoderFor = (config, rowCount) => coderFor(config, rowCount, scanBudget);
      const filed = openRowHandle && new FiledRows(() => openRowHandle(options.name), vectorNorm);
      const opening = [
        openBackend(options).then((backend) =>
          openStore(backend, { key: options.key ?? null, known, coderFor: codersFor, areOthersGone, filed }),
        ),
        openDevices(options.device, {
          loadGpuKernels: () =>
            loadCode(
              importAsset,
              'webgpu.js',
              options.device === 'webgpu' ? "device: 'webgpu' needs" : 'the GPU needs',
              options.device === 'webgpu' ? undefined : GPU_PATIENCE_MS,
            ),
          ...(openShard && { openShard: () => openShard(options.device), shards }),
        }),
      ] as const;
      const [stored, devices] = await Promise.all(opening).catch(async (error) => {
        // Do not leave a half-open database behind a rejected open().
        const [store, devices] = await Promise.allSettled(opening);
        if (store.status === 'fulfilled') store.value.store.close();
        if (devices.status === 'fulfilled') devices.value.close();
        throw error;
      });
      const { store } = stored;
      const why =
        options.storage === 'memory' ? 'it is in memory' : stored.encryption ? 'the database is encrypted' : null;
      const memory = new VectorMemory(store, options.memory, why);
      const models = createModelLoader(options.models);
      const upkeep = new Upkeep(store, writes, closing.signal);
      const tell = (notice: Notice) => void onEvent({ type: 'notice', notice });
      const collections = new OpenCollections(store, writes, (stored) => {
        void languages.ready(stored.config.analysis ?? 0).catch(() => {}); // said where words are asked for
        const state = new CollectionState(stored, store, devices, scanBudget, memory);
        const loading = new Loading(state, () => tell(openingNotice(loading, store)));
        loading.ready('rows').then(
          () => {
            upkeep.recodeIfStale(state);
            upkeep.reindexIfStale(state);
          },
          () => {}, // said to whoever needs the rows
        );
        return loading;
      });
      const rest = { collections, devices, memory, onEvent, models, coderFor: codersFor, upkeep };
      database = { name: options.name, ...stored, ...rest };
      if (filed)
        filed.onLost = async () => {
          for (const state of await collections.all()) upkeep.keepInShape(state);
        };
      for (const notice of notices()) tell(notice);
      store.damage.onDamage = (damage) => tell(damageNotice(damage, store));
      store.onFull((reason) => tell(reason ? readonlyNotice(reason) : { name: 'writable', detail: null }));
      return { device: devices.gpu ? 'webgpu' : devices.cpu, uuid: stored.store.uuid, cpu: devices.cpu };
    },

    async close() {
      if (!database) return;
      closing.abort();
      await writes.idle();
      wordBuilder.close();
      for (const controller of calls.values()) controller.abort();
      await database.collections.close();
      await database.models.close();
      database.devices.close();
      database.store.close();
      database = null;
    },

    cancel(call) {
      calls.get(call)?.abort();
    },

    async stats(): Promise<DatabaseStats> {
      const { name, store, devices, collections, memory } = opened();
      const isStored = store.kind === 'indexeddb';
      // Which the browser may have to ask the disk for, and a disk that stands still answers nobody.
      const quota = isStored ? await atMost(navigator.storage?.estimate?.()) : undefined;
      const isPersistent = isStored ? await atMost(navigator.storage?.persisted?.()) : undefined;
      // A collection that nobody has opened is not read for this.
      const states = store.collections.map(async (stored): Promise<CollectionStats> => {
        const state = collections.peek(stored.id);
        if (state) return state.stats(stored.name);
        const bytes = { gpu: 0, memory: 0, disk: store.bytesOnDisk(stored.id) };
        return { ...infoOf(stored, store), device: devices.cpu, rows: store.rowCount(stored.id), bytes };
      });
      return {
        name,
        role: 'leader',
        storage: store.kind,
        device: devices.gpu ? 'webgpu' : devices.cpu,
        ...(devices.adapter && { adapter: devices.adapter }),
        ...(devices.adapter && devices.wanted === 'auto' && { gpuFromBytes: devices.gpuFromBytes(1) }),
        ...(devices.adapter && { gpuBytes: devices.gpuBudget.bytes, gpuBudget: devices.gpuBudget.limit }),
        collections: await Promise.all(states),
        memory: {
          limit: memory.limit,
          bytes: memory.bytes(),
          file: store.fileBytes,
          ...(memory.why !== null && memory.bytes() > memory.limit && { why: memory.why }),
        },
        bytesWritten: store.bytesWritten,
        isReadOnly: store.full !== null,
        damage: store.damage.all.map((damage) => describeDamage(damage, store)),
        ...(isPersistent !== undefined && { isPersistent }),
        ...(quota && { quota: { usage: quota.usage ?? 0, quota: quota.quota ?? 0 } }),
      };
    },

    async testify() {
      const { store, encryption } = opened();
      const records = store.collections.reduce((sum, { id }) => sum + recordCount(store, id), 0);
      return { uuid: store.uuid, ...store.position, records, ...(encryption && { isSecret: true }) };
    },

    repair(call) {
      return write(call, async () => {
        const { store, collections } = opened();
        for (const { config } of store.collections) await languages.ready(config.analysis ?? 0).catch(() => {});
        await collections.stopLoading(); // it would read what repair takes away
        const repaired = await store.repair(postingsOf);
        await collections.reload(); // what is in memory was read from what was damaged
        return repaired.map((damage) => describeDamage(damage, store));
      });
    },

    async retryWrites() {
      return writes.run(() => opened().store.retryWrites());
    },

    async listCollections(): Promise<CollectionInfo[]> {
      const { store } = opened();
      return store.collections.map((stored) => infoOf(stored, store));
    },

    openCollection(name, request, call): Promise<OpenedCollection> {
      const find = () => opened().store.collections.find((collection) => collection.name === name);
      const { embedder } = request;
      const needsModel = embedder !== null && 'model' in embedder && !request.mustExist && !find();
      const open = async (signal: AbortSignal): Promise<OpenedCollection> => {
        let stored = find();
        if (stored) compareConfig(stored, request);
        else if (request.mustExist)
          throw new PiramidError('NOT_FOUND', `collection "${name}" does not exist; give options to create it`);
        else {
          const { models, store } = opened();
          const config = await configOf(request, (options) => models.embedder(options, loadOptions(call, signal)));
          stored = await store.createCollection(name, config);
        }
        const { id, config } = stored;
        opened().collections.begin(id);
        return {
          id,
          dimension: config.dimension,
          metric: config.metric,
          quantization: config.quantization ?? 'none',
          fingerprint: config.embedder?.fingerprint ?? null,
          embeds: config.embedder ? (config.embedder.options ? 'worker' : 'page') : 'nobody',
          model: config.embedder?.options ?? null,
        };
      };
      // A new collection's model may take minutes to arrive.
      const prepare = async (signal: AbortSignal) => {
        if (needsModel) await opened().models.embedder(embedder, loadOptions(call, signal));
        if (request.language && !find()) await languages.ready(analysisOf(request.language));
      };
      return write(call, open, { prepare });
    },

    deleteCollection(name, call) {
      const remove = async () => {
        const { store, collections } = opened();
        const stored = store.collections.find((collection) => collection.name === name);
        if (!stored) return false;
        await collections.delete(stored.id, () => store.deleteCollection(stored.id));
        writes.run(() => giveBack(store)).catch(reportUpkeep);
        return true;
      };
      return write(call, remove, { again: () => true });
    },

    renameCollection(from, to, call) {
      const rename = async () => {
        const { store } = opened();
        const stored = store.collections.find((collection) => collection.name === from);
        if (!stored) throw new PiramidError('NOT_FOUND', `collection "${from}" does not exist`);
        if (from === to) return;
        if (store.collections.some((collection) => collection.name === to)) {
          throw new PiramidError('CONFLICT', `a collection "${to}" exists already`);
        }
        await store.renameCollection(stored.id, to);
        onRenamed(stored.id, to);
      };
      return write(call, rename, { again: () => {} });
    },

    async collectionStats(id) {
      const collection = await opened().collections.open(id);
      return collection.stats(opened().store.collections.find((stored) => stored.id === id)!.name);
    },

    upsert(id, records, mode, call) {
      const { texts = null } = records;
      let words: BuiltWords | null = null;
      const ahead = (signal: AbortSignal) =>
        Promise.all([
          embeddings.run(() => embedTexts(id, records, call, signal)),
          (async () => {
            const collection = opened().collections.peek(id);
            if (collection && texts) words = await wordBuilder.build(texts, collection.analysis);
          })(),
        ]);
      const upsert = async () => {
        const { store, collections, upkeep } = opened();
        const collection = await collections.getInTurn(id);
        if (texts) await languages.ready(collection.analysis);
        const wanted = texts && (await languages.wantedFor(collection, texts));
        if (wanted !== null && collection.rowCount === 0) await reindexEmpty(store, collection, wanted);
        await collection.upsert(records, mode, words);
        upkeep.keepInShape(collection);
        if (wanted !== null && collection.analysis !== wanted) upkeep.reindex(collection, wanted);
      };
      return write(call, upsert, { ahead, again: () => {} });
    },

    update(id, target, changes, call) {
      const update = async (signal: AbortSignal) => {
        if (changes.embed) {
          const embedder = await embedderOf(
            (await opened().collections.getInTurn(id)).stored,
            loadOptions(call, signal),
          );
          const [vector = null] = await embedder.embed([readAs(changes.text!)], { kind: 'document', signal });
          changes = { ...changes, vector };
        }
        return opened().collections.withRowsInTurn(id, async (collection) => {
          if (collection.words.blocks.length > 0 || changes.text) await languages.ready(collection.analysis);
          const wanted = await languages.wantedFor(collection, [changes.text ?? null]);
          const count = await collection.update(target, changes);
          opened().upkeep.keepInShape(collection);
          if (wanted !== null) opened().upkeep.reindex(collection, wanted);
          return count;
        });
      };
      return write(call, update, { again: (count) => count });
    },

    delete(id, target, call) {
      const remove = async () => {
        const collection = await opened().collections.getInTurn(id);
        const count = await collection.delete(target);
        opened().upkeep.keepInShape(collection);
        return count;
      };
      return write(call, remove, { again: (count) => count });
    },

    async get(id, ids, select) {
      return opened().collections.withRows(id, (collection) => collection.get(ids, select), needOf(select));
    },

    async count(id, where) {
      const { collections, store } = opened();
      if (where) return collections.withRows(id, (collection) => collection.countWhere(where), 'ids');
      store.check(id);
      return recordCount(store, id);
    },

    async scroll(id, request) {
      return opened().collections.withRows(id, (collection) => collection.scroll(request), needOf(request.select));
    },

    async facets(id, { field, where, limit }) {
      return opened().collections.withRows(id, (collection) => collection.facets(field, where, limit), 'ids');
    },

    query(id, queries, call) {
      return cancellable(call, async (signal) => {
        const { collections } = opened();
        const { stored, analysis } = await collections.open(id);
        if (queries.some(({ words }) => words !== null)) await languages.ready(analysis);
        const embed = async (text: string) => {
          const embedder = await embedderOf(stored, loadOptions(call, signal));
          return (await embedder.embed([text], { kind: 'query', signal }))[0] ?? null;
        };
        return answerQueries(collections, id, queries, embed, signal);
      });
    },

    compact(id, call) {
      return cancellable(call, async (signal) => {
        const onProgress = (progress: Progress) => void opened().onEvent({ type: 'step', call, progress });
        const request = { share: 0, signal: AbortSignal.any([signal, closing.signal]), onProgress };
        return opened().collections.withRows(id, (collection) => opened().upkeep.compact(collection, request));
      });
    },

    rotateKey(key, call) {
      return write(call, async () => {
        const { encryption, backend } = opened();
        if (!encryption)
          throw new PiramidError('WRONG_KEY', 'the database is not encrypted, and has no key to exchange');
        await encryption.rotate(backend, key);
      });
    },

    recallCheck(id, request, call) {
      return cancellable(call, (signal) =>
        opened().collections.withRows(id, (collection) => checkRecall(collection, request, signal)),
      );
    },

    ...transferCalls(cancellable, write, opened, {
      importAsset,
      languages,
      writes,
      closing: closing.signal,
    }),
    ...modelCalls(cancellable, opened, loadOptions),
  };
}

/** What a deleted collection took: its entries of the log, then its chunks. */
async function giveBack(store: Store): Promise<void> {
  if (!store.full) await store.fold();
  await store.sweep();
}

/** Vectors are read by their rows' index. */
function needOf(select: Select): Need {
  return select.includes('vector') ? 'rows' : 'ids';
}

function openingNotice({ collection, progress }: Loading, store: Store): Notice {
  const { name } = store.collections.find(({ id }) => id === collection.stored.id) ?? collection.stored;
  return { name: 'opening', detail: { collection: name, ...progress } };
}

function damageNotice(damage: Damage, store: Store): Notice {
  return { name: 'damage', detail: describeDamage(damage, store) };
}

function readonlyNotice({ code, message }: PiramidError): Notice {
  return { name: 'readonly', detail: { code, message } };
}

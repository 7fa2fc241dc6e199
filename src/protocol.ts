// What crosses between page and worker: the engine's interface, the shapes it takes and gives, and how errors survive.
// Loaded in both threads. Vectors are transferred, never cloned.
import { transferHandlers } from 'comlink';
import { type ErrorCode, PiramidError } from './errors.ts';
import type {
  ChatMessage,
  CollectionInfo,
  CollectionStats,
  Compacted,
  Damage,
  DatabaseEvents,
  DatabaseStats,
  Device,
  EmbedderOptions,
  Facet,
  Fusion,
  ImportOptions,
  Language,
  LegScore,
  MetadataValue,
  Metric,
  ModelInfo,
  ModelProgress,
  ModelSource,
  OpenOptions,
  OrderBy,
  Progress,
  Quantization,
  QueryPlan,
  RecallCheck,
  RecordId,
  Target,
  UpsertOptions,
  Where,
  WordOptions,
} from './types.ts';

/** Numbers a call, so that it can be cancelled and its events told apart. */
export type CallId = number;

export interface EngineOptions {
  name: string;
  storage: NonNullable<OpenOptions['storage']>;
  device: NonNullable<OpenOptions['device']>;
  durability: NonNullable<OpenOptions['durability']>;
  /** Bytes. @default by the memory of the device */
  scanBudget?: number;
  /** Bytes. @default by the memory of the device */
  memory?: number;
  /** URLs are absolute and end in '/'; bytes are Blobs. */
  models: ModelSource;
  /** AES-GCM, of an encrypted database. */
  key?: CryptoKey;
}

/** What `open` says. */
export interface OpenedDatabase {
  device: Device;
  uuid: string;
  /** What runs the kernels where no GPU does. */
  cpu?: 'wasm' | 'js';
}

/** What a page asks of a collection when it opens it. */
export interface CollectionRequest {
  dimension: number | null;
  metric: Metric | null;
  quantization: Quantization | null;
  /** Absent: not told. */
  language?: Language | undefined;
  /** A model of the worker's, or what is known of a function of the page's. */
  embedder: EmbedderOptions | { fingerprint: string; dimension: number } | null;
  /** Open an existing one only. */
  mustExist: boolean;
}

export interface OpenedCollection {
  id: number;
  dimension: number | null;
  metric: Metric;
  quantization: Quantization;
  /** Whose business embedding is: the worker's (a model), the page's (a function), or nobody's. */
  embeds: 'worker' | 'page' | 'nobody';
  /** The worker's model of it. */
  model: EmbedderOptions | null;
  fingerprint: string | null;
}

/** Where a record's vector comes from. */
export const VECTOR_GIVEN = 0;
export const VECTOR_FROM_TEXT = 1;
export const VECTOR_NONE = 2;

/** Records after `api/input.ts` has checked and packed them. All arrays have one entry per record. */
export interface PackedRecords {
  ids: RecordId[];
  /** (n, dimension), row-major; zeros where a record brings none. Null for a collection of text only. */
  vectors: Float32Array<ArrayBuffer> | null;
  /** VECTOR_GIVEN, VECTOR_FROM_TEXT or VECTOR_NONE of each; null: all given. */
  sources: Uint8Array<ArrayBuffer> | null;
  /** With their contexts (`structures/context`). Null: no record has text. */
  texts: (string | null)[] | null;
  /** Each as JSON with tagged dates (`filter/metadata.ts`). Null: no record has metadata. */
  metadata: (string | null)[] | null;
}

/** What `update` changes, checked. `text`: with its context. `embed`: the worker is to make the vector of the text; null: the text has none. */
export interface EngineChanges {
  set?: { readonly [path: string]: MetadataValue };
  unset?: readonly string[];
  text?: string;
  vector?: Float32Array | null;
  embed?: boolean;
}

export type Select = readonly ('text' | 'context' | 'metadata' | 'vector')[];

/** The last message of a worker that became a shard: nobody asks it any more. */
export const SHARD_ENDED = 'ended';

export interface EngineQuery {
  vector: Float32Array | null;
  /** Text for the worker to embed into the vector. */
  embed: string | null;
  /** Text for the word leg. */
  words: string | null;
  /** Absent: whole words, as they are typed. */
  wordOptions?: WordOptions;
  k: number;
  offset: number;
  /** Of the answer's scores: a float32; null: any. */
  minScore: number | null;
  /** Of the vector leg's, where words are searched, too: a float32. Absent: any. */
  vectorMin?: number;
  where: Where | null;
  /** Of a query for neither vectors nor words: first by the first. Absent: in order of writing. */
  orderBy?: readonly Required<OrderBy>[];
  fusion: Fusion;
  select: Select;
  /** Whatever the collection's quantization. */
  exact: boolean;
  oversample: number;
  explain: boolean;
}

/** Parallel arrays, best first. Metadata has tagged dates. */
export interface EngineAnswer {
  ids: RecordId[];
  scores: Float32Array;
  rows: EngineRows;
  legs: { vector?: LegScore; words?: LegScore }[] | null;
  exact: boolean;
  complete: boolean;
  took: number;
  plan: QueryPlan | null;
}

/** What was selected of some rows; null where not selected. */
export interface EngineRows {
  texts: (string | null)[] | null;
  contexts: (string | null)[] | null;
  metadata: unknown[] | null;
  vectors: (Float32Array | null)[] | null;
}

/** A block of an export; null: the one before was the last. With how many rows have been written, of how many. */
export interface ExportedBlock extends Progress {
  block: Uint8Array<ArrayBuffer> | null;
}

/** What a call is told before its answer. */
export type EngineEvent =
  | { type: 'token'; call: CallId; piece: string }
  | { type: 'progress'; call: CallId; progress: ModelProgress }
  | { type: 'step'; call: CallId; progress: Progress };

/** What the engine tells all tabs of its database. */
export type Notice =
  | {
      [Name in 'damage' | 'opening' | 'readonly' | 'writable']: { name: Name; detail: DatabaseEvents[Name] };
    }['damage' | 'opening' | 'readonly' | 'writable']
  /** A collection has another name; `id` is the engine's. */
  | { name: 'renamed'; detail: { id: number; name: string } };

export type NoticeEvent = { type: 'notice'; notice: Notice };

/** What the worker tells the page outside of answers. */
export type PageEvent =
  | EngineEvent
  | NoticeEvent
  /** Start another worker, and let it `becomeShard` on this port. */
  | { type: 'shard'; device: NonNullable<OpenOptions['device']>; port: MessagePort }
  /** Say on this port where a file is, or what is in it. */
  | { type: 'asset'; file: string; port: MessagePort };

/** A script that is loaded on demand. */
export type Asset = { url: string } | { bytes: ArrayBuffer | Blob } | { error: string };

/** The method table that the worker exposes. Every method rejects with `PiramidError` only. */
export interface Engine {
  /** First call of all. Returns the token of the worker's life lock, null where there are no Web Locks. */
  hello(): Promise<string | null>;
  ping(): void;
  /** Makes this worker one that holds rows for another's engine. Its one call after `hello`. */
  becomeShard(device: NonNullable<OpenOptions['device']>, port: MessagePort): Promise<void>;
  open(options: EngineOptions, onEvent: (event: PageEvent) => void | Promise<void>): Promise<OpenedDatabase>;
  close(): Promise<void>;
  cancel(call: CallId): void;
  stats(): Promise<DatabaseStats>;
  /** How far the database is, for the witness of its existence. */
  testify(): Promise<{ uuid: string; generation: number; log: number; records: number; isSecret?: boolean }>;
  repair(call: CallId): Promise<Damage[]>;
  retryWrites(): Promise<boolean>;
  rotateKey(key: CryptoKey, call: CallId): Promise<void>;
  listCollections(): Promise<CollectionInfo[]>;
  openCollection(name: string, request: CollectionRequest, call: CallId): Promise<OpenedCollection>;
  deleteCollection(name: string, call: CallId): Promise<boolean>;
  renameCollection(from: string, to: string, call: CallId): Promise<void>;
  collectionStats(id: number): Promise<CollectionStats>;
  upsert(id: number, records: PackedRecords, mode: NonNullable<UpsertOptions['mode']>, call: CallId): Promise<void>;
  update(id: number, target: Target, changes: EngineChanges, call: CallId): Promise<number>;
  delete(id: number, target: Target, call: CallId): Promise<number>;
  get(id: number, ids: readonly RecordId[], select: Select): Promise<{ ids: RecordId[]; rows: EngineRows }>;
  count(id: number, where: Where | null): Promise<number>;
  scroll(
    id: number,
    request: { where: Where | null; limit: number; cursor: string | null; select: Select },
  ): Promise<{ ids: RecordId[]; rows: EngineRows; next: string | null }>;
  facets(id: number, request: { field: string; where: Where | null; limit: number }): Promise<Facet[]>;
  query(id: number, queries: EngineQuery[], call: CallId): Promise<EngineAnswer[]>;
  compact(id: number, call: CallId): Promise<Compacted>;
  /** Runs as long as the export that it names. `collections`: by name; null: all. */
  runExport(name: string, collections: readonly string[] | null, call: CallId): Promise<void>;
  /** Blocks are numbered from 0, and given once. */
  exportBlock(name: string, number: number): Promise<ExportedBlock>;
  /** Runs as long as the import that it names. */
  runImport(name: string, call: CallId): Promise<void>;
  /** The next bytes of the file, numbered from 0. Says which collections are in it, as far as it is known. `rename`: with the first. */
  importPiece(
    name: string,
    number: number,
    bytes: Uint8Array,
    rename?: ImportOptions['rename'],
  ): Promise<Progress & { collections: string[] }>;
  /** After the last piece: makes the collections part of the database. */
  finishImport(name: string, call: CallId): Promise<void>;
  recallCheck(id: number, request: { sample: number; k: number }, call: CallId): Promise<RecallCheck>;
  loadModel(task: ModelInfo['task'], model: EmbedderOptions, call: CallId): Promise<ModelInfo>;
  embed(
    model: EmbedderOptions,
    texts: readonly string[],
    kind: 'query' | 'document',
    call: CallId,
  ): Promise<(Float32Array | null)[]>;
  /** Pieces arrive as `token` events; resolves when the page has had them all. */
  generate(model: string, messages: readonly ChatMessage[], maxTokens: number, call: CallId): Promise<void>;
  /** One score per text. */
  rerank(model: string, query: string, texts: readonly string[], call: CallId): Promise<number[]>;
}

/** Name of the Web Lock that a worker holds as long as it lives. */
export function lifeLockName(token: string): string {
  return `piramid-worker:${token}`;
}

/** Name of the Web Lock that the page of that worker holds as long as it is not frozen: its worker is frozen with it. */
export function awakeLockName(token: string): string {
  return `piramid-awake:${token}`;
}

/** An error as it crosses threads and tabs. */
export interface WireError {
  name: string;
  message: string;
  stack: string | undefined;
  code: ErrorCode | undefined;
  cause: WireError | undefined;
}

/** Makes Comlink carry class, code and cause of errors, which it drops by itself. Call once in each thread. */
export function installErrorTransfer(): void {
  transferHandlers.set('throw', {
    canHandle: stockThrowHandler.canHandle as (value: unknown) => value is { value: unknown },
    serialize: ({ value }: { value: unknown }) => [toWire(value), []],
    deserialize: (wire: WireError) => {
      throw fromWire(wire);
    },
  });
}

// Comlink marks thrown values with a symbol of its own; its stock handler is the one way to recognise them.
const stockThrowHandler = transferHandlers.get('throw')!;

export function toWire(error: unknown): WireError {
  if (!(error instanceof Error))
    return { name: 'Error', message: String(error), stack: undefined, code: undefined, cause: undefined };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: error instanceof PiramidError ? error.code : undefined,
    cause: error.cause === undefined ? undefined : toWire(error.cause),
  };
}

export function fromWire(wire: WireError): Error {
  const options = wire.cause ? { cause: fromWire(wire.cause) } : {};
  const error: Error = wire.code
    ? new PiramidError(wire.code, wire.message, options)
    : new Error(wire.message, options);
  if (!wire.code) Object.defineProperty(error, 'name', { __proto__: null, value: wire.name } as PropertyDescriptor);
  if (wire.stack) error.stack = wire.stack;
  return error;
}

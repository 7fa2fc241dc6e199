// The public types: what goes in, what comes out, and what each option means. Nothing here has behaviour.
import type { ErrorCode } from './errors.ts';
import type { FieldPath, FieldValues, Metadata, SettablePath, Where } from './fields.ts';

export type * from './fields.ts';

/** A record's id. Strings and numbers are kept apart: `1` is not `'1'`. Numbers are safe integers. */
export type RecordId = string | number;

/** A vector as users give it: `dimension` finite numbers. */
export type Vector = Float32Array | readonly number[];

/**
 * How near two vectors are. See `Match.score` for what each one scores. `'hamming'` and `'jaccard'` look at which numbers are
 * above 0 and at nothing else, so that 0 and 1, and -1 and 1, both mean a bit.
 */
export type Metric = 'cosine' | 'dot' | 'l2' | 'l1' | 'hamming' | 'jaccard';

/**
 * What is scanned to find records: `'none'`: the float32 numbers themselves; `'f16'`: their float16 roundings, on a GPU
 * alone (the CPU scans float32); `'int8'`: one byte a number; `'binary'`: one bit a number.
 */
export type Precision = 'none' | 'f16' | 'int8' | 'binary';

/** What a collection's queries scan: always the same, or what its size asks for. */
export type Quantization = Precision | 'auto';

/** A language by its ISO 639-1 code, whose endings are taken off words; `'none'`: words as they stand. */
export type Language =
  | 'ar'
  | 'hy'
  | 'bg'
  | 'da'
  | 'nl'
  | 'en'
  | 'fi'
  | 'fr'
  | 'de'
  | 'el'
  | 'hu'
  | 'hi'
  | 'id'
  | 'ga'
  | 'it'
  | 'lt'
  | 'ne'
  | 'no'
  | 'pt'
  | 'ro'
  | 'ru'
  | 'sr'
  | 'es'
  | 'sv'
  | 'ta'
  | 'tr'
  | 'none';

/** Finds a file that is loaded on demand: gives its URL, or what is in it. */
export type AssetLoader = (file: string) => Promise<string | Response | Blob | ArrayBuffer | Uint8Array>;

/** What runs the distance kernels. */
export type Device = 'webgpu' | 'wasm' | 'js';

/**
 * How rows lie on a GPU: `'interleaved'`, 64 side by side in pieces of 16 bytes, each read by a thread; `'row-major'`, one after
 * the other, each read by a subgroup. Whichever an adapter scans faster, as measured once; the answers are the same.
 */
export type Layout = 'interleaved' | 'row-major';

/** One record as written by `upsert`. It needs a `vector`, or a `text` (which the collection's embedder embeds). */
export interface VectorRecord<M extends object = Metadata> {
  /** Unique in its collection. */
  id: RecordId;
  /** `dimension` finite numbers; not all zero where the metric is cosine. Left out: embedded from `text`. */
  vector?: Vector;
  /** Found by `keywords` and `text` queries; returned by queries and `get`. */
  text?: string;
  /**
   * What the text stands under: a title, headings. Embedded and indexed in front of it; returned where `select` names it. Not shown, and
   * offsets in the text are not moved by it.
   */
  context?: string;
  /** Found by `where`; returned by queries and `get`. */
  metadata?: M;
}

/** One record as `get` returns it. */
export interface StoredRecord<M extends object = Metadata> {
  id: RecordId;
  /** As it was written. Absent where the text has no direction (see `CollectionOptions.embedder`). Shape: (dimension). */
  vector?: Float32Array;
  text?: string;
  /** Where `select` names it, and the record has one. */
  context?: string;
  metadata?: M;
}

/**
 * How the words of a query are looked for that is still being typed. A word counts once, whatever it is found as; words that are farther from what was
 * typed weigh less.
 */
export interface WordOptions {
  /**
   * The last word is the beginning of a word: "bak" finds "bakery" and "bakeries", the most frequent 64 such words. Stop words ("what") are no
   * such words. @default false
   */
  prefix?: boolean;
  /**
   * Words may have typing errors: one from 4 letters on, two from 8 letters on. A letter too many, missing, wrong, or two in the wrong order are one
   * error each. Words with digits and stop words have none. @default false
   */
  fuzzy?: boolean;
}

/** What `query` looks for, how many, and among which. At least one of `vector`, `text` and `keywords` is given. */
export interface Query<M extends object = Metadata> extends WordOptions {
  /** Find records near this vector; or how the vectors are searched, whoever gives the numbers. */
  vector?: Vector | VectorLeg;
  /** Find records that mean this and say this: the text's embedding and its words, fused. */
  text?: string;
  /** Find records that say these words: BM25 alone. Whole words, English ones in any of their forms; with `prefix`, beginnings too. */
  keywords?: string;
  /**
   * The last word of `text` or `keywords` is the beginning of a word (see `WordOptions`). The first query with `prefix` or `fuzzy` reads the
   * texts of all records, 0.1 ms a passage, while other queries are answered; from then on their words are kept in memory. @default false
   */
  prefix?: boolean;
  /** The words of `text` or `keywords` may have typing errors (see `WordOptions`). @default false */
  fuzzy?: boolean;
  /** How many matches to return: 1 to 10 000. @default 10; with `minScore` or `maxDistance`, and without `rerank`, 10 000 */
  k?: number;
  /**
   * Only matches that score at least so much (`Match.score`, compared as float32): the vector's score, BM25 of `keywords`, or the fused score.
   * With `k`, the best k of these; `complete` of the answer says whether there are more. Fused scores of metrics other than cosine, and of ranks,
   * are counted from what was found, so that a bound means something within one answer alone.
   */
  minScore?: number;
  /**
   * The same for metrics that are distances (`'l2'`, `'l1'`, `'hamming'`), as the distance: 0 or more. Only where no words are searched;
   * there, see `VectorLeg`.
   */
  maxDistance?: number;
  /**
   * How many of the best matches to leave out first: 0 to 10 000; with `minScore` or `maxDistance`, to the end of the range. Of a query for meaning and
   * words, pages behind the first 100 matches fuse longer lists, so that a record can move from one page to another. @default 0
   */
  offset?: number;
  /** Only records that match. The answer has min(k, matching records) entries. */
  where?: Where<M>;
  /** How what is said by meaning (vectors) and by words becomes one score. @default { weighted: {} } */
  fusion?: Fusion;
  /**
   * Puts the best matches in the order of a cross-encoder, which reads the query's `text` or `keywords` and each match's text
   * together: better on hard questions, at the price of a model's run for each match. `score` is then the reranker's, and `k` is at most
   * 1000. Matches without a text come last, with the score -Infinity; equal scores keep their order. `minScore` and `maxDistance` bound
   * what is reranked, by its score before. @default none
   */
  rerank?: string | Reranker | RerankOptions;
  /** Which fields to return beside `id` and `score`; `[]` for none (fastest). @default ['text', 'metadata'] */
  select?: readonly ('text' | 'context' | 'metadata' | 'vector')[];
  /** Look at the float32 numbers of every record, whatever the collection's quantization. @default false */
  exact?: boolean;
  /**
   * Multiplies the number of candidates that a `'binary'` collection scores by their float32 numbers: higher recall, more
   * time. Above 0, at most 1000. Only for vector queries of quantised collections that are not `exact`; for `'auto'`, on top of
   * what it picks itself. Without effect on `'int8'`, also where `'auto'` scans it: its answers are exact. @default 1
   */
  oversample?: number;
  /** Return the plan, each phase's time, and each leg's rank and score. @default false */
  explain?: boolean;
  /** Cancels the call: it rejects with `ABORTED`. */
  signal?: AbortSignal;
}

/** How the vectors of a query are searched. */
export interface VectorLeg {
  /** Find records near these numbers. @default the embedding of `text` */
  values?: Vector;
  /**
   * Only vectors that score at least so much (compared as float32). A record that is found by words is returned without its vector's share:
   * to leave it out, bound the fused score (`Query.minScore`).
   */
  minScore?: number;
  /** The same as a distance, for metrics that are distances. */
  maxDistance?: number;
}

/** What puts the matches of a query in a better order. */
export interface RerankOptions {
  /** A cross-encoder of transformers.js by name, which needs `piramid/rag-worker`, or your own. */
  model: string | Reranker;
  /**
   * How many of the best matches are scored, 1 to 1000; never fewer than `offset` and `k` together. Pages of one answer
   * agree with each other as long as they end before this number. @default 50
   */
  candidates?: number;
  /** Called while files of the model are loaded. */
  onProgress?: (progress: ModelProgress) => void;
}

/** How ranked lists are combined. */
export type Fusion =
  /** Reciprocal rank fusion (Cormack et al. 2009): a record scores the sum of 1 / (rrfConstant + rank), rank from 1. */
  | { rrf: { /** @default 60 */ rrfConstant?: number } }
  /**
   * The sum of two weighted shares, each 0 to 1: the cosine (0 where it is below; of other metrics, the score between the least and the greatest
   * that were found), and the BM25 score over the greatest that the query's words could reach. Both legs score all that either of them
   * has found (the best 100, or as many as are asked for), so a record that is in one list alone is not worth nothing in the other.
   */
  | {
      weighted: {
        /** @default 0.3 with the built-in embedder, else 0.5 */
        vector?: number;
        /** @default 0.7 with the built-in embedder, else 0.5 */
        words?: number;
      };
    };

/** One answer of a query. */
export interface Match<M extends object = Metadata> {
  id: RecordId;
  /**
   * Higher is closer, always. Cosine: the cosine, -1 to 1. Dot: the dot product. L2: the negated Euclidean distance.
   * L1: the negated sum of absolute differences. Hamming: the negated number of places where one vector is above 0 and
   * the other is not. Jaccard: the places where both are above 0, over those where one is; 1 where none is.
   * Keywords: BM25. Vectors and words: the fused score, 0 to 1 by default. With `rerank`: how well the text answers, 0 to 1 from a
   * named model (the sigmoid of its logit).
   */
  score: number;
  text?: string;
  /** Where `select` names it, and the record has one. */
  context?: string;
  metadata?: M;
  /** Shape: (dimension). */
  vector?: Float32Array;
  /** With `explain`: what each leg said of this record. A leg that has nothing to say of it is absent. */
  legs?: { vector?: LegScore; words?: LegScore };
  /** With `explain` and `rerank`: its place and score before. */
  before?: Required<LegScore>;
}

/** A record's place in one leg of a query. */
export interface LegScore {
  /** From 1. Absent where it was not among the best of this leg, and is scored because the other one found it. */
  rank?: number;
  /** The leg's own score, see `Match.score`. */
  score: number;
}

/** The matches of a query, best first; equal scores in order of writing. */
export interface Matches<M extends object = Metadata> extends Array<Match<M>> {
  /**
   * Whether these are certainly the best matches: false where binary codes were scanned (see `CollectionOptions.quantization`). With `rerank`: whether the
   * best matches were reranked.
   */
  exact: boolean;
  /**
   * Whether these, with the `offset` before them, are certainly all that match. False where `k` has cut the list (a range ends
   * at 10 000: ask for the next ones with `offset`), where binary codes were scanned, which may miss one, and where a word
   * that is still being typed may stand for more words than are looked for.
   */
  complete: boolean;
  /** Time in the worker, and of `rerank`, milliseconds. */
  took: number;
  /** With `explain`: how the answer was found. */
  plan?: QueryPlan;
}

/** How a query was answered. Times are milliseconds in the worker. */
export interface QueryPlan {
  /** What scanned the vectors or their codes; absent where neither was. */
  device?: Device;
  /** Why that device: what was to be scanned and from where on a GPU pays, or why there was no asking one. Absent like `device`. */
  route?: string;
  /** What was scanned: the vectors themselves ('none'), their float16 roundings, or codes. Absent like `device`. */
  tier?: Precision;
  /** How the rows that a GPU scanned lie there. */
  layout?: Layout;
  /** With `quantization: 'auto'`: what that was chosen by. Absent where the query was answered otherwise (`exact`). */
  why?: string;
  /** Workers that scanned side by side; absent: one. Without a GPU, vectors above 32 MB are spread over up to 4. */
  workers?: number;
  /**
   * How many records the scan of codes left to be scored by their float32 numbers. For `'int8'` the records in doubt: those that
   * could be among the best by what the codes prove; `k` and a few more, unless many are alike.
   */
  candidates?: number;
  /** Rows that the filter let through, of all live rows. */
  filtered?: { matched: number; of: number };
  /**
   * What of the query can hardly be meant (a field that no record has, a string where only numbers stand), and with `prefix` and `fuzzy` the words that
   * were looked for, one sentence each. Absent: nothing.
   */
  notes?: string[];
  /** In order of running: 'embed', 'forms' (what `prefix` and `fuzzy` need is made), 'filter', 'scan', 'rescore', 'words', 'fuse', 'payload', 'rerank'. */
  phases: { name: string; ms: number }[];
}

/** What a collection is. The options are stored; opening it with others is `CONFIG_MISMATCH`. */
export interface CollectionOptions {
  /** Length of every vector, 1 to 65 536. Left out: the embedder's; without one, the collection holds text only. */
  dimension?: number;
  /** @default 'cosine' */
  metric?: Metric;
  /**
   * What embeds texts written or asked without a vector: `'static-en'` (built in, English, 256 numbers, no ML runtime),
   * a transformers.js model by name, its options, or your own function. A text without direction (no known word)
   * gives a record without a vector, found by its words. Another one than stored is `MODEL_MISMATCH`. @default none
   */
  embedder?: string | EmbedderOptions | Embedder;
  /**
   * What queries scan. `'none'`: the vectors, exactly. `'f16'`: as exactly, in half of a GPU's memory, and without one like
   * `'none'`. `'int8'` (for cosine, dot and l2): a copy of a quarter of the size, then the vectors of the few records that could be among
   * the best; as exactly, in less time. Each answer is proven; where records are too much alike for that, all vectors are scanned.
   * `'binary'` (for the same metrics): a copy of a thirtieth, then the best candidates' vectors; fastest, but a match may be missed:
   * `recallCheck` measures how often, `exact` and `oversample` of a query avoid it.
   * Scores are exact in each case, and vectors are always kept in full.
   *
   * `'auto'`: `'none'` as long as the float32 numbers of all rows fit into `OpenOptions.scanBudget`, `'int8'` up to four times
   * as many, and `'binary'` with twice the candidates above. As records come and, after compaction, go, it changes by itself, in the
   * background, while queries are answered as before; that takes the memory of the vectors twice. Metrics without codes
   * are scanned exactly whatever their size. `stats()` and `explain` say what is scanned and why. @default 'none'
   */
  quantization?: Quantization;
  /**
   * Language of the texts: which endings are taken off words, so that "книги" finds "книга". German compounds stay whole.
   * Languages other than English need `stemmers.js`, see `OpenOptions.assets`; where it is not there, words are `UNSUPPORTED`, and all else works.
   * Cannot be changed. @default each word by its script: Latin as English; Cyrillic, Greek, Arabic, Devanagari, Armenian and Tamil as Russian,
   * Greek, Arabic, Hindi, Armenian and Tamil from the first such text on for which `stemmers.js` can be loaded, else as it stands
   */
  language?: Language;
}

/** A transformers.js embedding model. */
export interface EmbedderOptions {
  /** Name on the hub, or of a folder below `models.path`. */
  model: string;
  /** Weights to load, as transformers.js names them. @default 'q8' */
  dtype?: string;
  /** @default the model's own where it is known (bge, e5, arctic, nomic), else 'mean' */
  pooling?: 'mean' | 'cls' | 'last';
  /** Put before each query. @default the model's own where it is known, else '' */
  queryPrefix?: string;
  /** Put before each stored text. @default the model's own where it is known, else '' */
  documentPrefix?: string;
}

/** Turns texts into vectors. Implement it to bring your own model; it then runs where you call it. */
export interface Embedder {
  /** Length of the vectors. */
  readonly dimension: number;
  /** Names the vector space: model, revision, pooling, prefixes. Vectors of different fingerprints are never mixed. */
  readonly fingerprint: string;
  /** One vector per text, in order; `null` for a text without direction. */
  embed(
    texts: readonly string[],
    options: { kind: 'query' | 'document'; signal?: AbortSignal },
  ): Promise<(Float32Array | null)[]>;
}

/** A message of a conversation with a generator. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** Writes text. Implement it to bring your own model to `ask`. */
export interface Generator {
  /** Shown as the author of what it writes. */
  readonly name: string;
  /** Yields the answer piece by piece. */
  generate(
    messages: readonly ChatMessage[],
    options: { signal?: AbortSignal; maxTokens?: number },
  ): AsyncIterable<string>;
  /** Whether the model can read so much and write `maxTokens` more. `ask` shortens the sources until it says so. @default it can */
  fits?(messages: readonly ChatMessage[], options: { signal?: AbortSignal; maxTokens?: number }): Promise<boolean>;
}

/** Scores how well each text answers the query. Implement it to bring your own model; it then runs on the page. */
export interface Reranker {
  /** One finite number per text, in order; higher is better. */
  rerank(query: string, texts: readonly string[], options: { signal?: AbortSignal }): Promise<number[]>;
}

/** How far a model's download is. */
export interface ModelProgress {
  model: string;
  /** The file being loaded. */
  file: string;
  /** Bytes of that file. */
  loadedBytes: number;
  /** Bytes of that file; 0 where the server does not say. */
  totalBytes: number;
}

/** A loaded model. */
export interface ModelInfo {
  name: string;
  task: 'embed' | 'generate' | 'rerank';
  /** Where it runs. */
  device: Device;
  /** Milliseconds from the call to ready. */
  loadMs: number;
}

/**
 * A model's files by their paths in its folder. The built-in embedder's are `raw/table.u4`, `raw/scales.f32` and `tokenizer.json`: the
 * package `piramid-static-en` exports them in this shape.
 */
export interface ModelBytes {
  readonly 'static-en'?: { readonly [path: string]: Blob | ArrayBuffer | Uint8Array };
}

/** Where models come from. */
export interface ModelSource {
  /**
   * URL of a folder with one folder per model, relative to the page. Looked in before the hub. @default 'models/' in `assets`, if that
   * is a URL; or else nowhere
   */
  path?: string;
  /** May missing models be downloaded from the Hugging Face hub? @default true */
  remote?: boolean;
  /**
   * URL of the folder with ONNX Runtime's .mjs and .wasm files and, for pages without a bundler, `transformers.min.js`. @default 'onnx/' in `assets`, if that is a URL; or else beside the
   * worker's bundle
   */
  runtime?: string;
  /**
   * The built-in embedder's files, so that nothing is fetched (on `file://`, in an extension). Their hashes are checked like those of
   * fetched files when the model is loaded: others are `MODEL_FAILED`. A file that is not here comes from `path`.
   */
  bytes?: ModelBytes;
}

/** Options of `open`. Where tabs share a database, `device`, `durability` and `models` are those of the tab that leads it. */
export interface OpenOptions {
  /** Where records live. `'memory'` writes nothing, is shared with nobody and ends with the page. @default 'indexeddb' */
  storage?: 'indexeddb' | 'memory';
  /**
   * What runs the distance kernels. `'auto'` takes a real GPU, then WASM SIMD, then JavaScript, and never a
   * software GPU. A named one that is missing is `UNSUPPORTED`. @default 'auto'
   */
  device?: 'auto' | Device;
  /**
   * `'strict'`: an acknowledged write survives power loss. `'relaxed'`: it survives the death of tab and browser, but
   * power loss may take the last seconds; faster where writes are small. @default 'strict'
   */
  durability?: 'strict' | 'relaxed';
  /**
   * Makes the worker, for pages whose CSP forbids `blob:` workers and for models: serve `piramid/worker` or
   * `piramid/rag-worker` yourself. @default the engine inlined in this bundle
   */
  worker?: () => Worker;
  /**
   * Whether to ask the browser, at the first write, not to clear this origin's storage when space runs short
   * (`navigator.storage.persist()`; some browsers ask the user). @default true
   */
  persist?: boolean;
  /** Where models come from. */
  models?: ModelSource;
  /**
   * URL of the folder that `npx piramid copy-assets` or the Vite plugin `piramid/vite` filled, relative to the page: models, ONNX
   * Runtime and `stemmers.js`, each loaded only when it is needed. Or a function that finds `stemmers.js` (for `file://`, strict
   * policies). @default `stemmers.js` beside the file that holds this library, no models
   */
  assets?: string | AssetLoader;
  /**
   * Encrypts what is stored (AES-GCM): 32 random bytes, or a `CryptoKey` of AES-GCM to encrypt and decrypt. A new database is
   * encrypted from then on and opens with its key alone: another one, none, or one for a database without encryption is
   * `WRONG_KEY`. Whoever loses the key loses the records. Needs https. @default not encrypted
   */
  key?: CryptoKey | Uint8Array;
  /**
   * How many bytes one query of a collection with `quantization: 'auto'` may scan: what does not fit in float32 is scanned as int8,
   * and what does not fit as int8 as binary codes. 1 or more. Not stored; with several tabs, that of the tab that
   * leads counts. @default 1/32 of `navigator.deviceMemory` (4 GiB where a browser does not say): 128 MiB for 4 GiB
   */
  scanBudget?: number;
  /** Milliseconds without a sign of life from the worker after which calls reject with `TIMEOUT`. @default 60000 */
  timeout?: number;
}

/** Options of calls that can be cancelled. */
export interface CallOptions {
  /** Cancels the call: it rejects with `ABORTED`. A write that is already being made durable completes instead. */
  signal?: AbortSignal;
}

/** How far a long piece of work is. */
export interface Progress {
  /** Rows so far, of `total`. */
  done: number;
  total: number;
}

/** Options of `compact`. */
export interface CompactOptions extends CallOptions {
  /** Called after each slice of the work. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `export`. */
export interface ExportOptions extends CallOptions {
  /** Names of the collections to export. @default all */
  collections?: readonly string[];
  /** Called after each block of the file. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `import`. */
export interface ImportOptions extends CallOptions {
  /** Collections that are to have other names than in the file: `{ notes: 'old notes' }`. */
  rename?: { readonly [nameInFile: string]: string };
  /** Called after each MiB of the file. */
  onProgress?: (progress: Progress) => void;
}

/** What an import brought in. */
export interface Imported {
  /** Names of the new collections. */
  collections: string[];
  records: number;
}

/** What a compaction did. */
export interface Compacted {
  /** Deleted rows that are gone for good. */
  rows: number;
  /** Bytes on disk before and after, as `stats` counts them. */
  bytesBefore: number;
  bytesAfter: number;
}

/** What `upsert` does with ids that exist (or do not). */
export interface UpsertOptions extends CallOptions {
  /**
   * `'upsert'`: adds or replaces. `'insert'`: an existing id is `CONFLICT`. `'update'`: a missing id is `NOT_FOUND`.
   * In each case whole records are written, all of them or none; `update` changes metadata alone. @default 'upsert'
   */
  mode?: 'upsert' | 'insert' | 'update';
}

/**
 * Which records a call is about: those of these ids, those that match, or all. A filter that lets every record through (`{}`) is
 * refused: say `{ all: true }`.
 */
export type Target<M extends object = Metadata> = { ids: readonly RecordId[] } | { where: Where<M> } | { all: true };

/**
 * What `update` changes. Fields are paths (`'author.name'`). One that runs through a list is refused (`INVALID_ARGUMENT`), and so is one of
 * `set` through a value that is no object: set the list, or the value, as a whole.
 */
export interface Changes<M extends object = Metadata> {
  /** Metadata fields to write; objects on the way are made. Of the fields `text` and `vector` this is refused: a record has its own. */
  set?: FieldValues<M>;
  /** Metadata fields to remove, after `set`. */
  unset?: readonly SettablePath<M>[];
  /** The records' text from now on. Where the collection has an embedder, and no `vector` is given, it is embedded. */
  text?: string;
  /** Of that text, see `VectorRecord.context`. A new text without one has none. */
  context?: string;
  /** The records' vector from now on. */
  vector?: Vector;
}

/** What `get` returns of each record. */
export interface GetOptions extends CallOptions {
  /** @default ['text', 'metadata', 'vector'] */
  select?: readonly ('text' | 'context' | 'metadata' | 'vector')[];
}

/** Which page of records `scroll` returns. */
export interface ScrollOptions<M extends object = Metadata> extends GetOptions {
  where?: Where<M>;
  /** 1 to 10 000. @default 100 */
  limit?: number;
  /** `next` of the page before. Good as long as the database is open; `INVALID_ARGUMENT` once it was compacted and opened anew. */
  cursor?: string;
}

/** One page of records in order of writing. */
export interface ScrollPage<M extends object = Metadata> {
  records: StoredRecord<M>[];
  /** Give it as `cursor` for the next page; absent on the last. */
  next?: string;
}

/** Whose values `facets` counts. */
export interface FacetOptions<M extends object = Metadata, Path extends FieldPath<M> = FieldPath<M>>
  extends CallOptions {
  /** Path of a metadata field. */
  field: Path;
  where?: Where<M>;
  /** The most frequent this many values, 1 to 10 000. @default 100 */
  limit?: number;
}

/** What `recallCheck` measures, and on how much. */
export interface RecallCheckOptions extends CallOptions {
  /** How many records to take as queries, and how many places between records: 1 to 10 000. @default 100 */
  sample?: number;
  /** How many neighbours of each: 1 to 1000. @default 10 */
  k?: number;
}

/** How well a collection's queries find what is really nearest. */
export interface RecallCheck {
  /** Share of the true k nearest that queries of both kinds find, 0 to 1. Ties count as found. */
  recall: number;
  /** Of queries that are records themselves. A record is not its own neighbour. Easier than most questions: records lie close together. */
  atRecords: number;
  /**
   * Of queries in the middle of eight records drawn at random, none of which counts as a neighbour: near no record, like most
   * questions. 1 where there are no two records.
   */
  betweenRecords: number;
  k: number;
  /** Records that were taken as queries: fewer than asked for where there are fewer. */
  sample: number;
  /** Median milliseconds of an exact query in the worker. */
  exactMs: number;
  /** Median milliseconds of a query as the collection answers it. */
  approximateMs: number;
}

/** A collection as `listCollections` shows it. */
export interface CollectionInfo {
  name: string;
  /** Absent for a collection of text only. */
  dimension?: number;
  metric: Metric;
  /** Absent: 'none'. */
  quantization?: Quantization;
  /** Fingerprint of the embedder. */
  embedder?: string;
  /** The told language of its texts. */
  language?: Language;
  /** Live records. */
  count: number;
}

/** Measures of one collection. */
export interface CollectionStats extends CollectionInfo {
  /** What scans its vectors now. */
  device: Device;
  /** How its rows lie on the GPU; absent where none are there. */
  layout?: Layout;
  /** With `quantization: 'auto'`, once it is loaded: what queries scan now. */
  tier?: Precision;
  /** What that was chosen by. */
  why?: string;
  /** Rows held, deleted ones that await compaction included. */
  rows: number;
  /** Bytes of its vectors and indexes in each place. */
  bytes: { gpu: number; memory: number; disk: number };
}

/** Something stored that fails its checks, and what it takes with it. Everything else is answered as ever. */
export interface Damage {
  /** Name of the collection; absent where not even that can be read. */
  collection?: string;
  /**
   * What is gone, or will be with `repair`: 'records' with all they had, their 'vectors', 'texts' or 'metadata', or their
   * 'deletions' (without knowing what was deleted, the collection is not opened). 'nothing': a part that is made anew.
   */
  what: 'records' | 'vectors' | 'texts' | 'metadata' | 'deletions' | 'nothing';
  /** How many records may be concerned; 0 where that cannot be read. */
  records: number;
  /** Which stored value it is and what is wrong with it. */
  message: string;
}

/** The database is not what it was when it was last open: the browser lost it, or a part of it. */
export interface DataLoss {
  /** 'everything': it is another, new database. 'writes': the latest writes are missing. */
  what: 'everything' | 'writes';
  /** Records when it was last seen. Absent for an encrypted database. */
  recordsBefore?: number;
  recordsNow: number;
}

/** Events of a `Database`, by name: what their `detail` is. */
export interface DatabaseEvents {
  /** Something stored has been found damaged. */
  damage: Damage;
  /** Found when the database was opened, and dispatched right after. */
  dataloss: DataLoss;
  /** The storage is full: from now on only deletions are written. `code` as the writes that fail have it. */
  readonly: { code: ErrorCode; message: string };
  /** Writes are taken again. */
  writable: null;
}

/** Measures of one database. */
export interface DatabaseStats {
  name: string;
  /**
   * What this tab is to the database: the leader's worker has it open and answers everybody's calls, those of the followers
   * are sent to it. The bytes and devices below are the leader's. A database that is not shared is led.
   */
  role: 'leader' | 'follower';
  storage: 'indexeddb' | 'memory';
  device: Device;
  /** The GPU, as its driver names it; absent without one. */
  adapter?: string;
  /**
   * With a GPU and `device: 'auto'`: a single search through fewer bytes than these is answered on the CPU before a GPU's
   * answer could be here; one of a batch pays sooner. Measured at the first visit with this GPU and release, and once a month.
   */
  gpuFromBytes?: number;
  /** Bytes of all collections on the GPU; absent without one. */
  gpuBytes?: number;
  /**
   * What these may be at most: half of the machine's memory as far as the browser says, or less where the GPU could not hold so much. Where
   * it is used up, float32 copies become float16 ones, and copies that no query used for a minute are given up.
   */
  gpuBudget?: number;
  collections: CollectionStats[];
  /** Bytes handed to the browser's storage since the database was opened. */
  bytesWritten: number;
  /** Whether the storage is full, so that only deletions are written. */
  isReadOnly: boolean;
  /** What has been found damaged since the database was opened, see `Database.repair`. */
  damage: Damage[];
  /** What the browser says of the origin's storage, bytes. Absent where it does not say. */
  quota?: { usage: number; quota: number };
  /** Whether the browser has promised not to clear the origin's storage by itself. Absent where it does not say. */
  isPersistent?: boolean;
}

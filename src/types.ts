// The public types: what goes in, what comes out, and what each option means. Nothing here has behaviour.
import type { ErrorCode } from './errors.ts';
import type { FieldPath, FieldValues, Metadata, SettablePath, Where } from './fields.ts';

export type * from './fields.ts';

/** A record's id. Strings and numbers are kept apart: `1` is not `'1'`. Numbers are safe integers. */
export type RecordId = string | number;

/** A vector as users give it: `dimension` finite numbers. */
export type Vector = Float32Array | readonly number[];

/**
 * How the distance of two vectors is measured. `Match.score` says what each one scores. `'hamming'` and `'jaccard'`
 * only see which numbers are above 0, so 0 and 1 are a bit, and so are -1 and 1.
 */
export type Metric = 'cosine' | 'dot' | 'l2' | 'l1' | 'hamming' | 'jaccard';

/**
 * What is scanned to find records. `'none'`: the float32 numbers themselves. `'f16'`: their float16 roundings, on a GPU
 * only (the CPU scans float32). `'int8'`: one byte per number. `'binary'`: one bit per number.
 */
export type Precision = 'none' | 'f16' | 'int8' | 'binary';

/** What a collection's queries scan: a fixed precision, or `'auto'`, chosen by its size. */
export type Quantization = Precision | 'auto';

/** A language by its ISO 639-1 code: words are stemmed in it. `'none'`: no stemming. */
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

/** Finds a file that is loaded on demand: returns its URL or its content. */
export type AssetLoader = (file: string) => Promise<string | Response | Blob | ArrayBuffer | Uint8Array>;

/** What runs the distance kernels. */
export type Device = 'webgpu' | 'wasm' | 'js';

/**
 * How rows lie in GPU memory. `'interleaved'`: 64 rows side by side in pieces of 16 bytes, one thread per row.
 * `'row-major'`: one row after the other, one subgroup per row. An adapter uses the one that it scans faster, measured
 * once. The answers are the same.
 */
export type Layout = 'interleaved' | 'row-major';

/** One record as written by `upsert`. It needs a `vector`, or a `text` (which the collection's embedder embeds). */
export interface VectorRecord<M extends object = Metadata> {
  /** Unique in its collection. */
  id: RecordId;
  /** `dimension` finite numbers; for cosine not all zero. Without it, the vector is embedded from `text`. */
  vector?: Vector;
  /** Found by `keywords` and `text` queries; returned by queries and `get`. */
  text?: string;
  /**
   * What the text belongs under: a title, headings. It is embedded and indexed in front of the text, and is no part of
   * it: offsets in the text do not count it. Returned where `select` names it.
   */
  context?: string;
  /** Found by `where`; returned by queries and `get`. */
  metadata?: M;
}

/** One record as `get` returns it. */
export interface StoredRecord<M extends object = Metadata> {
  id: RecordId;
  /**
   * As it was written. Absent where the text has no direction (see `CollectionOptions.embedder`). Shape: (dimension).
   */
  vector?: Float32Array;
  text?: string;
  /** Present if `select` names it and the record has one. */
  context?: string;
  metadata?: M;
}

/**
 * How words are searched while the query is still being typed. A word counts once, whatever it is found as. Words that
 * are farther from what was typed weigh less.
 */
export interface WordOptions {
  /**
   * The last word is the beginning of a word: "bak" finds "bakery" and "bakeries". The 64 most frequent such words are
   * searched. Stop words ("what") are not among them. @default false
   */
  prefix?: boolean;
  /**
   * Words may have typing errors: one from 4 letters on, two from 8 letters on. An extra, missing or wrong letter is
   * one error, and so are two swapped letters. Words with digits and stop words must be exact. @default false
   */
  fuzzy?: boolean;
}

/** By which field records are sorted. */
export interface OrderBy<M extends object = Metadata> {
  /** Path of a metadata field. */
  field: FieldPath<M>;
  /** @default 'ascending' */
  direction?: 'ascending' | 'descending';
}

/**
 * What `query` looks for, how many, and among which. At least one of `vector`, `text`, `keywords`, `where` and `orderBy` is given. With `where`
 * and `orderBy` alone, the answer is what the filter lets through, sorted.
 */
export interface Query<M extends object = Metadata> extends WordOptions {
  /** Find records near this vector. As an object: how vectors are searched, also those that `text` is embedded into. */
  vector?: Vector | VectorLeg;
  /** Find records by meaning and by words: the text's embedding and its words, fused. */
  text?: string;
  /**
   * Find records that contain these words: BM25 alone. Whole words, in any of their forms; with `prefix`, beginnings
   * too.
   */
  keywords?: string;
  /**
   * The last word of `text` or `keywords` is the beginning of a word (see `WordOptions`). The first query with `prefix`
   * or `fuzzy` reads the texts of all records (0.1 ms per passage), while other queries are answered. From then on
   * their words are kept in memory. @default false
   */
  prefix?: boolean;
  /** The words of `text` or `keywords` may have typing errors (see `WordOptions`). @default false */
  fuzzy?: boolean;
  /**
   * How many matches to return: 1 to 10 000. @default 10; with `minScore` or `maxDistance`, and without `rerank`, 10
   * 000
   */
  k?: number;
  /**
   * Only matches with at least this score (`Match.score`, compared as float32): the vector's score, BM25 of `keywords`,
   * or the fused score. With `k`, the best k of these; `complete` of the answer says whether there are more. Fused
   * scores of ranks, and of metrics other than cosine, are relative to what was found, so a bound on them only has a
   * meaning within one answer.
   */
  minScore?: number;
  /**
   * The same bound as a distance, 0 or more, for metrics that are distances (`'l2'`, `'l1'`, `'hamming'`). Only for
   * queries without words; with words, see `VectorLeg`.
   */
  maxDistance?: number;
  /**
   * How many of the best matches to skip: 0 to 10 000; with `minScore` or `maxDistance`, up to the end of the range. In
   * a query for meaning and words, pages beyond the first 100 matches fuse longer lists, so a record can move from one
   * page to another. @default 0
   */
  offset?: number;
  /** Only records that match. The answer has min(k, matching records) entries. */
  where?: Where<M>;
  /**
   * Sorts what a filter alone lets through: by one field, or by several, the first first. Not with `vector`, `text` or `keywords`, which sort by
   * score. Ascending is null, false, true, numbers, dates, strings (by code unit). Records without the field come last in both
   * directions; of several values of one field, the one that comes first counts. Equal records keep the order of writing.
   * @default the order of writing
   */
  orderBy?: FieldPath<M> | OrderBy<M> | readonly (FieldPath<M> | OrderBy<M>)[];
  /** How the scores of meaning (vectors) and words become one. @default { weighted: {} } */
  fusion?: Fusion;
  /**
   * Reorders the best matches by a cross-encoder, which reads the query's `text` or `keywords` together with each
   * match's text. Better on hard questions, at the price of one model run per match. `score` is then the reranker's,
   * and `k` is at most 1000. Matches without a text come last, with the score -Infinity; equal scores keep their order.
   * `minScore` and `maxDistance` bound what is reranked, by its score before. @default none
   */
  rerank?: string | Reranker | RerankOptions;
  /** Which fields to return beside `id` and `score`; `[]` for none (fastest). @default ['text', 'metadata'] */
  select?: readonly ('text' | 'context' | 'metadata' | 'vector')[];
  /** Scan the float32 numbers of every record, whatever the collection's quantization. @default false */
  exact?: boolean;
  /**
   * Multiplies the number of candidates that a `'binary'` collection scores by their float32 numbers: higher recall,
   * more time. Above 0, at most 1000. Only for vector queries of quantized collections that are not `exact`. With
   * `'auto'` it multiplies what `'auto'` chooses. It has no effect on `'int8'`, whose answers are exact. @default 1
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
   * Only vectors with at least this score (compared as float32). A record that words have found is still returned,
   * without its vector's share: to leave it out, bound the fused score (`Query.minScore`).
   */
  minScore?: number;
  /** The same as a distance, for metrics that are distances. */
  maxDistance?: number;
}

/** How the matches of a query are reranked. */
export interface RerankOptions {
  /** A cross-encoder of transformers.js by name, which needs `piramid/rag-worker`, or your own. */
  model: string | Reranker;
  /**
   * How many of the best matches are scored, 1 to 1000; never fewer than `offset` and `k` together. Pages of one answer
   * are consistent as long as they end before this number. @default 50
   */
  candidates?: number;
  /** Called while files of the model are loaded. */
  onProgress?: (progress: ModelProgress) => void;
}

/**
 * How the lists of both legs are combined. `rrf`: by ranks alone. `weighted`: a weighted sum of each leg's score as a
 * share of 0 to 1, in which a record that one leg did not find still gets that leg's score.
 */
export type Fusion =
  /** Reciprocal rank fusion (Cormack et al. 2009): a record scores the sum of 1 / (rrfConstant + rank), rank from 1. */
  | { rrf: { /** @default 60 */ rrfConstant?: number } }
  /**
   * The sum of two weighted shares, each 0 to 1: the cosine (negative ones count as 0; for other metrics, the score's
   * place between the lowest and the highest found), and the BM25 score over the highest that the query's words could
   * reach. Both legs score everything that either of them found (the best 100, or more if asked for), so a record in
   * one list alone also counts in the other.
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
   * L1: the negated sum of absolute differences. Hamming: the negated number of places where exactly one vector is
   * above 0. Jaccard: the places where both are above 0, over those where at least one is; 1 if there are none.
   * Keywords: BM25. Vectors and words: the fused score, 0 to 1 by default. With `rerank`: how well the text answers, 0
   * to 1 from a named model (the sigmoid of its logit). Of a query for neither vectors nor words: 0.
   */
  score: number;
  text?: string;
  /** Present if `select` names it and the record has one. */
  context?: string;
  metadata?: M;
  /** Shape: (dimension). */
  vector?: Float32Array;
  /** With `explain`: each leg's rank and score of this record. A leg that did not score it is absent. */
  legs?: { vector?: LegScore; words?: LegScore };
  /** With `explain` and `rerank`: its rank and score before reranking. */
  before?: Required<LegScore>;
}

/** A record's rank and score in one leg of a query. */
export interface LegScore {
  /** From 1. Absent if this leg did not rank the record, and scored it only because the other leg found it. */
  rank?: number;
  /** The leg's own score, see `Match.score`. */
  score: number;
}

/** The matches of a query, best first; equal scores in order of writing. */
export interface Matches<M extends object = Metadata> extends Array<Match<M>> {
  /**
   * Whether these are certainly the best matches. False if binary codes were scanned (see `CollectionOptions.quantization`).
   * With `rerank`: whether the best matches were reranked.
   */
  exact: boolean;
  /**
   * Whether these, with the `offset` before them, are certainly all matches. False if `k` cut the list (a range ends at
   * 10 000: ask for the next ones with `offset`), if binary codes were scanned, which may miss one, or if a word that is still
   * being typed may stand for more words than were searched.
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
  /** Why this device: bytes to scan and the GPU's break-even, or why no GPU was considered. Absent like `device`. */
  route?: string;
  /** What was scanned: the vectors themselves ('none'), their float16 roundings, or codes. Absent like `device`. */
  tier?: Precision;
  /** Layout of the rows that a GPU scanned. */
  layout?: Layout;
  /** With `quantization: 'auto'`: why this tier. Absent if the query did not use it (`exact`). */
  why?: string;
  /**
   * Number of workers that scanned side by side; absent: one. Without a GPU, vectors above 32 MB are spread over up to
   * 4.
   */
  workers?: number;
  /**
   * How many records the scan of codes left to be scored by their float32 numbers. For `'int8'` these are the records
   * in doubt: those that could be among the best as far as the codes prove. They are `k` and a few more, unless many
   * records are alike.
   */
  candidates?: number;
  /** How many rows match the filter, of all live rows. */
  filtered?: { matched: number; of: number };
  /**
   * Likely mistakes in the query (a field that no record has, a string for a field with numbers only), and with
   * `prefix` and `fuzzy` the words that were searched; one sentence each. Absent if there are none.
   */
  notes?: string[];
  /**
   * In order of running: 'embed', 'forms' (builds what `prefix` and `fuzzy` need), 'filter', 'scan', 'rescore',
   * 'words', 'fuse', 'payload', 'rerank'.
   */
  phases: { name: string; ms: number }[];
}

/** Options of a collection. They are stored; opening it with other ones is `CONFIG_MISMATCH`. */
export interface CollectionOptions {
  /**
   * Length of every vector, 1 to 65 536. @default the embedder's; without an embedder, the collection holds text only
   */
  dimension?: number;
  /** @default 'cosine' */
  metric?: Metric;
  /**
   * Embeds texts that are written or asked without a vector: `'static-en'` (built in, English, 256 numbers, no ML
   * runtime), a transformers.js model by name, its options, or your own embedder. A text without direction (no known
   * word) becomes a record without a vector, which is found by its words. Another embedder than the stored one is
   * `MODEL_MISMATCH`. @default none
   */
  embedder?: string | EmbedderOptions | Embedder;
  /**
   * What queries scan. `'none'`: the vectors, exactly. `'f16'`: as exact, in half of a GPU's memory; without a GPU like
   * `'none'`. `'int8'` (for cosine, dot and l2): a copy of a quarter of the size, then the vectors of the few records
   * that could be among the best. It is as exact, in less time: each answer is proven, and where records are too much
   * alike for a proof, all vectors are scanned. `'binary'` (for the same metrics): a copy of a thirtieth, then the
   * vectors of the best candidates. It is the fastest, but may miss a match: `recallCheck` measures how often, and
   * `exact` and `oversample` of a query avoid it. Scores are exact in each case, and vectors are always kept in full.
   *
   * `'auto'`: `'none'` while the float32 numbers of all rows fit into `OpenOptions.scanBudget`, `'int8'` up to four
   * times as many, and above that `'binary'` with twice the candidates. It changes by itself as records are written
   * and, after compaction, deleted: in the background, while queries are answered as before. During the change it takes
   * the memory of the vectors twice. Metrics without codes are scanned exactly whatever their size. `stats()` and
   * `explain` say what is scanned and why. @default 'none'
   */
  quantization?: Quantization;
  /**
   * Language of the texts, in which words are stemmed, so that "книги" finds "книга". German compounds stay whole.
   * Languages other than English need `stemmers.js` (see `OpenOptions.assets`); without it, words are `UNSUPPORTED`,
   * and everything else works. It cannot be changed. @default each word by its script. Latin: English. Cyrillic, Greek,
   * Arabic, Devanagari, Armenian and Tamil: Russian, Greek, Arabic, Hindi, Armenian and Tamil, from the first such text
   * for which `stemmers.js` can be loaded; until then unstemmed
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
  /**
   * Whether the model can read these messages and write `maxTokens` more. `ask` shortens the sources until it can.
   * @default it can
   */
  fits?(messages: readonly ChatMessage[], options: { signal?: AbortSignal; maxTokens?: number }): Promise<boolean>;
}

/** Scores how well each text answers the query. Implement it to bring your own model; it then runs on the page. */
export interface Reranker {
  /** One finite number per text, in order; higher is better. */
  rerank(query: string, texts: readonly string[], options: { signal?: AbortSignal }): Promise<number[]>;
}

/** Progress of a model's download. */
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
 * A model's files by their paths in its folder. The built-in embedder's are `raw/table.u4`, `raw/scales.f32` and
 * `tokenizer.json`: the package `piramid-static-en` exports them in this shape.
 */
export interface ModelBytes {
  readonly 'static-en'?: { readonly [path: string]: Blob | ArrayBuffer | Uint8Array };
}

/** Where models come from. */
export interface ModelSource {
  /**
   * URL of a folder with one folder per model, relative to the page. Searched before the hub. @default 'models/' in
   * `assets`, if that is a URL; otherwise none
   */
  path?: string;
  /** May missing models be downloaded from the Hugging Face hub? @default true */
  remote?: boolean;
  /**
   * URL of the folder with ONNX Runtime's .mjs and .wasm files and, for pages without a bundler, `transformers.min.js`.
   * @default 'onnx/' in `assets`, if that is a URL; otherwise beside the worker's bundle
   */
  runtime?: string;
  /**
   * The built-in embedder's files, so that nothing is fetched (on `file://`, in an extension). Their hashes are checked
   * when the model is loaded, like those of fetched files; wrong ones are `MODEL_FAILED`. A file that is missing here
   * is read from `path`.
   */
  bytes?: ModelBytes;
}

/**
 * Options of `open`. Where tabs share a database, `device`, `durability` and `models` are those of the tab that leads
 * it.
 */
export interface OpenOptions {
  /**
   * Where records are stored. `'memory'` writes nothing, is not shared between tabs, and ends with the page. @default
   * 'indexeddb'
   */
  storage?: 'indexeddb' | 'memory';
  /**
   * What runs the distance kernels. `'auto'` takes a real GPU, then WASM SIMD, then JavaScript, and never a software
   * GPU. A named device that is missing is `UNSUPPORTED`; so is `'webgpu'` without its code (see `assets`). @default 'auto'
   */
  device?: 'auto' | Device;
  /**
   * `'strict'`: an acknowledged write survives power loss. `'relaxed'`: it survives a crash of tab or browser, but
   * power loss may take the last seconds. Small writes are faster. @default 'strict'
   */
  durability?: 'strict' | 'relaxed';
  /**
   * Creates the worker. For pages whose CSP forbids `blob:` workers (serve `piramid/worker`), and for models of
   * transformers.js (`piramid/rag-worker`). @default the engine inlined in this bundle
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
   * URL of the folder that `npx piramid copy-assets` or the Vite plugin `piramid/vite` filled, relative to the page. It
   * has models, ONNX Runtime, and three files of code: `webgpu.js` (loaded where there is a GPU; without it, answers are
   * the same and come from the CPU), `transfer.js` (for `export` and `import`) and `stemmers.js` (for other languages than
   * English). Each is loaded only when needed. Or a function that finds the code (for `file://`, where pages can fetch
   * nothing). @default the code beside this library's file, no models
   */
  assets?: string | AssetLoader;
  /**
   * Encrypts what is stored (AES-GCM): 32 random bytes, or a `CryptoKey` of AES-GCM to encrypt and decrypt. A new
   * database is encrypted from the start and opens with its key only. Another key, no key, or a key for a database that
   * is not encrypted is `WRONG_KEY`. If the key is lost, the records are lost. Needs https. @default not encrypted
   */
  key?: CryptoKey | Uint8Array;
  /**
   * How many bytes one query of a collection with `quantization: 'auto'` may scan. What does not fit as float32 is
   * scanned as int8, and what does not fit as int8 as binary codes. 1 or more. Not stored; with several tabs, the
   * leading tab's value counts. @default 1/32 of `navigator.deviceMemory` (4 GiB if the browser does not say): 128 MiB
   * for 4 GiB
   */
  scanBudget?: number;
  /**
   * How many bytes the vectors of all collections may take in memory. The float32 numbers of quantized collections are kept there
   * while they fit. What does not fit lies in a file of the origin (OPFS), from which a query reads some tens of rows; answers are the
   * same. Needs a file system: not with `storage: 'memory'`, nor with a `key`, nor in some private windows; see `DatabaseStats.memory`.
   * 1 or more. Not stored; with several tabs, that of the tab that leads counts.
   * @default a quarter of `navigator.deviceMemory` (4 GiB where a browser does not say), and 256 MiB at least
   */
  memory?: number;
  /** Milliseconds without a sign of life from the worker after which calls reject with `TIMEOUT`. @default 60000 */
  timeout?: number;
}

/** Options of calls that can be cancelled. */
export interface CallOptions {
  /** Cancels the call: it rejects with `ABORTED`. A write that is already becoming durable completes instead. */
  signal?: AbortSignal;
}

/** Progress of a long call. */
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
  /** New names of collections in the file: `{ notes: 'old notes' }`. */
  rename?: { readonly [nameInFile: string]: string };
  /** Called after each MiB of the file. */
  onProgress?: (progress: Progress) => void;
}

/** Result of an import. */
export interface Imported {
  /** Names of the new collections. */
  collections: string[];
  records: number;
}

/** Result of a compaction. */
export interface Compacted {
  /** Deleted rows that were removed. */
  rows: number;
  /** Bytes on disk before and after, as `stats` counts them. */
  bytesBefore: number;
  bytesAfter: number;
}

/** What `upsert` does with ids that exist (or do not). */
export interface UpsertOptions extends CallOptions {
  /**
   * `'upsert'`: adds or replaces. `'insert'`: an existing id is `CONFLICT`. `'update'`: a missing id is `NOT_FOUND`. In
   * each case whole records are written, all of them or none. To change parts of records, use `update`. @default
   * 'upsert'
   */
  mode?: 'upsert' | 'insert' | 'update';
}

/**
 * Which records a call changes: those with these ids, those that match, or all. A filter without a condition (`{}`) is
 * refused: write `{ all: true }`.
 */
export type Target<M extends object = Metadata> = { ids: readonly RecordId[] } | { where: Where<M> } | { all: true };

/**
 * What `update` changes. Fields are paths (`'author.name'`). One that runs through a list is refused
 * (`INVALID_ARGUMENT`), and so is one of `set` through a value that is no object: set the list, or the value, as a
 * whole. A change of metadata alone is written as that: the record keeps its place among equal scores and in `scroll`.
 * With a text or a vector the whole record is written again, and goes to the end.
 */
export interface Changes<M extends object = Metadata> {
  /**
   * Metadata fields to write. Missing objects on a path are created. `text` and `vector` are refused here: they are
   * fields of the record.
   */
  set?: FieldValues<M>;
  /** Metadata fields to remove, after `set`. */
  unset?: readonly SettablePath<M>[];
  /** The records' new text. It is embedded if the collection has an embedder and no `vector` is given. */
  text?: string;
  /** Context of the new text (see `VectorRecord.context`). A new text without a context has none. */
  context?: string;
  /** The records' new vector. */
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
  /**
   * `next` of the page before. It is valid in every tab. A cursor from before a compaction is valid in the engine that
   * compacted, for the 4 scrolls under way that were used last; elsewhere it is `INVALID_ARGUMENT`: start again without a cursor.
   */
  cursor?: string;
}

/**
 * One page of records in order of writing. Each record that exists when the first page is read, and still exists, comes
 * once, whatever is written meanwhile. It comes as it is when its page is read, and `where` is applied then. Records
 * that are newer than the first page do not come, but for those whose id had been deleted before it.
 */
export interface ScrollPage<M extends object = Metadata> {
  records: StoredRecord<M>[];
  /** Pass it as `cursor` to get the next page; absent on the last page. */
  next?: string;
}

/** Which values `facets` counts. */
export interface FacetOptions<M extends object = Metadata, Path extends FieldPath<M> = FieldPath<M>>
  extends CallOptions {
  /** Path of a metadata field. */
  field: Path;
  where?: Where<M>;
  /** How many of the most frequent values, 1 to 10 000. @default 100 */
  limit?: number;
}

/** Options of `recallCheck`. */
export interface RecallCheckOptions extends CallOptions {
  /** How many records to use as queries, and how many points between records: 1 to 10 000. @default 100 */
  sample?: number;
  /** How many neighbours of each: 1 to 1000. @default 10 */
  k?: number;
}

/** How many of the true nearest neighbours a collection's queries find. */
export interface RecallCheck {
  /** Share of the true k nearest that queries of both kinds find, 0 to 1. Ties count as found. */
  recall: number;
  /**
   * Recall of queries that are records themselves. A record is not its own neighbour. Easier than most questions:
   * records are close together.
   */
  atRecords: number;
  /**
   * Recall of queries in the middle of eight random records, which do not count as neighbours. Such a query is near no
   * record, like most questions. 1 if there are fewer than two records.
   */
  betweenRecords: number;
  k: number;
  /** How many records were used as queries; fewer than asked for if the collection has fewer. */
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
  /** The language of its texts, if one was given. */
  language?: Language;
  /** Live records. */
  count: number;
}

/** Statistics of one collection. */
export interface CollectionStats extends CollectionInfo {
  /** What scans its vectors now. */
  device: Device;
  /** Layout of its rows on the GPU; absent if none are there. */
  layout?: Layout;
  /** With `quantization: 'auto'`, once it is loaded: what queries scan now. */
  tier?: Precision;
  /** Why this tier. */
  why?: string;
  /** Where the float32 numbers of a quantized collection are, once it is loaded: in memory, or in a file; see `OpenOptions.memory`. */
  originals?: 'memory' | 'file';
  /** Rows, including deleted ones that await compaction. */
  rows: number;
  /** Bytes of its vectors and indexes in each place. */
  bytes: { gpu: number; memory: number; disk: number };
}

/** What the vectors of a database take, in bytes. */
export interface MemoryStats {
  /** `OpenOptions.memory`. */
  limit: number;
  /** Vectors and codes in memory, of all collections that are open; of one that is being read, what it is going to take. */
  bytes: number;
  /** The file with float32 numbers that did not fit; 0 without one. */
  file: number;
  /** Why the limit is not kept; absent where it is. */
  why?: string;
}

/** A stored value that is damaged, and what is lost with it. Everything else is answered as before. */
export interface Damage {
  /** Name of the collection; absent if it cannot be read. */
  collection?: string;
  /**
   * What is lost, or will be with `repair`: whole 'records', their 'vectors', 'texts' or 'metadata', or their
   * 'deletions' (the collection is then not opened, because deleted records would come back). 'nothing': a part that is
   * rebuilt from others.
   */
  what: 'records' | 'vectors' | 'texts' | 'metadata' | 'deletions' | 'nothing';
  /** How many records may be affected; 0 if that cannot be read. */
  records: number;
  /** Which stored value it is and what is wrong with it. */
  message: string;
}

/** The browser lost the database, or a part of it, since it was last open. */
export interface DataLoss {
  /** 'everything': this is a new, empty database. 'writes': the latest writes are missing. */
  what: 'everything' | 'writes';
  /** Records when it was last seen. Absent for an encrypted database. */
  recordsBefore?: number;
  recordsNow: number;
}

/** Events of a `Database`, by name, with the argument of their listeners. */
export interface DatabaseEvents {
  /** A stored value was found damaged. */
  damage: Damage;
  /** Found when the database was opened, and dispatched right after. */
  dataloss: DataLoss;
  /**
   * How many records of a collection that was opened are in memory, deleted ones included: several times a second while they are read, and
   * at the end. Calls that need them wait until then.
   */
  opening: { collection: string } & Progress;
  /** The storage is full: only deletions are written from now on. `code` is that of the writes that fail. */
  readonly: { code: ErrorCode; message: string };
  /** Writes are accepted again. */
  writable: null;
}

/** Statistics of one database. */
export interface DatabaseStats {
  name: string;
  /**
   * Role of this tab. The leader's worker has the database open and answers every call; followers forward theirs to it.
   * The bytes and devices below are the leader's. The only tab of a database is its leader.
   */
  role: 'leader' | 'follower';
  storage: 'indexeddb' | 'memory';
  device: Device;
  /** The GPU, as its driver names it; absent without one. */
  adapter?: string;
  /**
   * With a GPU and `device: 'auto'`: a single search through fewer bytes than this runs on the CPU, which is done
   * before the GPU could answer. Searches of a batch go to the GPU sooner. Measured at the first visit with this GPU
   * and release, and once a month.
   */
  gpuFromBytes?: number;
  /** Bytes of all collections on the GPU; absent without one. */
  gpuBytes?: number;
  /**
   * Upper bound of `gpuBytes`: half of the machine's memory as far as the browser says, or less if the GPU refused an
   * allocation. When it is used up, float32 replicas become float16, and replicas that no query used for a minute are
   * evicted.
   */
  gpuBudget?: number;
  collections: CollectionStats[];
  /** What vectors take in memory; see `OpenOptions.memory`. */
  memory: MemoryStats;
  /** Bytes written to the browser's storage since the database was opened. */
  bytesWritten: number;
  /** Whether the storage is full and only deletions are written. */
  isReadOnly: boolean;
  /** Damage found since the database was opened, see `Database.repair`. */
  damage: Damage[];
  /** The origin's storage in bytes, as the browser reports it. Absent if it does not. */
  quota?: { usage: number; quota: number };
  /** Whether the browser has promised not to clear the origin's storage by itself. Absent if it does not say. */
  isPersistent?: boolean;
}

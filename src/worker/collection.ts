// One open collection in the worker: what of it is in memory (ids, vectors, postings, payload columns) and how writes and
// reads change and use it. Durable first: memory follows the store, never the other way round.
import { PiramidError } from '../errors.ts';
import { firstInOrder } from '../filter/order.ts';
import { createFlatIndex } from '../indexes/flat.ts';
import { createQuantizedIndex } from '../indexes/quantized.ts';
import { createShardedIndex } from '../indexes/sharded.ts';
import type { VectorIndex } from '../indexes/vector-index.ts';
import { type Coder, isTier } from '../kernels/codes/coder.ts';
import { createCoder } from '../kernels/codes/js.ts';
import type { Devices } from '../kernels/devices.ts';
import { productMetric } from '../kernels/kernel.ts';
import { type EngineChanges, type EngineRows, type PackedRecords, type Select, VECTOR_NONE } from '../protocol.ts';
import type { RowBatch } from '../store/batch.ts';
import type { StoredCodes } from '../store/format.ts';
import type { CollectionConfig, StoredCollection } from '../store/manifest.ts';
import type { StoredMetadata, StoredPostings } from '../store/reader.ts';
import { codesBy } from '../store/recoding.ts';
import type { Store } from '../store/store.ts';
import { Bitset } from '../structures/bitset.ts';
import { applyChanges, type Changes } from '../structures/changes.ts';
import { contextOf, textOf } from '../structures/context.ts';
import { RecordIds } from '../structures/record-ids.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import { atOnce, inSlices, partsOf, type Sliced } from '../structures/slices.ts';
import { type AnalysisId, analyzerOf } from '../text/analyzer.ts';
import { addForms } from '../text/expansion.ts';
import { buildPostings, Postings } from '../text/postings.ts';
import { moveBlock } from '../text/postings-writer.ts';
import { type ScoredWords, wordsOf } from '../text/search.ts';
import { WordIndex } from '../text/word-index.ts';
import type {
  CollectionStats,
  Facet,
  OrderBy,
  Precision,
  RecordId,
  Target,
  UpsertOptions,
  Where,
  WordOptions,
} from '../types.ts';
import { changesOf, fieldsOf, refuseBlocked } from './changes.ts';
import { recordCount } from './describe.ts';
import { Forms } from './forms.ts';
import { Gate } from './gate.ts';
import { Payload } from './payload.ts';
import { Presence } from './presence.ts';
import { type ScrolledRows, Scrolls } from './scrolls.ts';
import { defaultScanBudget, explainPrecision, oversampleOf, precisionFor } from './tiers.ts';
import { VectorMemory } from './vector-memory.ts';
import type { BuiltWords } from './word-builder.ts';

/** Numbers that are put into an index without a rest. */
const PLACED_NUMBERS = 1 << 14;
/** Rows whose vectors are copied without a rest. */
const COPIED_ROWS = 128;
/** A float32 number and its code, at most. */
const NUMBER_BYTES = 5;

export class CollectionState {
  readonly stored: StoredCollection;
  index: VectorIndex | null;
  /** Row numbers are held across an `await` in here only. Writes need not: they and compactions are in one queue. */
  readonly gate = new Gate();
  readonly store: Store;
  readonly #devices: Devices;
  readonly #scanBudget: number;
  readonly #memory: VectorMemory;
  readonly #vectorBytes = () => Math.max(this.index?.bytes.memory ?? 0, this.#expectedRows * this.#rowBytes);
  /** While it is being loaded: others must not take its room. */
  #expectedRows = 0;
  #isLoaded = false;
  readonly #leaveMemory: () => void;
  ids = new RecordIds();
  /** Which rows have a vector. */
  readonly presence = new Presence();
  /** How its texts and the words of queries are read. */
  analysis: AnalysisId;
  words = new WordIndex();
  readonly forms: Forms;
  readonly #payload: Payload;
  readonly #scrolls: Scrolls;
  isClosed = false;
  /** Rows whose vectors have turned out to be damaged since it was loaded. A search beside which it changes is to be made again. */
  vectorsLost = 0;

  /** Without its rows: `Loading` brings them. */
  constructor(
    stored: StoredCollection,
    store: Store,
    devices: Devices,
    scanBudget = defaultScanBudget(),
    memory = new VectorMemory(store),
  ) {
    this.stored = stored;
    this.store = store;
    this.#devices = devices;
    this.#scanBudget = scanBudget;
    this.#memory = memory;
    this.#payload = new Payload(() => store.loadMetadata(stored.id));
    this.forms = new Forms(store, stored.id);
    this.analysis = stored.config.analysis ?? 0;
    this.#scrolls = new Scrolls(store.numbering(stored.id));
    const rowCount = store.rowCount(stored.id);
    this.index = this.createIndex(rowCount);
    this.#leaveMemory = memory.join(this.#vectorBytes);
    this.#expectedRows = rowCount;
    this.#keepFile();
  }

  /** An empty index, as the collection's is to be with so many rows. */
  createIndex(rowCount: number): VectorIndex | null {
    const devices = this.#devices;
    const { dimension, metric } = this.stored.config;
    if (dimension === null) return null;
    const tier = precisionFor(this.stored.config, rowCount, this.#scanBudget);
    const coded = isTier(tier) ? tier : null;
    if (coded && this.#outgrows(rowCount) && this.#memory.hasFile) {
      const options = { dimension, metric: productMetric(metric), tier: coded };
      return createQuantizedIndex(options, devices, (rows, target) => this.#readRows(rows, target));
    }
    if (devices.shards) return createShardedIndex({ dimension, metric, tier: coded }, devices, devices.shards);
    if (coded) return createQuantizedIndex({ dimension, metric: productMetric(metric), tier: coded }, devices);
    return createFlatIndex({ dimension, metric, isHalf: tier === 'f16' }, devices);
  }

  /** Finds a place for its vectors before they are loaded: other collections may have taken what there was. */
  async makeRoom(): Promise<void> {
    const count = this.store.rowCount(this.stored.id);
    if (this.#outgrows(count) && (await this.#memory.openFile())) this.exchangeIndex(this.createIndex(count));
  }

  /** All of it is in memory. */
  loaded(): void {
    this.#isLoaded = true;
    this.#expectedRows = 0;
  }

  /** Whether its size asks for an index that scans something else, or has its numbers elsewhere. */
  get wantsOtherIndex(): boolean {
    const { config } = this.stored;
    if (!this.index) return false;
    const isFiled = this.index.originals === 'file';
    if (isFiled ? !this.#memory.hasFile : this.wantsFile) return true;
    return config.quantization === 'auto' && this.index.tier !== precisionFor(config, this.rowCount, this.#scanBudget);
  }

  /** Whether its numbers are in memory, where there is no room for them. */
  get wantsFile(): boolean {
    return this.index?.originals !== 'file' && this.#memory.why === null && this.#outgrows(this.rowCount);
  }

  /** Has the row file keep its vectors; false where there is none. */
  async fillFile(goOn: () => void): Promise<boolean> {
    if (!(await this.#memory.openFile())) return false;
    this.store.file(this.stored.id, true);
    for await (const _ of this.store.fillFile(this.stored.id)) goOn();
    return true;
  }

  /** What a row's vector takes in memory, at most. */
  get #rowBytes(): number {
    return (this.stored.config.dimension ?? 0) * (this.index?.originals === 'file' ? 1 : NUMBER_BYTES);
  }

  /** Whether the numbers of so many rows, and their codes, are more than there is memory for. */
  #outgrows(rowCount: number): boolean {
    const { dimension } = this.stored.config;
    const bytes = rowCount * (dimension ?? 0) * NUMBER_BYTES + this.#memory.bytes(this.#vectorBytes);
    return isTier(precisionFor(this.stored.config, rowCount, this.#scanBudget)) && bytes > this.#memory.limit;
  }

  #keepFile(): void {
    this.store.file(this.stored.id, this.index?.originals === 'file');
  }

  /** Rows whose vectors turn out to be damaged have none from then on, as if that had been found when the collection was opened. */
  async #readRows(rows: ArrayLike<number>, target: Float32Array): Promise<readonly number[]> {
    const { places, chunks } = await this.store.readVectors(this.stored.id, rows, target);
    for (const { firstRow, rowCount } of chunks) this.vectorsLost += this.presence.lose(firstRow, rowCount);
    return places;
  }

  /** What the candidates of its queries are multiplied by. */
  get oversample(): number {
    return this.index ? oversampleOf(this.stored.config, this.index.tier) : 1;
  }

  /** What `auto` has queries scan, and why; null for other collections. */
  get choice(): { tier: Precision; why: string } | null {
    const { config } = this.stored;
    if (!this.index || !this.#isLoaded || config.quantization !== 'auto') return null;
    const { tier } = this.index;
    return { tier, why: explainPrecision(config, tier, this.store.rowCount(this.stored.id), this.#scanBudget) };
  }

  get count(): number {
    return this.ids.count;
  }

  get rowCount(): number {
    return this.ids.length;
  }

  readonly isDeleted = (row: number): boolean => this.store.deleted(this.stored.id).has(row);

  /** The record's row, undefined where there is no such record. */
  row(id: RecordId): number | undefined {
    return this.ids.row(id);
  }

  id(row: number): RecordId {
    return this.ids.id(row);
  }

  /**
   * The `k` best rows that hold a word of `query`, among `mask`; null for all live rows. With `options` after `forms.ready`; `notes` then say
   * what it was looked for as, and `isCut` that it may stand for more.
   */
  searchWords(
    query: string,
    k: number,
    mask: Bitset | null,
    options?: WordOptions,
  ): ScoredWords & ReturnType<typeof addForms> {
    const analyzer = analyzerOf(this.analysis);
    const deleted = this.store.deleted(this.stored.id);
    const words = wordsOf(analyzer.queryTerms(query));
    const vocabulary = { analyzer, blocks: this.forms.blocks, deleted };
    const added = options ? addForms(words, query, options, vocabulary) : { notes: [], isCut: false };
    return { ...this.words.search(words.values(), { k, mask, deleted }), ...added };
  }

  /** Live rows that match; null for "all rows, none is deleted". With a `where`, after `ready`, and in one go with its use. */
  liveRows(where: Where | null): Bitset | null {
    if (where) return this.#payload.columns.evaluate(where, this.rowCount).subtract(this.store.deleted(this.stored.id));
    if (this.count === this.rowCount) return null;
    return Bitset.full(this.rowCount).subtract(this.store.deleted(this.stored.id));
  }

  /** The first `count` of `live` rows (null: all) in that order, then in order of writing. After `ready`, and in one go with it. */
  inOrder(live: Bitset | null, orderBy: readonly OrderBy[], count: number): Promise<Uint32Array> {
    const keys = orderBy.map((order) => this.#payload.columns.sortKeys(order, this.rowCount));
    return inSlices(firstInOrder(live ?? Bitset.full(this.rowCount), keys, count));
  }

  /** What of a filter can hardly be meant. After `ready`. */
  notes(where: Where): string[] {
    return this.#payload.columns.notes(where, this.liveRows(null) ?? Bitset.full(this.rowCount));
  }

  /**
   * Settles when filters, and words by `options`, may be ready: ask again; null for "they are". Callers that hold rows must not let go of the
   * thread.
   */
  ready(where: Where | null, options?: WordOptions): Promise<void> | null {
    return (where && this.#payload.ready()) ?? (options ? this.forms.ready(this.rowCount) : null);
  }

  /** `rows` without those that have no vector; null for "all". */
  rowsWithVector(rows: Bitset | null): Bitset | null {
    return this.presence.among(rows, this.rowCount);
  }

  /** Writes records: durable, then visible. `records.vectors` is complete by now. Runs in the write queue. */
  async upsert(
    records: PackedRecords,
    mode: NonNullable<UpsertOptions['mode']>,
    words: BuiltWords | null = null,
  ): Promise<void> {
    const n = records.ids.length;
    if (n === 0) return;
    const replaced = await inSlices(this.#replacedBy(records.ids, mode));
    const firstRow = this.rowCount;
    await this.index?.reserve(firstRow + n);
    const { dimension } = this.stored.config;
    const none = () => new Array<null>(n).fill(null);
    const batch: RowBatch = {
      firstRow,
      rowCount: n,
      ids: records.ids,
      vectors:
        dimension === null ? null : { dimension, values: records.vectors!, present: presence(records.sources, n) },
      codes: this.index && (await inSlices(this.#encode(this.index, records.vectors!))),
      metadata: records.metadata ?? none(),
      texts: records.texts ?? none(),
      postings: records.texts && (await this.#postingsOf(records.texts, firstRow, words)),
    };
    const { vectors, postings } = batch;
    await inSlices(this.ids.reserve(n));
    const publish = () => {
      if (vectors) this.presence.mark(firstRow, n, vectors.present);
      this.words.remove(replaced);
      this.forms.remove(replaced);
      atOnce(this.ids.show(this.isDeleted));
      if (postings) this.#addWords(Postings.open(postings));
      this.#payload.append(batch);
    };
    // While the disk works, ids, vectors and metadata are put in place, behind the rows that queries look at.
    let placing: Promise<void> | undefined;
    const place = () => {
      placing = inSlices(this.#place(batch));
      return placing;
    };
    try {
      await this.store.append(this.stored.id, batch, replaced, publish, place);
    } catch (error) {
      await placing?.catch(() => {});
      if (this.rowCount === firstRow) {
        this.ids.takeBack();
        this.index?.truncate(firstRow);
        this.#payload.takeBack();
      }
      throw error;
    }
    await inSlices(this.words.merge());
  }

  async #postingsOf(texts: readonly (string | null)[], firstRow: number, words: BuiltWords | null) {
    if (words?.analysis === this.analysis) return moveBlock(words.postings, firstRow);
    return inSlices(buildPostings(texts, firstRow, analyzerOf(this.analysis)));
  }

  /** The rows of those ids that are there. */
  *#replacedBy(ids: readonly RecordId[], mode: NonNullable<UpsertOptions['mode']>): Sliced<number[]> {
    const replaced: number[] = [];
    for (const id of ids) {
      const row = this.ids.row(id);
      if (row !== undefined && mode === 'insert') {
        throw new PiramidError(
          'CONFLICT',
          `record ${JSON.stringify(id)} exists already, and mode is 'insert'. Nothing was written.`,
        );
      }
      if (row === undefined && mode === 'update') {
        throw new PiramidError(
          'NOT_FOUND',
          `record ${JSON.stringify(id)} does not exist, and mode is 'update'. Nothing was written.`,
        );
      }
      if (row !== undefined) replaced.push(row);
      yield;
    }
    return replaced;
  }

  *#encode(index: VectorIndex, vectors: Float32Array): Sliced<StoredCodes | null> {
    const coded = index.encode(vectors.subarray(0, 0));
    const encode = (part: Float32Array) => index.encode(part)!.records;
    return coded && (yield* codesBy({ scheme: coded.scheme, encode }, vectors, index.dimension));
  }

  *#place(batch: RowBatch): Sliced<void> {
    const { vectors, codes } = batch;
    yield* this.ids.place(batch.ids);
    let at = 0;
    for (const part of vectors ? partsOf(vectors.values, vectors.dimension, PLACED_NUMBERS) : []) {
      const rowBytes = (codes?.records.length ?? 0) / batch.rowCount;
      const rows = part.length / vectors!.dimension;
      this.index!.append(
        part,
        codes && { ...codes, records: codes.records.subarray(at * rowBytes, (at + rows) * rowBytes) },
      );
      at += rows;
      yield;
    }
    yield* this.#payload.prepare(batch);
  }

  /** Changes records: their metadata where they are, all else by writing them again. Runs in the write queue. */
  async update(target: Target, changes: EngineChanges): Promise<number> {
    const rows = await this.#targetRows(target);
    if (rows.length === 0) return 0;
    if (changes.text === undefined && changes.vector === undefined) await this.#patch(rows, changesOf(changes));
    else await this.#rewrite(rows, changes);
    return rows.length;
  }

  /** Rows keep their numbers, and nothing of them is written but the change. */
  async #patch(unordered: number[], changes: Changes): Promise<void> {
    const rows = ascending(unordered);
    // As far as it has been found by now; a patch itself loses nothing.
    if (this.store.damage.all.length > 0) for (const row of rows) this.#refuseDamaged(row, ['metadata']);
    const fields = fieldsOf(changes);
    const alike = applyChanges({}, changes);
    let metadataOf = (_: number): StoredMetadata => alike;
    // What is below a field depends on what is there.
    if (changes.some(([path]) => path.includes('.'))) {
      const changed = await inSlices(this.#changed(rows, await this.store.readMetadata(this.stored.id, rows), changes));
      metadataOf = (i) => changed[i]!;
    }
    const change = { rows, fields, metadataOf };
    let preparing: Promise<void> | undefined;
    const prepare = () => {
      preparing = inSlices(this.#payload.prepareChange(change));
      return preparing;
    };
    try {
      await this.store.patch(this.stored.id, { rows, changes }, () => this.#payload.change(change), prepare);
    } catch (error) {
      await preparing; // else it would end beside the next change
      throw error;
    }
  }

  async #rewrite(rows: readonly number[], changes: EngineChanges): Promise<void> {
    const kept = [...(changes.vector === undefined ? ['vectors' as const] : []), 'metadata' as const];
    const [metadata, stored] = await Promise.all([
      this.store.readMetadata(this.stored.id, rows),
      this.store.readTexts(this.stored.id, rows),
    ]);
    const texts = changes.text === undefined ? stored : rows.map(() => changes.text!);
    // As far as it has been found by now.
    const parts = changes.text === undefined ? [...kept, 'text' as const] : kept;
    for (const row of rows) this.#refuseDamaged(row, parts);
    const changed = await inSlices(this.#changed(rows, metadata, changesOf(changes)));
    const { dimension } = this.stored.config;
    let vectors: Float32Array<ArrayBuffer> | null = null;
    let sources: Uint8Array<ArrayBuffer> | null = null;
    if (dimension !== null) {
      vectors = new Float32Array(rows.length * dimension);
      sources = new Uint8Array(rows.length);
      const { vector } = changes;
      for (let start = 0; start < rows.length; start += COPIED_ROWS) {
        const some = rows.slice(start, start + COPIED_ROWS);
        const originals = vector === undefined ? await this.index!.vectors(some) : null;
        if (originals) for (const row of some) this.#refuseDamaged(row, ['vectors']); // it may have been found just now
        for (const [i, row] of some.entries()) {
          const given = originals?.[i] ?? vector;
          if (given) vectors.set(given, (start + i) * dimension);
          if (vector === null || (!vector && !this.presence.has(row))) sources[start + i] = VECTOR_NONE;
        }
        await inSlices(nothing());
      }
    }
    const ids = rows.map((row) => this.ids.id(row));
    const json = changed.map((value) => (value === null ? null : JSON.stringify(value)));
    const someText = texts.some((text) => text !== null);
    await this.upsert({ ids, vectors, sources, texts: someText ? texts : null, metadata: json }, 'update');
  }

  /** The rows' metadata afterwards. */
  *#changed(rows: readonly number[], metadata: readonly StoredMetadata[], changes: Changes): Sliced<StoredMetadata[]> {
    const changed: StoredMetadata[] = [];
    for (const [i, row] of rows.entries()) {
      this.#refuseDamaged(row, ['metadata']); // it may have been found just now
      changed.push(applyChanges(metadata[i] ?? null, changes, refuseBlocked));
      yield;
    }
    return changed;
  }

  /** What is written again without the part that cannot be read now would be without it for good. */
  #refuseDamaged(row: number, kinds: readonly ('vectors' | 'text' | 'metadata')[]): void {
    const damage = this.store.damageOf(this.stored.id, row, kinds);
    if (!damage) return;
    const part = damage.kind === 'vectors' ? 'vector' : damage.kind;
    throw new PiramidError(
      'CORRUPT',
      `record ${JSON.stringify(this.ids.id(row))}: its ${part} is damaged (${damage.message}), and would be gone for good. Nothing was changed; upsert the whole record, or call db.repair() first.`,
    );
  }

  /** Deletes records. Runs in the write queue. */
  async delete(target: Target): Promise<number> {
    const rows = await this.#targetRows(target);
    if (rows.length === 0) return 0;
    await this.store.delete(this.stored.id, rows, () => {
      this.words.remove(rows);
      this.forms.remove(rows);
      for (const row of rows) this.ids.delete(row);
    });
    return rows.length;
  }

  get(ids: readonly RecordId[], select: Select): Promise<{ ids: RecordId[]; rows: EngineRows }> {
    return this.gate.read(async () => {
      const rows = ids.map((id) => this.ids.row(id));
      const found = ids.filter((_, i) => rows[i] !== undefined);
      return {
        ids: found,
        rows: await this.select(
          rows.filter((row) => row !== undefined),
          select,
        ),
      };
    });
  }

  countWhere(where: Where | null): Promise<number> {
    return this.gate.read(async () => {
      await this.ready(where);
      return where ? this.liveRows(where)!.count() : this.count;
    });
  }

  scroll({
    where,
    limit,
    cursor,
    select,
  }: {
    where: Where | null;
    limit: number;
    cursor: string | null;
    select: Select;
  }) {
    return this.gate.read(async () => {
      await this.ready(where);
      const matching = this.liveRows(where) ?? Bitset.full(this.rowCount);
      const { rows, next } = this.#scrolls.page(cursor, limit, this.#scrolled, matching);
      return { ids: rows.map((row) => this.ids.id(row)), rows: await this.select(rows, select), next };
    });
  }

  get #scrolled(): ScrolledRows {
    const deleted = this.store.deleted(this.stored.id);
    const ids = this.ids;
    return {
      rowCount: this.rowCount,
      deleted,
      ...{ id: (row) => ids.id(row), row: (id) => ids.row(id) },
      rowNow: (row) => ids.rowNow(row),
    };
  }

  facets(field: string, where: Where | null, limit: number): Promise<Facet[]> {
    return this.gate.read(async () => {
      await this.ready(where ?? {});
      return this.#payload.columns.facets(field, this.liveRows(where) ?? Bitset.full(this.rowCount), limit);
    });
  }

  /**
   * Takes over what a compaction did to the row numbers, in one go. `index` has the rows that are kept; `renumbered` has
   * those blocks of `postings()` that have been renumbered already; `ids` are `renumberedIds`; `deleted` are the rows that were, under their
   * old numbers.
   */
  renumber(
    renumbering: Renumbering,
    index: VectorIndex | null,
    ids: RecordIds,
    renumbered: ReadonlyMap<Postings, Postings>,
    deleted: Bitset,
  ): void {
    this.#scrolls.renumber(renumbering, { ...this.#scrolled, deleted });
    this.ids = ids;
    if (this.index) this.presence.renumber(renumbering, this.rowCount);
    this.words.renumber(renumbering, renumbered);
    this.forms.drop();
    this.index?.close();
    this.index = index;
    this.#keepFile();
    this.#payload.drop();
  }

  /** Of now; no write may come before they are put in place. */
  renumberedIds(renumbering: Renumbering): Promise<RecordIds> {
    return inSlices(this.ids.renumbered(renumbering));
  }

  /** Metadata lies in other chunks now, with the same in it. */
  restartReading(): void {
    this.#payload.restart();
  }

  /** Takes an index of the same rows instead of its own. Alone at the gate, in the write queue. */
  exchangeIndex(index: VectorIndex | null): void {
    if (this.isClosed) throw new PiramidError('CLOSED', 'the collection has been closed');
    this.index?.close();
    this.index = index;
    this.#keepFile();
  }

  /** Takes the postings that reindexing has made, in one go with their durability. */
  exchangeWords(analysis: AnalysisId, blocks: readonly StoredPostings[]): void {
    this.analysis = analysis;
    this.words = new WordIndex();
    const deleted = this.store.deleted(this.stored.id);
    for (const { bytes, shift } of blocks) {
      this.words.append(Postings.open(bytes, shift), deleted);
      atOnce(this.words.merge());
    }
  }

  /** What was asked for of some rows. */
  async select(rows: ArrayLike<number>, select: Select): Promise<EngineRows> {
    const [stored, metadata, vectors] = await Promise.all([
      select.includes('text') || select.includes('context') ? this.store.readTexts(this.stored.id, rows) : null,
      select.includes('metadata') ? this.store.readMetadata(this.stored.id, rows) : null,
      select.includes('vector') && this.index ? this.index.vectors(rows) : null,
    ]);
    return {
      texts: select.includes('text') ? stored!.map((text) => text && textOf(text)) : null,
      contexts: select.includes('context')
        ? stored!.map((text) => (text === null ? null : (contextOf(text) ?? null)))
        : null,
      metadata,
      vectors: vectors?.map((vector, i) => (this.presence.has(rows[i]!) ? vector : null)) ?? null,
    };
  }

  /** `name` is what the store calls it now. */
  stats(name: string): CollectionStats {
    const { config, id } = this.stored;
    const { quantization = 'none' } = config;
    return {
      name,
      ...(config.dimension !== null && { dimension: config.dimension }),
      metric: config.metric,
      ...(quantization !== 'none' && { quantization }),
      ...(config.embedder && { embedder: config.embedder.fingerprint }),
      count: recordCount(this.store, id),
      device: this.index?.deviceFor(1) ?? this.#devices.cpu,
      ...(this.index?.layout && { layout: this.index.layout }),
      ...(this.#isLoaded && this.index && isTier(this.index.tier) && { originals: this.index.originals ?? 'memory' }),
      ...this.choice,
      rows: this.store.rowCount(id),
      bytes: {
        gpu: this.index?.bytes.gpu ?? 0,
        memory:
          (this.index?.bytes.memory ?? 0) +
          this.ids.byteLength +
          this.words.byteLength +
          this.forms.byteLength +
          this.#payload.byteLength,
        disk: this.store.bytesOnDisk(id),
      },
    };
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#leaveMemory();
    this.index?.close();
  }

  #addWords(postings: Postings): void {
    this.words.append(postings, this.store.deleted(this.stored.id));
  }

  async #targetRows(target: Target): Promise<number[]> {
    if (!('ids' in target)) {
      const where = 'where' in target ? target.where : null;
      await this.ready(where);
      return [...(this.liveRows(where) ?? Bitset.full(this.rowCount))];
    }
    const rows = new Set<number>();
    for (const id of target.ids) {
      const row = this.ids.row(id);
      if (row !== undefined) rows.add(row);
    }
    return [...rows];
  }
}

/** What makes the codes of a collection of so many rows, which may not be open; null if it is to have none. */
export function coderFor(config: CollectionConfig, rowCount: number, scanBudget = defaultScanBudget()): Coder | null {
  const { dimension, metric } = config;
  const tier = precisionFor(config, rowCount, scanBudget);
  if (dimension === null || !isTier(tier)) return null;
  return createCoder({ tier, dimension, metric: productMetric(metric) });
}

function ascending(rows: number[]): readonly number[] {
  const isAscending = rows.every((row, i) => i === 0 || row > rows[i - 1]!);
  return isAscending ? rows : rows.sort((a, b) => a - b);
}

/** So that there is a rest where one is due. */
function* nothing(): Sliced<void> {}

function presence(sources: Uint8Array | null, rowCount: number): Bitset {
  const present = Bitset.full(rowCount);
  if (sources) for (let i = 0; i < rowCount; i++) if (sources[i] === VECTOR_NONE) present.remove(i);
  return present;
}

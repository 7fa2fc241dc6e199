// One collection of texts on a simulated disk, as the engine has it: what the tests of words in this folder work on.
import { type Devices, openDevices } from '../../src/kernels/devices.ts';
import { MemoryBackend } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { type AnalysisId, ENGLISH } from '../../src/text/analyzer.ts';
import type { RecordId, WordOptions } from '../../src/types.ts';
import type { CollectionState } from '../../src/worker/collection.ts';
import { compactCollection } from '../../src/worker/compaction.ts';
import { openStore } from '../../src/worker/open-store.ts';
import { Queue } from '../../src/worker/queue.ts';
import { loadCollection } from '../unit/worker/loaded.ts';

const devices: Devices = await openDevices('js');

export class Notes {
  state!: CollectionState;
  #store!: Store;
  readonly #backend = new MemoryBackend();
  readonly #writes = new Queue();
  readonly #analysis: AnalysisId;

  private constructor(analysis: AnalysisId) {
    this.#analysis = analysis;
  }

  static async create(analysis: AnalysisId = ENGLISH): Promise<Notes> {
    const notes = new Notes(analysis);
    await notes.reopen();
    return notes;
  }

  /** Records of these texts, with ids 0, 1, .... */
  static async of(...texts: readonly string[]): Promise<Notes> {
    const notes = await Notes.create();
    await notes.upsert(...texts.map((text, id): [RecordId, string] => [id, text]));
    return notes;
  }

  async reopen(): Promise<void> {
    const options = { key: null, known: null, coderFor: () => null, areOthersGone: async () => true };
    this.#store = (await openStore(this.#backend, options)).store;
    const config = { dimension: null, metric: 'cosine', embedder: null, analysis: this.#analysis } as const;
    const stored = this.#store.collections[0] ?? (await this.#store.createCollection('notes', config));
    this.state = await loadCollection(stored, this.#store, devices);
  }

  async upsert(...records: readonly [id: RecordId, text: string | null][]): Promise<void> {
    const ids = records.map(([id]) => id);
    const texts = records.map(([, text]) => text);
    const written = { ids, vectors: null, sources: null, metadata: null };
    await this.state.upsert({ ...written, texts: texts.some((text) => text !== null) ? texts : null }, 'upsert');
  }

  fold(): Promise<void> {
    return this.#store.fold();
  }

  async compact(share = 0): Promise<void> {
    await compactCollection(this.state, this.#store, this.#writes, { share, signal: new AbortController().signal });
  }

  /** In order of `scroll`. */
  async records(): Promise<[RecordId, string | null][]> {
    const { ids, rows } = await this.state.scroll({ where: null, limit: 10_000, cursor: null, select: ['text'] });
    return ids.map((id, i) => [id, rows.texts![i]!]);
  }

  /** The same, of a query that is still being typed. */
  async searchTyped(query: string, options: WordOptions, k = 100): Promise<[RecordId, number][]> {
    for (let reading = this.state.ready(null, options); reading; reading = this.state.ready(null, options))
      await reading;
    const { rows, scores } = this.state.searchWords(query, k, this.state.liveRows(null), options);
    return Array.from(rows, (row, i) => [this.state.id(row), scores[i]!]);
  }

  search(query: string, k = 100): [RecordId, number][] {
    const { rows, scores } = this.state.searchWords(query, k, this.state.liveRows(null));
    return Array.from(rows, (row, i) => [this.state.id(row), scores[i]!]);
  }

  /** Ids of what a query finds, ascending. */
  found(query: string): RecordId[] {
    return this.search(query)
      .map(([id]) => id)
      .sort();
  }
}

// A collection in memory, with the real filters and the real word search, for what needs no browser.
import { PiramidError } from '../../../src/errors.ts';
import { PayloadIndex } from '../../../src/filter/payload-index.ts';
import type {
  ChatMessage,
  Facet,
  FacetOptions,
  Matches,
  Metadata,
  Query,
  RecordId,
  Reranker,
  ScrollOptions,
  Target,
  Vector,
  VectorRecord,
  Where,
} from '../../../src/index.ts';
import type { DocumentCollection } from '../../../src/rag/documents.ts';
import { withContext } from '../../../src/structures/context.ts';
import { Postings } from '../../../src/text/postings.ts';
import { postingsOf, searchBlocks } from '../text/oracle.ts';

type Stored = { id: RecordId; text?: string; context?: string; metadata?: Metadata };

export class FakeCollection {
  records = new Map<RecordId, Stored>();
  /** One entry per call: what was done. */
  readonly log: string[] = [];
  /** Throws what it returns, before a write of these records or a deletion. */
  failure: (records: readonly Stored[] | 'delete') => PiramidError | undefined = () => undefined;
  /** What the language model says. */
  pieces: (messages: readonly ChatMessage[]) => Iterable<string> | AsyncIterable<string> = () => [];
  /** Embeds texts when they are asked for, so that it can be another one than before. */
  embedder: ((text: string) => Float32Array | null) | undefined;
  fingerprint = 'test';

  readonly database = {
    generate: (messages: readonly ChatMessage[], { signal }: { signal?: AbortSignal }) => {
      this.log.push('generate');
      const { pieces, log } = this;
      return (async function* () {
        try {
          for await (const piece of pieces(messages)) {
            signal?.throwIfAborted();
            yield piece;
          }
        } finally {
          log.push('generate ended');
        }
      })();
    },
  };

  /** What each text that was embedded was. */
  readonly embedded: string[] = [];

  async embed(texts: readonly string[]): Promise<(Float32Array | null)[]> {
    if (!this.embedder) throw new PiramidError('INVALID_ARGUMENT', 'embed: the collection has no embedder here');
    this.embedded.push(...texts);
    return texts.map(this.embedder);
  }

  async stats() {
    return { count: this.records.size, embedder: this.fingerprint };
  }

  /** As the real type. */
  get typed(): DocumentCollection {
    return this as unknown as DocumentCollection;
  }

  async upsert(records: readonly VectorRecord[]): Promise<void> {
    const failure = this.failure(records as Stored[]);
    if (failure) throw failure;
    this.log.push(`upsert ${records.length}`);
    for (const record of structuredClone(records) as Stored[]) {
      this.records.delete(record.id);
      this.records.set(record.id, record);
    }
  }

  async delete(target: Target): Promise<number> {
    const failure = this.failure('delete');
    if (failure) throw failure;
    const found =
      'ids' in target
        ? target.ids.flatMap((id) => this.records.get(id) ?? [])
        : this.#matching('where' in target ? target.where : {});
    for (const { id } of found) this.records.delete(id);
    this.log.push(`delete ${found.length}`);
    return found.length;
  }

  async get(ids: readonly RecordId[]): Promise<(Stored & { vector?: Float32Array })[]> {
    return ids.flatMap((id) => {
      const record = this.records.get(id);
      return record ? { ...record, ...this.#vectorOf(record) } : [];
    });
  }

  async count(where: Where = {}): Promise<number> {
    return this.#matching(where).length;
  }

  async scroll({ where = {}, limit = 100, cursor = '0' }: ScrollOptions) {
    const from = Number(cursor);
    const all = this.#matching(where);
    const records = structuredClone(all.slice(from, from + Math.min(limit, 7))); // small pages, so that paging is seen
    const next = from + records.length;
    return { records, ...(next < all.length && { next: String(next) }) };
  }

  async query({ rerank, ...query }: Query): Promise<Matches> {
    if (rerank === undefined) return this.#find(query);
    const matches = await this.#find({ ...query, k: 50 });
    const texts = matches.map(({ text = '' }) => text);
    const scores = await (rerank as Reranker).rerank(query.text ?? query.keywords!, texts, {});
    for (const [i, match] of matches.entries()) match.score = scores[i]!;
    matches.sort((a, b) => b.score - a.score).splice(query.k ?? 10);
    return matches;
  }

  async #find({ vector, text, keywords, k = 10, where = {} }: Query): Promise<Matches> {
    const all = [...this.records.values()];
    if (vector) {
      const near = all.map((record) => ({ ...record, ...this.#vectorOf(record), score: 0 }));
      for (const match of near)
        match.score =
          match.vector?.reduce((sum, x, i) => sum + x * (vector as Vector)[i]!, 0) ?? Number.NEGATIVE_INFINITY;
      const matches = near.sort((a, b) => b.score - a.score).slice(0, k);
      return Object.assign(matches, { exact: true, complete: false, took: 0 }) as unknown as Matches;
    }
    const postings = Postings.open(
      postingsOf(
        all.map(({ text, context = '' }) => text && withContext(text, context)),
        0,
      ),
    );
    const { rows, scores } = searchBlocks([postings], text ?? keywords!, k, this.#rows(where));
    const matches = Array.from(rows, (row, i) => ({
      ...all[row]!,
      score: scores[i]!,
      legs: { words: { rank: i + 1, score: scores[i]! } },
    }));
    return Object.assign(matches, { exact: true, complete: matches.length < k, took: 0 });
  }

  async queryBatch(queries: readonly Query[]): Promise<Matches[]> {
    return Promise.all(queries.map((query) => this.query(query)));
  }

  async facets({ field, where = {}, limit = 100 }: FacetOptions): Promise<Facet[]> {
    return this.#payload().facets(field, this.#rows(where), limit);
  }

  #vectorOf({ text }: Stored): { vector?: Float32Array } {
    const vector = text === undefined ? null : this.embedder?.(text);
    return vector ? { vector } : {};
  }

  #payload(): PayloadIndex {
    const index = new PayloadIndex();
    index.append(
      0,
      Array.from(this.records.values(), ({ metadata }) => metadata),
    );
    return index;
  }

  #rows(where: Where) {
    return this.#payload().evaluate(where, this.records.size);
  }

  #matching(where: Where): Stored[] {
    const all = [...this.records.values()];
    return Array.from(this.#rows(where), (row) => all[row]!);
  }
}

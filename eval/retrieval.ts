// How well passages are found, without any answer: by meaning and words together against either alone, and by the headings that
// they are under.
import type { Collection, Query } from 'piramid';
import type { Question } from './sets.ts';
import type { Outcomes } from './statistics.ts';

const K = 10;

/** Reciprocal rank of the first passage that holds an answer, among the best ten, of each question: of both legs together, and of each. */
export async function reciprocalRanks(
  collection: Collection,
  questions: readonly Question[],
  isRight: (text: string, question: Question) => boolean,
): Promise<Record<string, Outcomes>> {
  const ranks = async (ask: (q: string) => Promise<Query>): Promise<number[]> =>
    Promise.all(
      questions.map(async (question) => {
        const found = await collection.query({ ...(await ask(question.q)), k: K });
        const at = found.findIndex(({ text = '' }) => isRight(text, question));
        return at < 0 ? 0 : 1 / (at + 1);
      }),
    );
  const words = await ranks(async (keywords) => ({ keywords }));
  // A collection without an embedder has one leg.
  if (collection.dimension === undefined) return { 'retrieve.mrr.words': words };
  return {
    'retrieve.mrr': await ranks(async (text) => ({ text })),
    'retrieve.mrr.words': words,
    'retrieve.mrr.vectors': await ranks(async (text) => {
      const [vector] = await collection.embed([text], { kind: 'query' });
      return vector ? { vector } : { keywords: text };
    }),
  };
}

/** Of each heading, what share of the passages under it that do not say it themselves are among the best ten (of at most ten). */
export async function headingRecall(collection: Collection): Promise<Outcomes> {
  const under = new Map<string, Set<unknown>>();
  let cursor: string | undefined;
  do {
    const page = await collection.scroll({ limit: 1000, ...(cursor !== undefined && { cursor }) });
    cursor = page.next;
    for (const { id, text = '', metadata } of page.records) {
      const { headings } = (metadata ?? {}) as { headings?: string[] };
      const heading = headings?.at(-1);
      if (!heading || text.includes(heading)) continue;
      under.set(heading, (under.get(heading) ?? new Set()).add(id));
    }
  } while (cursor !== undefined);
  return Promise.all(
    [...under].map(async ([heading, ids]) => {
      const query = collection.dimension === undefined ? { keywords: heading } : { text: heading };
      const found = await collection.query({ ...query, k: K, select: [] });
      return found.filter(({ id }) => ids.has(id)).length / Math.min(K, ids.size);
    }),
  );
}

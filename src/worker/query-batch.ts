// Several queries of one collection, in order: those that search vectors together where the index reads its rows once for all of them.
import { throwIfAborted } from '../errors.ts';
import { TOGETHER_ON_GPU } from '../indexes/together.ts';
import type { EngineAnswer, EngineQuery } from '../protocol.ts';
import { nextTask } from '../structures/slices.ts';
import type { Need } from './loading.ts';
import type { OpenCollections } from './open-collections.ts';
import { answerQuery, type EmbedQuery } from './query.ts';

/** How long a batch of queries works before it lets other messages in, milliseconds. */
const TURN_MS = 16;

export async function answerQueries(
  collections: OpenCollections,
  id: number,
  queries: readonly EngineQuery[],
  embed: EmbedQuery,
  signal: AbortSignal,
): Promise<EngineAnswer[]> {
  const need = needOf(queries);
  const { index } = await collections.withRows(id, async (collection) => collection, need);
  const answers: EngineAnswer[] = [];
  let turnEnds = performance.now() + TURN_MS;
  for (let first = 0; first < queries.length; ) {
    // What is in memory is answered without letting go of the thread, and a batch may be long.
    if (performance.now() > turnEnds) {
      await nextTask();
      throwIfAborted(signal);
      turnEnds = performance.now() + TURN_MS;
    }
    const most = vectorsTogether(queries, first, TOGETHER_ON_GPU);
    const some = queries.slice(first, first + most);
    // Those with a text begin when it is embedded, each by itself.
    const batch = Math.max(1, some.filter((query) => query.embed === null).length);
    const together = Math.min(most, index?.together(batch) ?? 1);
    const ask = (query: EngineQuery) =>
      collections.withRows(id, (collection) => answerQuery(collection, query, embed, signal, batch), need);
    answers.push(...(await Promise.all(some.slice(0, together).map(ask))));
    first += together;
  }
  return answers;
}

/** Of words alone, and of filters alone, vectors need not be in memory. */
function needOf(queries: readonly EngineQuery[]): Need {
  if (queries.some(({ vector, embed, select }) => vector || embed !== null || select.includes('vector'))) return 'rows';
  return queries.some(({ words }) => words !== null) ? 'words' : 'ids';
}

/** How many queries from `first` on are answered at a time: those with a vector, up to `most`, or else one. */
function vectorsTogether(queries: readonly EngineQuery[], first: number, most: number): number {
  let end = first;
  while (end < first + most && (queries[end]?.vector ?? queries[end]?.embed ?? null) !== null) end++;
  return Math.max(1, end - first);
}

// The last step of a query with `rerank`: asks the reranker about the texts of its matches, and puts these in its order.
import { readAs, withContext } from '../structures/context.ts';
import type { Matches } from '../types.ts';
import type { Database } from './database.ts';
import type { Rerank } from './input.ts';

/** Leaves of `matches`, all that are to be ordered, the part that is asked for. */
export async function reorder<M extends object>(
  database: Pick<Database, 'rerank'>,
  matches: Matches<M>,
  { model, onProgress, words, offset, k, select, explain }: Rerank,
  signal: AbortSignal | undefined,
): Promise<Matches<M>> {
  const begin = performance.now();
  const texts = matches.flatMap(({ text, context = '' }) =>
    text === undefined ? [] : [readAs(withContext(text, context))],
  );
  const call = { model, onProgress, signal } as Parameters<Database['rerank']>[2];
  // Without a text to read, no model is loaded.
  const scores = texts.length > 0 ? await database.rerank(words!, texts, call) : [];
  let scored = 0;
  for (const [i, match] of matches.entries()) {
    if (explain) match.before = { rank: i + 1, score: match.score };
    match.score = match.text === undefined ? Number.NEGATIVE_INFINITY : scores[scored++]!;
    for (const field of ['text', 'context'] as const) if (!select.includes(field)) delete match[field];
  }
  // Stable: equal scores, and the difference of two infinities, keep the order before.
  matches.sort((a, b) => b.score - a.score);
  matches.complete &&= matches.length <= offset + k;
  matches.splice(0, offset);
  matches.splice(k);
  const ms = performance.now() - begin;
  matches.took += ms;
  matches.plan?.phases.push({ name: 'rerank', ms });
  return matches;
}

// What a question asks of whom: passages seldom name their author or their year, but titles do. Finds the titles that a
// question names ("What did Lincoln say …" -> "Abraham Lincoln, 1862"), so that their passages can be looked at for themselves.
import type { Where } from 'piramid';
import type { DocumentCollection } from './documents.ts';
import { contentTerms, isNumber, words } from './words.ts';

/** A word in more titles than this share tells none of them apart ("State of the Union"). */
const SHARE_MAX = 0.2;
/** Of the most telling title's weight: titles that hold less are not meant. Half, so that "Lincoln and Grant" are both. */
const WEIGHT_MIN = 0.5;
/** Titles looked at; the k that facets allow. */
const TITLES_MAX = 10_000;

export interface NamedTitles {
  titles: string[];
  /** Named by a capitalised word or a number, not by any word that happens to be in a title. */
  isName: boolean;
  /** The question without the words that name titles. */
  rest: string;
}

/** Titles that the question names; null where it names none. */
export async function namedTitles(
  collection: DocumentCollection,
  question: string,
  where: Where | undefined,
  signal: AbortSignal | undefined,
): Promise<NamedTitles | null> {
  const facets = await collection.facets({
    field: 'document.title',
    limit: TITLES_MAX,
    ...(where && { where }),
    ...(signal && { signal }),
  });
  const titles = facets.map(({ value }) => String(value));
  if (titles.length < 2) return null;
  const asked = contentTerms(question);
  const found = new Map<string, Set<string>>(); // term of the question -> titles that hold it
  for (const title of titles) {
    for (const term of contentTerms(title)) {
      if (!asked.has(term)) continue;
      const holders = found.get(term) ?? new Set();
      found.set(term, holders.add(title));
    }
  }
  const weightOf = new Map<string, number>();
  const telling = new Set<string>();
  for (const [term, holders] of found) {
    if (holders.size > Math.max(1, titles.length * SHARE_MAX)) continue;
    telling.add(term);
    const weight = Math.log(titles.length / holders.size);
    for (const title of holders) weightOf.set(title, (weightOf.get(title) ?? 0) + weight);
  }
  if (weightOf.size === 0) return null;
  const heaviest = Math.max(...weightOf.values());
  const asks = words(question);
  const rest = asks.filter(({ term }) => !telling.has(term));
  return {
    titles: [...weightOf].filter(([, weight]) => weight >= heaviest * WEIGHT_MIN).map(([title]) => title),
    isName: asks.some(
      ({ term, start }) => telling.has(term) && (isNumber(term) || /\p{Lu}/u.test(question.charAt(start))),
    ),
    rest: rest.map(({ start, end }) => question.slice(start, end)).join(' '),
  };
}

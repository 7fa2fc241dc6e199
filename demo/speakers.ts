// Who a query names: "What did Lincoln say about slavery?" asks for Lincoln's own words, and those do not contain his
// name. Names are the values of a metadata field; nothing is known here of who they are.
import type { Collection } from 'piramid';
import { type Filters, withFilter } from './fields.ts';

export const SPEAKER_FIELD = 'president';

/** Names that are words too: they count only with a capital. */
const ALSO_WORDS = new Set(['grant', 'bush', 'ford', 'pierce', 'carter', 'taylor']);

let known: { names: readonly string[]; rows: number } = { names: [], rows: -1 };

/** The people among the data's own that `words` names, unless the filters say whose words are wanted. */
export async function namedSpeakers(
  passages: Collection,
  words: string,
  filters: Filters,
  signal?: AbortSignal,
): Promise<string[]> {
  if (filters[SPEAKER_FIELD]) return [];
  const call = signal ? { signal } : {};
  const rows = await passages.count(undefined, call);
  if (rows !== known.rows) {
    const facets = await passages.facets({ field: SPEAKER_FIELD, limit: 1000, ...call });
    known = { names: facets.map(({ value }) => String(value)), rows };
  }
  return named(words, known.names);
}

/** `filters`, and only what these people said. */
export function onlyBy(filters: Filters, speakers: readonly string[]): Filters {
  return withFilter(filters, SPEAKER_FIELD, speakers);
}

/** Which of `names` are in `words`, by their last name; where several share it, by the first names given too. */
export function named(words: string, names: readonly string[]): string[] {
  const said = new Set(Array.from(words.matchAll(/[\p{L}]+/gu), ([word]) => word.toLowerCase()));
  const capital = new Set(Array.from(words.matchAll(/\p{Lu}[\p{L}]+/gu), ([word]) => word.toLowerCase()));
  const found = names.filter((name) => {
    const parts = name.toLowerCase().split(/\s+/);
    const last = parts.at(-1)!;
    // "Mc Kinley" is written in one word as well.
    const forms = [last, parts.slice(-2).join('')];
    return forms.some((form) => said.has(form) && (!ALSO_WORDS.has(form) || capital.has(form)));
  });
  const precise = found.filter((name) => said.has(name.toLowerCase().split(/\s+/)[0]!));
  return precise.length > 0 ? precise : found;
}

// Who a query names: "What did Lincoln say about slavery?" asks for Lincoln's own words, and those do not contain his
// name. Names are the values of a metadata field; nothing is known here of who they are.
import type { Collection } from 'piramid';
import { type Filters, withFilter } from './fields.ts';

export const SPEAKER_FIELD = 'president';

/** Names that are words too: they count only with a capital. */
const ALSO_WORDS = new Set(['grant', 'bush', 'ford', 'pierce', 'carter', 'taylor']);

/** What stands before someone who is to speak: "did ", "according to President ", "by Franklin D ". */
const BEFORE =
  /\b(?:did|does|do|would|could|should|will|by|from|according to)\s+(?:president\s+)?(?:\p{Lu}[\p{L}.]*\s+){0,2}$/iu;
/** And after: "'s ", " said ", " on ". */
const AFTER =
  /^(?:['’]s\b|\s+(?:says?|said|thinks?|thought|want(?:s|ed)?|believed?|proposed?|promised?|warn(?:s|ed)?|on|about)\b)/i;

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

/**
 * Which of `names` are said to speak or act in `words`, by their last name; where several share it, by the first names
 * given too. "Did Monroe …" and "Monroe on …" ask for Monroe's words, "the Monroe doctrine" does not.
 */
export function named(words: string, names: readonly string[]): string[] {
  const found = names.filter((name) => speaks(words, name.split(/\s+/).at(-1)!));
  const said = new Set(Array.from(words.matchAll(/\p{L}+/gu), ([word]) => word.toLowerCase()));
  const precise = found.filter((name) => said.has(name.toLowerCase().split(/\s+/)[0]!));
  return precise.length > 0 ? precise : found;
}

function speaks(words: string, name: string): boolean {
  for (const { 0: form, index } of words.matchAll(new RegExp(`(?<!\\p{L})${name}(?!\\p{L})`, 'giu'))) {
    if (ALSO_WORDS.has(name.toLowerCase()) && !/^\p{Lu}/u.test(form)) continue;
    if (BEFORE.test(words.slice(0, index)) || AFTER.test(words.slice(index + form.length))) return true;
  }
  return false;
}

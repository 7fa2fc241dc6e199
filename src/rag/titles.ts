// What a question asks of whom: passages seldom name their author or their year, but titles do. Finds the titles that a
// question names ("What did Lincoln say …" -> "Abraham Lincoln, 1862"), so that their passages can be looked at for themselves.
import type { Where } from 'piramid';
import type { DocumentCollection } from './documents.ts';
import { contentTerms, isNumber, type Word, words } from './words.ts';

/** A word in more titles than this share tells none of them apart ("State of the Union"). */
const SHARE_MAX = 0.2;
/** Nor one in more than half of the titles; but of a few titles, this many may share a name. */
const FEW = 3;
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
  /**
   * Where the question asks for what they say: the terms that ask so, those of the name and of the verb. "What did McKinley say of
   * silver" is answered by McKinley alone; "How was McKinley murdered", by whoever tells.
   */
  speaker: ReadonlySet<string> | null;
}

const SPEAKS =
  `said|says?|tells?|told|thinks?|thought|writes?|wrote|written|speaks?|spoken?|talks?|calls?|called|mentions?|mentioned|
  propose[sd]?|recommend(?:s|ed)?|asks?|asked|requests?|requested|reports?|reported|promise[sd]?|claim(?:s|ed)?|argue[sd]?|
  describe[sd]?|state[sd]?|declare[sd]?|announce[sd]?|warn(?:s|ed)?|suggest(?:s|ed)?|believe[sd]?|want(?:s|ed)?|explain(?:s|ed)?|
  demand(?:s|ed)?|view(?:s|ed)?`.replace(/\s+/g, '');
/** Before a name, with its titles and first names. */
const ASKS = /\b(?:did|do|does|has|had|have|would|will|could)\s+(?:(?:the|[Pp]resident|\p{Lu}[\p{L}.]*)\s+){0,4}$/u;
const ACCORDING = /\baccording to\s+(?:(?:the|[Pp]resident|\p{Lu}[\p{L}.]*)\s+){0,4}$/iu;
/** After it. "Did Polk go" asks what he did. */
const VERB = new RegExp(`^(?:\\s+(?:ever|once|also|really))?\\s+(${SPEAKS})\\b`, 'i');
const WORDS_OF =
  /^['’]s?\s+(?:[\p{L}]+\s+)?(views?|opinions?|position|words|account|report|message|speech|address|proposals?|advice|thoughts?|stance)\b/iu;

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
    if (holders.size > Math.max(titles.length * SHARE_MAX, Math.min(FEW, titles.length / 2))) continue;
    telling.add(term);
    const weight = Math.log(titles.length / holders.size);
    for (const title of holders) weightOf.set(title, (weightOf.get(title) ?? 0) + weight);
  }
  if (weightOf.size === 0) return null;
  const heaviest = Math.max(...weightOf.values());
  const asks = words(question);
  const rest = asks.filter(({ term }) => !telling.has(term));
  const names = asks.filter(
    ({ term, start }) => telling.has(term) && (isNumber(term) || /\p{Lu}/u.test(question.charAt(start))),
  );
  return {
    titles: [...weightOf].filter(([, weight]) => weight >= heaviest * WEIGHT_MIN).map(([title]) => title),
    isName: names.length > 0,
    rest: rest.map(({ start, end }) => question.slice(start, end)).join(' '),
    speaker: speakerOf(question, names),
  };
}

/** Words that name a speaker of whom it is asked what he says, with the verb; null if none is. */
function speakerOf(question: string, names: readonly Word[]): ReadonlySet<string> | null {
  for (const [i, first] of names.entries()) {
    let last = first;
    for (const next of names.slice(i + 1)) {
      if (!/^[\s,.]*(?:and\s+)?$/.test(question.slice(last.end, next.start))) break;
      last = next;
    }
    const [before, after] = [question.slice(0, first.start), question.slice(last.end)];
    const verb = VERB.exec(after)?.[1] ?? WORDS_OF.exec(after)?.[1];
    const asks = (ACCORDING.exec(before) ?? (verb && ASKS.exec(before)))?.[0];
    // "Lincoln said", "Lincoln's view"; but not "the Lincoln report".
    if (asks !== undefined || (verb && (!/^\s/.test(after) || /(?:s|ed|id)$/.test(verb))))
      return new Set([...names.map(({ term }) => term), ...contentTerms(`${asks ?? ''} ${verb ?? ''}`)]);
  }
  return null;
}

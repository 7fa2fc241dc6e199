// What kind of thing an English question asks for, and whether a sentence has such a thing to offer: a date for "when", an
// amount for "how many", a name for "who", a place for "where". In other languages a question is of no kind.
import { numbersIn } from './numbers.ts';
import { isStopTerm, words } from './words.ts';

export type QuestionKind = 'time' | 'amount' | 'person' | 'place' | 'reason';

const KINDS: readonly [QuestionKind, RegExp][] = [
  [
    'time',
    /\b(?:when|(?:what|which) (?:year|century|date|day|month|decade|time|period|era|season)s?|how (?:long ago|soon)|opening hours)\b/i,
  ],
  [
    'amount',
    /\bhow (?:many|much|long|far|large|big|tall|high|hot|cold|old|often|fast|quick(?:ly)?|deep|wide|heavy|thick|strong)\b|\bwhat (?:is|was|are|were|does|did|do)?\b.{0,60}?\b(?:number|percent(?:age)?|amount|price|fee|size|length|height|weight|population|temperature|cost|total|share|speed|distance|area|receipts)\b/i,
  ],
  [
    'person',
    /\b(?:who|whom|whose)\b|\b(?:what|which) (?:person|man|woman|king|queen|president|leader|general|author)\b/i,
  ],
  [
    'place',
    /\bwhere\b|\b(?:what|which) (?:city|country|countries|place|state|town|region|area|province|continent|location|river)\b/i,
  ],
  ['reason', /\bwhy\b|\bwhat (?:caused?|reason)\b/i],
];
const TIME =
  /\b1\d{3}s?\b|\b20\d{2}s?\b|\b(?:January|February|March|April|June|July|August|September|October|November|December|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?)\b|\bcentur(?:y|ies)\b|\b(?:AD|BC|BCE|am|pm)\b|\b(?:year|month|week|day|hour)s? (?:ago|later|before|after|earlier)\b/;
/** Four digits like these are more often a year than an amount. */
const YEAR = /^(?:1[5-9]|20)\d\d$/;
const REASON =
  /\b(?:because|since|due to|as a result|in order to|so that|caused?|reasons?|therefore|owing to|led to)\b/i;
const PLACE =
  /\b(?:in|at|near|to|from|on|of|through|across|between|north|south|east|west)\s+(?:the\s+)?(\p{Lu}\p{L}+)/gu;

/** Null where it cannot be told. */
export function kindOf(question: string): QuestionKind | null {
  let first: { kind: QuestionKind; at: number } | null = null;
  for (const [kind, pattern] of KINDS) {
    const at = pattern.exec(question)?.index;
    if (at !== undefined && (first === null || at < first.at)) first = { kind, at };
  }
  return first?.kind ?? null;
}

/** Whether `sentence` has what such a question asks for, apart from what the question says itself (`asked`, its terms). */
export function offers(kind: QuestionKind, sentence: string, asked: ReadonlySet<string>): boolean {
  switch (kind) {
    case 'time':
      return TIME.test(sentence);
    case 'amount':
      return numbersIn(sentence).some(
        ({ value, start, end }) => !asked.has(value) && !YEAR.test(sentence.slice(start, end)),
      );
    case 'person':
      return words(sentence).some(
        ({ term, start }, i) =>
          i > 0 && /^\p{Lu}/u.test(sentence.slice(start)) && !isStopTerm(term) && !asked.has(term),
      );
    case 'place':
      return [...sentence.matchAll(PLACE)].some(([, name]) => !asked.has(words(name!)[0]?.term ?? ''));
    case 'reason':
      return REASON.test(sentence);
  }
}

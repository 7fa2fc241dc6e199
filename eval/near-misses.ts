// Questions that only look answerable, made by rule from answerable ones: one number, name or relation is exchanged, so that
// no document answers it. Nobody chose them, so nobody chose easy ones.
import type { DocumentInput } from 'piramid/rag';
import type { SeededRandom } from '../src/structures/random.ts';
import type { Question } from './sets.ts';

/** Words that exchange what is asked of the same things. */
const RELATIONS = [
  ['first', 'last'],
  ['largest', 'smallest'],
  ['highest', 'lowest'],
  ['most', 'least'],
  ['before', 'after'],
  ['north', 'south'],
  ['east', 'west'],
  ['increase', 'decrease'],
  ['built', 'demolished'],
  ['founded', 'dissolved'],
  ['born', 'buried'],
  ['murdered', 'crowned'],
  ['shot', 'married'],
  ['bought', 'sold'],
  ['won', 'lost'],
  ['began', 'ended'],
  ['start', 'end'],
  ['cause', 'prevent'],
  ['support', 'oppose'],
  ['expire', 'double'],
  ['hot', 'heavy'],
  ['cost', 'weigh'],
  ['teaches', 'translates'],
  ['destroyed', 'painted'],
] as const;
/** Taken where the set's own questions have no name that fits. */
const NAMES = ['Klarna', 'Iceland', 'Verdi', 'Toronto', 'Okonkwo', 'Samsung'];
const OPENING = /^\W*\w+/;

/** One for each question that a rule fits. */
export function nearMisses(
  questions: readonly Question[],
  documents: readonly DocumentInput[],
  random: SeededRandom,
): string[] {
  const texts = documents.map(({ title = '', text }) => `${title}\n${text}`.toLowerCase());
  const names = [...new Set(questions.flatMap(({ q }) => namesOf(q)))];
  const ends = questions.map(({ q }) => lastWord(q));
  /** Whether a document says `other` and what stays of the question: then it may be answered. */
  const isAnswered = (other: string, rest: string) => {
    const kept = (rest.toLowerCase().match(/\p{L}{5,}/gu) ?? []).filter((word) => !isCommon(word, texts));
    return texts.some((text) => text.includes(other.toLowerCase()) && kept.some((word) => text.includes(word)));
  };
  const pick = (from: readonly string[], rest: string): string | undefined => {
    const start = random.below(from.length);
    const turned = [...from.slice(start), ...from.slice(0, start)];
    return turned.find((other) => !rest.includes(other) && !isAnswered(other, rest));
  };
  return questions.flatMap(({ q }) => {
    const number = /\b\d[\d,.]*\b/.exec(q)?.[0];
    if (number)
      return [q.replace(number, (digits) => digits.replace(/\d/g, (digit) => String((Number(digit) + 3) % 10)))];
    for (const name of namesOf(q)) {
      const other =
        pick(
          names.filter((one) => one !== name),
          q.replace(name, ''),
        ) ?? NAMES[random.below(NAMES.length)]!;
      return [q.replace(name, other)];
    }
    for (const pair of RELATIONS)
      for (const [from, to] of [pair, [...pair].reverse() as [string, string]])
        if (new RegExp(`\\b${from}\\b`).test(q)) return [q.replace(new RegExp(`\\b${from}\\b`), to)];
    const last = lastWord(q);
    const other = pick(
      ends.filter((word) => word !== last),
      q.replace(last, ''),
    );
    return other ? [q.replace(last, other)] : [];
  });
}

/** Runs of capitalised words inside the question. */
function namesOf(question: string): string[] {
  return (
    question.replace(OPENING, (word) => ' '.repeat(word.length)).match(/\p{Lu}[\p{L}’']+(?: \p{Lu}[\p{L}’']+)*/gu) ?? []
  );
}

function lastWord(question: string): string {
  return question.match(/\p{L}{4,}/gu)?.at(-1) ?? question;
}

/** In so many documents that it says nothing. */
function isCommon(word: string, texts: readonly string[]): boolean {
  return texts.filter((text) => text.includes(word)).length > Math.max(3, texts.length / 10);
}

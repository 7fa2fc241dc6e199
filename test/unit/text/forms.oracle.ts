// Words that are still being typed, read off their definition: what `text/forms` and the search are held to.
import { analyzerOf, ENGLISH } from '../../../src/text/analyzer.ts';
import { forms } from '../../../src/text/forms.ts';
import { errorsIn } from '../../../src/text/typed-word.ts';
import type { WordOptions } from '../../../src/types.ts';

const english = analyzerOf(ENGLISH);

/** Insertions, deletions, substitutions and swaps of neighbours between two words: the whole table. */
export function errorsBetween(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  const table = Array.from({ length: x.length + 1 }, (_, i) =>
    y
      .map(() => 0)
      .concat(0)
      .fill(i, 0, 1),
  );
  for (let j = 0; j <= y.length; j++) table[0]![j] = j;
  for (let i = 1; i <= x.length; i++) {
    for (let j = 1; j <= y.length; j++) {
      let least = Math.min(table[i - 1]![j]! + 1, table[i]![j - 1]! + 1);
      least = Math.min(least, table[i - 1]![j - 1]! + (x[i - 1] === y[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && x[i - 1] === y[j - 2] && x[i - 2] === y[j - 1])
        least = Math.min(least, table[i - 2]![j - 2]! + 1);
      table[i]![j] = least;
    }
  }
  return table[x.length]![y.length]!;
}

/** What `form` is worth where `typed` was typed. */
export function naiveWorth(typed: string, form: string, errorsMax: number, isBeginning: boolean): number {
  const whole = errorsBetween(typed, form);
  const letters = [...form];
  const begins = isBeginning
    ? Math.min(...[...letters, ''].map((_, n) => errorsBetween(typed, letters.slice(0, n).join(''))))
    : Number.POSITIVE_INFINITY;
  if (Math.min(whole, begins) > errorsMax) return 0;
  return whole <= begins ? 0.5 ** whole : 0.8 * 0.5 ** begins;
}

/** Rows of English texts of ASCII words, best first; undefined texts are not there. */
export function naiveTypedSearch(
  texts: readonly (string | undefined)[],
  query: string,
  { prefix = false, fuzzy = false }: WordOptions,
): { row: number; score: number }[] {
  const documents = texts.map((text) => english.tokenize(text ?? ''));
  const real = documents.filter((terms) => terms.length > 0);
  const averageLength = real.reduce((sum, terms) => sum + terms.length, 0) / real.length;
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const form of new Set(forms.tokenize(text ?? ''))) counts.set(form, (counts.get(form) ?? 0) + 1);

  const words = new Map<string, { repeat: number; worth: Map<string, number> }>();
  for (const term of english.queryTerms(query)) {
    const word = words.get(term) ?? { repeat: 0, worth: new Map([[term, 1]]) };
    word.repeat++;
    words.set(term, word);
  }
  const typed = query.split(' ').filter((word) => word !== '');
  for (const [i, form] of typed.entries()) {
    const isLast = i === typed.length - 1;
    if (!isLast && typed.lastIndexOf(form) !== i) continue;
    const errors = fuzzy ? errorsIn(form) : 0;
    const isBeginning = prefix && isLast;
    if (!isBeginning && (errors === 0 || english.isStop(form))) continue;
    const [term] = english.tokenize(form) as [string];
    const word = words.get(term) ?? { repeat: 1, worth: new Map() };
    words.set(term, word);
    const found = Array.from(counts, ([other, count]) => ({
      other,
      count,
      worth: naiveWorth(form, other, errors, isBeginning),
    }))
      .filter(({ other, worth }) => worth > 0 && !english.isStop(other))
      .sort((a, b) => b.worth - a.worth || b.count - a.count || (a.other < b.other ? -1 : 1))
      .slice(0, 64);
    for (const { other, worth } of found) {
      const [otherTerm] = english.tokenize(other) as [string];
      word.worth.set(otherTerm, Math.max(worth, word.worth.get(otherTerm) ?? 0));
    }
  }

  const hits = documents.flatMap((terms, row) => {
    let score = 0;
    for (const { repeat, worth } of words.values()) {
      const df = Math.max(
        0,
        ...Array.from(worth.keys(), (term) => real.filter((other) => other.includes(term)).length),
      );
      const idf = Math.log(1 + (real.length - df + 0.5) / (df + 0.5));
      const norm = 1.2 * (1 - 0.75 + (0.75 * terms.length) / averageLength);
      let best = 0;
      for (const [term, share] of worth) {
        const tf = terms.filter((other) => other === term).length;
        if (tf > 0) best = Math.max(best, (repeat * idf * share * tf * (1.2 + 1)) / (tf + norm));
      }
      score += best;
    }
    return score > 0 ? [{ row, score: Math.fround(score) }] : [];
  });
  return hits.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, 10);
}

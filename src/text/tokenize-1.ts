// Text to terms as up to format 4: for postings that have not been made again by the newest analysis yet. Never changes what it gives, but for letters
// under more than 30 marks, which took the square of their number.
import { stem } from 'porter2';
import { withShortMarks } from '../structures/marks.ts';
import { stretches } from '../structures/stretches.ts';
import { foldAccents } from './normalize.ts';
import { GRAMS_OR_OTHERS, hasGrams, INSIDE, ONE_GRAM, shortened } from './tokenize.ts';

const WORD = new RegExp(`\\p{Nd}+(?:[.,]\\p{Nd}+)+|[\\p{L}\\p{N}]${INSIDE}*(?:['\u2019\u02bc\uff07]${INSIDE}+)*`, 'gu');
const CONTRACTION = /^(.+)'(?:s|d|m|re|ve|ll)$/;
const THOUSANDS = /^\p{Nd}{1,3}(?:,\p{Nd}{3})+(?:\.\p{Nd}+)?$/u;

export function tokenize(text: string): string[] {
  const terms: string[] = [];
  for (const stretch of stretches(withShortMarks(text)))
    for (const word of stretch.text.match(WORD) ?? [])
      for (const term of hasGrams(word) ? gramsIn(word) : wordsIn(word)) terms.push(term);
  return terms;
}

function gramsIn(word: string): string[] {
  const terms: string[] = [];
  for (const { 0: run, 1: grams } of word.matchAll(GRAMS_OR_OTHERS)) {
    if (grams === undefined) terms.push(...wordsIn(run));
    let before = '';
    for (const gram of grams?.match(ONE_GRAM) ?? []) {
      terms.push(foldAccents(gram));
      if (before) terms.push(foldAccents(before + gram));
      before = gram;
    }
  }
  return terms;
}

function wordsIn(word: string): string[] {
  const folded = foldAccents(word);
  let base = folded;
  if (folded.includes("'")) {
    base = CONTRACTION.exec(folded)?.[1] ?? folded;
    if (base.endsWith("n't")) base = base.replace("'", '');
  } else if (folded.includes(',') && THOUSANDS.test(folded)) base = folded.replaceAll(',', '');
  const parts = base.split(/[^\p{L}\p{N}\p{M}.]+/u).filter((part) => part !== '');
  return parts.map((part) => shortened(/^[a-z]+$/.test(part) ? stem(part) : part));
}

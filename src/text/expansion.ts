// Which words of a collection a typed word may stand for. Their forms are kept in postings blocks of their own (`worker/forms`): the
// dictionaries are sorted, and say how many rows have each.
import type { Bitset } from '../structures/bitset.ts';
import type { WordOptions } from '../types.ts';
import type { Analyzer } from './analyzer.ts';
import { formOf, typedWords } from './forms.ts';
import { compareBytes, type Postings, type TermPostings } from './postings.ts';
import { RESTART_INTERVAL } from './postings-writer.ts';
import { liveRows, type QueryWord } from './search.ts';
import { type Typed, TypedWord } from './typed-word.ts';
import type { CountedBlock } from './word-index.ts';

/** Most forms that one typed word is looked for as. */
const FORMS_MAX = 64;
/** UTF-8 of the longest term, three bytes for each UTF-16 unit. */
const FORM_BYTES_MAX = 64 * 3;

/** How a collection reads its texts, and which forms are in them. */
interface Vocabulary {
  analyzer: Analyzer;
  blocks: readonly CountedBlock[];
  /** Rows that count in no statistics. */
  deleted: Bitset;
}

/**
 * Adds the terms of what typed words may stand for to the `words` of a query. A form stands for its term, so that other forms of the same word
 * are found, too. `notes`: what was added, a sentence for each typed word. `isCut`: there were more forms than are looked for.
 */
export function addForms(
  words: Map<string, QueryWord>,
  query: string,
  options: WordOptions,
  { analyzer, blocks, deleted }: Vocabulary,
): { notes: string[]; isCut: boolean } {
  let isCut = false;
  const isStop = (word: string) => analyzer.isStop(word);
  const stemOf = (written: string) => analyzer.tokenize(written)[0] ?? written;
  const notes = typedWords(query, options, isStop).map((typed) => {
    const term = stemOf(typed.written);
    const word = words.get(term) ?? { repeat: 1, terms: new Map<string, number>() };
    words.set(term, word);
    const { found, isCut: isMore } = formsFor(typed, blocks, deleted, isStop);
    isCut ||= isMore;
    for (const { written, worth } of found) {
      const other = stemOf(written);
      word.terms.set(other, Math.max(worth, word.terms.get(other) ?? 0));
    }
    const others = found.map(({ written }) => written).filter((written) => written !== typed.written);
    return `"${typed.written}" was looked for as ${others.join(', ') || 'nothing'}${isMore ? '; it may stand for more' : ''}`;
  });
  return { notes, isCut };
}

/** A form of live rows, and what it is worth as the typed word: 0 to 1. */
export interface FoundForm {
  written: string;
  worth: number;
  /** Live rows that have it. */
  rowCount: number;
}

/**
 * The forms that a typed word may stand for, the best first: those worth most, among them the most frequent, then in order of letters; `FORMS_MAX` at
 * most. Stop words are none of them. The same however rows are cut into blocks: the sums of what the blocks say decide.
 */
export function formsFor(
  typed: Typed,
  blocks: readonly CountedBlock[],
  deleted: Bitset,
  isStop: (word: string) => boolean,
): { found: FoundForm[]; isCut: boolean } {
  let isCut = false;
  const found: FoundForm[] = [];
  const decoder = new TextDecoder();
  let open = blocks.flatMap((block) => {
    const entries = walk(block.postings, new TypedWord(typed));
    const { value } = entries.next();
    return value ? [{ block, entries, entry: value }] : [];
  });
  while (open.length > 0) {
    const first = open.reduce((a, b) => (compareBytes(termOf(b.entry), termOf(a.entry)) < 0 ? b : a)).entry;
    const same = open.filter(({ entry }) => compareBytes(termOf(entry), termOf(first)) === 0);
    const form: FoundForm = { written: '', worth: first.worth, rowCount: 0 };
    for (const { entry } of same) form.rowCount += entry.postings.rowCount;
    // What comes later in order of letters has to be better, and deleted rows can only make it worse.
    if (found.length < FORMS_MAX || byWorth(form, found.at(-1)!) < 0) {
      form.rowCount = 0;
      for (const { block, entry } of same) form.rowCount += liveRows(block, entry.postings, deleted);
      form.written = formOf(decoder.decode(termOf(first))).written;
      if (form.rowCount > 0 && !isStop(form.written)) {
        found.push(form);
        if (found.sort(byWorth).splice(FORMS_MAX).length > 0) isCut = true;
      }
    } else isCut = true;
    open = open.filter((one) => !same.includes(one) || !one.entries.next().done);
  }
  return { found, isCut };
}

/** Below 0 where `a` is better. */
function byWorth(a: FoundForm, b: FoundForm): number {
  return b.worth - a.worth || b.rowCount - a.rowCount;
}

/** A form that the typed word may stand for, in one block. The same object each time. */
interface Entry {
  postings: TermPostings;
  /** UTF-8: the first `length` bytes. */
  bytes: Uint8Array;
  length: number;
  worth: number;
}

function termOf({ bytes, length }: Entry): Uint8Array {
  return bytes.subarray(0, length);
}

/**
 * Walks a dictionary in order, to the forms that a typed word may stand for. What forms have in common with the one before is not compared
 * again, and 16 forms are passed over at once where all begin with letters that the word cannot.
 */
function* walk(block: Postings, typed: TypedWord): Generator<Entry, undefined> {
  const dictionary = block.bytes;
  const restarts = Math.ceil(block.termCount / RESTART_INTERVAL);
  const bytes = new Uint8Array(FORM_BYTES_MAX);
  const entry = { bytes, length: 0, worth: 0 } as Entry;
  /** Letters in the first bytes, by where a letter begins. */
  const letters = new Uint8Array(FORM_BYTES_MAX + 1);
  /** Bytes of the folded form; the rest is how it is written. */
  let folded = 0;
  /** No form that begins with so many of `bytes` is meant. */
  let dead = Number.POSITIVE_INFINITY;

  const isDeadAt = (restart: number): boolean => {
    if (restart >= restarts) return false;
    const ahead = block.readerAt(restart);
    ahead.entry();
    for (let i = 0; i < dead; i++) if (dictionary[ahead.from + i] !== bytes[i]) return false;
    return true;
  };

  for (let restart = 0; restart < restarts; restart++) {
    const reader = block.readerAt(restart);
    entry.postings = reader;
    for (let n = 0; n < RESTART_INTERVAL && reader.at < block.postingsStart; n++) {
      reader.entry();
      const { from, to } = reader;
      let { shared } = reader;
      const length = shared + to - from;
      // Of the first of 16, what it has in common with the one before is written out again.
      if (n === 0)
        while (shared < Math.min(to - from, entry.length) && dictionary[from + shared] === bytes[shared]) shared++;
      if (shared < dead) {
        for (let i = shared; i < length; i++) bytes[i] = dictionary[to - length + i]!;
        entry.length = length;
        dead = Number.POSITIVE_INFINITY;
        // What is behind `folded` is another way of writing the same.
        if (shared <= folded) {
          let at = shared;
          while (at > 0 && (bytes[at]! & 0xc0) === 0x80) at--;
          for (let depth = letters[at]!; at < length && bytes[at] !== 0 && dead > at; letters[at] = ++depth) {
            const lead = bytes[at++]!;
            let letter = lead;
            if (lead >= 0x80) {
              letter = lead & (lead < 0xe0 ? 0x1f : lead < 0xf0 ? 0x0f : 0x07);
              while (at < length && (bytes[at]! & 0xc0) === 0x80) letter = letter * 64 + (bytes[at++]! & 0x3f);
            }
            if (!typed.push(depth, letter)) dead = at;
          }
          folded = at;
        }
      }
      if (dead <= length) {
        let last = restart;
        if (n === 0) while (isDeadAt(last + 1)) last++;
        if (last === restart) continue;
        restart = last - 1;
        break;
      }
      entry.worth = typed.worth(letters[folded]!);
      if (entry.worth > 0) yield entry;
    }
  }
}

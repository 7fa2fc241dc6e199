// A word as somebody types it, which may be a beginning and have typing errors, held against whole words letter by letter. Rows of the
// dynamic programme stay where they are, so that words with a common beginning share them (as Lucene walks its dictionary).

/** What a word is worth of which the typed one is the beginning; the typed word itself is worth 1. */
const BEGINNING_WORTH = 0.8;
/** What each error leaves of that. */
const ERROR_WORTH = 0.5;
/** Letters from which on a word is taken to have one error at most, and two. */
const ONE_ERROR_LETTERS = 4;
const TWO_ERRORS_LETTERS = 8;
/** Letters of the longest term. */
const LETTERS_MAX = 64;

/** Errors that a word is taken to have at most, by its letters. Numbers and words with digits have none: another number is another thing. */
export function errorsIn(word: string): number {
  if (/\p{N}/u.test(word)) return 0;
  const { length } = [...word];
  return length >= TWO_ERRORS_LETTERS ? 2 : length >= ONE_ERROR_LETTERS ? 1 : 0;
}

/** What was typed, folded. */
export interface Typed {
  folded: string;
  /** Errors that it may have. */
  errorsMax: number;
  /** Whether the rest of it may be missing. */
  isBeginning: boolean;
}

export class TypedWord {
  readonly #letters: Uint32Array;
  readonly #errorsMax: number;
  readonly #isBeginning: boolean;
  /** Letters of the other word. */
  readonly #others = new Uint32Array(LETTERS_MAX + 1);
  /**
   * Row d, cell i: errors between the first d letters of the other word and the first i of this one; what is more than `errorsMax` is any
   * number above it. Shape: (LETTERS_MAX + 1, letters + 1).
   */
  readonly #rows: Uint8Array;
  /** By d: fewest errors between this word and a beginning of the first d letters. */
  readonly #begins = new Uint8Array(LETTERS_MAX + 1);

  constructor({ folded, errorsMax, isBeginning }: Typed) {
    this.#letters = Uint32Array.from(folded, (letter) => letter.codePointAt(0)!);
    this.#errorsMax = errorsMax;
    this.#isBeginning = isBeginning;
    const width = this.#letters.length + 1;
    this.#rows = new Uint8Array((LETTERS_MAX + 1) * width);
    for (let i = 0; i < width; i++) this.#rows[i] = i;
    this.#begins[0] = errorsMax + 1;
  }

  /**
   * Puts a letter behind the first `depth` ones of the other word. False where no word that begins so can be meant. Insertions, deletions,
   * substitutions and swapped neighbours are one error each (optimal string alignment); cells farther from the diagonal than
   * `errorsMax` are not looked at (Ukkonen 1985).
   */
  push(depth: number, letter: number): boolean {
    const errorsMax = this.#errorsMax;
    const letters = this.#letters;
    const rows = this.#rows;
    const n = letters.length;
    const above = depth * (n + 1);
    const row = above + n + 1;
    const d = depth + 1;
    let begins = this.#begins[depth]!;
    this.#begins[d] = begins;
    rows[row + n] = errorsMax + 1;
    this.#others[depth] = letter;
    if (d > n + errorsMax) return begins <= errorsMax;
    const twoAbove = above - n - 1;
    const before = depth > 0 ? this.#others[depth - 1] : -1;
    const first = Math.max(1, d - errorsMax);
    const last = Math.min(n, d + errorsMax);
    rows[row + first - 1] = first === 1 ? d : errorsMax + 1;
    let least = first === 1 ? d : errorsMax + 1;
    for (let i = first; i <= last; i++) {
      const own = letters[i - 1];
      let errors = rows[above + i - 1]! + (own === letter ? 0 : 1);
      // The cell above the last one is outside of its row's band.
      if (i < d + errorsMax) errors = Math.min(errors, rows[above + i]! + 1);
      errors = Math.min(errors, rows[row + i - 1]! + 1);
      if (i > 1 && own === before && letters[i - 2] === letter) errors = Math.min(errors, rows[twoAbove + i - 2]! + 1);
      rows[row + i] = errors;
      if (errors < least) least = errors;
    }
    if (this.#isBeginning) begins = this.#begins[d] = Math.min(begins, rows[row + n]!);
    return least <= errorsMax || begins <= errorsMax;
  }

  /** What a word of so many letters is worth as what was meant: 1 for the same word, 0 for another one. */
  worth(depth: number): number {
    const n = this.#letters.length;
    const whole = this.#rows[depth * (n + 1) + n]!;
    const begins = this.#begins[depth]!;
    if (Math.min(whole, begins) > this.#errorsMax) return 0;
    return whole <= begins ? ERROR_WORTH ** whole : BEGINNING_WORTH * ERROR_WORTH ** begins;
  }

  /** The same for a word, folded. */
  worthOf(word: string): number {
    let depth = 0;
    for (const letter of word) if (!this.push(depth++, letter.codePointAt(0)!)) return 0;
    return this.worth(depth);
  }
}

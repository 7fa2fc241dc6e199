// A set of row numbers, one bit a row. The words are shared with the kernels as they are: bit `row & 31` of word `row >> 5`.

export class Bitset {
  /** Rows 0 .. length-1 can be members. */
  readonly length: number;
  /** Shape: (ceil(length / 32)). Bits at and above `length` are zero. */
  readonly words: Uint32Array<ArrayBuffer>;

  constructor(length: number, words = new Uint32Array((length + 31) >>> 5)) {
    this.length = length;
    this.words = words;
  }

  /** All of 0 .. length-1. */
  static full(length: number): Bitset {
    const set = new Bitset(length);
    set.words.fill(0xffffffff);
    if (length & 31) set.words[set.words.length - 1] = 0xffffffff >>> (32 - (length & 31));
    return set;
  }

  has(row: number): boolean {
    return !!(((this.words[row >>> 5] ?? 0) >>> (row & 31)) & 1);
  }

  add(row: number): void {
    this.words[row >>> 5]! |= 1 << (row & 31);
  }

  remove(row: number): void {
    this.words[row >>> 5]! &= ~(1 << (row & 31));
  }

  /** Adds first .. end-1. */
  addRange(first: number, end: number): void {
    for (let row = first; row < end; row++) {
      if ((row & 31) === 0 && row + 32 <= end) {
        this.words[row >>> 5] = 0xffffffff;
        row += 31;
      } else this.add(row);
    }
  }

  /** Number of members. */
  count(): number {
    let total = 0;
    for (const word of this.words) total += popcount(word);
    return total;
  }

  /** A copy that can hold `length` rows; the new ones are not members. */
  resized(length: number): Bitset {
    const words = new Uint32Array((length + 31) >>> 5);
    words.set(this.words.subarray(0, words.length));
    if (length < this.length && length & 31) words[words.length - 1]! &= 0xffffffff >>> (32 - (length & 31));
    return new Bitset(length, words);
  }

  clone(): Bitset {
    return new Bitset(this.length, this.words.slice());
  }

  /** Keeps the members that `other` has too (in place). Rows that `other` cannot hold are removed. */
  intersect(other: Bitset): this {
    for (let i = 0; i < this.words.length; i++) this.words[i]! &= other.words[i] ?? 0;
    return this;
  }

  /** Adds the members of `other` (in place), which is no longer than this. */
  union(other: Bitset): this {
    for (let i = 0; i < other.words.length; i++) this.words[i]! |= other.words[i]!;
    return this;
  }

  /** Removes the members of `other` (in place). */
  subtract(other: Bitset): this {
    const end = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < end; i++) this.words[i]! &= ~other.words[i]!;
    return this;
  }

  /** Members in ascending order. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.words.length; i++) {
      let word = this.words[i]!;
      while (word !== 0) {
        const bit = 31 - Math.clz32(word & -word);
        yield i * 32 + bit;
        word &= word - 1;
      }
    }
  }
}

export function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

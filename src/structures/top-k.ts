// Keeps the best k of many (row, score) pairs: score descending, then row ascending. A binary heap with the worst of
// the kept at its root, in two typed arrays; knows nothing of vectors.

export class TopK {
  readonly capacity: number;
  #size = 0;
  readonly #rows: Uint32Array<ArrayBuffer>;
  readonly #scores: Float32Array<ArrayBuffer>;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#rows = new Uint32Array(capacity);
    this.#scores = new Float32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The score that the next one must reach to be kept; -Infinity while there is room. */
  get least(): number {
    return this.#size < this.capacity ? Number.NEGATIVE_INFINITY : (this.#scores[0] ?? Number.POSITIVE_INFINITY);
  }

  /** `score` is a float32 and no NaN. */
  push(row: number, score: number): void {
    const rows = this.#rows;
    const scores = this.#scores;
    if (this.#size < this.capacity) {
      let hole = this.#size++;
      while (hole > 0) {
        const parent = (hole - 1) >> 1;
        if (!isWorse(row, score, rows[parent]!, scores[parent]!)) break;
        rows[hole] = rows[parent]!;
        scores[hole] = scores[parent]!;
        hole = parent;
      }
      rows[hole] = row;
      scores[hole] = score;
    } else if (this.capacity > 0 && isWorse(rows[0]!, scores[0]!, row, score)) {
      sink(rows, scores, this.#size, row, score);
    }
  }

  /** The kept pairs, best first. Empties the heap. */
  take(): { rows: Uint32Array<ArrayBuffer>; scores: Float32Array<ArrayBuffer> } {
    const rows = new Uint32Array(this.#size);
    const scores = new Float32Array(this.#size);
    while (this.#size > 0) {
      const last = --this.#size;
      rows[last] = this.#rows[0]!;
      scores[last] = this.#scores[0]!;
      sink(this.#rows, this.#scores, last, this.#rows[last]!, this.#scores[last]!);
    }
    return { rows, scores };
  }
}

function isWorse(row: number, score: number, thanRow: number, thanScore: number): boolean {
  return score < thanScore || (score === thanScore && row > thanRow);
}

/** Replaces the root of a heap of `size` pairs. */
function sink(rows: Uint32Array, scores: Float32Array, size: number, row: number, score: number): void {
  let hole = 0;
  for (let child = 1; child < size; child = hole * 2 + 1) {
    const right = child + 1;
    if (right < size && isWorse(rows[right]!, scores[right]!, rows[child]!, scores[child]!)) child = right;
    if (!isWorse(rows[child]!, scores[child]!, row, score)) break;
    rows[hole] = rows[child]!;
    scores[hole] = scores[child]!;
    hole = child;
  }
  rows[hole] = row;
  scores[hole] = score;
}

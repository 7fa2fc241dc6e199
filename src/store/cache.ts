// Decoded chunks that queries return text and metadata from, least recently used out first, bounded by bytes.
// Concurrent readers of one chunk share its read.

export class PayloadCache {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #entries = new Map<number, { value: Promise<unknown>; bytes: number }>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The value of `key`, read by `read` if it is not here. A failed read is not kept. */
  get<T>(key: number, bytes: number, read: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value as Promise<T>;
    }
    const value = read();
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    value.catch(() => this.#remove(key));
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === key) break;
      this.#remove(oldest);
    }
    return value;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(key: number): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

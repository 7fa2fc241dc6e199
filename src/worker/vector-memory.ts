// How much memory the vectors of all collections may take: who holds how much, and whether more fits. What does not fit goes to
// the row file, as far as it is the float32 numbers of a quantised collection.
import { memoryBytes } from '../kernels/devices.ts';
import type { Store } from '../store/store.ts';

/** Of the device's memory. */
const SHARE = 1 / 4;
const BYTES_MIN = 256 << 20;

export class VectorMemory {
  readonly limit: number;
  /** Why there is no file for what does not fit; null as long as there is one, or may be one. */
  why: string | null;
  readonly #store: Store;
  readonly #holders = new Set<() => number>();
  #isWarned = false;

  constructor(store: Store, limit = Math.max(BYTES_MIN, memoryBytes() * SHARE), why: string | null = null) {
    this.#store = store;
    this.limit = limit;
    this.why = why;
  }

  /** Bytes of all vectors and codes in memory, but for one holder's. */
  bytes(without?: () => number): number {
    let bytes = 0;
    for (const held of this.#holders) if (held !== without) bytes += held();
    return bytes;
  }

  /** `held`: what it holds now. Returns how to leave. */
  join(held: () => number): () => void {
    this.#holders.add(held);
    return () => this.#holders.delete(held);
  }

  /** Whether there is a file. */
  get hasFile(): boolean {
    return this.#store.fileBytes > 0;
  }

  /** Opens the file, for what does not fit. */
  async openFile(): Promise<boolean> {
    if (this.why === null && !(await this.#store.openFile())) this.why = 'no file could be opened, or the disk is full';
    if (this.why !== null && !this.#isWarned) {
      console.warn(`Piramid: vectors take more than 'memory', ${this.limit} bytes: ${this.why}`);
      this.#isWarned = true;
    }
    return this.why === null;
  }
}

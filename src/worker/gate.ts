// Readers pass together, a renumbering of rows passes alone: whoever holds row numbers across an `await` does so inside.

export class Gate {
  #readers = 0;
  /** While someone wants to be, or is, alone: settles when he is done. */
  #closed: Promise<void> | null = null;
  #onEmpty: (() => void) | null = null;
  #shut: Error | null = null;

  /** Runs `read` at once, unless someone is to be alone. Must not be entered again from within. */
  async read<T>(read: () => Promise<T>): Promise<T> {
    while (this.#closed) await this.#closed;
    this.check();
    this.#readers++;
    try {
      return await read();
    } finally {
      if (--this.#readers === 0) this.#onEmpty?.();
    }
  }

  /** Ends it when all readers have left and `job` has succeeded; whoever comes later gets `reason`. */
  shut(reason: Error, job: () => Promise<void> = async () => {}): Promise<void> {
    return this.alone(async () => {
      await job();
      this.#shut ??= reason;
    });
  }

  /** Whoever comes from now on gets `reason`. */
  refuse(reason: Error): void {
    this.#shut ??= reason;
  }

  /** When all readers have left who came before it was shut. One at a time, like `alone`. */
  async emptied(): Promise<void> {
    if (this.#readers === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    this.#onEmpty = null;
  }

  /** Throws the reason why it is shut, if it is. */
  check(): void {
    if (this.#shut) throw this.#shut;
  }

  /** Runs `job` when all readers have left; new ones wait for its end. One at a time is the callers' business. */
  async alone<T>(job: () => Promise<T>): Promise<T> {
    this.check();
    let open!: () => void;
    this.#closed = new Promise((resolve) => {
      open = resolve;
    });
    try {
      if (this.#readers > 0) {
        await new Promise<void>((resolve) => {
          this.#onEmpty = resolve;
        });
      }
      return await job();
    } finally {
      this.#onEmpty = null;
      this.#closed = null;
      open();
    }
  }
}

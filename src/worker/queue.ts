// Runs jobs one after the other, in the order of the calls. A failed job fails its caller only.

export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Settles when everything queued so far has run. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

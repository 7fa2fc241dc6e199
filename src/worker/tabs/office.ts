// Who leads, as one worker sees it: queues for the database's lock, holds it while the worker leads, and takes it by force from
// whoever has it and cannot answer, because the browser has frozen it or because it is silent. Knows nothing of calls.
import { asleep, holdDatabase, holderOf, inTurn } from '../locks.ts';
import type { Locks, Platform } from '../platform.ts';

/** What a lock takes to come from a worker that died, and how much later than the first the last of many workers takes one by force. */
const GRACE_MS_MIN = 20;
const GRACE_MS_SPREAD = 60;
/** How long a worker has its turn at most, and waits for it: longer than a lock takes to come. */
const TURN_MS = 60;

export interface OfficeHolder {
  /** Its turn has come, though another one may still believe to be in office. Resolves with whether it leads now. */
  takeOffice(): Promise<boolean>;
  /** Another worker has taken the lock away. */
  onLost(): void;
}

export class Office {
  readonly #platform: Platform;
  readonly #locks: Locks;
  readonly #database: string;
  /** Names the worker. */
  readonly #token: string;
  readonly #holder: OfficeHolder;
  /** The wait for the lock, or the lock. */
  #candidacy: AbortController | null = null;
  #isIn = false;
  /** Settles when it is. */
  #entered = Promise.resolve();
  #resign: () => void = () => {};
  /** The wait for whoever has the lock to fall asleep. */
  #watch: AbortController | null = null;

  constructor(platform: Platform, database: string, token: string, holder: OfficeHolder) {
    this.#platform = platform;
    this.#locks = platform.locks!;
    this.#database = database;
    this.#token = token;
    this.#holder = holder;
  }

  /** Whether it waits for the lock, or has it. */
  get isSought(): boolean {
    return this.#candidacy !== null;
  }

  /** Queues for the lock. */
  seek(): void {
    this.#stand(false);
  }

  /** Takes the lock from whoever has it. */
  seize(): void {
    this.#candidacy?.abort();
    this.#stand(true);
  }

  /** Lets go of the lock, or of the wait for it. */
  leave(): void {
    this.#isIn = false;
    this.#resign();
    this.#candidacy?.abort();
    this.#watch?.abort();
  }

  /** The worker could not take office, and does not seek it any more. */
  giveUp(): void {
    this.#candidacy = null;
    this.#isIn = false;
  }

  /** Seizes the lock once its holder is frozen, with its page, and so neither answers nor lets go. Call again when the holder may be another one. */
  async watchHolder(): Promise<void> {
    this.#watch?.abort();
    const watch = new AbortController();
    this.#watch = watch;
    const isOver = () => watch.signal.aborted || this.#isIn;
    try {
      for (;;) {
        const holder = await holderOf(this.#locks, this.#database);
        if (holder === null || holder === this.#token || isOver()) return;
        await asleep(this.#locks, holder, watch.signal);
        // One that died leaves the lock to the next in the queue, who is asked for nothing then.
        await this.#platform.wait(graceOf(this.#token));
        if (isOver()) return;
        // In turn: of two that take it in the same moment, the first would open the database for nothing, and both have to wait for it.
        const late = new AbortController();
        void this.#platform.wait(TURN_MS).then(() => late.abort());
        await inTurn(this.#locks, this.#database, late.signal, async () => {
          if (isOver() || (await holderOf(this.#locks, this.#database)) !== holder || isOver()) return;
          this.seize();
          await Promise.race([this.#entered, this.#platform.wait(TURN_MS)]);
        });
        if (isOver()) return;
      }
    } catch {} // aborted, or there are no locks any more
  }

  #stand(byForce: boolean): void {
    const candidacy = new AbortController();
    const { signal } = candidacy;
    this.#candidacy = candidacy;
    let enter = () => {};
    this.#entered = new Promise((resolve) => {
      enter = resolve;
    });
    holdDatabase(this.#locks, this.#database, { steal: byForce, signal }, async () => {
      if (signal.aborted) return;
      this.#isIn = true;
      enter();
      const left = new Promise<void>((resolve) => {
        this.#resign = resolve;
      });
      if (await this.#holder.takeOffice()) await left;
    }).catch((error) => {
      // Taken away by another worker, or given up, or there are no locks any more.
      const isStolen = error instanceof DOMException && error.name === 'AbortError';
      if (isStolen && !signal.aborted && this.#candidacy === candidacy) this.#holder.onLost();
    });
    void this.watchHolder();
  }
}

/** How long a worker leaves a sleeping holder's lock to others, milliseconds: each another time, so that not all take it at once. */
function graceOf(token: string): number {
  return GRACE_MS_MIN + (Number.parseInt(token.slice(0, 2), 16) / 256) * GRACE_MS_SPREAD;
}

// A witness outside IndexedDB: what a database held when it was last seen, in localStorage. Browsers delete a database whose
// files they cannot read and go on with an empty one; without a witness, that looks like a first visit.
import type { DataLoss } from '../types.ts';

/** How far a database is. Neither number ever goes back. */
export interface Testimony {
  uuid: string;
  generation: number;
  log: number;
  /** Live records. */
  records: number;
}

/** How often it is brought up to date while the database is written to, milliseconds. */
const INTERVAL_MS = 2000;

export class Witness {
  private readonly key: string;
  private readonly ask: () => Promise<Testimony>;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(database: string, ask: () => Promise<Testimony>) {
    this.key = `piramid:${database}`;
    this.ask = ask;
  }

  /** Compares what there is with what there was, and takes note of it. Null where nothing is missing, or nobody knows. */
  async examine(): Promise<DataLoss | null> {
    const before = this.read();
    const now = await this.ask();
    this.write(now);
    if (!before) return null;
    const isSame = before.uuid === now.uuid;
    if (isSame && now.generation >= before.generation && now.log >= before.log) return null;
    if (!isSame && before.records === 0) return null;
    return { what: isSame ? 'writes' : 'everything', recordsBefore: before.records, recordsNow: now.records };
  }

  /** A write has been made. */
  note(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.update();
    }, INTERVAL_MS);
  }

  /** Before the database is closed. */
  async close(): Promise<void> {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    await this.update();
  }

  private async update(): Promise<void> {
    try {
      this.write(await this.ask());
    } catch {} // closed, or the worker is gone: the next opening asks
  }

  private read(): Testimony | null {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? 'null') as Testimony | null;
    } catch {
      return null; // no localStorage here (a worker, a sandboxed frame), or not ours
    }
  }

  private write(testimony: Testimony): void {
    try {
      localStorage.setItem(this.key, JSON.stringify(testimony));
    } catch {}
  }
}

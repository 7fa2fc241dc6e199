// A witness outside IndexedDB: what a database held when it was last seen, in localStorage and in a file of the origin's own
// (OPFS). Browsers delete a database whose files they cannot read and go on with an empty one; without a witness, that looks
// like a first visit. Workers and sandboxed frames have no localStorage, older browsers no files: what is there counts.
import type { DataLoss } from '../types.ts';

/** How far a database is. Neither number ever goes back. */
export interface Testimony {
  uuid: string;
  generation: number;
  log: number;
  /** Live records; of an encrypted database 1 where there are any: how many is kept nowhere in the clear. */
  records: number;
  isSecret?: boolean;
}

/** Where testimonies are kept. Neither call ever rejects; null where there is none, or nobody can tell. */
interface Place {
  read(): Promise<Testimony | null>;
  write(testimony: Testimony): Promise<void>;
}

/** How often it is brought up to date while the database is written to, milliseconds. */
const INTERVAL_MS = 2000;
/** How long anybody waits for a place, milliseconds. */
const PATIENCE_MS = 1000;

export class Witness {
  readonly #places: readonly Place[];
  readonly #ask: () => Promise<Testimony>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What is being looked at, or written. */
  #busy: Promise<unknown> = Promise.resolve();

  constructor(database: string, ask: () => Promise<Testimony>) {
    const { key, file } = namesOf(database);
    this.#places = [inLocalStorage(key), inFile(file)];
    this.#ask = ask;
  }

  /** Compares what there is with what there was, and takes note of it. Null where nothing is missing, or nobody knows. */
  examine(): Promise<DataLoss | null> {
    const examined = this.#compare().catch(() => null); // closed, or the worker is gone: the next opening asks
    this.#keepBusy(examined);
    return examined;
  }

  /** A write has been made. */
  note(): void {
    this.#timer ??= setTimeout(() => this.#update(), INTERVAL_MS);
  }

  /** Before the database is closed. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#update();
    await atMost(this.#busy);
  }

  async #compare(): Promise<DataLoss | null> {
    const [now, ...seen] = await Promise.all([this.#ask(), ...this.#places.map((place) => atMost(place.read()))]);
    this.#keepBusy(this.#write(now));
    // The one that knows most. A place that could not be written to for a while may speak of a database that was there before
    // this one, and whose loss has been told.
    const all = seen.filter((testimony) => testimony !== null).sort((a, b) => b.generation - a.generation);
    const same = all.filter(({ uuid }) => uuid === now.uuid);
    const isSame = same.length > 0;
    const before = isSame
      ? same.find(({ generation, log }) => generation > now.generation || log > now.log)
      : all.find(({ records }) => records > 0);
    if (!before) return null;
    return {
      what: isSame ? 'writes' : 'everything',
      ...(!before.isSecret && { recordsBefore: before.records }),
      recordsNow: now.records,
    };
  }

  #update(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keepBusy(
      this.#ask().then(
        (now) => this.#write(now),
        () => {}, // as above
      ),
    );
  }

  #keepBusy(work: Promise<unknown>): void {
    this.#busy = Promise.all([this.#busy, work]);
  }

  #write(testimony: Testimony): Promise<unknown> {
    const { isSecret, records } = testimony;
    const said = isSecret ? { ...testimony, records: Math.min(records, 1) } : testimony;
    return Promise.all(this.#places.map((place) => place.write(said)));
  }
}

/** Of a database that is deleted on purpose. */
export async function forget(database: string): Promise<void> {
  const { key, file } = namesOf(database);
  try {
    localStorage.removeItem(key);
  } catch {} // none here
  await removeEntry(file);
}

/** Removes a file or a folder of the origin, where there are any and it is there. A private window may refuse to look. */
export async function removeEntry(name: string): Promise<void> {
  try {
    const root = await navigator.storage?.getDirectory?.();
    await root?.removeEntry(name, { recursive: true });
  } catch {}
}

function namesOf(database: string): { key: string; file: string } {
  return { key: `piramid:${database}`, file: `piramid-${encodeURIComponent(database)}.json` };
}

function inLocalStorage(key: string): Place {
  return {
    async read() {
      try {
        return JSON.parse(localStorage.getItem(key) ?? 'null') as Testimony | null;
      } catch {
        return null; // none here, or not ours
      }
    },
    async write(testimony) {
      try {
        localStorage.setItem(key, JSON.stringify(testimony));
      } catch {}
    },
  };
}

function inFile(name: string): Place {
  /** One after the other, so that the latest stays. */
  let written = Promise.resolve();
  const open = async (options?: FileSystemGetFileOptions) =>
    (await navigator.storage.getDirectory()).getFileHandle(name, options);
  return {
    async read() {
      try {
        return JSON.parse(await (await (await open()).getFile()).text()) as Testimony;
      } catch {
        return null; // no files here, or none of that name
      }
    },
    write(testimony) {
      written = written.then(async () => {
        try {
          // Takes the place of the old one when it is closed, as a whole.
          const stream = await (await open({ create: true })).createWritable();
          await stream.write(JSON.stringify(testimony));
          await stream.close();
        } catch {}
      });
      return written;
    },
  };
}

/** Null where it takes longer than anybody waits. */
function atMost<T>(promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, new Promise<null>((resolve) => setTimeout(resolve, PATIENCE_MS, null))]);
}

// The durable backend: one IndexedDB database of three object stores. Owns the connection: a dead one is dropped and
// reopened, never retried (w3c/IndexedDB and Safari's "connection lost" made that rule). Knows nothing of what bytes mean.
import { type IDBPDatabase, openDB, unwrap, wrap } from 'idb';
import { DATABASE_PREFIX } from '../checks.ts';
import { PiramidError } from '../errors.ts';
import { inSlices, nextTask, type Sliced } from '../structures/slices.ts';
import { type Backend, bytesOf, isFull, isTakenOver, type Place, type Put, takenOver, type Write } from './backend.ts';
import { encodeBlock } from './format.ts';
import { mayBeInline } from './inline.ts';
import { isChromium, renewLog, turnLog } from './leveldb.ts';
import { patient } from './patience.ts';
import { BIRTH_KEY, INDEXEDDB_VERSION, STORES, type StoreName } from './schema.ts';
import { remedyOf, storageError, writeError } from './storage-error.ts';
import { readAllOnce, readOnce, writeOnce } from './transaction.ts';

/** Without calls for so long, a connection may rest, milliseconds. */
const IDLE_MS = 500;
/** How long it rests for what was deleted to be given back: Chromium keeps a database open for two seconds after its last connection. */
const REST_MS = 3000;

/** To put so much takes half a millisecond. */
const LARGE_BYTES = 256 << 10;

/** Of more bytes in LevelDB, it is quicker to have LevelDB turn to another log than to put them again. */
const TURN_BYTES_MIN = 3 << 20;

export async function openIndexedDb(name: string, durability: 'strict' | 'relaxed'): Promise<Backend> {
  if (typeof indexedDB === 'undefined') {
    throw new PiramidError('UNSUPPORTED', "this browser context has no IndexedDB; open with storage: 'memory'");
  }
  const backend = new IndexedDbBackend(DATABASE_PREFIX + name, durability);
  return patient(backend, async () => {
    await backend.connect();
    await backend.renewal;
  });
}

class IndexedDbBackend implements Backend {
  readonly kind = 'indexeddb';
  #connection: Promise<IDBDatabase> | undefined;
  /** What `connection` resolved with: where it is open, requests are made at once and not a microtask later. */
  #database: IDBDatabase | undefined;
  /** To connect. What one that was given up brings in the end is nobody's. */
  #attempts = 0;
  #closed = false;
  /** How often what was under way has been given up. */
  #givenUp = 0;
  #isReleasing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it has been open: if it has to be made anew after that, or somebody else has done so, it was deleted. */
  #known = false;
  /** Its mark; undefined in one that an older release made. */
  #birth: ArrayBuffer | undefined;
  /** Whoever wrote before may have been killed in the middle of it. */
  #mayBeTorn = true;
  /** It had no room for the last write. */
  #isFull = false;
  /** Never rejects. */
  renewal: Promise<void> | undefined;
  readonly #name: string;
  readonly #durability: 'strict' | 'relaxed';

  constructor(name: string, durability: 'strict' | 'relaxed') {
    this.#name = name;
    this.#durability = durability;
  }

  connect(): Promise<IDBDatabase> {
    if (this.#closed) throw new PiramidError('CLOSED', 'the database has been closed');
    this.#connection ??= this.#open();
    return this.#connection;
  }

  async #open(): Promise<IDBDatabase> {
    let deleted = false;
    let database: IDBPDatabase | undefined;
    const attempt = ++this.#attempts;
    // A disk that has just been full may be so still, and then a renewal does harm: it comes before the next write.
    if (this.#mayBeTorn && !this.#isFull) this.#renew();
    try {
      database = await openDB(this.#name, INDEXEDDB_VERSION, {
        upgrade: (db, _from, _to, transaction) => {
          if (!this.#known) {
            for (const store of STORES) db.createObjectStore(store);
            transaction.objectStore('manifest').put(newBirth(), BIRTH_KEY);
          } else {
            // Writes into an empty database would be acknowledged, and unreadable without what was before them.
            deleted = true;
            transaction.done.catch(() => {});
            transaction.abort();
          }
        },
        terminated: () => {
          this.#mayBeTorn = true;
          this.#forget();
        },
      });
      const connected = unwrap(database);
      // Someone deletes the database: give way, or both wait for ever.
      connected.addEventListener('versionchange', () => {
        connected.close();
        this.#forget();
      });
      const birth = (await wrap(readOnce(connected, 'manifest', 'get', BIRTH_KEY))) as ArrayBuffer | undefined;
      deleted = this.#known && !sameBytes(this.#birth, birth);
      if (deleted) throw new Error('another database stands in its place');
      this.#known = true;
      this.#birth = birth;
      if (attempt === this.#attempts) this.#database = connected;
      return connected;
    } catch (error) {
      database?.close();
      if (attempt === this.#attempts) this.#forget();
      if (deleted) {
        throw new PiramidError(
          'DATA_LOSS',
          'the database was deleted while it was open (by the user, the browser, or another page). Nothing was written; close it and open it again to begin anew.',
          { cause: error },
        );
      }
      throw storageError(error, 'opening the database');
    }
  }

  async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    return this.#withConnection(
      'reading',
      (db) => wrap(readOnce(db, store, 'get', key)) as Promise<ArrayBuffer | undefined>,
    );
  }

  async readAll(store: StoreName, firstKey: number): Promise<Map<number, ArrayBuffer>> {
    const [keys, values] = await this.#withConnection('reading', (db) => {
      const { keys, values } = readAllOnce(db, store, firstKey);
      return Promise.all([wrap(keys), wrap(values)]) as Promise<[number[], ArrayBuffer[]]>;
    });
    return new Map(keys.map((key, i) => [key, values[i]!]));
  }

  async keys(store: StoreName): Promise<number[]> {
    return this.#withConnection('reading keys', (db) => wrap(readOnce(db, store, 'getAllKeys')) as Promise<number[]>);
  }

  /**
   * On LevelDB, in two transactions: Chromium writes each request of a transaction to the log by itself and syncs the log once, behind
   * the last one. Where LevelDB turns to a new log in between (every 4 MB), what is in the old one is not synced until LevelDB has made a
   * table of it, some time after the transaction has completed. So what is in LevelDB is put again: where the first transaction met a
   * turn, the second is in the new log as a whole, or meets another turn, for which LevelDB first waits for the table of the one before.
   * Where that is much, LevelDB is made to meet another turn instead.
   */
  async commit(all: readonly Write[], vacant?: Place): Promise<void> {
    // Of two writes to one key, the last counts, whichever of the two is inline.
    const writes = [...new Map(all.map((write) => [`${write.store} ${write.key}`, write])).values()];
    const isSafe = this.#durability === 'relaxed' || !isChromium();
    const puts = writes.filter((write) => 'value' in write);
    const drops = this.#givenUp;
    const inline = isSafe ? [] : await inSlices(inlineOf(puts));
    // The transaction holds the thread for all its values: with nothing before it.
    if (bytesOf(puts) >= LARGE_BYTES) await nextTask();
    if (drops !== this.#givenUp) throw new PiramidError('STORAGE_FAILED', 'writing: given up');
    // Files behind them, so that their entries are in the newer log.
    const files = puts.filter((put) => !inline.includes(put));
    if (this.#isFull && this.#mayBeTorn) {
      this.#renew();
      await this.renewal;
    }
    const first = this.#commitOnce([...writes.filter((write) => !('value' in write)), ...inline, ...files], vacant);
    const again = inline.filter(({ store, key }) => !(store === vacant?.store && key === vacant.key));
    // Behind its end: one that fails as a whole must not be there in half.
    await first;
    const isTurned = bytesOf(again) >= TURN_BYTES_MIN && (await hasTurned());
    const [copied] = await Promise.allSettled([
      again.length > 0 && !isTurned ? this.#commitOnce(again, vacant) : first,
    ]);
    // Where there is no room for it, or another opener has come, what was written stands all the same.
    if (copied.status === 'rejected' && !isFull(copied.reason) && !isTakenOver(copied.reason)) throw copied.reason;
    this.#isFull = copied.status === 'rejected';
  }

  #renew(): void {
    this.#mayBeTorn = false;
    this.renewal = renewLog();
  }

  async #commitOnce(writes: readonly Write[], vacant?: Place): Promise<void> {
    try {
      const write = (db: IDBDatabase) => ended(writeOnce(db, writes, vacant, this.#durability));
      // What only deletes has no fence: made once more, it could meet what another opener has written since.
      const times = writes.some((change) => 'value' in change) ? 2 : 1;
      await this.#withConnection('writing', write, { errorOf: writeError, times });
    } catch (error) {
      const isTaken = vacant && (await this.read(vacant.store, vacant.key).catch(() => undefined)) !== undefined;
      this.#isFull ||= isFull(error);
      throw isTaken ? takenOver() : error;
    }
  }

  // Every operation is idempotent (values are put under keys that the caller chose; whose fence met itself takes it for another
  // opener's, and puts the next), so one lost connection is one retry (of writes: `times` 2), and so is a transaction that the browser gave up because
  // its worker was frozen in the middle of it.
  async #withConnection<T>(
    what: string,
    operation: (db: IDBDatabase) => Promise<T>,
    { errorOf = storageError, times }: { errorOf?: typeof storageError; times?: number } = {},
  ): Promise<T> {
    const drops = this.#givenUp;
    // A write that was given up has been made again, or its failure told: made later, it would undo what came after it.
    const isGivenUp = () => times !== undefined && drops !== this.#givenUp;
    const connection = this.connect();
    if (this.#isReleasing) this.#restWhenIdle();
    try {
      const db = this.#database ?? (await connection);
      if (isGivenUp()) throw new PiramidError('STORAGE_FAILED', `${what}: given up`);
      return await operation(db);
    } catch (error) {
      const remedy = remedyOf(error);
      if (this.#closed || !remedy || times === 1 || isGivenUp()) throw errorOf(error, what);
      if (remedy === 'reconnect' && this.#connection === connection) this.#leave();
    }
    try {
      const db = await this.connect();
      if (isGivenUp()) throw new PiramidError('STORAGE_FAILED', `${what}: given up`);
      return await operation(db);
    } catch (error) {
      throw errorOf(error, what);
    }
  }

  /** Chromium's SQLite engine writes to a log beside the database's file, and shrinks both when nobody has been connected for a while. */
  release(): void {
    this.#isReleasing = true;
    this.#restWhenIdle();
  }

  /** What comes next connects anew, and the rest begins again. */
  #restWhenIdle(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#connection && !this.#database) return this.#restWhenIdle(); // it is being opened
      this.#database?.close(); // after what is under way
      this.#forget();
      this.#timer = setTimeout(() => {
        this.#isReleasing = false;
      }, REST_MS);
    }, IDLE_MS);
  }

  drop(): void {
    this.#givenUp++;
    this.#leave();
  }

  #leave(): void {
    this.#connection?.then(
      (db) => db.close(),
      () => {},
    );
    this.#forget();
  }

  #forget(): void {
    this.#attempts++;
    this.#connection = undefined;
    this.#database = undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#leave();
  }
}

function* inlineOf(puts: readonly Put[]): Sliced<Put[]> {
  const inline: Put[] = [];
  for (const put of puts) {
    if (yield* mayBeInline(put.value)) inline.push(put);
    yield;
  }
  return inline;
}

/** False where LevelDB could not be made to: another tab is frozen in the middle of that, or there is no room. */
function hasTurned(): Promise<boolean> {
  return turnLog().then(
    () => true,
    () => false,
  );
}

function newBirth(): ArrayBuffer {
  const header = { kind: 'birth', collection: 0, key: BIRTH_KEY, firstRow: 0, rowCount: 0 } as const;
  return encodeBlock(header, crypto.getRandomValues(new Uint8Array(16)));
}

function sameBytes(a: ArrayBuffer | undefined, b: ArrayBuffer | undefined): boolean {
  if (!a || !b) return a === b;
  const bytes = new Uint8Array(b);
  return a.byteLength === b.byteLength && new Uint8Array(a).every((byte, i) => byte === bytes[i]);
}

/** By its own word alone: what its requests say comes before it knows why it failed, or never (Chromium's SQLite engine). */
function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
  });
}

// The durable backend: one IndexedDB database of three object stores. Owns the connection: a dead one is dropped and
// reopened, never retried (w3c/IndexedDB and Safari's "connection lost" made that rule). Knows nothing of what bytes mean.
import { deleteDB, type IDBPDatabase, openDB, unwrap, wrap } from 'idb';
import { PiramidError, toPiramidError } from '../errors.ts';
import { type Backend, type Place, takenOver, type Write } from './backend.ts';
import { encodeBlock } from './format.ts';
import { BIRTH_KEY, INDEXEDDB_VERSION, STORES, type StoreName } from './schema.ts';
import { readAllOnce, readOnce, writeOnce } from './transaction.ts';

/** Without calls for so long, a connection may rest, milliseconds. */
const IDLE_MS = 500;
/** How long it rests for what was deleted to be given back: Chromium keeps a database open for two seconds after its last connection. */
const REST_MS = 3000;

/** Made and deleted again, see `renewLog`. */
const RENEWAL = 'piramid-log-renewal';
/** A renewal that takes longer (another tab is frozen in the middle of its own) is not waited for. */
const RENEWAL_MS_MAX = 500;

/** Names of Piramid's databases begin with this, so that they meet nobody else's. */
const PREFIX = 'piramid:';

export async function openIndexedDb(name: string, durability: 'strict' | 'relaxed'): Promise<Backend> {
  if (typeof indexedDB === 'undefined') {
    throw new PiramidError('UNSUPPORTED', "this browser context has no IndexedDB; open with storage: 'memory'");
  }
  const backend = new IndexedDbBackend(PREFIX + name, durability);
  await backend.connect();
  await backend.renewal;
  return backend;
}

/**
 * Has Chromium's LevelDB begin a new log. A browser that is killed while it writes leaves a torn record at the end of the log. The
 * next opening skips it, but goes on writing behind it (google/leveldb#1287), and to the opening after that the log is
 * corrupt: Chromium then deletes all databases of the origin. To delete a database is to compact its range, before which
 * LevelDB turns to a new log and drops the old one: 5 to 50 ms, beside the opening. No specification says so; `torn-record` in test/faults does.
 */
async function renewLog(): Promise<void> {
  if (!/Chrome\//.test(navigator.userAgent)) return;
  const renew = async () => {
    (await openDB(RENEWAL, 1)).close();
    await deleteDB(RENEWAL);
  };
  const patience = new Promise<void>((resolve) => setTimeout(resolve, RENEWAL_MS_MAX));
  await Promise.race([renew(), patience]).catch(() => {}); // what is wrong, the opening says
}

class IndexedDbBackend implements Backend {
  readonly kind = 'indexeddb';
  #connection: Promise<IDBDatabase> | undefined;
  /** What `connection` resolved with: where it is open, requests are made at once and not a microtask later. */
  #database: IDBDatabase | undefined;
  #closed = false;
  #isReleasing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it has been open: if it has to be made anew after that, or somebody else has done so, it was deleted. */
  #known = false;
  /** Its mark; undefined in one that an older release made. */
  #birth: ArrayBuffer | undefined;
  /** Whoever wrote before may have been killed in the middle of it. */
  #mayBeTorn = true;
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
    if (this.#mayBeTorn) this.renewal = renewLog();
    this.#mayBeTorn = false;
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
      this.#database = connected;
      return connected;
    } catch (error) {
      database?.close();
      this.#forget();
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

  async commit(writes: readonly Write[], vacant?: Place): Promise<void> {
    try {
      await this.#withConnection('writing', (db) => ended(writeOnce(db, writes, vacant, this.#durability)));
    } catch (error) {
      const isTaken = vacant && (await this.read(vacant.store, vacant.key).catch(() => undefined)) !== undefined;
      throw isTaken ? takenOver() : error;
    }
  }

  // Every operation is idempotent (values are put under keys that the caller chose; whose fence met itself takes it for another
  // opener's, and puts the next), so one lost connection is one retry, and so is a transaction that the browser gave up because
  // its worker was frozen in the middle of it.
  async #withConnection<T>(what: string, operation: (db: IDBDatabase) => Promise<T>): Promise<T> {
    const connection = this.connect();
    if (this.#isReleasing) this.#restWhenIdle();
    try {
      return await operation(this.#database ?? (await connection));
    } catch (error) {
      if (this.#closed || !(isConnectionLost(error) || isTimeout(error))) throw storageError(error, what);
      if (isConnectionLost(error) && this.#connection === connection) this.#forget();
    }
    try {
      return await operation(await this.connect());
    } catch (error) {
      throw storageError(error, what);
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

  #forget(): void {
    this.#connection = undefined;
    this.#database = undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.then(
      (db) => db.close(),
      () => {},
    );
  }
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

function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof DOMException)) return false;
  return error.name === 'InvalidStateError' || (error.name === 'UnknownError' && /connection/i.test(error.message));
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

/** What browsers call "full" has several names; people need to know which of two things it is. */
function storageError(error: unknown, what: string): PiramidError {
  const name = error instanceof DOMException ? error.name : '';
  const message = error instanceof Error ? error.message : String(error);
  if (name === 'QuotaExceededError' && /disk/i.test(message)) {
    return new PiramidError('STORAGE_FULL', `${what}: the disk is full. Nothing was written.`, { cause: error });
  }
  if (name === 'QuotaExceededError') {
    return new PiramidError(
      'QUOTA_EXCEEDED',
      `${what}: the browser's storage quota for this site is used up. Nothing was written; delete something or ask for persistent storage.`,
      { cause: error },
    );
  }
  if (name === 'DataError' && /Failed to write blobs/i.test(message)) {
    return new PiramidError('STORAGE_FULL', `${what}: the disk is full. Nothing was written.`, { cause: error });
  }
  // Chromium keeps large values in files of their own, and says so when one is gone.
  const code =
    name === 'NotReadableError' || /irrecoverable|Failed to read large/i.test(message) ? 'CORRUPT' : 'STORAGE_FAILED';
  return toPiramidError(error, code, `IndexedDB failed while ${what}`);
}

// What is done about Chromium's LevelDB, which all databases of an origin share below IndexedDB: no specification says so, the tests in
// test/faults and test/power do.
import { deleteDB, type IDBPDatabase, openDB, unwrap } from 'idb';

/** Made and deleted again. */
const HELPER = 'piramid-log-renewal';
const HELPER_STORE = 'turn';
/** A renewal that takes longer (another tab is frozen in the middle of its own) is not waited for, milliseconds. */
const RENEWAL_MS_MAX = 500;
/** Nor is a turn, milliseconds; and none is tried for so long after one that was not. */
const TURN_MS_MAX = 5000;
const TURN_REST_MS = 300_000;

/** LevelDB turns to a new log once it has so many bytes. Chromium gives it less where the disk is small. */
const LOG_BYTES_MAX = 4 << 20;
/** Of one value: below what Chromium keeps in a file of its own. */
const VALUE_BYTES = 60 << 10;
/** Of one transaction, which holds the thread: some 0.5 MB. */
const VALUES_AT_ONCE = 8;
const VALUES = Math.ceil((1.1 * LOG_BYTES_MAX) / VALUE_BYTES / VALUES_AT_ONCE) * VALUES_AT_ONCE;

/** Until then no turn is tried, by `performance.now`. */
let restUntil = 0;

export function isChromium(): boolean {
  return /Chrome\//.test(navigator.userAgent);
}

/**
 * Has LevelDB begin a new log. A browser that is killed while it writes leaves a torn record at the end of the log. The
 * next opening skips it, but goes on writing behind it (google/leveldb#1287), and to the opening after that the log is
 * corrupt: Chromium then deletes all databases of the origin. To delete a database is to compact its range, before which
 * LevelDB turns to a new log and drops the old one: 5 to 50 ms, beside the opening. Never rejects.
 */
export async function renewLog(): Promise<void> {
  if (!isChromium()) return;
  const renew = async () => {
    (await openHelper()).close();
    await deleteDB(HELPER);
  };
  await within(RENEWAL_MS_MAX, renew()).catch(() => {}); // what is wrong, the opening says
}

/**
 * Has LevelDB turn to a new log, and waits for it: what was in an older log than the one before is in a table then, and synced. LevelDB
 * turns when its log is full, and first waits for the table of the log before. So this fills it, with bytes that cannot be compressed.
 * Rejects where that takes too long, or did so lately, or there is no room.
 */
export async function turnLog(): Promise<void> {
  if (performance.now() < restUntil) throw new Error('it took too long lately');
  const noise = crypto.getRandomValues(new Uint8Array(VALUE_BYTES)).buffer;
  let isWaitedFor = true;
  const turn = async () => {
    const helper = await openHelper();
    try {
      for (let key = 0; key < VALUES && isWaitedFor; key += VALUES_AT_ONCE) await fill(unwrap(helper), key, noise);
    } finally {
      helper.close();
      deleteDB(HELPER).catch(() => {}); // else the next renewal does
    }
  };
  const turned = turn();
  try {
    await within(TURN_MS_MAX, turned);
  } catch (error) {
    isWaitedFor = false;
    restUntil = performance.now() + TURN_REST_MS;
    throw error;
  }
}

/** No function of ours runs between the transaction's beginning and its `commit`, see transaction.ts. */
function fill(helper: IDBDatabase, key: number, noise: ArrayBuffer): Promise<void> {
  const { put } = IDBObjectStore.prototype;
  const values = new Map(Array.from({ length: VALUES_AT_ONCE }, (_, i) => [key + i, noise]));
  const transaction = helper.transaction(HELPER_STORE, 'readwrite', { durability: 'relaxed' });
  values.forEach(put as (value: ArrayBuffer, key: number) => void, transaction.objectStore(HELPER_STORE));
  transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function openHelper(): Promise<IDBPDatabase> {
  return openDB(HELPER, 1, { upgrade: (db) => void db.createObjectStore(HELPER_STORE) });
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it takes too long')), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

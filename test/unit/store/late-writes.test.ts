// Writes that the browser answers late, in half, or never, on a small IndexedDB of the test's own.
// biome-ignore-all lint/suspicious/noExplicitAny: it stands for an interface of the browser, of which it has a little.
import { beforeEach, expect, test, vi } from 'vitest';

// A tiny IndexedDB: transactions run in order; a test may take their events away, or abort them.
class Req extends EventTarget {
  result: any;
  error: any = null;
  transaction: any = null;
  fire(t: string) {
    this.dispatchEvent(new Event(t));
  }
}
class Store {
  constructor(
    public tx: Tx,
    public name: string,
  ) {}
  ask(run: (m: Map<any, any>) => any) {
    const r = new Req();
    r.transaction = this.tx;
    this.tx.ops.push([r, () => run(this.tx.db.data(this.tx.draft).get(this.name)!)]);
    return r;
  }
  put(v: any, k: any) {
    return this.ask((m) => m.set(k, v));
  }
  add(v: any, k: any) {
    return this.ask((m) => {
      if (m.has(k)) throw new DOMException('', 'ConstraintError');
      m.set(k, v);
    });
  }
  delete(k: any) {
    return this.ask((m) => {
      for (const key of [...m.keys()]) if ((key >= k.lower && key <= k.upper) || key === k) m.delete(key);
    });
  }
  get(k: any) {
    return this.ask((m) => m.get(k));
  }
  getAllKeys(r?: any) {
    return this.ask((m) => [...m.keys()].filter((k) => !r || k >= r.lower).sort((a, b) => a - b));
  }
  getAll(r?: any) {
    return this.ask((m) =>
      [...m.entries()]
        .filter(([k]) => !r || k >= r.lower)
        .sort((a, b) => a[0] - b[0])
        .map(([, v]) => v),
    );
  }
}
class Tx extends EventTarget {
  ops: [Req, () => any][] = [];
  draft: any;
  error: any = null;
  oncomplete: any;
  onabort: any;
  mode: string;
  isOver = false;
  constructor(
    public db: Db,
    mode: string,
  ) {
    super();
    this.mode = mode;
  }
  get objectStoreNames() {
    return [];
  }
  objectStore(n: string) {
    return new Store(this, n);
  }
  abort() {}
  commit() {
    plan(this);
  }
}
class Db extends EventTarget {
  closed = false;
  constructor(public disk: { now: Map<string, Map<any, any>> }) {
    super();
  }
  data(d: any) {
    return d;
  }
  close() {
    this.closed = true;
  }
  get objectStoreNames() {
    return [];
  }
  createObjectStore(n: string) {
    this.disk.now.set(n, new Map());
    return new Store(new Tx(this, 'v'), n);
  }
  transaction(_n: any, mode = 'readonly') {
    if (this.closed) throw new DOMException('closing', 'InvalidStateError');
    return new Tx(this, mode);
  }
}
/** What becomes of a transaction: undefined, it is made. */
let fate: (tx: Tx) => 'full' | 'lost' | undefined = () => undefined;
const lost: Tx[] = [];
function end(tx: Tx, error?: any) {
  if (error) {
    tx.error = error;
    tx.onabort?.(new Event('abort'));
    tx.dispatchEvent(new Event('abort'));
  } else {
    tx.oncomplete?.(new Event('complete'));
    tx.dispatchEvent(new Event('complete'));
  }
}
function plan(tx: Tx) {
  const what = fate(tx);
  if (what === 'lost') {
    lost.push(tx);
    return;
  }
  setTimeout(() => {
    if (what === 'full') return end(tx, new DOMException('full', 'QuotaExceededError'));
    tx.draft = new Map([...tx.db.disk.now].map(([n, m]) => [n, new Map(m)]));
    try {
      for (const [r, run] of tx.ops) r.result = run();
    } catch (e) {
      return end(tx, e);
    }
    if (tx.mode !== 'readonly') tx.db.disk.now = tx.draft;
    for (const [r] of tx.ops) r.fire('success');
    end(tx);
  }, 0);
}
const disks = new Map<string, { now: Map<string, Map<any, any>> }>();
Object.assign(globalThis, {
  IDBRequest: Req,
  IDBObjectStore: Store,
  IDBTransaction: Tx,
  IDBDatabase: Db,
  IDBIndex: class {},
  IDBCursor: class {},
  IDBKeyRange: { bound: (lower: any, upper: any) => ({ lower, upper }), lowerBound: (lower: any) => ({ lower }) },
  indexedDB: {
    open(name: string) {
      const r = new Req();
      setTimeout(() => {
        const isNew = !disks.has(name);
        const disk = disks.get(name) ?? { now: new Map() };
        disks.set(name, disk);
        const db = new Db(disk);
        r.result = db;
        if (isNew) {
          const tx = new Tx(db, 'v');
          r.transaction = tx;
          r.dispatchEvent(Object.assign(new Event('upgradeneeded'), { oldVersion: 0, newVersion: 1 }));
          tx.draft = disk.now;
          for (const [, run] of tx.ops) run();
          end(tx);
        }
        r.fire('success');
      }, 0);
      return r;
    },
    deleteDatabase(name: string) {
      const r = new Req();
      setTimeout(() => {
        disks.delete(name);
        r.fire('success');
      }, 0);
      return r;
    },
  },
});
vi.stubGlobal('navigator', { userAgent: 'Chrome/140' });
const { openIndexedDb } = await import('../../../src/store/indexeddb.ts');
beforeEach(() => {
  fate = () => undefined;
});
const noise = (n: number, first: number) => {
  const b = new Uint8Array(n);
  for (let i = 0; i < n; i += 65536) crypto.getRandomValues(b.subarray(i, i + 65536));
  b[0] = first;
  return b.buffer;
};
const first = async (b: any, store: any, key: number) => {
  const v = await b.read(store, key);
  return v && new Uint8Array(v)[0];
};

test('two puts of one key in a commit: the last counts (repairs + a smaller manifest)', async () => {
  const b = await openIndexedDb('order', 'strict');
  let writes = 0;
  fate = (tx) => (tx.mode === 'readwrite' && ++writes === 2 ? 'full' : undefined); // no room for the copy: "what was written stands"
  await b.commit([
    { store: 'manifest', key: 0, value: noise(100_000, 1) }, // the repair: the manifest of now
    { store: 'manifest', key: 0, value: noise(1_000, 2) }, // the next one
  ]);
  expect(await first(b, 'manifest', 0)).toBe(2);
});

test('a commit that failed has written nothing', async () => {
  const b = await openIndexedDb('half', 'strict');
  let writes = 0;
  fate = (tx) => (tx.mode === 'readwrite' && ++writes === 1 ? 'full' : undefined);
  await expect(
    b.commit([
      { store: 'manifest', key: 0, value: noise(1_000, 7) },
      { store: 'chunks', key: 0, value: noise(256 << 10, 7) },
    ]),
  ).rejects.toThrow('Nothing was written');
  expect(await first(b, 'manifest', 0)).toBe(undefined);
});

test('what was given up is not written again behind later writes', async () => {
  vi.useFakeTimers();
  try {
    const opening = openIndexedDb('late', 'strict');
    await vi.advanceTimersByTimeAsync(2000);
    const b = await opening;
    let writes = 0;
    fate = (tx) => (tx.mode === 'readwrite' && ++writes <= 1 ? 'lost' : undefined); // both transactions of the first try: no answer
    const one = b.commit([{ store: 'manifest', key: 0, value: noise(1_000, 1) }]);
    await vi.advanceTimersByTimeAsync(40_000);
    await one; // made on a new connection, and acknowledged
    const two = b.commit([{ store: 'manifest', key: 0, value: noise(1_000, 2) }]);
    await vi.advanceTimersByTimeAsync(100);
    await two; // acknowledged
    // Now the browser says what became of the old connection.
    for (const tx of lost)
      end(
        tx,
        new DOMException('Connection to Indexed Database server lost. Refresh the page to try again', 'UnknownError'),
      );
    await vi.advanceTimersByTimeAsync(1000);
    const read = first(b, 'manifest', 0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await read).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

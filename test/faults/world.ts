// A browser in which time is simulated: tabs with their locks, channels and timers, and one disk for all of them. Everything that happens
// is an event, in an order that a seed decides, so that a failure can be replayed. A tab can crash between any two events, be
// frozen with its page, or stand still without a word, and its storage can cease to answer; what the browser does for it goes on meanwhile, as in real ones.
import { type Place, takenOver, type Write } from '../../src/store/backend.ts';
import { patient } from '../../src/store/patience.ts';
import { STORES, type StoreName } from '../../src/store/schema.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import type { Channel, Locks, Platform } from '../../src/worker/platform.ts';

/** Milliseconds that a message, a lock's answer or a disk's takes. Mostly the lower, now and then the higher. */
const HOP_MS = 1;
const SLOW_HOP_MS = 15;

interface Happening {
  label: string;
  run: () => void;
}

interface Planned extends Happening {
  at: number;
}

interface LockRequest {
  tab: Tab;
  mode: 'exclusive' | 'shared';
  signal: AbortSignal | undefined;
  hold: () => unknown;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
}

interface Transaction {
  tab: Tab;
  /** What it has locked is free again after `done`. */
  begin: (done: () => void) => void;
  isWrite: boolean;
}

export class World {
  now = 0;
  readonly random: SeededRandom;
  /** Sums up everything that happened, and when. */
  trace = 0;
  private readonly events: Planned[] = [];
  /** What left one end arrives at another in this order. */
  private readonly arrivals = new Map<string, number>();
  readonly held = new Map<string, LockRequest[]>();
  private readonly queues = new Map<string, LockRequest[]>();
  readonly channels = new Map<string, { tab: Tab; receive: (message: never) => void }[]>();
  private disk = new Map<StoreName, Map<number, ArrayBuffer>>(STORES.map((store) => [store, new Map()]));
  private readonly transactions: Transaction[] = [];
  private running: Transaction[] = [];
  private tabs = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  newTab(): Tab {
    return new Tab(this, ++this.tabs);
  }

  /** Whoever has a lock, as it is in the browser. */
  holder(name: string): Tab | undefined {
    return this.held.get(name)?.[0]?.tab;
  }

  /** Runs what happens until `isOver`, or until `until`, or until nothing does any more. Says whether it is over. */
  async run(isOver: () => boolean, until: number): Promise<boolean> {
    for (;;) {
      // Promises that were settled by what happened have their turn.
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver()) return true;
      const next = this.events[0];
      if (!next || next.at > until) return false;
      this.events.shift();
      this.now = next.at;
      for (const character of `${next.at}${next.label}`)
        this.trace = (Math.imul(this.trace, 31) + character.charCodeAt(0)) | 0;
      next.run();
    }
  }

  /** `order`: happens after all that was given the same one before. */
  later(ms: number, label: string, run: () => void, order?: string): void {
    let at = this.now + ms;
    if (order !== undefined) {
      at = Math.max(at, (this.arrivals.get(order) ?? 0) + 0.001);
      this.arrivals.set(order, at);
    }
    let place = this.events.length;
    while (place > 0 && this.events[place - 1]!.at > at) place--;
    this.events.splice(place, 0, { at, label, run });
  }

  hop(): number {
    return this.random.next() * (this.random.below(20) === 0 ? SLOW_HOP_MS : HOP_MS);
  }

  // ---- locks

  request(name: string, request: LockRequest, steal: boolean): void {
    if (request.tab.isDead) return;
    if (steal) {
      for (const victim of this.held.get(name) ?? [])
        victim.tab.later(this.hop(), 'stolen', () => victim.reject(new DOMException('stolen', 'AbortError')));
      this.held.set(name, []);
      this.grant(name, request);
      return;
    }
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    if (request.signal?.aborted) return;
    queue.push(request);
    this.grantNext(name);
  }

  withdraw(name: string, request: LockRequest): void {
    const queue = this.queues.get(name) ?? [];
    const place = queue.indexOf(request);
    if (place < 0) return;
    queue.splice(place, 1);
    this.grantNext(name);
  }

  private grantNext(name: string): void {
    const queue = this.queues.get(name) ?? [];
    for (;;) {
      const [next] = queue;
      const holders = this.held.get(name) ?? [];
      const isFree =
        next && (holders.length === 0 || (next.mode === 'shared' && holders.every(({ mode }) => mode === 'shared')));
      if (!isFree) return;
      queue.shift();
      this.grant(name, next);
    }
  }

  private grant(name: string, request: LockRequest): void {
    this.held.set(name, [...(this.held.get(name) ?? []), request]);
    const release = () =>
      this.later(
        this.hop(),
        'release',
        () => {
          this.held.set(
            name,
            (this.held.get(name) ?? []).filter((other) => other !== request),
          );
          this.grantNext(name);
        },
        `locks ${request.tab.id}`,
      );
    request.tab.later(this.hop(), 'granted', async () => {
      if (request.signal?.aborted) return release();
      try {
        request.resolve(await request.hold());
      } catch (error) {
        request.reject(error);
      }
      release();
    });
  }

  // ---- disk

  transact(transaction: Transaction): void {
    if (transaction.tab.isDead && !transaction.tab.isHeardDead) return;
    this.transactions.push(transaction);
    this.beginNext();
  }

  read(store: StoreName, key: number): ArrayBuffer | undefined {
    return this.disk.get(store)!.get(key);
  }

  keys(store: StoreName): number[] {
    return [...this.disk.get(store)!.keys()].sort((a, b) => a - b);
  }

  apply(writes: readonly Write[]): void {
    for (const write of writes) {
      const store = this.disk.get(write.store)!;
      if ('value' in write) store.set(write.key, write.value);
      else store.delete(write.key);
    }
  }

  private beginNext(): void {
    for (;;) {
      const [next] = this.transactions;
      if (!next || this.running.some(({ isWrite }) => isWrite) || (next.isWrite && this.running.length > 0)) return;
      this.transactions.shift();
      this.running.push(next);
      next.begin(() => this.finish(next));
    }
  }

  private finish(transaction: Transaction): void {
    this.running = this.running.filter((other) => other !== transaction);
    this.beginNext();
  }

  /** What a tab had of the browser is free. Its transactions have been told to commit, and go on without it. */
  forget(tab: Tab): void {
    for (const name of new Set([...this.held.keys(), ...this.queues.keys()])) {
      const without = (requests: LockRequest[] = []) => requests.filter((request) => request.tab !== tab);
      this.held.set(name, without(this.held.get(name)));
      this.queues.set(name, without(this.queues.get(name)));
      this.grantNext(name);
    }
    for (const [name, ends] of this.channels)
      this.channels.set(
        name,
        ends.filter((end) => end.tab !== tab),
      );
  }
}

/** A worker, and its page, which is frozen and dies with it. */
export class Tab {
  isDead = false;
  /** Resolves with undefined when it dies. */
  readonly death: Promise<undefined>;
  /** Whether what it had sent to the disk before it died arrives, late as it is. */
  isHeardDead = false;
  readonly platform: Platform;
  private dies: (value: undefined) => void = () => {};
  private waiting: Happening[] | null = null;
  /** While its connection to the storage says nothing: what happens there only when the connection is dropped. */
  private unheard: (() => void)[] | null = null;
  private ids = 0;

  constructor(
    readonly world: World,
    readonly id: number,
  ) {
    this.death = new Promise((resolve) => {
      this.dies = resolve;
    });
    this.platform = {
      locks: this.locks(),
      openChannel: (name, receive) => this.openChannel(name, receive),
      now: () => world.now,
      wait: (ms) => new Promise((resolve) => this.later(ms, 'timer', () => resolve())),
      every: (ms, run) => this.every(ms, run),
      newId: () => this.newId(),
      openBackend: () => patient(this.openBackend(), undefined, (ms, run) => this.every(ms, run)),
      openRowHandle: async () => null,
    };
  }

  /** Something that happens in this tab: not after its death, and not while it stands still. */
  later(ms: number, label: string, run: () => void, order?: string): void {
    const happen = () => {
      if (this.isDead) return;
      if (this.waiting) this.waiting.push({ label, run });
      else run();
    };
    this.world.later(ms, `${label} ${this.id}`, happen, order);
  }

  get isStanding(): boolean {
    return this.waiting !== null;
  }

  stand(): void {
    this.waiting ??= [];
  }

  /** What has waited happens before what comes, in its order where it came by one way, and in any where not. */
  goOn(): void {
    const waiting = this.waiting ?? [];
    const drain = () => {
      if (this.isDead) return;
      const firsts = waiting.filter(({ label }, i) => waiting.findIndex((other) => other.label === label) === i);
      const next = firsts[this.world.random.below(firsts.length)];
      if (next) waiting.splice(waiting.indexOf(next), 1);
      else {
        this.waiting = null;
        return;
      }
      // It may stand still again in between.
      this.world.later(0.01, `${next.label} ${this.id} late`, () => {
        if (!this.isDead) next.run();
        drain();
      });
    };
    drain();
  }

  /** The storage answers nothing more, until the connection is dropped. */
  silence(): void {
    this.unheard ??= [];
  }

  die(): void {
    this.isDead = true;
    this.isHeardDead = this.world.random.below(2) === 0;
    this.dies(undefined);
    this.world.later(this.world.hop() * 5, `death ${this.id}`, () => this.world.forget(this));
  }

  private every(ms: number, run: () => void): () => void {
    let stopped = false;
    const tick = () =>
      this.later(ms, 'tick', () => {
        if (stopped) return;
        tick();
        run();
      });
    tick();
    return () => {
      stopped = true;
    };
  }

  private newId(): string {
    const part = (digits: number) => {
      let text = '';
      while (text.length < digits) text += this.world.random.below(16).toString(16);
      return text;
    };
    return `${part(8)}-${String(this.id).padStart(4, '0')}-4000-8000-${String(++this.ids).padStart(12, '0')}`;
  }

  private locks(): Locks {
    const { world } = this;
    return {
      request: (name, { mode = 'exclusive', steal = false, signal }, hold) =>
        new Promise((resolve, reject) => {
          const aborted = () => reject(new DOMException('aborted', 'AbortError'));
          if (signal?.aborted) return aborted();
          const request: LockRequest = { tab: this, mode, signal, hold, resolve, reject };
          const order = `locks ${this.id}`;
          world.later(world.hop(), `request ${name}`, () => world.request(name, request, steal), order);
          signal?.addEventListener('abort', () => {
            aborted();
            world.later(world.hop(), `withdraw ${name}`, () => world.withdraw(name, request), order);
          });
        }),
      query: () =>
        new Promise((resolve) => {
          world.later(
            world.hop(),
            'query',
            () => {
              const held = [...world.held].flatMap(([name, requests]) =>
                requests.map(({ tab, mode }) => ({ name, mode, clientId: String(tab.id) })),
              );
              this.later(world.hop(), 'queried', () => resolve({ held }));
            },
            `locks ${this.id}`,
          );
        }),
    };
  }

  private openChannel<Message>(name: string, receive: (message: Message) => void): Channel {
    const { world } = this;
    const end = { tab: this, receive: receive as (message: never) => void };
    const ends = () => world.channels.get(name) ?? [];
    world.channels.set(name, [...ends(), end]);
    return {
      post: (message) => {
        const copy = structuredClone(message);
        for (const other of ends()) {
          if (other === end) continue;
          const deliver = () => ends().includes(other) && other.receive(structuredClone(copy) as never);
          other.tab.later(world.hop(), `message on ${name}`, deliver, `${name} ${this.id} ${other.tab.id}`);
        }
      },
      close: () =>
        world.channels.set(
          name,
          ends().filter((other) => other !== end),
        ),
    };
  }

  private openBackend() {
    const { world } = this;
    const order = `disk ${this.id}`;
    const inTransaction = <T>(
      isWrite: boolean,
      run: (settle: { resolve: (value: T) => void; reject: (reason: unknown) => void }) => void,
    ) =>
      new Promise<T>((resolve, reject) => {
        const begin = (done: () => void) => {
          const end = (settle: () => void) => {
            done();
            if (!isUnheard) this.later(world.hop(), 'disk answers', settle, order);
          };
          run({ resolve: (value) => end(() => resolve(value)), reject: (reason) => end(() => reject(reason)) });
        };
        if (this.isDead) return;
        const transaction: Transaction = { tab: this, isWrite, begin };
        const send = () =>
          world.later(world.hop(), isWrite ? 'write' : 'read', () => world.transact(transaction), order);
        const isUnheard = this.unheard !== null;
        const fate = isUnheard ? world.random.below(3) : 0;
        if (fate === 0) send();
        else if (fate === 1) this.unheard!.push(send);
        // Else it never happens.
      });
    return {
      kind: 'indexeddb' as const,
      read: (store: StoreName, key: number) =>
        inTransaction<ArrayBuffer | undefined>(false, ({ resolve }) => resolve(world.read(store, key)?.slice(0))),
      readAll: (store: StoreName, firstKey: number) =>
        inTransaction<Map<number, ArrayBuffer>>(false, ({ resolve }) => {
          const keys = world.keys(store).filter((key) => key >= firstKey);
          resolve(new Map(keys.map((key) => [key, world.read(store, key)!.slice(0)])));
        }),
      keys: (store: StoreName) => inTransaction<number[]>(false, ({ resolve }) => resolve(world.keys(store))),
      commit: (writes: readonly Write[], vacant?: Place) =>
        inTransaction<void>(true, ({ resolve, reject }) => {
          world.later(world.hop(), 'commit', () => {
            if (vacant && world.read(vacant.store, vacant.key)) return reject(takenOver());
            world.apply(writes);
            resolve();
          });
        }),
      drop: () => {
        for (const send of this.unheard ?? []) send();
        this.unheard = null;
      },
      release() {},
      close() {},
    };
  }
}

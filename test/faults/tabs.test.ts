// Tabs in a simulated browser that crash, close, are frozen and stand still while all of them read and write: thousands of
// orders of events that no real browser would show in a day, each of which its seed replays.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { EngineQuery } from '../../src/protocol.ts';
import { awakeLockName, type Engine } from '../../src/protocol.ts';
import type { SeededRandom } from '../../src/structures/random.ts';
import { createTab } from '../../src/worker/tabs/tab.ts';
import { Model } from '../tabs.model.ts';
import { report, SEED, trials } from './report.ts';
import { type Tab, World } from './world.ts';

const WORLDS = trials('PIRAMID_TAB_WORLDS', 150);
const SICK_WORLDS = trials('PIRAMID_SICK_WORLDS', 60);
const NAME = 'db';

const loader = () => ({
  embedder: () => Promise.reject(new Error('none')),
  generator: () => Promise.reject(new Error('none')),
  reranker: () => Promise.reject(new Error('none')),
  close: async () => {},
});

// Work that rests by the real clock would let the machine decide the order of events.
beforeAll(() => {
  vi.spyOn(performance, 'now').mockReturnValue(0);
});
afterAll(() => vi.restoreAllMocks());

/** A page with its worker: calls on the engine's table as `api` makes them. */
class Page {
  readonly tab: Tab;
  readonly engine: Engine;
  private collection = 0;
  private lastCall = 0;
  private sleep = () => {};

  private constructor(world: World) {
    this.tab = world.newTab();
    this.engine = createTab(loader, this.tab.platform);
  }

  static async open(world: World): Promise<Page> {
    const page = new Page(world);
    const token = (await page.engine.hello())!;
    await page.wake(token);
    const options = { name: NAME, storage: 'indexeddb', device: 'js', durability: 'strict', models: {} } as const;
    await page.engine.open(options, () => {});
    const request = { dimension: 2, metric: 'dot', quantization: 'none', embedder: null, mustExist: false } as const;
    page.collection = (await page.engine.openCollection('c', request, ++page.lastCall)).id;
    page.token = token;
    return page;
  }

  private token = '';

  private wake(token: string): Promise<void> {
    return new Promise((awake) => {
      void this.tab.platform.locks!.request(awakeLockName(token), {}, () => {
        awake();
        return new Promise<void>((resolve) => {
          this.sleep = resolve;
        });
      });
    });
  }

  /** The page has its `freeze` event, then neither it nor its worker runs. */
  freeze(): void {
    this.sleep();
    this.tab.stand();
  }

  unfreeze(): void {
    this.tab.goOn();
    void this.wake(this.token);
  }

  async close(): Promise<void> {
    await this.engine.close();
    this.tab.die();
  }

  insert(ids: readonly string[], v: number) {
    const records = {
      ids: [...ids],
      vectors: new Float32Array(ids.length * 2).fill(1),
      sources: null,
      texts: null,
      metadata: ids.map(() => JSON.stringify({ v })),
    };
    return this.settled(this.engine.upsert(this.collection, records, 'insert', ++this.lastCall));
  }

  update(id: string, v: number) {
    return this.settled(this.engine.update(this.collection, { ids: [id] }, { set: { v } }, ++this.lastCall));
  }

  remove(id: string) {
    return this.settled(this.engine.delete(this.collection, { ids: [id] }, ++this.lastCall));
  }

  read() {
    const request = { where: null, limit: 10_000, cursor: null, select: ['metadata'] } as const;
    return this.settled(
      this.engine
        .scroll(this.collection, request)
        .then(({ ids, rows }) => ids.map((id, i) => [id, (rows.metadata![i] as { v: number }).v])),
    );
  }

  compact() {
    return this.settled(this.engine.compact(this.collection, ++this.lastCall));
  }

  near() {
    const query: EngineQuery = {
      vector: new Float32Array([1, 0]),
      embed: null,
      words: null,
      k: 10_000,
      offset: 0,
      minScore: null,
      where: null,
      fusion: { rrf: {} },
      select: ['metadata'],
      exact: true,
      oversample: 1,
      explain: false,
    };
    return this.settled(
      this.engine
        .query(this.collection, [query], ++this.lastCall)
        .then(([answer]) => answer!.ids.map((id, i) => [id, (answer!.rows.metadata![i] as { v: number }).v])),
    );
  }

  /** Undefined where the tab dies first: what it was doing may have happened or not. */
  private settled(call: Promise<unknown>): Promise<{ value?: unknown; code?: string; message?: string } | undefined> {
    const settled = call.then(
      (value) => ({ value }),
      (error) => ({ code: error.code ?? 'none', message: `${error.message}` }),
    );
    return Promise.race([settled, this.tab.death]).then((result) => (this.isEnding ? undefined : result));
  }

  /** Being closed: a call that it cuts off was not promised anything. */
  isEnding = false;

  pause(ms: number): Promise<unknown> {
    return Promise.race([this.tab.platform.wait(ms), this.tab.death]);
  }
}

async function work(page: Page, model: Model, random: SeededRandom, isOver: () => boolean): Promise<void> {
  const mine = model.newOwner();
  while (!isOver() && !page.tab.isDead && !page.isEnding) {
    const dice = random.next();
    const victim = mine.pick(random);
    if (dice < 0.3 || !victim) {
      const ids = mine.newIds(1 + random.below(3));
      const write = model.insert(ids);
      write.done(await page.insert(ids, write.v), undefined);
    } else if (dice < 0.45) {
      const write = model.update(victim);
      write.done(await page.update(victim, write.v), 1);
    } else if (dice < 0.55) {
      const write = model.remove(victim);
      write.done(await page.remove(victim), 1);
    } else {
      const read = model.read();
      read.done(await (dice < 0.8 ? page.read() : page.near()));
    }
    await page.pause(random.next() * 80);
  }
}

/** What can befall a tab. */
const FAULTS = ['crash', 'close', 'freeze', 'stand', 'busy'] as const;
/** And on a sick disk: its storage says nothing more. */
const SICK = [...FAULTS, 'silence', 'silence', 'silence'] as const;

async function live(seed: number, kinds: typeof FAULTS | typeof SICK = FAULTS) {
  const world = new World(seed);
  const { random } = world;
  const model = new Model(kinds === SICK);
  const pages: Page[] = [];
  let working = 0;
  let opening = 0;
  let faults = 0;
  let isOver = false;
  const problems: string[] = [];

  const open = () => {
    opening++;
    void Page.open(world).then((page) => {
      opening--;
      pages.push(page);
      for (let i = 0; i < 2; i++) {
        working++;
        void work(page, model, random, () => isOver).then(
          () => working--,
          (error) => problems.push(String(error)),
        );
      }
    });
  };

  /** A tab that stands still goes on after so long, unless it has died. */
  const rest = (page: Page, ms: number, how: 'freeze' | 'stand') => {
    if (how === 'freeze') page.freeze();
    else page.tab.stand();
    world.later(ms, `go on ${page.tab.id}`, () => {
      if (page.tab.isDead) return;
      if (how === 'freeze') page.unfreeze();
      else page.tab.goOn();
    });
  };

  const befall = () => {
    if (isOver) return;
    const awake = pages.filter(({ tab, isEnding }) => !tab.isDead && !tab.isStanding && !isEnding);
    const leader = awake.find(({ tab }) => tab === world.holder(`piramid:${NAME}`));
    const victim = leader && random.below(10) < 7 ? leader : awake[random.below(awake.length)];
    if (victim) {
      faults++;
      const what = kinds[random.below(kinds.length)]!;
      if (what === 'crash') victim.tab.die();
      else if (what === 'silence') victim.tab.silence();
      else if (what === 'close') {
        victim.isEnding = true;
        void victim.close();
      } else if (what === 'freeze')
        // Long enough to be taken over from, or so short that it answers again meanwhile.
        rest(victim, random.next() * (random.below(2) ? 400 : 8000), 'freeze');
      else if (what === 'stand') rest(victim, random.next() * 9000, 'stand');
      else rest(victim, random.next() * 300, 'stand');
    }
    if (awake.length < 3 && pages.filter(({ tab }) => !tab.isDead).length + opening < 8) open();
    world.later(random.next() ** 2 * 1500, 'fault', befall);
  };

  for (let i = 0; i < 2 + random.below(4); i++) world.later(random.next() * 30, 'open', open);
  world.later(200, 'fault', befall);
  await world.run(() => false, 6000);
  isOver = true;
  // Longer than anything can wait for: a tab that stands still, two that take over in turns, a storage that is given up.
  const isSettled = await world.run(() => working === 0 && opening === 0, kinds === SICK ? 300_000 : 60_000);
  // Whoever comes last finds what the model says.
  let last: Page | undefined;
  void Page.open(world).then(async (page) => {
    const read = model.read();
    read.done(await page.read());
    last = page;
  });
  const isRead = await world.run(() => last !== undefined, kinds === SICK ? 400_000 : 120_000);
  problems.push(...model.problems);
  return { trace: world.trace, model, faults, problems, hung: isSettled && isRead ? 0 : 1 };
}

test('tabs of a simulated browser lose nothing, apply nothing twice, and see what was acknowledged', async () => {
  let lost = 0;
  let hung = 0;
  let acknowledged = 0;
  let faults = 0;
  for (let seed = SEED; seed < SEED + WORLDS; seed++) {
    const found = await live(seed);
    acknowledged += found.model.acknowledged;
    faults += found.faults;
    hung += found.hung;
    if (found.problems.length > 0) lost++;
    if (found.problems.length + found.hung > 0)
      console.log(`seed ${seed}: hung ${found.hung}, ${found.problems.slice(0, 5).join('; ')}`);
  }
  console.log(`${WORLDS} worlds: ${acknowledged} writes acknowledged, ${faults} faults`);
  report('simulated-tabs', { count: faults, lost, corrupt: 0, hung });
  expect(acknowledged).toBeGreaterThan(WORLDS * 20);
}, 900_000);

test('no call hangs where the storage of a tab says nothing more, and nothing is lost', async () => {
  let lost = 0;
  let hung = 0;
  let count = 0;
  let unknown = 0;
  for (let seed = SEED; seed < SEED + SICK_WORLDS; seed++) {
    const found = await live(seed, SICK);
    hung += found.hung;
    count += found.faults;
    unknown += found.model.failed;
    if (found.problems.length > 0) lost++;
    if (found.problems.length + found.hung > 0)
      console.log(`seed ${seed}: hung ${found.hung}, ${found.problems.slice(0, 5).join('; ')}`);
  }
  console.log(`${unknown} calls failed`);
  report('silent-tabs', { count, lost, corrupt: 0, hung });
}, 900_000);

test('a seed replays what happened, event by event', async () => {
  const first = await live(SEED);
  const second = await live(SEED);
  expect(second.trace).toBe(first.trace);
  expect((await live(SEED + 1)).trace).not.toBe(first.trace);
});

test.each(['crash', 'close', 'freeze', 'frozen next'] as const)(
  'the next tab answers within half a second of simulated time: %s',
  async (how) => {
    let longest = 0;
    for (let seed = SEED; seed < SEED + 50; seed++) {
      const world = new World(seed);
      const pages: Page[] = [];
      // One after the other: the order in which they wait for the lock.
      const opened = (async () => {
        for (let i = 0; i < 4; i++) pages.push(await Page.open(world));
        await pages[0]!.insert(['r'], 1);
      })();
      let isOpen = false;
      void opened.then(() => {
        isOpen = true;
      });
      expect(await world.run(() => isOpen, 10_000)).toBe(true);
      await world.run(() => false, world.now + world.random.next() * 300);
      const [leader, next, ...others] = pages as [Page, Page, Page, Page];
      expect(world.holder(`piramid:${NAME}`)).toBe(leader.tab);
      if (how === 'crash') leader.tab.die();
      else if (how === 'close') void leader.close();
      else if (how === 'freeze') leader.freeze();
      else {
        next.freeze();
        leader.tab.die();
      }
      const begun = world.now;
      let answers = 0;
      for (const page of how === 'frozen next' ? others : [next, ...others])
        void page.read().then((result) => {
          expect(result).toEqual({ value: [['r', 1]] });
          answers++;
        });
      expect(await world.run(() => answers === (how === 'frozen next' ? 2 : 3), begun + 20_000)).toBe(true);
      longest = Math.max(longest, world.now - begun);
    }
    console.log(`takeover, ${how}: at most ${Math.round(longest)} ms`);
    expect(longest).toBeLessThan(500);
  },
);

test('a leader that was frozen for a moment does not answer from what it remembers', async () => {
  let replaced = 0;
  for (let seed = SEED; seed < SEED + 100; seed++) {
    const world = new World(seed);
    const pages: Page[] = [];
    let isOpen = false;
    void (async () => {
      for (let i = 0; i < 3; i++) pages.push(await Page.open(world));
      isOpen = true;
    })();
    expect(await world.run(() => isOpen, 10_000)).toBe(true);
    const [leader, next] = pages as [Page, Page, Page];
    let isWritten = false;
    let reads = 0;
    let stale = 0;
    // Its page reads on, as far as it can.
    void (async () => {
      for (; reads < 40; reads++) {
        const wasWritten = isWritten;
        const { value } = (await leader.read())!;
        if (wasWritten && (value as unknown[]).length === 0) stale++;
        await leader.pause(world.random.next() * 20);
      }
    })();
    await world.run(() => false, world.now + world.random.next() * 100);
    leader.freeze();
    world.later(40 + world.random.next() * 400, 'go on', () => leader.unfreeze());
    void next.insert(['x'], 1).then(() => {
      isWritten = true;
      replaced += world.holder(`piramid:${NAME}`) === leader.tab ? 0 : 1;
    });
    expect(await world.run(() => reads === 40 && isWritten, 30_000)).toBe(true);
    expect({ seed, stale }).toEqual({ seed, stale: 0 });
  }
  expect(replaced).toBeGreaterThan(30);
});

test('closing waits for writes under way, also where the leader finds out only then that it has been replaced', async () => {
  let replaced = 0;
  for (let seed = SEED; seed < SEED + 30; seed++) {
    const world = new World(seed);
    const [leader, next] = (await openPages(world, 2)) as [Page, Page];
    let isTaken = false;
    leader.freeze();
    void next.insert(['x'], 1).then(() => {
      isTaken = true;
    });
    expect(await world.run(() => isTaken, 30_000)).toBe(true);
    if (world.holder(`piramid:${NAME}`) !== leader.tab) replaced++;
    leader.unfreeze();
    const answers: unknown[] = [];
    void leader.insert(['late'], 2).then((answer) => answers.push(answer));
    void leader.engine.close().then(() => answers.push('closed'));
    expect(await world.run(() => answers.length === 2, 30_000)).toBe(true);
    expect({ seed, answers }).toEqual({ seed, answers: [{ value: undefined }, 'closed'] });
    let read: unknown;
    void next.read().then((answer) => {
      read = answer!.value;
    });
    expect(await world.run(() => read !== undefined, 30_000)).toBe(true);
    expect(read).toEqual([
      ['x', 1],
      ['late', 2],
    ]);
  }
  expect(replaced).toBeGreaterThan(15);
});

/** Opens pages one after the other, which is the order in which they wait for the lock. */
async function openPages(world: World, count: number): Promise<Page[]> {
  const pages: Page[] = [];
  void (async () => {
    while (pages.length < count) pages.push(await Page.open(world));
  })();
  expect(await world.run(() => pages.length === count, 20_000)).toBe(true);
  return pages;
}

test('a leader that stands still without a word is taken over from after five silent seconds', async () => {
  for (let seed = SEED; seed < SEED + 20; seed++) {
    const world = new World(seed);
    const [leader, next] = (await openPages(world, 2)) as [Page, Page];
    leader.tab.stand();
    let isWritten = false;
    void next.insert(['x'], 1).then(() => {
      isWritten = true;
    });
    expect(await world.run(() => isWritten, world.now + 4000)).toBe(false);
    expect(await world.run(() => isWritten, world.now + 4000)).toBe(true);
  }
});

test('calls that run in a leader as it closes are answered by the next', async () => {
  for (let seed = SEED; seed < SEED + 60; seed++) {
    const world = new World(seed);
    const [leader, next] = (await openPages(world, 2)) as [Page, Page];
    const answers: unknown[] = [];
    let isReady = false;
    void next.insert(['x0', 'x1'], 1).then(async () => {
      await next.remove('x0');
      isReady = true;
    });
    expect(await world.run(() => isReady, world.now + 5000)).toBe(true);
    void next.compact().then((answer) => answers.push(answer));
    for (let i = 0; i < 4; i++) void next.near().then((answer) => answers.push(answer));
    for (let i = 0; i < 5; i++) void next.insert([`y${i}`], 1).then((answer) => answers.push(answer));
    await world.run(() => false, world.now + world.random.next() * 8);
    void leader.close();
    expect(await world.run(() => answers.length === 10, world.now + 20_000)).toBe(true);
    expect(answers.map((answer) => (answer as { code?: string }).code ?? 'answered')).toEqual(
      Array(10).fill('answered'),
    );
  }
});

test('nor while the one who took over from it died, and the next in the queue came to office by that', async () => {
  let mended = 0;
  for (let seed = SEED; seed < SEED + 150; seed++) {
    const world = new World(seed);
    const [leader, thief, next] = (await openPages(world, 3)) as [Page, Page, Page];
    let isWritten = false;
    let isOver = false;
    let stale = 0;
    void (async () => {
      for (; !isOver; ) {
        const wasWritten = isWritten;
        const { value } = (await leader.read())!;
        if (wasWritten && (value as unknown[]).length === 0) stale++;
        if (wasWritten) isOver = true;
        await leader.pause(world.random.next() * 5);
      }
    })();
    await world.run(() => false, world.now + world.random.next() * 100);
    leader.freeze();
    void next.insert(['x'], 1).then(() => {
      isWritten = true;
      if (leader.tab.isStanding) leader.unfreeze();
    });
    const isHolder = () => world.holder(`piramid:${NAME}`) !== leader.tab;
    expect(await world.run(isHolder, world.now + 5000)).toBe(true);
    if (world.holder(`piramid:${NAME}`) === thief.tab) mended++;
    thief.tab.die();
    expect(await world.run(() => isOver, world.now + 30_000)).toBe(true);
    expect({ seed, stale }).toEqual({ seed, stale: 0 });
  }
  expect(mended).toBeGreaterThan(20);
});

test('a leader frozen amid a write finds its fence after however many have led since', async () => {
  for (let seed = SEED; seed < SEED + 60; seed++) {
    const world = new World(seed);
    const pages = await openPages(world, 9);
    const [frozen, ...others] = pages as [Page, ...Page[]];
    // It has written before, and so knows where its next write goes.
    let isReady = false;
    void frozen.insert(['before'], 1).then(() => {
      isReady = true;
    });
    expect(await world.run(() => isReady, world.now + 5000)).toBe(true);
    // One of them is on its way, the others wait for it.
    const waiting = ['frozen0', 'frozen1', 'frozen2', 'frozen3'];
    for (const id of waiting) void frozen.insert([id], 1);
    await world.run(() => false, world.now + world.random.next() * 2);
    frozen.freeze();
    const written = ['before'];
    for (let i = 0; others.some(({ tab }) => !tab.isDead); i++) {
      let isWritten = false;
      const page = others.find(({ tab }) => !tab.isDead)!;
      void page.insert([`o${i}`], 1).then((result) => {
        expect(result).toEqual({});
        isWritten = true;
      });
      expect(await world.run(() => isWritten, world.now + 10_000)).toBe(true);
      written.push(`o${i}`);
      // Whoever leads dies, and leaves its fence to the next.
      const leader = () => others.find(({ tab }) => tab === world.holder(`piramid:${NAME}`));
      expect(await world.run(() => leader() !== undefined, world.now + 5000)).toBe(true);
      leader()!.tab.die();
    }
    frozen.unfreeze();
    await world.run(() => false, world.now + 1000);
    frozen.tab.die();
    let found: unknown[] | undefined;
    void Page.open(world).then(async (page) => {
      found = ((await page.read())!.value as [string, number][]).map(([id]) => id);
    });
    expect(await world.run(() => found !== undefined, world.now + 20_000)).toBe(true);
    expect({ seed, found: found!.toSorted() }).toEqual({ seed, found: [...written, ...waiting].toSorted() });
  }
}, 60_000);

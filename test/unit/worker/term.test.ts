// A term of office that may have ended unnoticed: what a look at the fence proves, and for how long.
import { expect, test } from 'vitest';
import { createSharedLoads } from '../../../src/models/shared-loads.ts';
import { isTakenOver } from '../../../src/store/backend.ts';
import { openFenced } from '../../../src/store/fence.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { FENCE_KEY_FIRST, type StoreName } from '../../../src/store/schema.ts';
import { holdOpenerLock } from '../../../src/worker/locks.ts';
import { browser } from '../../../src/worker/platform.ts';
import { LEASE_MS, Term } from '../../../src/worker/tabs/term.ts';
import { World } from '../../faults/world.ts';

/** Looks at the fence see what is there when they begin, and answer when they are let go. */
class Slow extends MemoryBackend {
  isHeld = false;
  looks = 0;
  letGo = () => {};
  private readonly released = new Promise<void>((resolve) => {
    this.letGo = resolve;
  });

  override async read(store: StoreName, key: number): Promise<ArrayBuffer | undefined> {
    const value = await super.read(store, key);
    if (store !== 'manifest' || key < FENCE_KEY_FIRST) return value;
    this.looks++;
    if (this.isHeld) await this.released;
    return value;
  }
}

async function openTerm() {
  const backend = new Slow();
  const clock = { now: 5000 };
  const platform = { ...browser, now: () => clock.now, openBackend: async () => backend };
  const models = () => ({
    embedder: () => Promise.reject(new Error('none')),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: () => createSharedLoads(async () => {}).close(),
  });
  const term = new Term(
    platform,
    models,
    async () => null,
    () => {},
  );
  const options = { name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} } as const;
  await term.open(options, false, null);
  const list = () =>
    term
      .run('listCollections', [], null, () => {})
      .answer.then(
        () => 'answered',
        (error) => (isTakenOver(error) ? 'BLOCKED' : String(error)),
      );
  return { backend, clock, list, term };
}

test('a proof holds for a while, and calls that come while one is made share it', async () => {
  const { backend, clock, list, term } = await openTerm();
  expect([await list(), backend.looks]).toEqual(['answered', 0]);
  clock.now += LEASE_MS;
  expect(await Promise.all([list(), list(), list()])).toEqual(['answered', 'answered', 'answered']);
  expect(backend.looks).toBe(1);
  clock.now += LEASE_MS - 1;
  expect([await list(), backend.looks]).toEqual(['answered', 1]);
  await openFenced(backend); // somebody else
  expect([await list(), backend.looks]).toEqual(['answered', 1]);
  clock.now += 1;
  expect([await list(), backend.looks]).toEqual(['BLOCKED', 2]);
  await term.close();
});

test('a look that began before the worker was frozen proves nothing afterwards', async () => {
  const { backend, clock, list, term } = await openTerm();
  clock.now += LEASE_MS;
  backend.isHeld = true;
  const before = list();
  await openFenced(backend); // while it is frozen, in the middle of its look
  clock.now += LEASE_MS;
  backend.isHeld = false;
  const after = list();
  backend.letGo();
  expect(await after).toBe('BLOCKED');
  await before;
  // Nor does the old look count as one of now, when it ends.
  expect(await list()).toBe('BLOCKED');
  await term.close();
});

test('who has left is not alone, whoever else is there', async () => {
  const world = new World(1);
  const [a, b] = [world.newTab(), world.newTab()].map(({ platform }) => holdOpenerLock(platform.locks!, 'x'));
  const inWorld = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    expect(await world.run(() => isSettled, world.now + 1000)).toBe(true);
    return promise;
  };
  const [first, second] = [await inWorld(a!), await inWorld(b!)];
  expect(await inWorld(first.isAlone())).toBe(false);
  second.leave();
  await world.run(() => false, world.now + 100);
  expect(await inWorld(first.isAlone())).toBe(true);
  expect(await inWorld(second.isAlone())).toBe(false);
});

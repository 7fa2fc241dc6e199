// Several workers on one database, as tabs have them: one leads, all see the same.
import { type Collection, type Database, open } from 'piramid';
import { afterEach, describe, expect, test } from 'vitest';
import { codeOf, freshName, records } from './databases.ts';

interface Tab {
  db: Database;
  c: Collection;
  worker: Worker;
}

const workers: Worker[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

async function openTab(name: string): Promise<Tab> {
  let worker!: Worker;
  const db = await open(name, { worker: () => (worker = engineWorker()), device: 'wasm' });
  workers.push(worker);
  const c = await db.collection('c', { dimension: 3 });
  return { db, c, worker };
}

function engineWorker(): Worker {
  return new Worker(new URL('../../../src/worker/worker.ts', import.meta.url), { type: 'module' });
}

const role = async (tab: Tab) => (await tab.db.stats()).role;

test('the second tab opens at once, and each sees what the other writes', async () => {
  const name = freshName();
  const a = await openTab(name);
  const begun = performance.now();
  const b = await openTab(name);
  console.log('second open', performance.now() - begun);
  expect([await role(a), await role(b)]).toEqual(['leader', 'follower']);
  await a.c.upsert(records(5));
  expect(await b.c.count()).toBe(5);
  await b.c.upsert(records(5, 5));
  expect(await a.c.count()).toBe(10);
  expect((await a.c.query({ vector: [1, 0.7, 0], k: 1 }))[0]!.id).toBe('r7');
  expect(await b.c.query({ vector: [1, 0.7, 0], k: 3 })).toEqual(await a.c.query({ vector: [1, 0.7, 0], k: 3 }));
});

describe('when the leader goes', () => {
  test('by closing, the other leads, and what was written is there', async () => {
    const name = freshName();
    const a = await openTab(name);
    const b = await openTab(name);
    const writes = Array.from({ length: 200 }, (_, i) => b.c.upsert(records(1, i)));
    await a.db.close();
    await Promise.all(writes);
    expect(await b.c.count()).toBe(200);
    expect(await role(b)).toBe('leader');
    expect(await codeOf(a.c.count())).toBe('CLOSED');
  });

  test('by dying, calls in flight are answered by the next, and the time is short', async () => {
    const name = freshName();
    const a = await openTab(name);
    const b = await openTab(name);
    await b.c.upsert(records(50));
    const begun = performance.now();
    a.worker.terminate();
    expect(await b.c.count()).toBe(50);
    console.log('takeover', performance.now() - begun);
  });
});

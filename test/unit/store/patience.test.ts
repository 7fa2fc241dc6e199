import { expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import type { Backend, Write } from '../../../src/store/backend.ts';
import { MemoryBackend } from '../../../src/store/memory.ts';
import { patient } from '../../../src/store/patience.ts';
import { wrapped } from './wrapped.ts';

/** A timer that a test turns. */
function clock() {
  const running = new Set<() => void>();
  return {
    every: (_ms: number, run: () => void) => {
      running.add(run);
      return () => running.delete(run);
    },
    isRunning: () => running.size > 0,
    async turn(times: number) {
      for (let i = 0; i < times; i++) {
        for (const run of running) run();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

const write = (key: number, ...bytes: number[]): Write => ({
  store: 'log',
  key,
  value: Uint8Array.from(bytes).buffer,
});
const never = () => new Promise<never>(() => {});
/** Ticks of the patience that a storage has at first. */
const TICKS = 120;

/** `calls`: what becomes of the first commits; the others are made. */
function backend(calls: ((commit: () => Promise<void>) => Promise<void>)[]) {
  const memory = new MemoryBackend();
  let drops = 0;
  const inner: Backend = wrapped(memory, {
    commit: (writes: readonly Write[]) => {
      const commit = () => memory.commit(writes);
      return calls.shift()?.(commit) ?? commit();
    },
    drop: () => {
      drops++;
    },
  });
  return { memory, inner, drops: () => drops };
}

const full = () => Promise.reject(new PiramidError('STORAGE_FULL', 'no room'));

test('a call without an answer is made again on a new connection', async () => {
  const { every, turn, isRunning } = clock();
  const { memory, inner, drops } = backend([never]);
  const commit = (await patient(inner, undefined, every)).commit([write(1, 7)]);
  await turn(TICKS);
  expect(drops()).toBe(0);
  await turn(2);
  await commit;
  expect(drops()).toBe(1);
  expect(await memory.keys('log')).toEqual([1]);
  expect(isRunning()).toBe(false);
});

test('what became of a commit without an answer is read, where it cannot be made again', async () => {
  for (const hasArrived of [true, false]) {
    const { every, turn } = clock();
    const { inner } = backend([(commit) => (hasArrived ? commit().then(never) : never()), full]);
    const commit = (await patient(inner, undefined, every)).commit([write(1, 7)]);
    const outcome = commit.then(
      () => true,
      ({ code }) => code,
    );
    await turn(TICKS + 2);
    expect(await outcome).toBe(hasArrived ? true : 'STORAGE_FULL');
  }
});

test('a storage that never answers is told, and sooner the next time, until it answers again', async () => {
  const { every, turn } = clock();
  const { inner } = backend([never, never, never, never]);
  const patientOne = await patient(inner, undefined, every);
  for (const ticks of [TICKS + 20, 30]) {
    const outcome = patientOne.commit([write(1, 7)]).catch((error) => error);
    await turn(ticks);
    expect(await outcome).toMatchObject({ code: 'STORAGE_FAILED' });
  }
  await patientOne.commit([write(1, 7)]);
  const slow = patientOne.commit([write(2, 7)]);
  await turn(2);
  await slow;
});

test('a slow disk is not a dead one: what is long takes longer, and an answer shows that others may come', async () => {
  const { every, turn } = clock();
  const answers: (() => void)[] = [];
  const slowly = (commit: () => Promise<void>) => new Promise<void>((resolve) => answers.push(resolve)).then(commit);
  const { inner, drops } = backend([slowly, slowly, slowly]);
  const patientOne = await patient(inner, undefined, every);
  const long = patientOne.commit([{ store: 'chunks', key: 1, value: new ArrayBuffer(16 << 20) }]);
  await turn(TICKS + 200);
  answers[0]!();
  await long;
  const two = [patientOne.commit([write(1, 1)]), patientOne.commit([write(2, 2)])];
  await turn(TICKS);
  answers[1]!();
  await turn(TICKS);
  answers[2]!();
  await Promise.all(two);
  expect(drops()).toBe(0);
});

// Whatever other scripts of the origin post on our channels: two tabs go on working, with the right answers.
import { type Collection, type Database, open } from 'piramid';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import { freshName } from '../browser/api/databases.ts';

const MESSAGES = 6000;
const HUNG_MS = 30_000;
const random = seededRandom(15);

const TYPES = [
  'hello',
  'leader',
  'busy',
  'welcome',
  'answer',
  'error',
  'event',
  'notice',
  'call',
  'cancel',
  'bye',
  'x',
  7,
  null,
];
const FIELDS =
  'type leader client call method args settled protocol device uuid keyBlock notices notice value error event'.split(
    ' ',
  );
const METHODS = ['stats', 'query', 'upsert', 'delete', 'open', 'close', '__proto__', 'constructor', 'toString', ''];

const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;

/** Something that can be posted, to begin with what has no fields at all. */
function junk(ids: readonly string[], depth = 0): unknown {
  const kind = random.below(depth > 2 ? 8 : 14);
  if (kind === 0) return null;
  if (kind === 1) return undefined;
  if (kind === 2) return pick([0, -1, 7, 1.5, Number.NaN, 2 ** 53, true, false]);
  if (kind === 3) return pick(['', 'hello', 'busy', '\ud800', '__proto__', ...METHODS]);
  if (kind === 4) return pick(ids); // of workers, of leaders, of nobody
  if (kind === 5) return pick([10n, new Date(0), /x/, new Map([['type', 'hello']]), new Set([1]), new Error('busy')]);
  if (kind === 6) return new ArrayBuffer(random.below(64));
  if (kind === 7) return pick(TYPES);
  if (kind === 8) return Array.from({ length: random.below(4) }, () => junk(ids, depth + 1));
  const message: Record<string, unknown> = {};
  if (random.below(4) > 0) message.type = pick(TYPES);
  for (const field of FIELDS)
    if (random.below(3) === 0) message[field] ??= field === 'method' ? pick(METHODS) : junk(ids, depth + 1);
  return message;
}

let hung = 0;
function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      hung++;
      resolve(undefined);
    }, HUNG_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

test('null on the board of a database breaks nothing', async () => {
  const name = freshName();
  const tabs = [await open(name, { device: 'js' }), await open(name, { device: 'js' })];
  const board = new BroadcastChannel(`piramid:${name}`);
  for (const message of [
    null,
    undefined,
    5,
    'hello',
    [],
    {},
    { type: 'hello' },
    { type: 'hello', client: 7 },
    { type: 'leader' },
  ])
    board.postMessage(message);
  for (const [i, tab] of tabs.entries()) {
    const c = await tab.collection(`c${i}`, {});
    await c.upsert({ id: 1, text: 'still here' });
    expect(await c.count()).toBe(1);
    await tab.close();
  }
  board.close();
});

test('two tabs at work beside whatever is posted on their channels', async () => {
  const name = freshName();
  const tabs: Database[] = [];
  const join = async () => {
    const tab = await open(name, { device: 'js' });
    tabs.push(tab);
    return tab.collection('c', { dimension: 2 });
  };
  const [a, b] = [await join(), await join()];
  const { held = [] } = await navigator.locks.query();
  const tokens = held.flatMap((lock) => (lock.name?.startsWith('piramid-worker:') ? [lock.name.slice(15)] : []));
  const leaders: string[] = [];
  const board = new BroadcastChannel(`piramid:${name}`);
  board.onmessage = ({ data }) =>
    data?.type === 'leader' && typeof data.leader === 'string' && leaders.push(data.leader);
  const channels = [board, ...tokens.map((token) => new BroadcastChannel(`piramid-follower:${token}`))];
  // Ids of real leaders with a well-formed message would be a forgery, not junk.
  const ids = () => [...tokens, crypto.randomUUID(), 'x', 'a'.repeat(36), crypto.randomUUID().toUpperCase()];

  let wrong = 0;
  let count = 0;
  let written = 0;
  const work = async (c: Collection, first: number) => {
    for (let i = 0; i < 40; i++) {
      const id = first + i;
      await settled(c.upsert({ id, vector: [1, id], metadata: { id } }));
      written++;
      const found = await settled(c.query({ vector: [1, id], where: { id }, k: 1 }));
      if (found?.[0]?.id !== id) wrong++;
      if (!(await settled(c.exists(id)))) wrong++;
    }
  };
  const posting = async () => {
    for (; count < MESSAGES; count++) {
      const message =
        count % 1500 === 7 ? pick(['x'.repeat(8e6), new ArrayBuffer(3e7), new Array(1e5).fill(null)]) : junk(ids());
      pick(channels).postMessage(message);
      if (count % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
  };
  await Promise.all([posting(), work(a, 0), work(b, 1000)]);
  // The next one takes over, and a third comes.
  await tabs[0]!.close();
  const again = [posting(), work(b, 2000), join().then((c) => work(c, 3000))];
  count = 0;
  await Promise.all(again);
  if ((await settled(b.count())) !== written) wrong++;
  for (const tab of tabs) await settled(tab.close());
  for (const channel of channels) channel.close();
  console.log(`field.messages count=${2 * MESSAGES} hung=${hung} wrong=${wrong}`);
  expect({ hung, wrong }).toEqual({ hung: 0, wrong: 0 });
});

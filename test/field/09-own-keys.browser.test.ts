// A page that adds to `Object.prototype`: everything works as before, and nothing of it is taken for data or options.
import { open } from 'piramid';
import { expect, test } from 'vitest';
import { codeOf, freshName } from '../browser/api/databases.ts';

/** Names of fields and options of ours, of what is passed on to the browser, and of libraries. */
const NAMES =
  `id vector values rerank candidates languages bytes evidence text metadata keywords k offset minScore maxDistance where fusion select exact oversample explain mode limit
  cursor field sample ids all set unset rrf weighted rrfConstant words storage device durability worker persist models key path
  scanBudget memory timeout remote runtime collections rename dimension metric quantization embedder embed model kind onProgress waits
  onEvent $eq $in $gt $and $or $not $exists extend each clone isArray contains $date plan next legs code cause role content
  signal type size name steal ifAvailable highWaterMark done total pull cancel data argumentList`.split(/\s+/);
/** What they are: also what would pass the checks. */
const VALUES: unknown[] = [() => 'added', 'added', 7, true, { $exists: true }, ['a'], null];

/** Runs with such properties on every object. */
async function polluted<T>(names: readonly string[], value: unknown, run: () => Promise<T>): Promise<T> {
  // Assigned, because a property descriptor would inherit what is added under the name "set".
  for (const name of names) (Object.prototype as Record<string, unknown>)[name] = value;
  try {
    return await run();
  } finally {
    for (const name of names) delete (Object.prototype as Record<string, unknown>)[name];
  }
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

/** Everything once, as what came of it. */
async function scenario() {
  await using db = await open(freshName(), { storage: 'memory', device: 'js' });
  const c = await db.collection('c', { dimension: 2 });
  const texts = await db.collection('texts', {});
  await c.upsert({ id: 'a', vector: [1, 0] });
  await c.upsert([
    { id: 'b', vector: [0, 1], text: 'two words', metadata: { n: 1, at: new Date(0), deep: [{ x: { y: 1 } }] } },
    { id: 'd', vector: [1, 1], metadata: {} },
  ]);
  await texts.upsert({ id: 1, text: 'alone' });
  const updated = await c.update({ ids: ['a'] }, { set: { 'm.n': 2 } });
  const stored = plain(await c.get(['a', 'b', 'd']));
  const found = plain(await c.query({ vector: [1, 0] }));
  const batch = plain(await c.queryBatch([{ vector: [1, 0], where: { n: 1 } }, { keywords: 'two' }]));
  const fused = plain(await c.query({ vector: [1, 0], keywords: 'two', fusion: { weighted: { words: 1 } } }));
  const page = plain(await c.scroll());
  const facets = plain(await c.facets({ field: 'n' }));
  const counts = [await c.count(), await c.count({ n: { $gte: 1 } }), await texts.count()];
  const file = await new Response(db.export()).blob();
  await db.deleteCollection('c');
  await db.deleteCollection('texts');
  const imported = plain(await db.import(file));
  const again = await db.collection('c');
  const deleted = await again.delete({ where: { n: 1 } });
  const refused = await codeOf(again.upsert([{ id: 'x' }]));
  return { updated, stored, found, batch, fused, page, facets, counts, imported, deleted, refused };
}

test('what a page adds to Object.prototype is neither data nor an option', async () => {
  const expected = await scenario();
  expect(expected.stored[0]).toEqual({ id: 'a', vector: { 0: 1, 1: 0 }, metadata: { m: { n: 2 } } });
  let count = 0;
  let wrong = 0;
  for (const value of VALUES) {
    for (const names of [
      NAMES,
      ...NAMES.filter((_, i) => i % VALUES.length === VALUES.indexOf(value)).map((name) => [name]),
    ]) {
      const got = await polluted(names, value, () => scenario().catch((error) => String(error)));
      count++;
      if (JSON.stringify(got) === JSON.stringify(expected)) continue;
      if (++wrong < 6) console.log(names.length === 1 ? names[0] : 'all names', value, got);
    }
  }
  console.log(`field.own-keys count=${count} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

test('a toJSON of all objects changes no metadata', async () => {
  await using db = await open(freshName(), { storage: 'memory', device: 'js' });
  const c = await db.collection('c', {});
  const metadata = { list: [1, { a: 'x' }], at: new Date(5), o: { p: {} } };
  await polluted(
    ['toJSON'],
    () => 'hooked',
    () => c.upsert({ id: 1, text: 'x', metadata }),
  );
  expect((await c.get(1))!.metadata).toEqual(metadata);
});

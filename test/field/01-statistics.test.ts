// Item 1: the statistics of BM25 are those of the live records. Whatever was written, replaced, deleted, folded, compacted and
// reopened before, ids and scores of a query are those of a fresh collection of the same live records, to the bit.
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import type { RecordId } from '../../src/types.ts';
import { Notes } from './notes.ts';

const HISTORIES = Number(process.env.PIRAMID_FIELD_HISTORIES ?? 2000);
const SEED = Number(process.env.PIRAMID_SEED ?? 1);

async function freshCopy(notes: Notes): Promise<Notes> {
  const copy = await Notes.create();
  await copy.upsert(...(await notes.records()));
  return copy;
}

describe('a small app', () => {
  const zebra: [RecordId, string] = ['z', 'zebra note number one text'];

  async function twentyNotes(): Promise<Notes> {
    const notes = await Notes.create();
    for (let i = 0; i < 20; i++)
      await notes.upsert([i, `${i < 6 ? `apple note number ${i} pie` : `filler note number ${i} text`}`]);
    await notes.upsert(zebra);
    return notes;
  }

  test('thirty changes of one record leave the others where they were', async () => {
    const notes = await twentyNotes();
    const before = notes.search('zebra apple');
    expect(before[0]![0]).toBe('z');
    for (let i = 0; i < 30; i++) await notes.state.update({ ids: ['z'] }, { set: { seen: i } });
    expect(notes.search('zebra apple')).toEqual(before);
    for (let i = 0; i < 5; i++) await notes.upsert(zebra);
    expect(notes.search('zebra apple')).toEqual(before);
  });

  test('records that came and went weigh nothing', async () => {
    const notes = await Notes.create();
    await notes.upsert(['a', 'red house'], ['b', 'green tree'], ['c', 'blue sky']);
    const before = notes.search('red tree');
    const trees = Array.from({ length: 30 }, (_, i): [RecordId, string] => [i, 'tree tree']);
    await notes.upsert(...trees);
    await notes.state.delete({ ids: trees.map(([id]) => id) });
    expect(notes.search('red tree')).toEqual(before);
    await notes.reopen();
    expect(notes.search('red tree')).toEqual(before);
  });
});

test(`${HISTORIES} random histories answer like a fresh collection`, async () => {
  let wrong = 0;
  let queries = 0;
  for (let n = 0; n < HISTORIES; n++) {
    const seed = SEED * 1_000_003 + n;
    const random = seededRandom(seed);
    const words = (count: number) =>
      Array.from({ length: count }, () => `w${Math.floor(random.next() ** 2 * 12)}`).join(' ');
    const record = (): [RecordId, string | null] => [
      random.below(14),
      random.below(9) === 0 ? null : words(random.below(8)),
    ];
    const some = () => [...new Map(Array.from({ length: 1 + random.below(4) }, record)).entries()];
    const ids = () => ({ ids: Array.from({ length: 1 + random.below(3) }, () => random.below(14)) });
    const notes = await Notes.create();
    const length = 3 + random.below(14);
    for (let step = 0; step < length; step++) {
      const kind = random.below(20);
      if (kind < 9) await notes.upsert(...some());
      else if (kind < 12) await notes.state.update(ids(), { set: { n: step } });
      else if (kind < 15) await notes.state.delete(ids());
      else if (kind < 16) await notes.fold();
      else if (kind < 17) await notes.compact(random.below(2) * 0.5);
      else if (kind < 18) await notes.reopen();
      if (step !== length - 1 && random.below(6) > 0) continue;
      const fresh = await freshCopy(notes);
      for (const query of [words(1), words(3)]) {
        queries++;
        if (JSON.stringify(notes.search(query)) === JSON.stringify(fresh.search(query))) continue;
        wrong++;
        if (wrong <= 3)
          console.error(`seed ${seed}, step ${step}, ${query}:`, notes.search(query), fresh.search(query));
      }
    }
  }
  console.log(`field.stats count=${HISTORIES} queries=${queries} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

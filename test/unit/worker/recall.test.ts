// What is said of answers that codes may have made worse: whether they are exact, whether they are all, how many are found.
import { expect, test } from 'vitest';
import type { EngineQuery } from '../../../src/protocol.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { newCall, openEngine, records, request } from '../transfer/files.ts';

const DIMENSION = 32;

async function collectionOf(count: number, quantization: 'none' | 'int8' | 'binary', large = 200) {
  const random = seededRandom(11);
  const engine = await openEngine();
  const { id } = await engine.openCollection('c', request({ dimension: DIMENSION, quantization }), newCall());
  // One number of each is large, so that codes say little of the others.
  const number = (i: number) => (i % DIMENSION === 0 ? large : random.normal());
  const vectors = Float32Array.from({ length: count * DIMENSION }, (_, i) => number(i));
  await engine.upsert(id, records({ ids: [...Array(count).keys()], vectors }), 'upsert', newCall());
  const query = async (changes: Partial<EngineQuery>) => {
    const common = { embed: null, words: null, k: 1, offset: 0, minScore: null, where: null, fusion: { rrf: {} } };
    const rest = { select: [], exact: false, oversample: 1, explain: false };
    const vector = new Float32Array(DIMENSION).fill(1, 1);
    const [answer] = await engine.query(id, [{ ...common, ...rest, vector, ...changes }], newCall());
    return answer!;
  };
  return { query, recall: (k: number) => engine.recallCheck(id, { sample: 60, k }, newCall()) };
}

test('recall is measured against the exact answer, without the records themselves, at them and between them', async () => {
  const { recall } = await collectionOf(4000, 'binary', 14);
  const { atRecords, betweenRecords } = await recall(1);
  // A record would always find itself, and codes always what codes find.
  expect(atRecords).toBeGreaterThan(0.3);
  expect(atRecords).toBeLessThan(1);
  expect(betweenRecords).toBeGreaterThan(0.1);
  expect(betweenRecords).not.toBe(atRecords);
  const exact = await collectionOf(500, 'none');
  expect(await exact.recall(5)).toMatchObject({ recall: 1, atRecords: 1, betweenRecords: 1 });
});

test('an answer from binary codes is neither called exact nor complete, unless all records were looked at', async () => {
  const { query } = await collectionOf(4000, 'binary');
  const { query: queryExactly } = await collectionOf(4000, 'none');
  const range = { minScore: 0.005, k: 3000 } as const;
  expect(await query({ minScore: 0.012, k: 100 })).toMatchObject({ exact: false, complete: false });
  const [all, truth] = [await query({ ...range, exact: true }), await queryExactly(range)];
  expect([all.exact, all.complete, all.ids]).toEqual([true, true, truth.ids]);
  expect(truth.ids.length).toBeGreaterThan(500);
  const few = await collectionOf(100, 'binary');
  expect(await few.query({ minScore: -1, k: 100 })).toMatchObject({ exact: false, complete: true });
});

test('an answer from int8 codes is exact and complete, also where codes alone would find others', async () => {
  const [{ query, recall }, { query: queryExactly }] = [
    await collectionOf(4000, 'int8'),
    await collectionOf(4000, 'none'),
  ];
  for (const changes of [
    { k: 1 },
    { k: 200, minScore: 0.01 },
    { k: 3000, minScore: 0.005 },
    { k: 5, oversample: 0.01 },
  ]) {
    const [found, truth] = [await query(changes), await queryExactly(changes)];
    expect([found.exact, found.complete]).toEqual([true, truth.complete]);
    expect([found.ids, [...found.scores]]).toEqual([truth.ids, [...truth.scores]]);
  }
  expect((await query({ k: 3000, minScore: 0.005 })).complete).toBe(true);
  expect(await recall(3)).toMatchObject({ recall: 1 });
});

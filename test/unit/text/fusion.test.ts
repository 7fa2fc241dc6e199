import { describe, expect, test } from 'vitest';
import { fuse, type Leg } from '../../../src/text/fusion.ts';

const leg = (pairs: [row: number, score: number][], weight?: number): Leg => ({
  rows: pairs.map(([row]) => row),
  scores: pairs.map(([, score]) => score),
  ...(weight !== undefined && { weight }),
});
const empty = leg([]);

describe('reciprocal rank fusion', () => {
  const meaning = leg([
    [7, 0.9],
    [3, 0.8],
    [5, 0.1],
  ]);
  const words = leg([
    [3, 12],
    [9, 11],
  ]);

  test('a row scores 1 / (60 + rank) in each leg', () => {
    const fused = fuse([meaning, words], { rrf: {} }, 10);
    expect([...fused.rows]).toEqual([3, 7, 9, 5]);
    expect([...fused.scores]).toEqual([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63].map(Math.fround));
    expect(fused.legs).toEqual([
      [
        { rank: 2, score: 0.8 },
        { rank: 1, score: 12 },
      ],
      [{ rank: 1, score: 0.9 }, undefined],
      [undefined, { rank: 2, score: 11 }],
      [{ rank: 3, score: 0.1 }, undefined],
    ]);
  });

  test('the constant can be chosen, and k cuts', () => {
    const fused = fuse([meaning, words], { rrf: { rrfConstant: 0 } }, 1);
    expect([...fused.rows]).toEqual([3]);
    expect(fused.scores[0]).toBe(1.5);
    expect(fused.legs).toHaveLength(1);
  });

  test('equal sums come in order of rows', () => {
    expect([...fuse([leg([[9, 1]]), leg([[4, 1]]), leg([[6, 1]])], { rrf: {} }, 10).rows]).toEqual([4, 6, 9]);
  });

  test('an empty leg takes nothing away from the other', () => {
    expect([...fuse([empty, words], { rrf: {} }, 10).rows]).toEqual([3, 9]);
    expect([...fuse([meaning, empty], { weighted: {} }, 10).rows]).toEqual([7, 3, 5]);
    expect([...fuse([empty, empty], { rrf: {} }, 10).rows]).toEqual([]);
    expect([...fuse([], { weighted: {} }, 10).rows]).toEqual([]);
  });
});

describe('weighted fusion', () => {
  test('each leg is scaled to 0..1 by its own minimum and maximum, then weighted', () => {
    const fused = fuse(
      [
        leg(
          [
            [1, 10],
            [2, 6],
            [3, 2],
          ],
          0.75,
        ),
        leg(
          [
            [3, -1],
            [2, -5],
          ],
          0.25,
        ),
      ],
      { weighted: {} },
      10,
    );
    expect([...fused.rows]).toEqual([1, 2, 3]);
    expect([...fused.scores]).toEqual([0.75, 0.375, 0.25]);
  });

  test('a leg with one score, or all equal ones, gives each of its rows all of its weight', () => {
    expect([
      ...fuse(
        [
          leg([[1, 0.2]], 0.5),
          leg(
            [
              [2, 3],
              [8, 3],
            ],
            0.5,
          ),
        ],
        { weighted: {} },
        10,
      ).scores,
    ]).toEqual([0.5, 0.5, 0.5]);
  });

  test('weights are even by default', () => {
    expect([...fuse([leg([[1, 2]]), leg([[1, 2]])], { weighted: {} }, 10).scores]).toEqual([1]);
  });
});

test('what a leg says of rows that others rank counts in weighted fusion, and not for ranks', () => {
  const meaning: Leg = {
    rows: [1],
    scores: [0.8],
    others: new Map([
      [2, 0.4],
      [1, 9],
    ]),
    weight: 0.5,
    share: (score) => score,
  };
  const words: Leg = { rows: [2], scores: [6], weight: 0.5, share: (score) => score / 10 };
  const fused = fuse([meaning, words], { weighted: {} }, 10);
  expect([...fused.rows]).toEqual([2, 1]);
  expect([...fused.scores]).toEqual([0.5, 0.4].map(Math.fround));
  expect(fused.legs[0]).toEqual([{ score: 0.4 }, { rank: 1, score: 6 }]);
  expect([...fuse([meaning, words], { rrf: {} }, 10).scores]).toEqual([1 / 61, 1 / 61].map(Math.fround));
});

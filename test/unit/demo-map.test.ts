// The demo's map: what is close in meaning is close on the plane, the same each time, however few there are.
import { expect, test } from 'vitest';
import { layOut } from '../../demo/map/layout.ts';
import { regions, tellingOf } from '../../demo/map/regions.ts';
import { stretch } from '../../demo/map/stretch.ts';
import { seededRandom } from '../../src/structures/random.ts';

const DIMENSION = 64;
const GROUPS = 8;

/** Row i is of group i % GROUPS. */
function grouped(rows: number): Float32Array {
  const random = seededRandom(3);
  const middles = Array.from({ length: GROUPS }, () => Array.from({ length: DIMENSION }, () => random.normal()));
  return Float32Array.from({ length: rows * DIMENSION }, (_, i) => {
    const row = Math.floor(i / DIMENSION);
    return middles[row % GROUPS]![i % DIMENSION]! + 0.7 * random.normal();
  });
}

function last(vectors: Float32Array): { positions: Float32Array; steps: number } {
  let positions = new Float32Array();
  let steps = 0;
  for (const progress of layOut(vectors, DIMENSION)) {
    positions = progress.positions.slice();
    steps++;
  }
  return { positions, steps };
}

test('neighbours on the plane are of one group, and the map forms step by step', () => {
  const rows = 2000;
  const { positions, steps } = last(grouped(rows));
  expect(steps).toBeGreaterThan(10);
  let same = 0;
  for (let row = 0; row < 200; row++) {
    const distances = Array.from({ length: rows }, (_, other) => ({
      other,
      distance: Math.hypot(
        positions[2 * row]! - positions[2 * other]!,
        positions[2 * row + 1]! - positions[2 * other + 1]!,
      ),
    }));
    distances.sort((a, b) => a.distance - b.distance);
    for (const { other } of distances.slice(1, 6)) if (other % GROUPS === row % GROUPS) same++;
  }
  expect(same / 1000).toBeGreaterThan(0.95);
});

test('the same vectors give the same map', () => {
  expect(last(grouped(300)).positions).toEqual(last(grouped(300)).positions);
});

test.each([0, 1, 2, 3, 7])('%i passages have their places', (rows) => {
  const { positions } = last(grouped(rows));
  expect(positions.length).toBe(2 * rows);
  expect(positions.every(Number.isFinite)).toBe(true);
});

test('passages that are all alike have places, too', () => {
  const { positions } = last(new Float32Array(50 * DIMENSION).fill(0.5));
  expect(positions.every(Number.isFinite)).toBe(true);
});

test('stray passages do not push the others into a corner', () => {
  const random = seededRandom(5);
  const positions = Float32Array.from({ length: 2000 }, () => random.normal());
  positions.set([-80, -90, -81, -92, -80, -91]);
  const stretched = stretch(positions);
  for (const axis of [0, 1]) {
    const values = stretched.filter((_, i) => i % 2 === axis).sort();
    expect(values[0]).toBe(-1);
    expect(values.at(-1)).toBe(1);
    expect(values[900]! - values[100]!).toBeGreaterThan(0.9);
  }
  const order = (of: Float32Array) => Array.from({ length: 1000 }, (_, i) => i).sort((a, b) => of[2 * a]! - of[2 * b]!);
  expect(order(stretched)).toEqual(order(positions));
});

test.each([0, 1, 2, 3])('%i passages are stretched', (rows) => {
  const stretched = stretch(new Float32Array(2 * rows).fill(7));
  expect(Array.from(stretched)).toEqual(new Array(2 * rows).fill(0));
});

test('regions are named by the words that they have and others have not', () => {
  const positions = Float32Array.from({ length: 400 }, (_, i) => (i % 4 < 2 ? -0.6 : 0.6) + (i % 7) / 50);
  const found = regions(positions, 4);
  expect(found.map(({ points }) => points.length)).toEqual([100, 100]);
  const words = found.map(({ points }) =>
    points.map((point) => (point % 2 === 0 ? ['gold', 'Silver', 'nation'] : ['treaty', 'treaties', 'nation'])),
  );
  const telling = tellingOf(words);
  expect(telling.map((few) => few.join(' ')).sort()).toEqual(['gold Silver', 'treaty']);
});

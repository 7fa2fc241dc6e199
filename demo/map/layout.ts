// Where passages stand on the map: close in meaning, close on the plane. The main directions of the vectors (principal components, by subspace
// iteration), then each passage is pulled to its nearest ones and pushed off others at random (after UMAP, McInnes et al. 2018).
// The nearest are looked for in the two groups (k-means) whose middles are nearest. Knows nothing of pages.

/** Directions that nearness is judged by. */
const DIRECTIONS = 24;
/** Vectors that directions and middles are found from. */
const SAMPLE = 3000;
const POWER_ROUNDS = 6;
const MIDDLE_ROUNDS = 4;
const NEIGHBOURS = 8;
/** Pushes for each pull. */
const PUSHES = 4;
/** The curve of nearness on the plane, for a least distance of 0.1. */
const A = 1.577;
const B = 0.895;
/** Half the width of the plane at the beginning. */
const SPREAD = 10;

export interface Progress {
  /** (rows, 2), row-major. */
  positions: Float32Array;
  /** 0 to 1. */
  done: number;
}

/** Lays out `rows` vectors. Yields the plane as it forms: the directions alone, and then every few rounds. The same vectors, the same map. */
export function* layOut(vectors: Float32Array, dimension: number): Generator<Progress> {
  const rows = vectors.length / dimension;
  const random = generator(1);
  const directions = Math.min(DIRECTIONS, dimension, Math.max(2, rows));
  const reduced = reduce(vectors, rows, dimension, directions, random);
  const positions = begin(reduced, rows, directions);
  yield { positions, done: rows < 3 ? 1 : 0 };
  if (rows < 3) return;
  const nearest = neighbours(reduced, rows, directions, random);
  const rounds = rows > 50_000 ? 60 : 150;
  for (let round = 0; round < rounds; round++) {
    move(positions, nearest, rows, 1 - round / rounds, random);
    if (round % 5 === 4) yield { positions, done: (round + 1) / rounds };
  }
}

/** The coordinates of all rows along the directions in which they differ most. */
function reduce(
  vectors: Float32Array,
  rows: number,
  dimension: number,
  directions: number,
  random: () => number,
): Float32Array {
  const sample = Array.from({ length: Math.min(rows, SAMPLE) }, (_, i) =>
    Math.floor((i * rows) / Math.min(rows, SAMPLE)),
  );
  const mean = new Float64Array(dimension);
  for (const row of sample)
    for (let i = 0; i < dimension; i++) mean[i]! += vectors[row * dimension + i]! / sample.length;
  let basis = Float64Array.from({ length: directions * dimension }, () => random() - 0.5);
  orthonormal(basis, directions, dimension);
  const centred = new Float64Array(dimension);
  for (let round = 0; round < POWER_ROUNDS; round++) {
    const next = new Float64Array(basis.length);
    for (const row of sample) {
      for (let i = 0; i < dimension; i++) centred[i] = vectors[row * dimension + i]! - mean[i]!;
      for (let k = 0; k < directions; k++) {
        const along = dot(centred, 0, basis, k * dimension, dimension);
        for (let i = 0; i < dimension; i++) next[k * dimension + i]! += along * centred[i]!;
      }
    }
    basis = next;
    orthonormal(basis, directions, dimension);
  }
  const reduced = new Float32Array(rows * directions);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dimension; i++) centred[i] = vectors[row * dimension + i]! - mean[i]!;
    for (let k = 0; k < directions; k++)
      reduced[row * directions + k] = dot(centred, 0, basis, k * dimension, dimension);
  }
  return reduced;
}

/** Gram-Schmidt. */
function orthonormal(basis: Float64Array, count: number, dimension: number): void {
  for (let k = 0; k < count; k++) {
    const at = k * dimension;
    for (let other = 0; other < at; other += dimension) {
      const along = dot(basis, at, basis, other, dimension);
      for (let i = 0; i < dimension; i++) basis[at + i]! -= along * basis[other + i]!;
    }
    const length = Math.sqrt(dot(basis, at, basis, at, dimension)) || 1;
    for (let i = 0; i < dimension; i++) basis[at + i]! /= length;
  }
}

/** The first two directions, scaled to the plane. */
function begin(reduced: Float32Array, rows: number, directions: number): Float32Array {
  const positions = new Float32Array(rows * 2);
  for (const axis of [0, 1]) {
    let square = 0;
    for (let row = 0; row < rows; row++) square += reduced[row * directions + axis]! ** 2;
    const scale = SPREAD / (2 * (Math.sqrt(square / rows) || 1));
    for (let row = 0; row < rows; row++) positions[row * 2 + axis] = reduced[row * directions + axis]! * scale;
  }
  return positions;
}

/** (rows, NEIGHBOURS): the nearest of each row; -1 where there are not so many. */
function neighbours(points: Float32Array, rows: number, size: number, random: () => number): Int32Array {
  const groups = group(points, rows, size, random);
  const nearest = new Int32Array(rows * NEIGHBOURS).fill(-1);
  const distances = new Float32Array(NEIGHBOURS);
  for (let row = 0; row < rows; row++) {
    distances.fill(Number.POSITIVE_INFINITY);
    const at = row * NEIGHBOURS;
    for (const members of [groups.members[groups.first[row]!]!, groups.members[groups.second[row]!]!]) {
      for (const other of members) {
        if (other === row) continue;
        const distance = distanceOf(points, row * size, points, other * size, size);
        if (distance >= distances[NEIGHBOURS - 1]!) continue;
        let place = NEIGHBOURS - 1;
        for (; place > 0 && distances[place - 1]! > distance; place--) {
          distances[place] = distances[place - 1]!;
          nearest[at + place] = nearest[at + place - 1]!;
        }
        distances[place] = distance;
        nearest[at + place] = other;
      }
      if (groups.first[row] === groups.second[row]) break;
    }
  }
  return nearest;
}

/** Rows by the middle that is nearest, and which is second: about as many middles as rows have a square root. */
function group(points: Float32Array, rows: number, size: number, random: () => number) {
  const count = Math.max(1, Math.round(Math.sqrt(rows)));
  const middles = new Float64Array(count * size);
  for (let group = 0; group < count; group++) {
    const row = Math.floor(random() * rows);
    for (let i = 0; i < size; i++) middles[group * size + i] = points[row * size + i]!;
  }
  const first = new Int32Array(rows);
  const second = new Int32Array(rows);
  for (let round = 0; round <= MIDDLE_ROUNDS; round++) {
    const isLast = round === MIDDLE_ROUNDS;
    const step = isLast ? 1 : Math.max(1, Math.floor(rows / (4 * SAMPLE)));
    const sums = new Float64Array(middles.length);
    const sizes = new Int32Array(count);
    for (let row = 0; row < rows; row += step) {
      let [least, next] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let group = 0; group < count; group++) {
        const distance = distanceOf(points, row * size, middles, group * size, size);
        if (distance < least) {
          [next, second[row]] = [least, first[row]!];
          [least, first[row]] = [distance, group];
        } else if (distance < next) [next, second[row]] = [distance, group];
      }
      sizes[first[row]!]!++;
      for (let i = 0; i < size; i++) sums[first[row]! * size + i]! += points[row * size + i]!;
    }
    if (isLast) break;
    for (let group = 0; group < count; group++)
      for (let i = 0; i < size && sizes[group]! > 0; i++)
        middles[group * size + i] = sums[group * size + i]! / sizes[group]!;
  }
  const members: number[][] = Array.from({ length: count }, () => []);
  for (let row = 0; row < rows; row++) members[first[row]!]!.push(row);
  return { first, second, members };
}

/** One round of pulls and pushes. `pace`: from 1 down to 0. */
function move(positions: Float32Array, nearest: Int32Array, rows: number, pace: number, random: () => number): void {
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < NEIGHBOURS; k++) {
      const other = nearest[row * NEIGHBOURS + k]!;
      if (other < 0) break;
      step(positions, row * 2, other * 2, pace, true);
      for (let push = 0; push < PUSHES; push++) {
        const far = Math.floor(random() * rows);
        if (far !== row) step(positions, row * 2, far * 2, pace, false);
      }
    }
  }
}

/** The gradient of UMAP's loss for one pair, each part of it at most 4. */
function step(positions: Float32Array, a: number, b: number, pace: number, pull: boolean): void {
  const x = positions[a]! - positions[b]!;
  const y = positions[a + 1]! - positions[b + 1]!;
  const square = x * x + y * y;
  const power = square > 0 ? square ** B : 0;
  const force = pull
    ? square > 0
      ? (-2 * A * B * (power / square)) / (1 + A * power)
      : 0
    : (2 * B) / ((0.001 + square) * (1 + A * power));
  const moveX = Math.max(-4, Math.min(4, force * x)) * pace;
  const moveY = Math.max(-4, Math.min(4, force * y)) * pace;
  positions[a]! += moveX;
  positions[a + 1]! += moveY;
  if (!pull) return;
  positions[b]! -= moveX;
  positions[b + 1]! -= moveY;
}

type Numbers = Float32Array | Float64Array;

function dot(a: Numbers, at: number, b: Numbers, other: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[at + i]! * b[other + i]!;
  return sum;
}

function distanceOf(a: Numbers, at: number, b: Numbers, other: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const difference = a[at + i]! - b[other + i]!;
    sum += difference * difference;
  }
  return sum;
}

/** Numbers from 0 to 1, the same ones each time (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

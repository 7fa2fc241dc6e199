import { describe, expect, test, vi } from 'vitest';
import { approximate, Norms } from '../../src/kernels/bounds.ts';
import { canonicalScore, createJsRows, vectorNorm } from '../../src/kernels/js.ts';
import type { CpuRows, RowSearch, RowsOptions } from '../../src/kernels/kernel.ts';
import { createWasmRows, loadWasm } from '../../src/kernels/wasm/rows.ts';
import { seededRandom } from '../../src/structures/random.ts';
import type { Metric } from '../../src/types.ts';
import {
  ALL_METRICS,
  CASES,
  CASES_TIMEOUT,
  type Case,
  CORPUS_NAMES,
  edgeCases,
  found,
  makeMask,
  makeVectors,
  oracle,
  seededCase,
} from './kernels.oracle.ts';

const module = await loadWasm();
if (!module) throw new Error('this Node has no WASM SIMD');

const kernels: [string, (options: RowsOptions) => CpuRows][] = [
  ['js', createJsRows],
  ['wasm', (options) => createWasmRows(module, options)],
];

function search(rows: CpuRows, { query, k, mask, rowCount }: Case) {
  const request: RowSearch = { query, k, rowCount };
  return found(rows.search(mask ? { ...request, mask } : request));
}

function answer(create: (options: RowsOptions) => CpuRows, example: Case) {
  const rows = create(example);
  rows.append(example.vectors);
  return search(rows, example);
}

describe.each(kernels)('%s', (_name, create) => {
  test(`gives the oracle’s rows and score bits in ${CASES} seeded cases`, { timeout: CASES_TIMEOUT }, () => {
    for (let seed = 0; seed < CASES; seed++) {
      const example = seededCase(seed, 300, ALL_METRICS);
      expect(answer(create, example), example.name).toEqual(oracle(example));
    }
  });

  test('agrees with the oracle where its loops begin and end', () => {
    for (const example of edgeCases([1, 10, 100], ALL_METRICS))
      expect(answer(create, example), example.name).toEqual(oracle(example));
  });

  test('sees no row that came after the search began, in its mask or not', () => {
    const rows = create({ dimension: 1, metric: 'dot' });
    rows.append(Float32Array.of(1, 2, 3, 4, 5, 6));
    const mask = makeMask(seededRandom(1), 6, 1);
    for (const request of [{}, { mask }])
      expect(Array.from(rows.search({ query: Float32Array.of(1), k: 6, rowCount: 3, ...request }).rows)).toEqual([
        2, 1, 0,
      ]);
  });

  test('finds all rows from a score on, as many as are wanted', () => {
    for (let seed = 0; seed < 300; seed++) {
      const example = seededCase(seed, 300, ALL_METRICS);
      const { query, k, mask, rowCount, name } = example;
      const random = seededRandom(seed);
      const whole = oracle(example);
      // One of the scores that there are, so that equality counts.
      const at = Math.max(0, random.below(whole.rows.length + 1) - 1);
      const score = new Float32Array(Uint32Array.of(whole.bits[at] ?? 0).buffer)[0]!;
      const minScore = Math.max(-3.4e38, Math.min(3.4e38, score));
      const rows = create(example);
      rows.append(example.vectors);
      const hits = rows.search({ query, k, rowCount, minScore, ...(mask && { mask }) });
      const kept = hits.scores.filter((s) => s >= minScore).length;
      const reach = whole.bits.filter((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0]! >= minScore).length;
      const first = { rows: hits.rows.subarray(0, kept), scores: hits.scores.subarray(0, kept) };
      expect(found(first), name).toEqual({ rows: whole.rows.slice(0, reach), bits: whole.bits.slice(0, reach) });
    }
  });

  test('finds the best 4096', () => {
    for (const metric of ALL_METRICS) {
      const random = seededRandom(7);
      const [rowCount, dimension] = [6000, 5];
      const vectors = makeVectors('random', random, rowCount, dimension);
      const query = makeVectors('random', random, 1, dimension);
      const example: Case = { name: metric, metric, dimension, vectors, rowCount, query, k: 4096 };
      expect(answer(create, example), metric).toEqual(oracle(example));
    }
  });

  test('is the same however the rows were appended, across blocks', () => {
    // 65 numbers need a stride of 68; 4 MiB hold some 15 400 such rows, so these span two blocks.
    const [rowCount, dimension] = [20_000, 65];
    const random = seededRandom(3);
    const vectors = makeVectors('random', random, rowCount, dimension);
    for (const metric of ALL_METRICS) {
      const rows = create({ dimension, metric });
      for (let from = 0; from < rowCount; ) {
        const end = Math.min(rowCount, from + 1 + random.below(9000));
        rows.append(vectors.subarray(from * dimension, end * dimension));
        from = end;
      }
      expect(rows.rowCount).toBe(rowCount);
      for (const [share, k] of [
        [1, 10],
        [0.3, 100],
        [0.0005, 10],
      ] as const) {
        const query = makeVectors('random', random, 1, dimension);
        const example: Case = {
          name: '',
          metric,
          dimension,
          vectors,
          rowCount,
          query,
          k,
          mask: makeMask(random, rowCount, share),
        };
        expect(search(rows, example), `${metric} ${share}`).toEqual(oracle(example));
      }
    }
  });

  test('searches that are answered together have the oracle’s answers, each with its own rows and k', () => {
    // 704 rows of 65 numbers are a piece that they scan in turns, so these are several, of two blocks.
    const [rowCount, dimension] = [16_000, 65];
    const random = seededRandom(5);
    const vectors = makeVectors('few values', random, rowCount, dimension);
    for (const metric of ALL_METRICS) {
      const rows = create({ dimension, metric });
      rows.append(vectors);
      const examples = Array.from({ length: 7 }, (_, i): Case => {
        const query = makeVectors(i === 3 ? 'huge' : 'few values', random, 1, dimension);
        const common = { name: `${metric} ${i}`, metric, dimension, vectors, query };
        const end = i === 2 ? 15_001 : rowCount;
        const k = [10, 1, 100, 10, 300, 10, 20_000][i]!;
        const mask = makeMask(random, rowCount, [1, 0.5, 0.9, 1, 0.02, 0.0005, 1][i]!);
        return { ...common, rowCount: end, k, ...(i % 3 > 0 && { mask }) };
      });
      const whole = examples.map(oracle);
      const answers = rows.searchAll([
        ...examples.map(({ query, k, mask, rowCount: end }) => ({ query, k, rowCount: end, ...(mask && { mask }) })),
        { query: examples[0]!.query, k: 10, rowCount, minScore: rows.search({ ...examples[0]!, k: 5 }).scores[4]! },
      ]);
      expect(answers.slice(0, 7).map(found), metric).toEqual(whole);
      const range = found(answers[7]!);
      expect(range.rows.slice(0, 5), metric).toEqual(whole[0]!.rows.slice(0, 5));
      expect(rows.searchAll([])).toEqual([]);
    }
  });

  test('does not see rows that came after the search began', () => {
    const rows = create({ dimension: 2, metric: 'dot' });
    const vectors = makeVectors('random', seededRandom(1), 100, 2);
    rows.append(vectors);
    const mask = makeMask(seededRandom(2), 100, 1);
    const example: Case = {
      name: '',
      metric: 'dot',
      dimension: 2,
      vectors,
      rowCount: 45,
      query: Float32Array.of(1, 2),
      k: 3,
      mask,
    };
    expect(search(rows, example)).toEqual(oracle(example));
  });

  test('keeps the originals as they were', () => {
    const rows = create({ dimension: 3, metric: 'cosine' });
    const vectors = makeVectors('of all sizes', seededRandom(1), 200, 3);
    rows.append(vectors);
    for (let row = 0; row < 200; row++) {
      const at = rows.offset(row);
      expect(rows.values(row).slice(at, at + 3)).toEqual(vectors.slice(row * 3, row * 3 + 3));
    }
  });
});

/** The similarity that the WASM kernel gives each row. */
function similarities(metric: Metric, query: Float32Array, vectors: Float32Array, norms: Norms): Float32Array {
  const dimension = query.length;
  const rowCount = vectors.length / dimension;
  const memory = new WebAssembly.Memory({ initial: 200 });
  const exports = new WebAssembly.Instance(module!, { env: { memory } }).exports as Record<
    string,
    (...args: number[]) => number
  >;
  const stride = (dimension + 3) & ~3;
  const [at, inverseAt, queryAt, heap] = [2 ** 16, 2 ** 23, 64, 2 ** 23 + 2 ** 20];
  const floats = new Float32Array(memory.buffer);
  floats.set(query, queryAt / 4);
  for (let row = 0; row < rowCount; row++) {
    const x = vectors.subarray(row * dimension, (row + 1) * dimension);
    floats.set(x, at / 4 + row * stride);
    floats[inverseAt / 4 + row] = norms.add(row, vectorNorm(x, 0, dimension));
  }
  exports.begin!(heap, rowCount);
  exports[`scan${metric[0]!.toUpperCase()}${metric.slice(1)}`]!(
    at,
    inverseAt,
    queryAt,
    stride * 4,
    rowCount,
    0,
    0,
    heap,
  );
  const found = new Float32Array(rowCount).fill(Number.NaN);
  const rows = new Uint32Array(memory.buffer);
  const entries = heap / 4 + 4;
  for (let i = 0; i < exports.kept!(heap); i++) found[rows[entries + i * 2 + 1]!] = floats[entries + i * 2]!;
  return found;
}

test('every row’s similarity reaches what its score demands, and the demand is not slack', () => {
  for (let seed = 0; seed < 300; seed++) {
    const { name, metric, dimension, vectors, query, rowCount } = seededCase(seed, 100, ALL_METRICS);
    const queryNorm = vectorNorm(query, 0, dimension);
    const norms = new Norms(metric);
    // The bound of dot products needs the longest row, so it is known after the last.
    const scaled = approximate(metric, query, queryNorm, norms);
    if (!scaled) continue;
    const found = similarities(metric, scaled.query, vectors, norms);
    const { reach } = approximate(metric, query, queryNorm, norms)!;
    for (let row = 0; row < rowCount; row++) {
      if (norms.isOdd(row)) continue;
      const score = canonicalScore(metric, query, queryNorm, vectors, row * dimension);
      expect(found[row], `${name}, row ${row}`).toBeGreaterThanOrEqual(reach(score));
      if (metric === 'cosine') expect(found[row]! - reach(score), name).toBeLessThan(1e-5);
    }
  }
});

test('WASM pointers are unsigned: rows near 4 GB are found', () => {
  // The addresses are reserved; only the pages that are touched take memory.
  const memory = new WebAssembly.Memory({ initial: 65_535 });
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as Record<
    string,
    (...args: number[]) => number
  >;
  const at = 65_534 * 65_536;
  const heap = 2 ** 31 - 32;
  const query = 2 ** 31 + 64;
  new Float32Array(memory.buffer, at, 4096 * 4).forEach((_, i, floats) => {
    if (i % 4 === 0) floats[i] = i / 4;
  });
  new Float32Array(memory.buffer, query, 4)[0] = 1;
  exports.begin!(heap, 2);
  exports.scanDot!(at, 0, query, 16, 4096, 100, 0, heap);
  expect([...new Uint32Array(memory.buffer, heap + 16, 4)].filter((_, i) => i % 2)).toEqual([4194, 4195]);
  const out = 3 * 2 ** 30;
  expect(exports.collect!(1, at, 0, query, 16, 4096, 100, 0, 4093, out)).toBe(3);
  expect([...new Uint32Array(memory.buffer, out, 3)]).toEqual([4193, 4194, 4195]);
});

test('memory that cannot grow is UNSUPPORTED, says the bytes, and changes nothing', () => {
  const rows = createWasmRows(module, { dimension: 2, metric: 'dot' });
  rows.append(Float32Array.of(1, 2));
  const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(() => {
    throw new RangeError('Maximum memory size exceeded');
  });
  try {
    expect(() => rows.append(new Float32Array(2_000_000))).toThrow(/^the vectors need \d{7,} bytes of WASM memory/);
  } finally {
    grow.mockRestore();
  }
  expect(rows.rowCount).toBe(1);
  expect([...rows.search({ query: Float32Array.of(1, 1), k: 5, rowCount: 1 }).scores]).toEqual([3]);
});

test('a row of another order of magnitude does not make every dot product uncertain', () => {
  const norms = new Norms('dot');
  for (let row = 0; row < 100; row++) norms.add(row, row === 50 ? 1e6 : 1);
  expect(norms.odd).toEqual([50]);
  expect(norms.longest).toBe(1);
});

test('every corpus of the oracle is tried with every metric', () => {
  const tried = new Set(
    Array.from({ length: 1000 }, (_, seed) =>
      seededCase(seed, 0, ALL_METRICS).name.split(',').slice(0, 2).join().replace(/.*: /, ''),
    ),
  );
  expect(tried.size).toBe(CORPUS_NAMES.length * ALL_METRICS.length);
});

test('a score is never -0', () => {
  const [tiny, minusTiny, zero] = [Float32Array.of(1e-30), Float32Array.of(-1e-30), Float32Array.of(0)];
  for (const metric of ALL_METRICS)
    for (const [query, row] of [[tiny, minusTiny] as const, [tiny, tiny] as const, [zero, zero] as const])
      expect(Object.is(canonicalScore(metric, query, vectorNorm(query, 0, 1), row, 0), -0), metric).toBe(false);
});

import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { CodedQuery, CodeHits, CodeRows, Coder, CodeSearch, Tier } from '../../src/kernels/codes/coder.ts';
import { createCoder, createJsCodes } from '../../src/kernels/codes/js.ts';
import { openDevices } from '../../src/kernels/devices.ts';
import { vectorNorm } from '../../src/kernels/js.ts';
import { compileCodes, createWasmCodes } from '../../src/kernels/wasm/codes.ts';
import { crc32 } from '../../src/store/checksum.ts';
import type { Bitset } from '../../src/structures/bitset.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';
import {
  CASES,
  CASES_TIMEOUT,
  edgeCases,
  found,
  METRICS,
  makeMask,
  makeVectors,
  oracle,
  seededCase,
} from './kernels.oracle.ts';

// Node 20 has relaxed SIMD behind a flag, and the compiler that it begins with multiplies wrongly.
setFlagsFromString('--experimental-wasm-relaxed-simd');
setFlagsFromString('--no-liftoff');
const [plain, relaxed] = await Promise.all([compileCodes(false), compileCodes(true)]);
if (!plain || !relaxed) throw new Error('this Node has no WASM SIMD, or not its relaxed part');

const TIERS: readonly Tier[] = ['int8', 'binary'];
const DIMENSIONS = [1, 3, 4, 5, 16, 17, 31, 32, 33, 63, 64, 65, 384, 512, 513, 1536, 5000];

function candidates(codes: CodeRows, query: CodedQuery, rowCount: number, wanted: number, mask?: Bitset) {
  return bitsByRow(codes.candidates(query, { rowCount, wanted, ...(mask && { mask }) }));
}

/** Row and similarity bits, by row. */
function bitsByRow({ rows, similarities }: CodeHits) {
  const bits = new Uint32Array(similarities.buffer);
  return Array.from(rows, (row, i) => [row, bits[i]!]).sort((a, b) => a[0]! - b[0]!);
}

function createAll(coder: Coder) {
  return { js: createJsCodes(coder), plain: createWasmCodes(plain!, coder), relaxed: createWasmCodes(relaxed!, coder) };
}

function allOf(coder: Coder, records: Uint8Array) {
  const all = createAll(coder);
  for (const codes of Object.values(all)) codes.append(records);
  return all;
}

/** Records of any bytes, with a factor of 1 (and 0): their similarity is the integer itself while a float32 can hold it. */
function randomRecords(coder: Coder, random: SeededRandom, rowCount: number): Uint8Array<ArrayBuffer> {
  const records = new Uint8Array(rowCount * coder.recordBytes).map(() => random.below(256));
  const factors = new Float32Array(records.buffer);
  for (let row = 0; row < rowCount; row++) {
    factors.set([1, 0, 0].slice(0, coder.factorCount), (row * coder.recordBytes) / 4);
    // The extremes too: no piece of a sum may overflow.
    const codes = row * coder.recordBytes + coder.factorCount * 4;
    if (row === 3) records.fill(coder.tier === 'int8' ? 127 : 255, codes, codes + coder.codeBytes);
    if (row === 4) records.fill(coder.tier === 'int8' ? 129 : 0, codes, codes + coder.codeBytes);
    for (let i = codes; i < codes + coder.codeBytes; i++) if (records[i] === 128) records[i] = 129;
  }
  return records;
}

describe.each(TIERS)('%s', (tier) => {
  test('integers are those of the definition, on WASM and JavaScript, at every length', () => {
    for (const dimension of DIMENSIONS) {
      const random = seededRandom(dimension);
      const coder = createCoder({ tier, dimension, metric: 'cosine' });
      const records = randomRecords(coder, random, 70);
      const all = Object.entries(allOf(coder, records));
      for (const query of [makeVectors('random', random, 1, dimension), new Float32Array(dimension).fill(1)]) {
        const coded = coder.encodeQuery(query, vectorNorm(query, 0, dimension));
        const defined = Array.from({ length: 70 }, (_, row) => {
          const at = row * coder.recordBytes + coder.factorCount * 4;
          const codes = records.subarray(at, at + coder.codeBytes);
          return [row, Math.fround(tier === 'int8' ? dotOfBytes(coded, codes) : dotOfSigns(coded, codes))];
        });
        const floats = (hits: number[][]) =>
          hits.map(([row, bits]) => [row, new Float32Array(Uint32Array.of(bits!).buffer)[0]! + 0]);
        for (const [name, codes] of all)
          expect(floats(candidates(codes, coded, 70, 70)), `${name} ${dimension}`).toEqual(defined);
      }
    }
  });

  test(`WASM finds the candidates of JavaScript, bit for bit, in ${CASES} seeded cases`, {
    timeout: CASES_TIMEOUT,
  }, () => {
    for (let seed = 0; seed < CASES; seed++) {
      const { name, metric, dimension, vectors, query, rowCount, k, mask } = seededCase(seed, 300);
      const coder = createCoder({ tier, dimension, metric });
      const { js, ...builds } = allOf(coder, coder.encode(vectors));
      const coded = coder.encodeQuery(query, vectorNorm(query, 0, dimension));
      const truth = candidates(js, coded, rowCount, k, mask);
      for (const wasm of Object.values(builds)) expect(candidates(wasm, coded, rowCount, k, mask), name).toEqual(truth);
    }
  });

  test('WASM finds the candidates of JavaScript where its loops begin and end', () => {
    for (const { name, metric, dimension, vectors, query, rowCount, k } of edgeCases([1, 10])) {
      const coder = createCoder({ tier, dimension, metric });
      const { js, ...builds } = allOf(coder, coder.encode(vectors));
      const coded = coder.encodeQuery(query, vectorNorm(query, 0, dimension));
      const truth = candidates(js, coded, rowCount, k);
      for (const wasm of Object.values(builds)) expect(candidates(wasm, coded, rowCount, k), name).toEqual(truth);
    }
  });

  test('gives back the records that were appended', () => {
    for (const metric of METRICS) {
      const coder = createCoder({ tier, dimension: 65, metric });
      const records = randomRecords(coder, seededRandom(4), 70);
      for (const [name, codes] of Object.entries(allOf(coder, records))) {
        expect(codes.records(0, 70), name).toEqual(records);
        const part = records.subarray(17 * coder.recordBytes, 33 * coder.recordBytes);
        expect(codes.records(17, 33), name).toEqual(part);
      }
    }
  });

  test('candidates are the same however rows were appended and taken back, across blocks, and older rows hide newer ones', () => {
    const [rowCount, dimension] = [40_000, 65];
    const random = seededRandom(3);
    const vectors = makeVectors('random', random, rowCount, dimension);
    const query = makeVectors('random', random, 1, dimension);
    for (const metric of METRICS) {
      const coder = createCoder({ tier, dimension, metric });
      const records = coder.encode(vectors);
      const { js, ...builds } = createAll(coder);
      js.append(records);
      for (const wasm of Object.values(builds)) {
        for (let row = 0; row < rowCount; ) {
          const end = Math.min(rowCount, row + 1 + random.below(9000));
          wasm.append(records.subarray(row * coder.recordBytes, end * coder.recordBytes));
          row = random.below(2) ? end : Math.max(row, end - 20);
          wasm.truncate(row);
        }
        expect(wasm.rowCount).toBe(rowCount);
      }
      const coded = coder.encodeQuery(query, vectorNorm(query, 0, dimension));
      const together: CodeSearch[] = [];
      for (const share of [1, 0.3, 0.001]) {
        const mask = makeMask(random, rowCount, share);
        for (const end of [rowCount, 31_007]) {
          const truth = candidates(js, coded, end, 500, mask);
          for (const wasm of Object.values(builds))
            expect(candidates(wasm, coded, end, 500, mask), `${metric} ${share}`).toEqual(truth);
          const other = makeVectors('random', random, 1, dimension);
          together.push({ query: coded, rowCount: end, wanted: 500, mask });
          together.push({ query: coder.encodeQuery(other, 1), rowCount: end, wanted: 1 + random.below(2000) });
        }
      }
      const truth = together.map((search) => candidates(js, search.query, search.rowCount, search.wanted, search.mask));
      for (const codes of [js, ...Object.values(builds)])
        expect(codes.candidatesOfAll(together).map(bitsByRow), metric).toEqual(truth);
    }
  });

  test('of equal rows at the border the lowest are candidates', () => {
    const coder = createCoder({ tier, dimension: 4, metric: 'dot' });
    const all = allOf(coder, coder.encode(new Float32Array(1600).fill(1)));
    const coded = coder.encodeQuery(Float32Array.of(1, 1, 1, 1), 2);
    for (const codes of Object.values(all)) {
      expect(candidates(codes, coded, 100, 7).map(([row]) => row)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      // Among 400, many more are kept before these are looked at.
      expect(candidates(codes, coded, 400, 100).map(([row]) => row)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    }
  });

  test.each(['wasm', 'js'] as const)(
    'the index on %s is the oracle’s where it is asked to be exact',
    async (device) => {
      const devices = await openDevices(device);
      for (let seed = 0; seed < 150; seed++) {
        const example = seededCase(seed, 200);
        const { name, dimension, metric, vectors, query, k, mask, rowCount } = example;
        const index = createQuantizedIndex({ dimension, metric, tier }, devices);
        index.append(vectors);
        const hits = await index.search({ query, k, exact: true, ...(mask && { mask }) });
        expect(found(hits), name).toEqual(oracle(example));
        expect(hits.tier).toBe('none');
        // With no more rows than candidates, nothing can be missed: whatever the magnitudes.
        const all = await index.search({ query, k, ...(mask && { mask }) });
        expect(found(all), name).toEqual(oracle(example));
        expect(all.candidates ?? 0).toBeLessThanOrEqual(rowCount);
        index.close();
      }
      devices.close();
    },
  );

  test('finds nearly all of the nearest among clustered rows, and says how many it scored', async () => {
    const [rowCount, dimension] = [20_000, 128];
    const { vectors, queries } = clustered(rowCount, dimension, 30);
    const devices = await openDevices('wasm');
    for (const metric of METRICS) {
      const index = createQuantizedIndex({ dimension, metric, tier }, devices);
      index.append(vectors);
      let hits = 0;
      for (const query of queries) {
        const truth = new Set((await index.search({ query, k: 10, exact: true })).rows);
        const answer = await index.search({ query, k: 10 });
        expect(answer.tier).toBe(tier);
        expect(answer.candidates).toBeLessThan(400);
        hits += answer.rows.filter((row) => truth.has(row)).length;
      }
      expect(hits / queries.length / 10, metric).toBeGreaterThanOrEqual(tier === 'int8' ? 0.999 : 0.97);
      index.close();
    }
    devices.close();
  });

  test('codes are what they were: they are on disk', () => {
    const checksums = [5, 384].map((dimension) => {
      const coder = createCoder({ tier, dimension, metric: 'l2' });
      // A sum of whole numbers: sines differ between engines.
      return crc32(coder.encode(Float32Array.from({ length: dimension * 4 }, (_, i) => ((i * 7919) % 101) - 50)));
    });
    expect(checksums).toEqual({ int8: [3922248220, 4179064633], binary: [2093219649, 1060091433] }[tier]);
  });
});

function dotOfBytes({ table }: CodedQuery, codes: Uint8Array): number {
  const signed = new Int8Array(codes.slice().buffer);
  return signed.reduce((sum, code, i) => sum + code * table[i]!, 0);
}

/** Half the sum over all bits of +-(2 * level - 15), where a level is what the table says of a bit by itself. */
function dotOfSigns({ table }: CodedQuery, codes: Uint8Array): number {
  let sum = 0;
  for (let bit = 0; bit < codes.length * 8; bit++) {
    const entries = table.subarray((bit >> 2) * 16, (bit >> 2) * 16 + 16);
    // Setting a bit changes level into 15 - level.
    const level = (15 - (entries[1 << (bit & 3)]! - entries[0]!)) / 2;
    sum += ((codes[bit >> 3]! >> (bit & 7)) & 1 ? 1 : -1) * (2 * level - 15);
  }
  return sum;
}

test('a binary estimate is unbiased, and its error is that of RaBitQ, also where numbers are concentrated', () => {
  const random = seededRandom(4);
  for (const dimension of [64, 100, 384, 1536]) {
    for (const sparse of [false, true]) {
      const unit = () => {
        const x = new Float32Array(dimension);
        if (sparse) for (let i = 0; i < 3; i++) x[random.below(dimension)] = random.normal();
        else for (let i = 0; i < dimension; i++) x[i] = random.normal();
        const norm = vectorNorm(x, 0, dimension);
        return x.map((value) => value / norm);
      };
      const [rowCount, baseCount] = [100, 20];
      let sum = 0;
      let squares = 0;
      for (let i = 0; i < baseCount; i++)
        for (const error of errors(unit(), unit, rowCount)) {
          sum += error;
          squares += error * error;
        }
      const deviation = Math.sqrt(squares / rowCount / baseCount);
      const name = `${dimension} ${sparse ? 'sparse' : 'dense'}`;
      expect(deviation * Math.sqrt(dimension), name).toBeLessThan(0.9);
      expect(deviation * Math.sqrt(dimension), name).toBeGreaterThan(0.3);
      // Errors of one query are not independent of each other.
      expect(Math.abs(sum / rowCount / baseCount), name).toBeLessThan((3 * deviation) / Math.sqrt(baseCount));
    }
  }
});

/** Errors of the estimates of a query and rows that are more or less near it. */
function errors(base: Float32Array, unit: () => Float32Array, rowCount: number): number[] {
  const dimension = base.length;
  const vectors = new Float32Array(rowCount * dimension);
  for (let row = 0; row < rowCount; row++) {
    const other = unit();
    // Of all similarities, not those near 0 alone.
    vectors.set(
      other.map((x, i) => x + (row % 3) * base[i]!),
      row * dimension,
    );
  }
  const coder = createCoder({ tier: 'binary', dimension, metric: 'cosine' });
  const codes = createJsCodes(coder);
  codes.append(coder.encode(vectors));
  const coded = coder.encodeQuery(base, vectorNorm(base, 0, dimension));
  const { rows, similarities } = codes.candidates(coded, { rowCount, wanted: rowCount });
  return Array.from(rows, (row, i) => {
    const x = vectors.subarray(row * dimension, (row + 1) * dimension);
    const cosine = x.reduce((total, value, j) => total + value * base[j]!, 0) / vectorNorm(x, 0, dimension);
    return (similarities[i]! * coded.scale) / 2 - cosine;
  });
}

function clustered(rowCount: number, dimension: number, queryCount: number) {
  const random = seededRandom(9);
  const centres = makeVectors('random', random, 140, dimension);
  const draw = () => {
    const centre = random.below(140) * dimension;
    return Float32Array.from({ length: dimension }, (_, i) => centres[centre + i]! + 0.9 * random.normal());
  };
  const vectors = new Float32Array(rowCount * dimension);
  for (let row = 0; row < rowCount; row++) vectors.set(draw(), row * dimension);
  return { vectors, queries: Array.from({ length: queryCount }, draw) };
}

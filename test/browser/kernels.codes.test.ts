import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { CodedQuery, CodeHits, CodeRows, Coder, Tier } from '../../src/kernels/codes/coder.ts';
import { createCoder, createJsCodes } from '../../src/kernels/codes/js.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import { vectorNorm } from '../../src/kernels/js.ts';
import type { GpuCodes } from '../../src/kernels/kernel.ts';
import { createGpuCodes, type GpuCodesOptions } from '../../src/kernels/webgpu/codes.ts';
import { seededRandom } from '../../src/structures/random.ts';
import type { Layout } from '../../src/types.ts';
import { openDevices } from '../open-devices.ts';
import { hardCase } from '../unit/hard-cases.ts';
import {
  type Case,
  edgeCases,
  found,
  METRICS,
  makeMask,
  makeVectors,
  oracle,
  seededCase,
} from '../unit/kernels.oracle.ts';

const LAYOUTS: readonly Layout[] = ['interleaved', 'row-major'];

let devices: Devices;
const errors: string[] = [];

beforeAll(async () => {
  devices = await openDevices('webgpu');
  devices.gpu!.device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
});

afterAll(() => {
  devices.close();
  expect(errors).toEqual([]);
});

/** Rows and the bits of their similarities, by row. */
function listed({ rows, similarities }: CodeHits): number[][] {
  const bits = new Uint32Array(similarities.buffer, similarities.byteOffset, similarities.length);
  return Array.from(rows, (row, i) => [row, bits[i]!]).sort((a, b) => a[0]! - b[0]!);
}

async function upload(coder: Coder, records: Uint8Array, options?: GpuCodesOptions, gpu = devices.gpu!) {
  const js = createJsCodes(coder);
  js.append(records);
  const onGpu = await createGpuCodes(gpu, js, options);
  await onGpu.sync();
  return { js, gpu: onGpu };
}

async function compare(example: Case, js: CodeRows, gpu: GpuCodes, coder: Coder): Promise<void> {
  const { query, rowCount, k, mask, name, dimension } = example;
  const coded = coder.encodeQuery(query, vectorNorm(query, 0, dimension));
  const search = { rowCount, wanted: k, ...(mask && { mask }) };
  const hits = await gpu.candidates(coded, search);
  expect(hits && listed(hits), name).toEqual(listed(js.candidates(coded, search)));
}

describe.each<Tier>(['int8', 'binary'])('%s', (tier) => {
  test('the GPU finds the candidates of JavaScript, bit for bit, in seeded cases', async () => {
    const cases = inject('gpuCases');
    async function check(seed: number): Promise<void> {
      const example = seededCase(seed, 200);
      const coder = createCoder({ tier, ...example });
      const records = coder.encode(example.vectors);
      for (const layout of LAYOUTS) {
        const { js, gpu } = await upload(coder, records, { layout });
        await compare(example, js, gpu, coder);
        gpu.close();
      }
    }
    for (let seed = 0; seed < cases; seed += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => check(seed + i)));
    }
  }, 1_200_000);

  test('float32 arithmetic in integers rounds as JavaScript does, at every extreme', async () => {
    const specials = [
      0,
      2 ** -149,
      2 ** -126,
      1e-40,
      2 ** -100,
      0.1,
      1,
      1 / 3,
      2 ** 60,
      3.4e38,
      Number.POSITIVE_INFINITY,
    ];
    const random = seededRandom(8);
    const dimension = 64;
    for (const metric of METRICS) {
      const coder = createCoder({ tier, dimension, metric });
      const rowCount = 2000;
      const records = new Uint8Array(rowCount * coder.recordBytes).map(() => random.below(256));
      const factors = new Float32Array(records.buffer);
      for (let row = 0; row < rowCount; row++) {
        for (let i = 0; i < coder.factorCount; i++) {
          const at = (row * coder.recordBytes) / 4 + i;
          const any = specials[random.below(specials.length)]!;
          // Of similar size, so that differences cancel; else any bits at all.
          if (random.below(3) > 0) factors[at] = any * (1 + random.next());
          if (Number.isNaN(factors[at]!)) factors[at] = any;
        }
        const codes = row * coder.recordBytes + coder.factorCount * 4;
        for (let i = codes; i < codes + coder.codeBytes; i++) if (records[i] === 128) records[i] = 129;
      }
      const { js, gpu } = await upload(coder, records);
      for (const scale of [1, 1e-30, 1e30]) {
        const query = makeVectors('random', random, 1, dimension);
        const coded: CodedQuery = {
          ...coder.encodeQuery(query, vectorNorm(query, 0, dimension)),
          scale: Math.fround(scale),
          weights: [Math.fround(scale / 3), Math.fround(-scale / 7)],
        };
        const search = { rowCount, wanted: rowCount };
        const hits = await gpu.candidates(coded, search);
        expect(listed(hits!), `${metric} ${scale}`).toEqual(listed(js.candidates(coded, search)));
      }
      gpu.close();
    }
  });

  test.each(LAYOUTS)(
    'the same without the packed dot product, %s, over shards, slices and few workgroups',
    async (layout) => {
      const random = seededRandom(3);
      const [rowCount, dimension] = [3000, 200];
      for (const metric of METRICS) {
        const vectors = makeVectors('random', random, rowCount, dimension);
        const coder = createCoder({ tier, dimension, metric });
        const { js, gpu } = await upload(
          coder,
          coder.encode(vectors),
          { layout, shardBytesMax: 64 * 224 * 10, workgroupsMax: 2 },
          { ...devices.gpu!, hasPackedDot: false },
        );
        for (const share of [1, 0.3, 0.01]) {
          const query = makeVectors('random', random, 1, dimension);
          const mask = share < 1 ? { mask: makeMask(random, rowCount, share) } : {};
          const example: Case = {
            name: `${metric} ${share}`,
            metric,
            dimension,
            vectors,
            rowCount,
            query,
            k: 40,
            ...mask,
          };
          await compare(example, js, gpu, coder);
        }
        gpu.close();
      }
    },
  );

  test('where its loops begin and end, and longer than its tile', async () => {
    const cases = edgeCases([10]).filter(({ rowCount }) => rowCount > 1);
    const random = seededRandom(2);
    for (const metric of METRICS) {
      const vectors = makeVectors('random', random, 130, 9000);
      const query = makeVectors('random', random, 1, 9000);
      cases.push({ name: `${metric}, long`, metric, dimension: 9000, vectors, rowCount: 130, query, k: 7 });
    }
    for (const example of cases) {
      const coder = createCoder({ tier, ...example });
      const records = coder.encode(example.vectors);
      for (const layout of LAYOUTS) {
        const { js, gpu } = await upload(coder, records, { layout });
        await compare(example, js, gpu, coder);
        gpu.close();
      }
    }
  });

  test.each(LAYOUTS)('many queries in one submit, %s, each with its own answer', async (layout) => {
    const random = seededRandom(6);
    const [rowCount, dimension] = [2000, 48];
    const vectors = makeVectors('random', random, rowCount, dimension);
    const coder = createCoder({ tier, dimension, metric: 'l2' });
    const { js, gpu } = await upload(coder, coder.encode(vectors), { layout });
    const examples = Array.from({ length: 19 }, (_, i): Case => {
      const mask = i % 3 === 0 ? { mask: makeMask(random, rowCount, 0.4) } : {};
      const query = makeVectors('random', random, 1, dimension);
      return { name: `query ${i}`, metric: 'l2', dimension, vectors, rowCount: rowCount - i, query, k: 5 + i, ...mask };
    });
    await vi.waitFor(async () => {
      await Promise.all(examples.map((example) => compare(example, js, gpu, coder)));
      expect(gpu.counters).toMatchObject({ dispatches: 6, submits: 1, maps: 1 });
    }, 60_000);
    gpu.close();
  });

  test('the quantised index answers on the GPU as on the CPU', async () => {
    const random = seededRandom(4);
    const [rowCount, dimension] = [3000, 64];
    const vectors = makeVectors('random', random, rowCount, dimension);
    const cpu = await openDevices('wasm');
    for (const metric of METRICS) {
      const onGpu = createQuantizedIndex({ dimension, metric, tier }, devices);
      const onCpu = createQuantizedIndex({ dimension, metric, tier }, cpu);
      for (const index of [onGpu, onCpu]) {
        index.append(vectors.subarray(0, 1000 * dimension));
        index.append(vectors.subarray(1000 * dimension));
        index.truncate(2500);
      }
      expect(onGpu.deviceFor(1)).toBe('webgpu');
      for (const mask of [undefined, makeMask(random, 2500, 0.3)]) {
        const query = makeVectors('random', random, 1, dimension);
        const search = { query, k: 10, ...(mask && { mask }) };
        const [there, here] = await Promise.all([onGpu.search(search), onCpu.search(search)]);
        expect(found(there)).toEqual(found(here));
        expect([there.device, here.device]).toEqual(['webgpu', 'wasm']);
        expect(there.candidates).toBe(here.candidates);
        expect((await onGpu.search({ ...search, exact: true })).device).toBe('wasm');
      }
      expect(onGpu.bytes.gpu).toBeGreaterThan(0);
      const late = onGpu.search({ query: vectors.slice(0, dimension), k: 1 });
      onGpu.close();
      expect([...(await late).rows]).toEqual([0]);
      onCpu.close();
    }
    cpu.close();
  });
});

test('the int8 index on the GPU gives the oracle’s answers in hard cases, some of them with the CPU’s help', async () => {
  const devicesOf = { webgpu: 0, wasm: 0, js: 0 };
  // A page has room for few WASM memories at a time.
  for (let seed = 0; seed < 21; seed++) {
    const example = hardCase(seed);
    const { name, dimension, metric, vectors, query, k, mask } = example;
    const index = createQuantizedIndex({ dimension, metric, tier: 'int8' }, devices);
    index.append(vectors);
    const hits = await index.search({ query, k, ...(mask && { mask }) });
    expect(found(hits), name).toEqual(oracle(example));
    devicesOf[hits.device]++;
    if (hits.device !== 'webgpu') expect(hits.route).toMatch(/could not prove|too many rows|no codes/);
    index.close();
  }
  expect(devicesOf.webgpu).toBeGreaterThan(5);
}, 600_000);

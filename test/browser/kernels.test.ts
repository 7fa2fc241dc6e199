import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { createFlatIndex } from '../../src/indexes/flat.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import { createJsRows } from '../../src/kernels/js.ts';
import type { CpuRows, GpuRows, RowSearch } from '../../src/kernels/kernel.ts';
import { createWasmRows, loadWasm } from '../../src/kernels/wasm/rows.ts';
import { halfOf, numberOf } from '../../src/kernels/webgpu/half.ts';
import { createGpuRows, type GpuRowsOptions } from '../../src/kernels/webgpu/rows.ts';
import { createScanner, PAIRS_MAX, similarityOf } from '../../src/kernels/webgpu/scanner.ts';
import type { RowSource } from '../../src/kernels/webgpu/shards.ts';
import { Bitset } from '../../src/structures/bitset.ts';
import { seededRandom } from '../../src/structures/random.ts';
import type { Layout } from '../../src/types.ts';
import { openDevices, openGpu } from '../open-devices.ts';
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

/** The software adapter has subgroups, of 4 threads. */
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

function request({ query, k, rowCount, mask }: Case): RowSearch {
  return { query, k, rowCount, ...(mask ? { mask } : {}) };
}

async function upload(example: Case, options?: GpuRowsOptions): Promise<{ cpu: CpuRows; gpu: GpuRows }> {
  const cpu = devices.createCpuRows(example);
  cpu.append(example.vectors);
  const gpu = await createGpuRows(devices.gpu!, cpu, options);
  await gpu.sync();
  return { cpu, gpu };
}

/** The flat index's way: the GPU's answer where it can prove one. */
async function answer(example: Case, options?: GpuRowsOptions) {
  const { cpu, gpu } = await upload(example, options);
  const hits = await gpu.search(request(example));
  gpu.close();
  return { found: found(hits ?? cpu.search(request(example))), proved: hits !== null };
}

test('three ways, one answer, in seeded cases', async () => {
  const cases = inject('gpuCases');
  const wasm = (await loadWasm())!;
  let proved = 0;
  async function check(seed: number): Promise<void> {
    const example = seededCase(seed, 200);
    const expected = oracle(example);
    for (const layout of LAYOUTS) {
      const gpu = await answer(example, { layout });
      proved += Number(gpu.proved) / LAYOUTS.length;
      expect(gpu.found, `webgpu, ${layout}, ${example.name}`).toEqual(expected);
    }
    for (const cpu of [createJsRows(example), createWasmRows(wasm, example)]) {
      cpu.append(example.vectors);
      expect(found(cpu.search(request(example))), `${cpu.device}, ${example.name}`).toEqual(expected);
    }
  }
  // Several at a time: most of a case is waiting for the read-back.
  for (let seed = 0; seed < cases; seed += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => check(seed + i)));
  }
  // Most corpora are made of ties and extremes; the rest must not be left to the CPU.
  expect(proved).toBeGreaterThan(cases * 0.4);
}, 1_200_000);

test('float16 rows give the same answers, in seeded cases', async () => {
  const cases = inject('gpuCases');
  let proved = 0;
  async function check(seed: number): Promise<void> {
    const example = seededCase(seed, 200);
    for (const layout of LAYOUTS) {
      const gpu = await answer(example, { precision: 'f16', layout });
      proved += Number(gpu.proved) / LAYOUTS.length;
      expect(gpu.found, `${layout}, ${example.name}`).toEqual(oracle(example));
    }
  }
  for (let seed = 0; seed < cases; seed += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => check(seed + i)));
  }
  expect(proved).toBeGreaterThan(cases * 0.4);
}, 1_200_000);

test('float16 numbers are those of the language, subnormal ones aside', () => {
  const random = seededRandom(1);
  const numbers = [0, 1, -1, 65_504, 2 ** -14, 2 ** -15, 1 / 3, 2049, 2051, 0.1];
  for (let i = 0; i < 10_000; i++) numbers.push(random.normal() * 2 ** (random.below(40) - 25));
  for (const x of numbers.map(Math.fround)) {
    const nearest = new Float16Array([x])[0]!;
    if (Number.isFinite(nearest)) {
      expect(numberOf(halfOf(x)), String(x)).toBe(Math.abs(nearest) < 2 ** -14 ? 0 : nearest);
    }
  }
});

test('the GPU agrees with the oracle where its loops begin and end', async () => {
  for (const example of edgeCases([10])) {
    const truth = oracle(example);
    for (const layout of LAYOUTS) {
      expect((await answer(example, { layout })).found, `${layout}, ${example.name}`).toEqual(truth);
    }
  }
});

describe.each(LAYOUTS)('the GPU alone, %s', (layout) => {
  const uploadIn = (example: Case, options?: GpuRowsOptions) => upload(example, { layout, ...options });

  function randomCase(metric: Case['metric'], rowCount: number, dimension: number, k: number, seed = 1): Case {
    const random = seededRandom(seed);
    const vectors = makeVectors('random', random, rowCount, dimension);
    const query = makeVectors('random', random, 1, dimension);
    return { name: `${metric} ${rowCount} x ${dimension}, k ${k}`, metric, dimension, vectors, rowCount, query, k };
  }

  test('answers with one submit, one map, five dispatches and k pairs read back', async () => {
    for (const metric of METRICS) {
      const example = randomCase(metric, 3000, 20, 10);
      const { gpu } = await uploadIn(example);
      const hits = await gpu.search(request(example));
      expect(hits && found(hits)).toEqual(oracle(example));
      expect(gpu.counters).toEqual({ dispatches: 5, submits: 1, maps: 1, bytesRead: 16 + (10 + 16) * 8 });
      gpu.close();
    }
  });

  test('finds the best 10 000, and leaves more than it reads back to the CPU', async () => {
    const example = randomCase('dot', 12_000, 8, 10_000);
    const { gpu } = await uploadIn(example);
    const hits = await gpu.search(request(example));
    expect(hits && found(hits)).toEqual(oracle(example));
    gpu.close();
    const many = randomCase('dot', PAIRS_MAX + 100, 1, PAIRS_MAX);
    const { gpu: large } = await uploadIn(many);
    expect(await large.search(request(many))).toBeNull();
    large.close();
  });

  test('goes through queries longer than its tile', async () => {
    for (const metric of METRICS) {
      const example = randomCase(metric, 300, 2051, 5);
      const { gpu } = await uploadIn(example);
      const hits = await gpu.search(request(example));
      expect(hits && found(hits), metric).toEqual(oracle(example));
      gpu.close();
    }
  });

  test('spreads rows over shards, however they were appended', async () => {
    const example = randomCase('cosine', 5000, 40, 20);
    // 64 rows are 10 240 bytes: a shard holds 20 groups.
    const cpu = devices.createCpuRows(example);
    const gpu = await createGpuRows(devices.gpu!, cpu, { layout, shardBytesMax: 20 * 10_240 });
    const random = seededRandom(9);
    for (let from = 0; from < 5000; ) {
      const end = Math.min(5000, from + 1 + random.below(700));
      cpu.append(example.vectors.subarray(from * 40, end * 40));
      await gpu.sync();
      from = end;
      const part = { ...example, rowCount: end };
      const hits = await gpu.search(request(part));
      expect(hits && found(hits), `${end} rows`).toEqual(oracle(part));
    }
    expect(gpu.counters.dispatches).toBe(4 + 4);
    gpu.close();
  });

  test('float16 rows take half the memory, and prove what they answer', async () => {
    for (const metric of METRICS) {
      const example = randomCase(metric, 4000, 256, 10);
      const [full, half] = await Promise.all([uploadIn(example), uploadIn(example, { precision: 'f16' })]);
      const hits = await half.gpu.search(request(example));
      expect(hits && found(hits), metric).toEqual(oracle(example));
      expect(half.gpu.bytes / full.gpu.bytes).toBeLessThan(0.6);
      full.gpu.close();
      half.gpu.close();
    }
  });

  test('cuts what would take long into several submits, and gives each thread many rows', async () => {
    const example = randomCase('cosine', 6000, 64, 10);
    // 64 rows are 16.6 kB: 8 groups a millisecond, 94 in all.
    const slow = { ...devices.gpu!, bytesPerMs: 150_000 };
    const cpu = devices.createCpuRows(example);
    cpu.append(example.vectors);
    const gpu = await createGpuRows(slow, cpu, { layout, submitMs: 1, workgroupsMax: 1 });
    await gpu.sync();
    for (const mask of [undefined, makeMask(seededRandom(3), 6000, 0.3), makeMask(seededRandom(3), 6000, 0.01)]) {
      slow.bytesPerMs = 150_000;
      const one = { ...example, ...(mask && { mask }) };
      const hits = await gpu.search(request(one));
      expect(hits && found(hits)).toEqual(oracle(one));
      expect(gpu.counters).toMatchObject({ submits: 12, dispatches: 12 + 4, maps: 1 });
    }
    gpu.close();
  });

  test('waits as long as it takes for what stands behind others, while these are answered', async () => {
    const example = randomCase('dot', 2000, 32, 10);
    const cpu = devices.createCpuRows(example);
    cpu.append(example.vectors);
    const open = async (timeoutMs: number) => {
      const gpu = await createGpuRows(devices.gpu!, cpu, { layout, keysBytesMax: 1, timeoutMs }); // each a submit
      await gpu.sync();
      return gpu;
    };
    const warm = await open(10_000);
    await warm.search(request(example));
    const start = performance.now();
    await warm.search(request(example));
    const oneMs = performance.now() - start;
    warm.close();
    const timeoutMs = Math.max(200, 5 * oneMs);
    const gpu = await open(timeoutMs);
    const count = Math.ceil((2 * timeoutMs) / oneMs);
    const answers = await Promise.all(Array.from({ length: count }, () => gpu.search(request(example))));
    for (const hits of answers) expect(hits && found(hits)).toEqual(oracle(example));
    gpu.close();
  });

  test('reads the rows once for the searches of one turn, up to what its buffers hold', async () => {
    const random = seededRandom(12);
    for (const metric of METRICS) {
      const example = randomCase(metric, 1200, 500, 10);
      const { gpu } = await uploadIn(example, { submitMs: 1e6 });
      const examples = Array.from({ length: 11 }, (_, i) => {
        const mask = i % 4 === 1 ? { mask: makeMask(random, 1200, 0.3) } : {};
        return { ...example, k: 3 + i, query: makeVectors('random', random, 1, 500), rowCount: 1200 - i, ...mask };
      });
      const ask = async (searches: Case[]) => {
        const answers = await Promise.all(searches.map((one) => gpu.search(request(one))));
        answers.forEach((hits, i) => {
          expect(hits && found(hits), metric).toEqual(oracle(searches[i]!));
        });
      };
      // The first goes one by one, in one submit, while the pipeline for more compiles.
      await ask(examples);
      expect(gpu.counters).toMatchObject({ dispatches: 5, submits: 1, maps: 1 });
      await vi.waitFor(async () => {
        await ask(examples);
        expect(gpu.counters).toMatchObject({ dispatches: 6, submits: 1, maps: 1 });
      }, 60_000);
      // Those that look at few rows go their own way.
      await ask(examples.map((one, i) => (i % 2 ? one : { ...one, mask: makeMask(random, 1200, 0.01) })));
      gpu.close();
      const tight = await uploadIn(example, { submitMs: 1e6, keysBytesMax: 1200 * 4 * 3 });
      const answers = await Promise.all(examples.map((one) => tight.gpu.search(request(one))));
      answers.forEach((hits, i) => {
        expect(hits && found(hits), metric).toEqual(oracle(examples[i]!));
      });
      tight.gpu.close();
    }
  });

  test('grows a shard on the device without losing rows', async () => {
    // 1 MiB, the first shard, holds 16 groups of 256 numbers a row.
    const example = randomCase('l2', 3000, 256, 10);
    const cpu = devices.createCpuRows(example);
    const gpu = await createGpuRows(devices.gpu!, cpu, { layout });
    for (const [from, end] of [
      [0, 100],
      [100, 1100],
      [1100, 3000],
    ] as const) {
      cpu.append(example.vectors.subarray(from * 256, end * 256));
      await gpu.sync();
    }
    const hits = await gpu.search(request(example));
    expect(hits && found(hits)).toEqual(oracle(example));
    gpu.close();
  });

  test('looks only at the rows in the mask', async () => {
    const example = randomCase('cosine', 4000, 20, 10);
    const { gpu } = await uploadIn(example);
    for (const share of [0.5, 0.02, 0.001, 0]) {
      const masked = { ...example, mask: makeMask(seededRandom(2), 4000, share) };
      const hits = await gpu.search(request(masked));
      if (masked.mask.count() === 0) expect(hits).toBeNull();
      else expect(hits && found(hits), String(share)).toEqual(oracle(masked));
    }
    const ends = new Bitset(4000);
    ends.add(0);
    ends.add(3999);
    const hits = await gpu.search({ ...request(example), mask: ends });
    expect([...hits!.rows].sort((a, b) => a - b)).toEqual([0, 3999]);
    gpu.close();
  });

  test('answers searches that run at the same time', async () => {
    const example = randomCase('cosine', 2000, 20, 10);
    const { gpu } = await uploadIn(example);
    const examples = Array.from({ length: 8 }, (_, seed) => ({
      ...example,
      k: 1 + seed * 7,
      query: makeVectors('random', seededRandom(seed), 1, 20),
    }));
    const answers = await Promise.all(examples.map((one) => gpu.search(request(one))));
    answers.forEach((hits, i) => {
      expect(hits && found(hits)).toEqual(oracle(examples[i]!));
    });
    gpu.close();
  });

  test('selects exactly, whatever the distribution: of equal similarities the lowest rows', async () => {
    const [rowCount, random] = [5000, seededRandom(4)];
    const distributions: Record<string, (row: number) => number> = {
      'all equal': () => 0.25,
      '41 levels': () => Math.round(random.next() * 40 - 20) / 20,
      'one outlier': (row) => (row === 4321 ? 2 : 1),
      'falling slowly': (row) => 1 - row * 2 ** -24,
      'both zeros and subnormals': (row) => (row % 3 === 0 ? -0 : row % 3 === 1 ? 0 : 2 ** -20 * row),
      normal: () => random.normal(),
    };
    for (const [name, value] of Object.entries(distributions)) {
      const vectors = Float32Array.from({ length: rowCount }, (_, row) => value(row));
      const source: RowSource = {
        precision: 'f32',
        layout,
        metric: 'dot',
        pieces: 1,
        factorCount: 0,
        rowCount,
        write(first, end, words) {
          const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
          for (let row = first; row < end; row++) floats[(row - first) * 4] = vectors[row]!;
        },
      };
      const gpu = await createScanner(devices.gpu!, source);
      await gpu.sync();
      const query = Float32Array.of(1, 0, 0, 0);
      for (const wanted of [1, 10, 1000, 4096, rowCount]) {
        const { rows, border } = await gpu.scan({ rowCount, eligible: rowCount, wanted, query });
        const floor = similarityOf(border);
        const keys = [...vectors.keys()];
        // The kernel's sums begin with 0, so that no -0 comes out.
        const expected = keys.sort((a, b) => vectors[b]! - vectors[a]! || a - b).slice(0, wanted);
        expect(
          [...rows].sort((a, b) => a - b),
          `${name}, ${wanted}`,
        ).toEqual([...expected].sort((a, b) => a - b));
        expect(floor, name).toBe(vectors[expected.at(-1)!]! + 0);
      }
      gpu.close();
    }
  });

  test('asks again for an answer that is late: Firefox looks for one only now and then, and at every submit', async () => {
    const example = randomCase('dot', 200, 4, 3);
    const { gpu } = await uploadIn(example);
    const nudges = vi.spyOn(devices.gpu!.device.queue, 'submit');
    const map = vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(async function (this: GPUBuffer, ...args) {
      while (nudges.mock.calls.filter(([commands]) => [...commands].length === 0).length < 3) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      map.mockRestore();
      return this.mapAsync(...args);
    });
    const hits = await gpu.search(request(example));
    nudges.mockRestore();
    expect(hits && found(hits)).toEqual(oracle(example));
    expect(gpu.counters.submits).toBe(1);
    gpu.close();
  });

  test('does not take an older answer for this one', async () => {
    const example = randomCase('dot', 200, 4, 3);
    const { gpu } = await uploadIn(example);
    expect(await gpu.search(request(example))).not.toBeNull();
    // As when commands fail validation: they do nothing, and the read-back succeeds.
    const submit = vi.spyOn(devices.gpu!.device.queue, 'submit').mockImplementation(() => undefined);
    const late = gpu.search({ ...request(example), query: Float32Array.of(-1, 2, -3, 4) });
    await Promise.resolve();
    submit.mockRestore();
    await expect(late).rejects.toThrow('did not answer');
    gpu.close();
  });

  test('answers a range for certain where only rows outside it tie at the border', async () => {
    for (const precision of ['f32', 'f16'] as const) {
      const example = randomCase('cosine', 4000, 16, 50);
      for (let i = 20 * 16; i < example.vectors.length; i++) example.vectors[i] = -example.query[i % 16]!;
      const { gpu } = await uploadIn(example, { precision });
      expect(await gpu.search(request(example))).toBeNull();
      const [score, truth] = [new Float32Array(1), oracle(example)];
      new Uint32Array(score.buffer)[0] = truth.bits[4]!;
      const hits = await gpu.search({ ...request(example), minScore: score[0]! });
      const { rows, bits } = found(hits!);
      expect([rows.slice(0, 5), bits.slice(0, 5)]).toEqual([truth.rows.slice(0, 5), truth.bits.slice(0, 5)]);
      gpu.close();
    }
  });

  test('does not claim ties at the border', async () => {
    const vectors = new Float32Array(500 * 4).fill(0.5);
    const example: Case = {
      name: '',
      metric: 'cosine',
      dimension: 4,
      vectors,
      rowCount: 500,
      query: Float32Array.of(1, 2, 3, 4),
      k: 5,
    };
    const { gpu } = await uploadIn(example);
    expect(await gpu.search(request(example))).toBeNull();
    gpu.close();
  });
});

describe('the flat index', () => {
  const dimension = 16;
  const vectors = makeVectors('random', seededRandom(5), 1000, dimension);
  const query = makeVectors('random', seededRandom(6), 1, dimension);
  const expected = oracle({ name: '', metric: 'cosine', dimension, vectors, rowCount: 1000, query, k: 10 });

  test('answers from the GPU that was asked for by name', async () => {
    const index = createFlatIndex({ dimension, metric: 'cosine' }, devices);
    expect(index.deviceFor(1)).toBe('webgpu');
    index.append(vectors.subarray(0, 1600));
    index.append(vectors.subarray(1600));
    const hits = await index.search({ query, k: 10 });
    expect(found(hits)).toEqual(expected);
    expect(hits.device).toBe('webgpu');
    expect(index.deviceFor(1)).toBe('webgpu');
    expect(index.bytes.gpu).toBeGreaterThan(vectors.byteLength);
    index.close();
  });

  test('with a GPU at hand, answers on the CPU until the GPU is ready, and then where there is much to scan', async () => {
    // As `auto` on a machine with a real GPU: the software adapter is handed in.
    const auto: Devices = { ...devices, wanted: 'auto', gpu: devices.gpu };
    const rows = { name: '', metric: 'l2', dimension: 512, rowCount: 5000, k: 10 } as const;
    const many = makeVectors('random', seededRandom(7), rows.rowCount, rows.dimension);
    const asked = makeVectors('random', seededRandom(8), 1, rows.dimension);
    const index = createFlatIndex(rows, auto);
    index.append(many.subarray(0, 512 * 100));
    expect((await index.search({ query: asked, k: 10 })).device).toBe('wasm');
    index.append(many.subarray(512 * 100));
    const first = await index.search({ query: asked, k: 10 });
    expect(first.device).toBe('wasm');
    await vi.waitFor(async () => expect((await index.search({ query: asked, k: 10 })).device).toBe('webgpu'), 20_000);
    const later = await index.search({ query: asked, k: 10 });
    const truth = oracle({ ...rows, vectors: many, query: asked });
    expect([found(first), found(later)]).toEqual([truth, truth]);
    // Few rows are left: not worth the way.
    const mask = makeMask(seededRandom(9), rows.rowCount, 0.1);
    expect((await index.search({ query: asked, k: 10, mask })).device).toBe('wasm');
    index.close();
  });

  test('keeps float16 rows where float32 rows find no room, and answers as exactly', async () => {
    // Of its own: what a GPU could not allocate once, it is not asked for again.
    const own = await openDevices('webgpu');
    const { device } = own.gpu!;
    const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) =>
      GPUDevice.prototype.createBuffer.call(device, {
        ...descriptor,
        size: descriptor.label === 'rows' && descriptor.size > 2 ** 20 ? 2 ** 50 : descriptor.size,
      }),
    );
    const index = createFlatIndex({ dimension, metric: 'cosine' }, own);
    // 1 MiB holds 16 384 float32 rows, and twice as many of float16.
    const many = makeVectors('random', seededRandom(7), 20_000, dimension);
    index.append(many.subarray(0, 1000 * dimension));
    expect((await index.search({ query, k: 10 })).device).toBe('webgpu');
    index.append(many.subarray(1000 * dimension));
    const hits = await index.search({ query, k: 10 });
    create.mockRestore();
    expect(hits.device).toBe('webgpu');
    expect(found(hits)).toEqual(
      oracle({ name: '', metric: 'cosine', dimension, vectors: many, rowCount: 20_000, query, k: 10 }),
    );
    index.close();
    own.close();
  });

  test('goes on without a GPU that has no room', async () => {
    // Of its own: what a GPU could not allocate once, it is not asked for again.
    const own = await openDevices('webgpu');
    const { device } = own.gpu!;
    // Stands for an allocation that fails: an error in the scope, and an invalid buffer.
    const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) =>
      GPUDevice.prototype.createBuffer.call(device, {
        ...descriptor,
        size: descriptor.label === 'rows' ? 2 ** 50 : descriptor.size,
      }),
    );
    const index = createFlatIndex({ dimension, metric: 'cosine' }, own);
    index.append(vectors);
    const hits = await index.search({ query, k: 10 });
    create.mockRestore();
    expect(found(hits)).toEqual(expected);
    expect([hits.device, index.deviceFor(1), index.bytes.gpu]).toEqual(['wasm', 'wasm', 0]);
    index.close();
    own.close();
  });

  test('does not take a software adapter unless it was asked for', async () => {
    expect(await openGpu({ software: false })).toBeNull();
    const auto = await openDevices('auto');
    expect(auto.gpu).toBeNull();
    expect(auto.adapter).toBeUndefined();
  });

  test('answers a search in flight when the device is destroyed, and comes back to the GPU', async () => {
    const own = await openDevices('webgpu', { retryMs: [50, 100, 1000] });
    const index = createFlatIndex({ dimension, metric: 'cosine' }, own);
    index.append(vectors);
    expect((await index.search({ query, k: 10 })).device).toBe('webgpu');

    // Destroyed with the search's work submitted and its read-back pending.
    const { device } = own.gpu!;
    const submit = device.queue.submit.bind(device.queue);
    let destroyed = false;
    device.queue.submit = (commands) => {
      submit(commands);
      device.destroy();
      destroyed = true;
    };
    const hits = await index.search({ query, k: 10 });
    expect(destroyed).toBe(true);
    expect(found(hits)).toEqual(expected);
    expect(hits.device).toBe('wasm');

    const lost = await index.search({ query, k: 10 });
    expect(found(lost)).toEqual(expected);
    expect(lost.device).toBe('wasm');
    expect(index.deviceFor(1)).toBe('wasm');

    const back = new Promise((resolve) => own.onGpuBack(resolve));
    await back;
    const again = await index.search({ query, k: 10 });
    expect(found(again)).toEqual(expected);
    expect(again.device).toBe('webgpu');
    index.close();
    own.close();
  });
});

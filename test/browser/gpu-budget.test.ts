// Several collections on one GPU whose memory they use up: copies become smaller or go, and every answer stays the same.
import { expect, test, vi } from 'vitest';
import { createFlatIndex } from '../../src/indexes/flat.ts';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { VectorHits, VectorIndex } from '../../src/indexes/vector-index.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { openDevices } from '../open-devices.ts';
import { found, makeVectors, oracle } from '../unit/kernels.oracle.ts';

/** A quarter of a megabyte: software adapters are slow. */
const UNIT = 2 ** 18;
/** Float32 rows of 4 units. */
const [rowCount, dimension] = [4096, 64];

interface Subject {
  index: VectorIndex;
  /** Asks, and compares with the oracle. */
  ask(): Promise<VectorHits>;
}

function flatOn(devices: Devices, seed: number): Subject {
  const vectors = makeVectors('random', seededRandom(seed), rowCount, dimension);
  const query = makeVectors('random', seededRandom(seed + 1000), 1, dimension);
  const expected = oracle({ name: '', metric: 'cosine', dimension, vectors, rowCount, query, k: 10 });
  const index = createFlatIndex({ dimension, metric: 'cosine' }, devices);
  index.append(vectors);
  const ask = async () => {
    const hits = await index.search({ query, k: 10 });
    expect(found(hits)).toEqual(expected);
    return hits;
  };
  return { index, ask };
}

async function answeredBy(...subjects: Subject[]): Promise<string[]> {
  const answers = [];
  for (const { ask } of subjects) {
    const { device, tier } = await ask();
    answers.push(`${device} ${tier}`);
  }
  return answers;
}

test('collections share a budget: float32 copies become float16 ones, and the last to come has the CPU', async () => {
  const devices = await openDevices('webgpu', { gpuBytesMax: 11 * UNIT });
  const errors: string[] = [];
  devices.gpu!.device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  const within = () => expect(devices.gpuBudget.bytes).toBeLessThan(11 * UNIT);

  const a = flatOn(devices, 1);
  const b = flatOn(devices, 2);
  expect(await answeredBy(a, b)).toEqual(['webgpu none', 'webgpu none']);
  within();
  const c = flatOn(devices, 3);
  // The one that was used longest ago.
  expect(await answeredBy(c, b, a)).toEqual(['webgpu none', 'webgpu none', 'webgpu f16']);
  within();
  const coded = createQuantizedIndex({ dimension, metric: 'cosine', tier: 'int8' }, devices);
  const vectors = makeVectors('random', seededRandom(4), rowCount, dimension);
  coded.append(vectors);
  const query = vectors.slice(7 * dimension, 8 * dimension);
  const hits = await coded.search({ query, k: 1 });
  expect([hits.device, ...hits.rows]).toEqual(['webgpu', 7]);
  expect(await answeredBy(a, b, c)).toEqual(['webgpu f16', 'webgpu none', 'webgpu f16']);
  within();
  const more = [5, 6].map((seed) => flatOn(devices, seed));
  expect(await answeredBy(...more)).toEqual(['webgpu f16', 'wasm none']);
  // All were used a moment ago, so nobody has lost its place to the last.
  expect(await answeredBy(a, b, c, more[0]!)).toEqual(Array(4).fill('webgpu f16'));
  expect((await more[1]!.ask()).route).toBe(`the GPU is full, its budget ${11 * UNIT} bytes`);
  expect(more[1]!.index.deviceFor(1)).toBe('wasm');
  within();
  // When there is room, it has it.
  a.index.close();
  expect(await answeredBy(more[1]!)).toEqual(['webgpu f16']);
  for (const index of [b.index, c.index, coded, ...more.map((one) => one.index)]) index.close();
  expect(devices.gpuBudget.bytes).toBe(0);
  expect(errors).toEqual([]);
  devices.close();
});

test('a search whose copy gives way is answered within the call', async () => {
  const devices = await openDevices('webgpu', { gpuBytesMax: 7 * UNIT });
  const errors: string[] = [];
  devices.gpu!.device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  const a = flatOn(devices, 1);
  expect(await answeredBy(a)).toEqual(['webgpu none']);
  const b = flatOn(devices, 2);
  const asked: Promise<VectorHits>[] = [];
  let isAnswered = false;
  const other = b.ask().finally(() => {
    isAnswered = true;
  });
  while (!isAnswered) {
    const answer = a.ask();
    // The other one is used later, so that it is not the one to give way.
    asked.push(answer, b.ask());
    // Some while one is under way, but not so many that a slow GPU is busy for long.
    await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 20))]);
    if (asked.length % 8 === 0) await answer;
  }
  expect((await other).device).toBe('webgpu');
  for (const hits of await Promise.all(asked)) expect(['webgpu', 'wasm']).toContain(hits.device);
  expect(asked.length).toBeGreaterThan(0);
  expect(await answeredBy(a)).toEqual(['webgpu f16']);
  for (const { index } of [a, b]) index.close();
  expect(errors).toEqual([]);
  devices.close();
});

test('a search whose own buffers find no room is answered all the same, and the next one by a smaller copy', async () => {
  const devices = await openDevices('webgpu');
  const { device } = devices.gpu!;
  let refused = 0;
  for (const label of ['keys', 'staging']) {
    // The float32 copy's alone, and the float16 one's after it.
    for (const times of [1, 2]) {
      const a = flatOn(devices, times);
      let toRefuse = times;
      const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
        const isTooMuch = descriptor.label === label && toRefuse > 0;
        if (isTooMuch) [toRefuse, refused] = [toRefuse - 1, refused + 1];
        const size = isTooMuch ? 2 ** 50 : descriptor.size;
        return GPUDevice.prototype.createBuffer.call(device, { ...descriptor, size });
      });
      expect(await answeredBy(a)).toEqual(['wasm none']);
      expect(await answeredBy(a)).toEqual([times === 1 ? 'webgpu f16' : 'wasm none']);
      expect(toRefuse).toBe(0);
      create.mockRestore();
      a.index.close();
    }
  }
  expect(refused).toBe(6);
  devices.close();
});

test('what one of two submits of a turn finds no room for is not forgotten when the other is answered', async () => {
  const devices = await openDevices('webgpu');
  const { device } = devices.gpu!;
  const a = flatOn(devices, 1);
  expect(await answeredBy(a)).toEqual(['webgpu none']);
  let staging = 0;
  const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
    const isTooMuch = descriptor.label === 'staging' && ++staging === 1;
    return GPUDevice.prototype.createBuffer.call(device, {
      ...descriptor,
      size: isTooMuch ? 2 ** 50 : descriptor.size,
    });
  });
  // 64 of them are one submit, which needs a larger buffer to read back from; the rest finds the old one.
  const answers = await Promise.all(Array.from({ length: 70 }, () => a.ask()));
  expect(new Set(answers.map(({ device }) => device))).toContain('wasm');
  expect(staging).toBeGreaterThan(0);
  create.mockRestore();
  expect(await answeredBy(a)).toEqual(['webgpu f16']);
  a.index.close();
  devices.close();
});

test('where others give way for a search, it is answered by the copy that is there', async () => {
  const devices = await openDevices('webgpu');
  const { device } = devices.gpu!;
  const [a, b] = [flatOn(devices, 1), flatOn(devices, 2)];
  expect(await answeredBy(a, b)).toEqual(['webgpu none', 'webgpu none']);
  let refused = 0;
  const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
    const isTooMuch = descriptor.label === 'staging' && refused === 0;
    if (isTooMuch) refused++;
    return GPUDevice.prototype.createBuffer.call(device, {
      ...descriptor,
      size: isTooMuch ? 2 ** 50 : descriptor.size,
    });
  });
  // More than the buffers that are there have room for.
  const answers = await Promise.all(Array.from({ length: 30 }, () => b.ask()));
  expect(refused).toBe(1);
  expect(new Set(answers.map(({ device, tier }) => `${device} ${tier}`))).toEqual(new Set(['webgpu none']));
  create.mockRestore();
  expect(await answeredBy(a, b)).toEqual(['webgpu f16', 'webgpu none']);
  for (const { index } of [a, b]) index.close();
  devices.close();
});

test('an allocation that the GPU refuses makes others give way, and is tried again', async () => {
  const devices = await openDevices('webgpu');
  const { device } = devices.gpu!;
  // Stands for a GPU of 7 units: an error in the scope, and an invalid buffer.
  const create = vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
    const isTooMuch = descriptor.label === 'rows' && devices.gpuBudget.bytes + descriptor.size > 7 * UNIT;
    return GPUDevice.prototype.createBuffer.call(device, {
      ...descriptor,
      size: isTooMuch ? 2 ** 50 : descriptor.size,
    });
  });
  const a = flatOn(devices, 1);
  expect(await answeredBy(a)).toEqual(['webgpu none']);
  expect(devices.gpuBudget.limit).toBeGreaterThan(UNIT * 100);
  const b = flatOn(devices, 2);
  expect(await answeredBy(b)).toEqual(['webgpu none']);
  expect(devices.gpuBudget.limit).toBeLessThan(9 * UNIT);
  expect(await answeredBy(a, b)).toEqual(['webgpu f16', 'webgpu none']);
  const refused = create.mock.calls.length;
  // What there is no room for is not asked for again.
  expect(await answeredBy(a, b, a, b)).toEqual(['webgpu f16', 'webgpu none', 'webgpu f16', 'webgpu none']);
  expect(create.mock.calls.slice(refused).filter(([{ label }]) => label === 'rows')).toEqual([]);
  create.mockRestore();
  for (const { index } of [a, b]) index.close();
  devices.close();
});

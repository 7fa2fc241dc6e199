// The GPU is lost at every stage of a search, again and again: each call is answered, with the oracle's answer, the GPU comes
// back, and no buffer is left behind. PIRAMID_GPU_LOSSES says how often.
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createFlatIndex } from '../../src/indexes/flat.ts';
import { createQuantizedIndex } from '../../src/indexes/quantized.ts';
import type { VectorIndex } from '../../src/indexes/vector-index.ts';
import type { Devices } from '../../src/kernels/devices.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { openDevices } from '../open-devices.ts';
import { type Case, found, makeVectors, oracle } from '../unit/kernels.oracle.ts';

/** Where the device is destroyed: as the browser's method is called for this. */
const STAGES = {
  upload: onCall(GPUQueue, 'writeBuffer', ([buffer]) => buffer.label === 'rows'),
  write: onCall(GPUQueue, 'writeBuffer', ([buffer]) => buffer.label === 'queries'),
  pipeline: onCall(GPUDevice, 'createComputePipelineAsync'),
  scan: onCall(GPUComputePassEncoder, 'setPipeline', ([{ label }]) => label.startsWith('scan')),
  select: onCall(GPUComputePassEncoder, 'setPipeline', ([{ label }]) => label === 'compact'),
  copy: onCall(GPUCommandEncoder, 'copyBufferToBuffer'),
  submit: onCall(GPUQueue, 'submit'),
  map: onCall(GPUBuffer, 'mapAsync'),
};
/** These happen while a new device is being set up, the others in a search. */
const SETUP = new Set(['upload', 'pipeline']);
const HUNG_MS = 60_000;

/** Destroys `current()` once, before the next such call. Returns whether it came to that, and takes the trap away. */
function onCall<T extends { prototype: object }, K extends keyof T['prototype']>(
  owner: T,
  method: K,
  matches: (args: T['prototype'][K] extends (...args: infer A) => unknown ? A : never) => boolean = () => true,
) {
  return (current: () => GPUDevice | undefined): (() => boolean) => {
    const prototype = owner.prototype as Record<K, (...args: never[]) => unknown>;
    const original = prototype[method];
    let struck = false;
    prototype[method] = function (this: unknown, ...args: never[]) {
      if (!struck && matches(args as never)) {
        struck = true;
        current()?.destroy();
      }
      return original.apply(this, args);
    };
    return () => {
      prototype[method] = original;
      return struck;
    };
  };
}

const live = new Set<GPUBuffer>();
const { createBuffer } = GPUDevice.prototype;
const { requestDevice } = GPUAdapter.prototype;
const { destroy } = GPUBuffer.prototype;
/** The newest device, also before anyone else knows it. */
let device: GPUDevice | undefined;

beforeEach(() => {
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    live.add(buffer);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    live.delete(this);
    return destroy.call(this);
  };
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    device = await requestDevice.call(this, descriptor);
    return device;
  };
});

afterEach(() => {
  GPUDevice.prototype.createBuffer = createBuffer;
  GPUBuffer.prototype.destroy = destroy;
  GPUAdapter.prototype.requestDevice = requestDevice;
});

test('answers through every loss, comes back, and leaves no buffer behind', async () => {
  const losses = inject('gpuLosses');
  const devices = await openDevices('webgpu', { retryMs: Array.from({ length: 50 }, (_, i) => i * 20) });
  const random = seededRandom(11);
  const [rowCount, dimension] = [700, 20];
  const vectors = makeVectors('random', random, rowCount, dimension);
  const indexes: VectorIndex[] = [
    createFlatIndex({ dimension, metric: 'cosine' }, devices),
    // So many candidates that the answer is the exact one.
    createQuantizedIndex({ dimension, metric: 'cosine', tier: 'int8' }, devices),
  ];
  for (const index of indexes) index.append(vectors);
  const count = { lost: 0, corrupt: 0, hung: 0 };

  async function ask(): Promise<string[]> {
    const query = makeVectors('random', random, 1, dimension);
    const example: Case = { name: '', metric: 'cosine', dimension, vectors, rowCount, query, k: 5 };
    return Promise.all(
      indexes.map(async (index) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const late = new Promise<'hung'>((resolve) => {
          timer = setTimeout(resolve, HUNG_MS, 'hung');
        });
        const answer = await Promise.race([
          index.search({ query, k: 5, oversample: 11 }).catch(() => 'lost' as const),
          late,
        ]);
        clearTimeout(timer);
        if (typeof answer === 'string') {
          count[answer]++;
          return answer;
        }
        if (JSON.stringify(found(answer)) !== JSON.stringify(oracle(example))) count.corrupt++;
        return answer.device;
      }),
    );
  }

  async function onGpu(): Promise<void> {
    const deadline = performance.now() + HUNG_MS;
    while ((await ask()).some((name) => name !== 'webgpu')) {
      if (performance.now() > deadline) throw new Error('the GPU did not come back');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const names = Object.keys(STAGES) as (keyof typeof STAGES)[];
  for (let i = 0; i < losses; i++) {
    const stage = names[i % names.length]!;
    await onGpu();
    const disarm = STAGES[stage](() => device);
    if (SETUP.has(stage)) await replaced(devices);
    await ask();
    expect(disarm(), stage).toBe(true);
  }
  await onGpu();
  for (const index of indexes) index.close();
  devices.close();
  const { lost, corrupt, hung } = count;
  console.info(`faults.gpu-loss count=${losses} lost=${lost} corrupt=${corrupt} hung=${hung}`);
  expect(count).toEqual({ lost: 0, corrupt: 0, hung: 0 });
  expect([...live].map(({ label, size }) => `${label} ${size}`)).toEqual([]);
}, 600_000);

/** Loses the device and resolves when another is there. It can be back so soon that nobody sees that there was none. */
async function replaced(devices: Devices): Promise<void> {
  const lost = devices.gpu?.device;
  lost?.destroy();
  while (!devices.gpu || devices.gpu.device === lost) await new Promise((resolve) => setTimeout(resolve, 1));
}

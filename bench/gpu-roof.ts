// What a GPU reads at most: the best of a few plain reductions over a buffer, each with four loads of 16 bytes under way.
import type { PassTimes } from './gpu-timestamps.ts';

const WORKGROUPS = [256, 512, 1024, 2048, 4096];
const FILL_BYTES = 8 << 20;

export interface Roof {
  /** GB/s: of each variant the median of the rounds, and of these the best. */
  measure(times: PassTimes, rounds: number): Promise<number>;
  close(): void;
}

export async function createRoof(device: GPUDevice, bytes: number): Promise<Roof> {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const size = Math.floor(Math.min(bytes, maxBufferSize, maxStorageBufferBindingSize) / 4096) * 4096;
  const { STORAGE, COPY_DST } = GPUBufferUsage;
  const source = device.createBuffer({ size, usage: STORAGE | COPY_DST });
  const target = device.createBuffer({ size: 4096 * 4, usage: STORAGE });
  // No value is like another, so that no driver can compress them.
  const values = Uint32Array.from({ length: FILL_BYTES / 4 }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  for (let at = 0; at < size; at += FILL_BYTES) {
    device.queue.writeBuffer(source, at, values, 0, Math.min(FILL_BYTES, size - at) / 4);
  }
  const module = device.createShaderModule({
    code: `
      @group(0) @binding(0) var<storage, read> source: array<vec4u>;
      @group(0) @binding(1) var<storage, read_write> sums: array<u32>;
      @compute @workgroup_size(256)
      fn reduce(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
        let stride = workgroups.x * 256u;
        let end = arrayLength(&source);
        var sum = vec4u(0u);
        var i = id.x;
        for (; i + 3u * stride < end; i += 4u * stride) {
          sum ^= (source[i] ^ source[i + stride]) ^ (source[i + 2u * stride] ^ source[i + 3u * stride]);
        }
        for (; i < end; i += stride) { sum ^= source[i]; }
        let all = sum.x ^ sum.y ^ sum.z ^ sum.w;
        if (all == 0x12345678u) { sums[id.x & 4095u] = all; }
      }`,
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module, entryPoint: 'reduce' },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [source, target].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });

  async function measure(times: PassTimes, rounds: number): Promise<number> {
    let best = 0;
    for (const workgroups of WORKGROUPS) {
      const all: number[] = [];
      for (let round = -3; round < rounds; round++) {
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass({ label: 'read' });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(workgroups);
        pass.end();
        const start = performance.now();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        const wall = performance.now() - start;
        const { read = wall } = await times.take();
        if (round >= 0) all.push(read);
      }
      const ms = all.sort((a, b) => a - b)[all.length >>> 1]!;
      best = Math.max(best, size / 1e6 / ms);
    }
    return best;
  }

  return {
    measure,
    close() {
      source.destroy();
      target.destroy();
    },
  };
}

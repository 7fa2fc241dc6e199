// The GPU's own time of each compute pass, by its label, of code that asks for no timestamps itself: wraps the device's encoders.

const QUERIES_MAX = 256;

export interface PassTimes {
  /** Milliseconds of each label's passes since the last call; empty where the device has no timestamps. */
  take(): Promise<Partial<Record<string, number>>>;
  /** Leaves the device as it was. */
  stop(): void;
}

export function timePasses(device: GPUDevice): PassTimes {
  if (!device.features.has('timestamp-query')) return { take: async () => ({}), stop: () => undefined };
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const querySet = device.createQuerySet({ type: 'timestamp', count: QUERIES_MAX });
  const resolved = device.createBuffer({ size: QUERIES_MAX * 8, usage: QUERY_RESOLVE | COPY_SRC });
  const readable = device.createBuffer({ size: QUERIES_MAX * 8, usage: COPY_DST | MAP_READ });
  const create = device.createCommandEncoder.bind(device);
  let labels: string[] = [];

  device.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (pass) => {
      const at = labels.length * 2;
      if (at + 2 > QUERIES_MAX) return begin(pass);
      labels.push(pass?.label ?? '');
      const timestampWrites = { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
      return begin({ ...pass, timestampWrites });
    };
    return encoder;
  };

  async function take(): Promise<Partial<Record<string, number>>> {
    const names = labels;
    labels = [];
    if (names.length === 0) return {};
    const encoder = create();
    encoder.resolveQuerySet(querySet, 0, names.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, names.length * 16);
    device.queue.submit([encoder.finish()]);
    await readable.mapAsync(GPUMapMode.READ, 0, names.length * 16);
    const stamps = new BigUint64Array(readable.getMappedRange(0, names.length * 16));
    const times: Partial<Record<string, number>> = {};
    for (const [i, name] of names.entries()) {
      times[name] = (times[name] ?? 0) + Number(stamps[i * 2 + 1]! - stamps[i * 2]!) / 1e6;
    }
    readable.unmap();
    return times;
  }

  return {
    take,
    stop() {
      device.createCommandEncoder = create;
      querySet.destroy();
      resolved.destroy();
      readable.destroy();
    },
  };
}

// The compute pipelines of a search and the layouts they share. Compiled asynchronously, once per device and metric.
import type { Metric } from '../../types.ts';
import scanSource from './scan.wgsl?raw';
import selectSource from './select.wgsl?raw';

export interface Pipelines {
  scan: GPUComputePipeline;
  /** In the order they run, after every shard's scan. */
  select: readonly GPUComputePipeline[];
  layouts: Layouts;
}

interface Layouts {
  /** Group 0 of the scan: search, query, mask, keys, histogram. */
  scan: GPUBindGroupLayout;
  /** Group 1 of the scan: shard, rows, inverse norms. */
  shard: GPUBindGroupLayout;
  /** Group 0 of the selection: search, keys, histogram, state, tie counts, found. */
  select: GPUBindGroupLayout;
}

const METRIC_NUMBERS = { cosine: 0, dot: 1, l2: 2 } as const satisfies Record<Metric, number>;
const SELECT_STEPS = ['refineMiddle', 'refineLast', 'gather', 'takeTies'] as const;

interface DevicePipelines {
  layouts: Layouts;
  select: Promise<readonly GPUComputePipeline[]>;
  scans: Map<Metric, Promise<GPUComputePipeline>>;
}

const perDevice = new WeakMap<GPUDevice, DevicePipelines>();

export async function getPipelines(device: GPUDevice, metric: Metric): Promise<Pipelines> {
  let known = perDevice.get(device);
  if (!known) {
    const layouts = createLayouts(device);
    known = { layouts, select: compileSelect(device, layouts), scans: new Map() };
    perDevice.set(device, known);
  }
  let scan = known.scans.get(metric);
  if (!scan) {
    scan = compileScan(device, known.layouts, metric);
    known.scans.set(metric, scan);
  }
  const [scanPipeline, select] = await Promise.all([scan, known.select]);
  return { scan: scanPipeline, select, layouts: known.layouts };
}

function createLayouts(device: GPUDevice): Layouts {
  function layout(label: string, types: Record<number, GPUBufferBindingType>): GPUBindGroupLayout {
    const entries = Object.entries(types).map(([binding, type]) => ({
      binding: Number(binding),
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type },
    }));
    return device.createBindGroupLayout({ label, entries });
  }
  const input = 'read-only-storage';
  return {
    scan: layout('scan', { 0: 'uniform', 1: input, 2: input, 3: 'storage', 4: 'storage' }),
    shard: layout('shard', { 0: 'uniform', 1: input, 2: input }),
    select: layout('select', { 0: 'uniform', 3: 'storage', 4: 'storage', 5: 'storage', 6: 'storage', 7: 'storage' }),
  };
}

function compileScan(device: GPUDevice, layouts: Layouts, metric: Metric): Promise<GPUComputePipeline> {
  return device.createComputePipelineAsync({
    label: `scan ${metric}`,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layouts.scan, layouts.shard] }),
    compute: {
      module: device.createShaderModule({ label: 'scan.wgsl', code: scanSource }),
      entryPoint: 'scan',
      constants: { METRIC: METRIC_NUMBERS[metric] },
    },
  });
}

function compileSelect(device: GPUDevice, layouts: Layouts): Promise<readonly GPUComputePipeline[]> {
  const layout = device.createPipelineLayout({ bindGroupLayouts: [layouts.select] });
  const module = device.createShaderModule({ label: 'select.wgsl', code: selectSource });
  return Promise.all(
    SELECT_STEPS.map((entryPoint) =>
      device.createComputePipelineAsync({ label: entryPoint, layout, compute: { module, entryPoint } }),
    ),
  );
}

// The compute pipelines of a search and the layouts they share. Puts the WGSL together, compiles it asynchronously, once
// per device and kind of rows.
import type { Layout } from '../../types.ts';
import { BLOCK_QUERIES, type ProductMetric } from '../kernel.ts';
import codesSource from './codes.wgsl?raw';
import type { Gpu } from './device.ts';
import dot4Source from './dot4.wgsl?raw';
import floatsSource from './floats.wgsl?raw';
import interleavedSource from './interleaved.wgsl?raw';
import rowMajorSource from './row-major.wgsl?raw';
import scanSource from './scan.wgsl?raw';
import searchSource from './search.wgsl?raw';
import selectSource from './select.wgsl?raw';

/** How a row's numbers are stored on the GPU. */
export type Precision = 'f32' | 'f16' | 'int8' | 'binary';

/** What a scan is compiled for. */
export interface RowFormat {
  readonly precision: Precision;
  readonly layout: Layout;
  readonly metric: ProductMetric;
  /** Pieces of 16 bytes a row. */
  readonly pieces: number;
  /** Float32 numbers a row beside its pieces: 0 to 3. */
  readonly factorCount: number;
}

export interface Pipelines {
  /** One query a row read. Counts the keys' top bits on the way. */
  scan: GPUComputePipeline;
  /** `BLOCK_QUERIES` queries a row read. Null until it is compiled, which begins when it is first asked for. */
  readonly scanBlock: GPUComputePipeline | null;
  /** Counts the top bits where the scan did not. */
  countTop: GPUComputePipeline;
  /** In the order they run, after every shard's scan. */
  select: readonly GPUComputePipeline[];
  layouts: Layouts;
}

interface Layouts {
  /** Group 0 of the scan: searches, queries, selections, keys, histogram. */
  scan: GPUBindGroupLayout;
  /** Group 1 of the scan: range (with a dynamic offset), rows, factors. */
  shard: GPUBindGroupLayout;
  /** Group 0 of the selection: searches, keys, histogram, states, tie counts, headers, pairs. */
  select: GPUBindGroupLayout;
}

/** Rows that a subgroup reads at a time, so that their loads are under way at once: as many as registers have room for. */
const SUBGROUP_ROWS = { single: 4, block: 1 };
/** For each 16 bytes of a row, as many pieces of 16 bytes of the query. */
export const QUERY_PIECES: Record<Precision, number> = { f32: 1, f16: 2, int8: 1, binary: 4 };
/** Bins of a histogram. */
const COUNTS = 2048;
/** Workgroup memory that every adapter has is 16 kB; the counters take 8 of them. */
const TILE_BYTES = { single: 4096, block: 12_288 };
const LANES = '@builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) lanes: u32';
const METRIC_NUMBERS = { cosine: 0, dot: 1, l2: 2 } as const satisfies Record<ProductMetric, number>;
const SELECT_STEPS = ['countTop', 'refineMiddle', 'refineLast', 'compact', 'takeTies'] as const;

interface DevicePipelines {
  layouts: Layouts;
  select: Promise<GPUComputePipeline[]>;
  scans: Map<string, Promise<GPUComputePipeline>>;
}

const perDevice = new WeakMap<GPUDevice, DevicePipelines>();

export async function getPipelines(gpu: Gpu, format: RowFormat): Promise<Pipelines> {
  const { device } = gpu;
  let known = perDevice.get(device);
  if (!known) {
    const layouts = createLayouts(device);
    known = { layouts, select: compileSelect(device, layouts), scans: new Map() };
    perDevice.set(device, known);
  }
  const { layouts, scans } = known;
  const scanFor = (queries: number) => {
    const code = scanCode(format, queries, gpu.hasPackedDot);
    let scan = scans.get(code);
    if (!scan) {
      scan = compileScan(
        device,
        layouts,
        code,
        `scan ${format.precision} ${format.metric} ${format.layout} x ${queries}`,
      );
      scans.set(code, scan);
    }
    return scan;
  };
  const [scan, [countTop, ...select]] = await Promise.all([scanFor(1), known.select]);
  let scanBlock: GPUComputePipeline | null = null;
  let compiling = false;
  return {
    scan,
    get scanBlock() {
      if (!compiling) {
        compiling = true;
        // A driver that cannot compile it goes on with one query at a time.
        scanFor(BLOCK_QUERIES).then(
          (compiled) => {
            scanBlock = compiled;
          },
          () => undefined,
        );
      }
      return scanBlock;
    },
    countTop: countTop!,
    select,
    layouts,
  };
}

/** Pieces of a row between two loads of the query: as many are summed before the sum is added to another. */
export function tilePieces(precision: Precision, queries: number): number {
  const bytes = queries === 1 ? TILE_BYTES.single : TILE_BYTES.block;
  return Math.floor(bytes / (16 * queries * QUERY_PIECES[precision]));
}

function scanCode(format: RowFormat, queries: number, hasPackedDot: boolean): string {
  const { precision, metric, factorCount } = format;
  const isRowMajor = format.layout === 'row-major';
  const rowCount = queries === 1 ? SUBGROUP_ROWS.single : SUBGROUP_ROWS.block;
  const isCoded = precision === 'int8' || precision === 'binary';
  const constants = {
    METRIC: `${METRIC_NUMBERS[metric]}u`,
    L2: '2u',
    ROW_MAJOR: isRowMajor,
    ROWS: `${rowCount}u`,
    HALVES: precision === 'f16',
    BINARY: precision === 'binary',
    QUERY_PIECES: `${QUERY_PIECES[precision]}u`,
    FACTORS: `${factorCount}u`,
    QUERIES: `${queries}u`,
    TILE: `${tilePieces(precision, queries)}u`,
    COUNTED: queries === 1,
    COUNTS: `${queries === 1 ? COUNTS : 1}u`,
  };
  const dot4 = hasPackedDot ? 'fn dot4(a: u32, b: u32) -> i32 { return dot4I8Packed(a, b); }' : dot4Source;
  const scan = scanSource
    .replace('LANES', isRowMajor ? LANES : '')
    .replace('SUM_TILE', isRowMajor ? rowMajorSource : interleavedSource);
  return [
    // The branches around a subgroup's operations depend on what its threads have told each other.
    ...(isRowMajor ? ['enable subgroups;', 'diagnostic(off, subgroup_uniformity);'] : []),
    ...Object.entries(constants).map(([name, value]) => `const ${name} = ${value};`),
    ...(isCoded ? [dot4, codesSource] : [floatsSource]),
    searchSource,
    repeated(repeated(scan, 'EACH', '$', queries), 'ROW', '#', rowCount),
  ].join('\n');
}

/** Repeats each line that begins with `word`, with 0 .. count-1 for `mark`. */
function repeated(source: string, word: string, mark: string, count: number): string {
  return source.replaceAll(new RegExp(`^ *${word} (.*)$`, 'gm'), (_line, statement: string) =>
    Array.from({ length: count }, (_, i) => statement.replaceAll(mark, String(i))).join('\n'),
  );
}

function createLayouts(device: GPUDevice): Layouts {
  function layout(label: string, types: Record<number, GPUBufferBindingType>): GPUBindGroupLayout {
    const entries = Object.entries(types).map(([binding, type]) => ({
      binding: Number(binding),
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type, hasDynamicOffset: type === 'uniform' },
    }));
    return device.createBindGroupLayout({ label, entries });
  }
  const input = 'read-only-storage';
  const output = 'storage';
  return {
    scan: layout('scan', { 0: input, 1: input, 2: input, 3: output, 4: output }),
    shard: layout('shard', { 0: 'uniform', 1: input, 2: input }),
    select: layout('select', { 0: input, 3: output, 4: output, 5: output, 6: output, 7: output, 8: output }),
  };
}

function compileScan(device: GPUDevice, layouts: Layouts, code: string, label: string): Promise<GPUComputePipeline> {
  return device.createComputePipelineAsync({
    label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layouts.scan, layouts.shard] }),
    compute: { module: device.createShaderModule({ label, code }), entryPoint: 'scan' },
  });
}

function compileSelect(device: GPUDevice, layouts: Layouts): Promise<GPUComputePipeline[]> {
  const layout = device.createPipelineLayout({ bindGroupLayouts: [layouts.select] });
  const module = device.createShaderModule({ label: 'select', code: `${searchSource}\n${selectSource}` });
  return Promise.all(
    SELECT_STEPS.map((entryPoint) =>
      device.createComputePipelineAsync({ label: entryPoint, layout, compute: { module, entryPoint } }),
    ),
  );
}

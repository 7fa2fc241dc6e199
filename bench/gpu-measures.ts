// Measures the WGSL kernels, in each layout that the device has, beside what it can read from a buffer of as many bytes in the same
// run, and compares every kind of answer with the CPU's. What `gpu.f32` and so on are named by alone is the layout that calibration
// picks. Kernel times are the GPU's own, by timestamps around each pass. Knows nothing of where it runs.
import type { CodeRows, Tier } from '../src/kernels/codes/coder.ts';
import { createCoder } from '../src/kernels/codes/js.ts';
import { type Devices, openDevices } from '../src/kernels/devices.ts';
import type { CpuRows, GpuCopy } from '../src/kernels/kernel.ts';
import { calibrateScan, layoutFor, measuredRates, measuredScan } from '../src/kernels/webgpu/calibration.ts';
import { createGpuCodes } from '../src/kernels/webgpu/codes.ts';
import type { Gpu } from '../src/kernels/webgpu/device.ts';
import { createGpuRows } from '../src/kernels/webgpu/rows.ts';
import type { Layout } from '../src/types.ts';
import { clusteredData, type Data } from './data.ts';
import { createRoof } from './gpu-roof.ts';
import { type PassTimes, timePasses } from './gpu-timestamps.ts';
import { type Figure, median } from './statistics.ts';

const KS = [10, 100, 1000];
const BATCH = 64;
/** A software adapter takes seconds for more, on a busy machine longer than a search waits. */
const BATCH_SOFTWARE = 9;
const PRECISIONS = ['f32', 'f16', 'int8', 'binary'] as const;
type Precision = (typeof PRECISIONS)[number];

/** Bits of a number. */
const BITS: Record<Precision, number> = { f32: 32, f16: 16, int8: 8, binary: 1 };
/** As many codes of a bit a number as four of the largest last-level caches hold: 312 MB. */
const MANY = 6_000_000;
/** Enough to see that calibration works where its rates mean nothing. */
const CALIBRATION_BYTES_SOFTWARE = 1 << 20;

interface Shape {
  n: number;
  d: number;
}

export interface GpuMeasures {
  adapter: string;
  isSoftware: boolean;
  figures: Figure[];
  /** What calibration picked, a line for each precision. */
  choices: string[];
  /** What was not the CPU's answer. */
  wrong: string[];
}

export async function measureGpu(options: { quick: boolean; say: (message: string) => void }): Promise<GpuMeasures> {
  const devices = await openDevices('webgpu', {
    gpuBytesMax: Number.POSITIVE_INFINITY,
    loadGpuKernels: () => import('../src/kernels/webgpu/webgpu.ts'),
  });
  const gpu = devices.gpu!;
  const { isSoftware } = gpu;
  const { vendor, architecture, device, description } = gpu.device.adapterInfo;
  const shapes: Shape[] = isSoftware
    ? [{ n: 2000, d: 384 }]
    : [
        { n: 100_000, d: 384 },
        { n: options.quick ? 100_000 : 1_000_000, d: options.quick ? 768 : 384 },
      ];
  const figures: Figure[] = [];
  const choices: string[] = [];
  const wrong: string[] = [];

  for (const precision of PRECISIONS) {
    const rates = isSoftware
      ? await calibrateScan(gpu, precision, CALIBRATION_BYTES_SOFTWARE)
      : await measuredRates(gpu, precision);
    if (!(rates.interleaved > 0 && rates.rowMajor > 0)) wrong.push(`${precision}: calibration measured nothing`);
    const { layout } = isSoftware ? { layout: 'interleaved' } : await measuredScan(gpu, precision);
    const inGBs = `interleaved ${(rates.interleaved / 1e6).toFixed(0)} GB/s, row-major ${(rates.rowMajor / 1e6).toFixed(0)} GB/s`;
    choices.push(`${precision}: ${layout} (${isSoftware ? 'a software adapter is not measured' : inGBs})`);
  }

  async function measure(precision: Precision, data: Data, shape: Shape): Promise<void> {
    const choice = await layoutFor(gpu, precision, Math.ceil((shape.d * BITS[precision]) / 128));
    const layouts: Layout[] = gpu.subgroupSize ? ['interleaved', 'row-major'] : ['interleaved'];
    for (const layout of layouts) {
      options.say(`${precision}, ${layout}, ${shape.n} x ${shape.d} …`);
      const measured = await measurePrecision(devices, precision, layout, data, shape);
      const named = (prefix: string) => measured.figures.map((one) => ({ ...one, name: prefix + one.name }));
      figures.push(...named(`gpu.${precision}.${layout}.`));
      if (layout === choice) figures.push(...named(`gpu.${precision}.`));
      wrong.push(...measured.wrong);
    }
  }
  for (const shape of shapes) {
    const data = clusteredData({ ...shape, queries: BATCH, seed: 1 });
    for (const precision of PRECISIONS) await measure(precision, data, shape);
    if (shape.n === 1_000_000) await measure('binary', data, { ...shape, n: MANY });
  }
  const adapter = [vendor, architecture, device, description].filter(Boolean).join(' ');
  return { adapter, isSoftware, figures, choices, wrong };
}

/** One precision's rows on the GPU, and how to ask them. */
interface Subject {
  copy: GpuCopy;
  /** Bytes that a scan reads. */
  bytes: number;
  search(query: Float32Array, k: number): Promise<Answer>;
  truth(query: Float32Array, k: number): Answer;
}

/** Rows with scores, as one string; null where the GPU leaves the answer to the CPU. */
type Answer = string | null;

async function measurePrecision(devices: Devices, precision: Precision, layout: Layout, data: Data, shape: Shape) {
  const { n, d } = shape;
  const gpu = devices.gpu!;
  const [rounds, batchSize] = gpu.isSoftware ? [1, BATCH_SOFTWARE] : [50, BATCH];
  const times = timePasses(gpu.device);
  const subject = await createSubject(devices, gpu, precision, layout, data, shape);
  const wrong: string[] = [];
  const figures: Figure[] = [];
  const figure = (name: string, value: number, unit: string) => figures.push({ name, value, unit, n, d });
  const query = (i: number) => data.queries.slice((i % BATCH) * d, ((i % BATCH) + 1) * d);

  const uploadStart = performance.now();
  await subject.copy.sync();
  await gpu.device.queue.onSubmittedWorkDone();
  figure('upload.gb_per_s', subject.bytes / 1e6 / (performance.now() - uploadStart), 'GB/s');

  for (const k of KS) {
    for (let i = 0; i < 3; i++) {
      const [found, truth] = [await subject.search(query(i), k), subject.truth(query(i), k)];
      if (found !== truth)
        wrong.push(`${precision} ${layout} ${n} x ${d}, k ${k}, query ${i}${found === null ? ': no answer' : ''}`);
    }
  }
  // The first batch goes one by one, while the pipeline for more compiles.
  const batch = () => Promise.all(Array.from({ length: batchSize }, (_, i) => subject.search(query(i), 10)));
  for (let i = 0; i < 600 && subject.copy.counters.dispatches !== 6; i++) {
    await batch();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const answers = await batch();
  answers.forEach((found, i) => {
    if (found !== subject.truth(query(i), 10)) wrong.push(`${precision} ${layout} ${n} x ${d}, query ${i} of a batch`);
  });
  if (rounds === 1) {
    subject.copy.close();
    times.stop();
    return { figures: [], wrong };
  }

  const roof = await createRoof(gpu.device, subject.bytes);
  const roofGBs = await roof.measure(times, rounds);
  figure('roof.gb_per_s', roofGBs, 'GB/s');
  for (const k of KS) {
    const measured = await measureSearches(times, rounds, (i) => subject.search(query(i), k));
    const name = k === 10 ? '' : `k${k}.`;
    if (k === 10) {
      const scanGBs = subject.bytes / 1e6 / measured.scanMs;
      figure('gb_per_s', scanGBs, 'GB/s');
      figure('roof_fraction', scanGBs / roofGBs, 'ratio');
      figure('wall_over_kernel_ms', measured.wallMs - measured.scanMs - measured.selectMs, 'ms');
    }
    figure(`${name}select_fraction`, measured.selectMs / measured.scanMs, 'ratio');
    figure(`${name}p50_ms`, measured.wallMs, 'ms');
  }
  const batches = await measureSearches(times, Math.ceil(rounds / 5), batch);
  figure('batch64.queries_per_s', (BATCH / batches.wallMs) * 1000, '1/s');
  figure('batch64.scan_gflops', (2 * BATCH * n * d) / 1e6 / batches.scanMs, 'GFLOP/s');
  roof.close();
  subject.copy.close();
  times.stop();
  return { figures, wrong };
}

/** Medians of rounds, after three to warm up. */
async function measureSearches(times: PassTimes, rounds: number, search: (i: number) => Promise<unknown>) {
  const scanMs: number[] = [];
  const selectMs: number[] = [];
  const wallMs: number[] = [];
  for (let i = -3; i < rounds; i++) {
    const start = performance.now();
    await search(i + 3);
    const wall = performance.now() - start;
    const passes = await times.take();
    if (i < 0) continue;
    scanMs.push(passes.scan ?? Number.NaN);
    selectMs.push(passes.select ?? Number.NaN);
    wallMs.push(wall);
  }
  return { scanMs: median(scanMs), selectMs: median(selectMs), wallMs: median(wallMs) };
}

async function createSubject(
  devices: Devices,
  gpu: Gpu,
  precision: Precision,
  layout: Layout,
  data: Data,
  { n, d }: Shape,
): Promise<Subject> {
  const metric = 'cosine';
  if (precision === 'int8' || precision === 'binary') {
    return createCodesSubject(devices, gpu, precision, layout, data, { n, d });
  }
  const cpu: CpuRows = devices.createCpuRows({ dimension: d, metric });
  cpu.append(data.vectors);
  const copy = await createGpuRows(gpu, cpu, { precision, layout });
  const listed = ({ rows, scores }: { rows: Uint32Array; scores: Float32Array }) => `${rows} ${scores}`;
  return {
    copy,
    bytes: n * Math.ceil((d * (precision === 'f16' ? 2 : 4)) / 16) * 16 + n * 4,
    search: async (query, k) => {
      const hits = await copy.search({ query, k, rowCount: n });
      return hits && listed(hits);
    },
    truth: (query, k) => listed(cpu.search({ query, k, rowCount: n })),
  };
}

/** Of more rows than there are data, all of them again. */
async function createCodesSubject(
  devices: Devices,
  gpu: Gpu,
  tier: Tier,
  layout: Layout,
  data: Data,
  { n, d }: Shape,
): Promise<Subject> {
  const coder = createCoder({ tier, dimension: d, metric: 'cosine' });
  const codes: CodeRows = devices.createCodeRows(coder);
  const step = 10_000 * d;
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.vectors.length; at += step)
    blocks.push(coder.encode(data.vectors.subarray(at, at + step)));
  while (codes.rowCount < n) for (const block of blocks) codes.append(block);
  const copy = await createGpuCodes(gpu, codes, { layout });
  const rowCount = codes.rowCount;
  const listed = ({ rows, similarities }: { rows: Uint32Array; similarities: Float32Array }) =>
    Array.from(rows, (row, i) => `${row} ${similarities[i]}`)
      .sort()
      .join();
  return {
    copy,
    bytes: rowCount * Math.ceil(coder.codeBytes / 16) * 16 + rowCount * 4 * coder.factorCount,
    search: async (query, wanted) => {
      const hits = await copy.candidates(coder.encodeQuery(query, 1), { rowCount, wanted });
      return hits && listed(hits);
    },
    truth: (query, wanted) => listed(codes.candidates(coder.encodeQuery(query, 1), { rowCount, wanted })),
  };
}

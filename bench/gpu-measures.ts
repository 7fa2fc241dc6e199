// Measures the WGSL kernels beside what the device can read from a buffer of as many bytes in the same run, and compares every
// kind of answer with the CPU's. Kernel times are the GPU's own, by timestamps around each pass. Knows nothing of where it runs.
import type { CodeRows, Tier } from '../src/kernels/codes/coder.ts';
import { createCoder } from '../src/kernels/codes/js.ts';
import { type Devices, openDevices } from '../src/kernels/devices.ts';
import type { CpuRows, GpuCopy } from '../src/kernels/kernel.ts';
import { createGpuCodes } from '../src/kernels/webgpu/codes.ts';
import type { Gpu } from '../src/kernels/webgpu/device.ts';
import { createGpuRows } from '../src/kernels/webgpu/rows.ts';
import { clusteredData, type Data } from './data.ts';
import { createRoof } from './gpu-roof.ts';
import { type PassTimes, timePasses } from './gpu-timestamps.ts';
import { type Figure, median } from './statistics.ts';

const KS = [10, 100, 1000];
const BATCH = 64;
const PRECISIONS = ['f32', 'f16', 'int8', 'binary'] as const;
type Precision = (typeof PRECISIONS)[number];

interface Shape {
  n: number;
  d: number;
}

export interface GpuMeasures {
  adapter: string;
  isSoftware: boolean;
  figures: Figure[];
  /** What was not the CPU's answer. */
  wrong: string[];
}

export async function measureGpu(options: { quick: boolean; say: (message: string) => void }): Promise<GpuMeasures> {
  const devices = await openDevices('webgpu');
  const gpu = devices.gpu!;
  const isSoftware = gpu.device.adapterInfo.isFallbackAdapter;
  const { vendor, architecture, device, description } = gpu.device.adapterInfo;
  const shapes: Shape[] = isSoftware
    ? [{ n: 3000, d: 384 }]
    : [
        { n: 100_000, d: 384 },
        { n: options.quick ? 100_000 : 1_000_000, d: options.quick ? 768 : 384 },
      ];
  const figures: Figure[] = [];
  const wrong: string[] = [];
  for (const shape of shapes) {
    const data = clusteredData({ ...shape, queries: BATCH, seed: 1 });
    for (const precision of PRECISIONS) {
      options.say(`${precision}, ${shape.n} x ${shape.d} …`);
      const rounds = isSoftware ? 1 : 50;
      const measured = await measurePrecision(devices, precision, data, shape, rounds);
      figures.push(...measured.figures);
      wrong.push(...measured.wrong);
    }
  }
  return { adapter: [vendor, architecture, device, description].filter(Boolean).join(' '), isSoftware, figures, wrong };
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

async function measurePrecision(devices: Devices, precision: Precision, data: Data, shape: Shape, rounds: number) {
  const { n, d } = shape;
  const gpu = devices.gpu!;
  const times = timePasses(gpu.device);
  const subject = await createSubject(devices, gpu, precision, data, shape);
  const wrong: string[] = [];
  const figures: Figure[] = [];
  const figure = (name: string, value: number, unit: string) =>
    figures.push({ name: `gpu.${precision}.${name}`, value, unit, n, d });
  const query = (i: number) => data.queries.slice((i % BATCH) * d, ((i % BATCH) + 1) * d);

  const uploadStart = performance.now();
  await subject.copy.sync();
  await gpu.device.queue.onSubmittedWorkDone();
  figure('upload.gb_per_s', subject.bytes / 1e6 / (performance.now() - uploadStart), 'GB/s');

  for (const k of KS) {
    for (let i = 0; i < 3; i++) {
      const [found, truth] = [await subject.search(query(i), k), subject.truth(query(i), k)];
      if (found !== truth)
        wrong.push(`${precision} ${n} x ${d}, k ${k}, query ${i}${found === null ? ': no answer' : ''}`);
    }
  }
  // The first batch goes one by one, while the pipeline for more compiles.
  const batch = () => Promise.all(Array.from({ length: BATCH }, (_, i) => subject.search(query(i), 10)));
  for (let i = 0; i < 600 && subject.copy.counters.dispatches !== 6; i++) {
    await batch();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const answers = await batch();
  answers.forEach((found, i) => {
    if (found !== subject.truth(query(i), 10)) wrong.push(`${precision} ${n} x ${d}, query ${i} of a batch`);
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
  data: Data,
  { n, d }: Shape,
): Promise<Subject> {
  const metric = 'cosine';
  if (precision === 'int8' || precision === 'binary') return createCodesSubject(devices, gpu, precision, data, d);
  const cpu: CpuRows = devices.createCpuRows({ dimension: d, metric });
  cpu.append(data.vectors);
  const copy = await createGpuRows(gpu, cpu, { precision });
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

async function createCodesSubject(devices: Devices, gpu: Gpu, tier: Tier, data: Data, d: number): Promise<Subject> {
  const coder = createCoder({ tier, dimension: d, metric: 'cosine' });
  const codes: CodeRows = devices.createCodeRows(coder);
  const step = 10_000 * d;
  for (let at = 0; at < data.vectors.length; at += step)
    codes.append(coder.encode(data.vectors.subarray(at, at + step)));
  const copy = await createGpuCodes(gpu, codes);
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

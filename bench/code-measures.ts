// Measures the scans of codes in WASM against what one core can read of as many bytes in the same run: rounds interleaved,
// medians. The codes are random, which takes the kernels as long as any. Judges nothing.
import type { CodeRows, Tier } from '../src/kernels/codes/coder.ts';
import { createCoder } from '../src/kernels/codes/js.ts';
import { createWasmCodes, loadWasmCodes } from '../src/kernels/wasm/codes.ts';
import { seededRandom } from '../src/structures/random.ts';
import { createRoof } from './kernel-measures.ts';
import { type Figure, median } from './statistics.ts';

export async function measureCodes(shape: { n: number; d: number }, rounds: number): Promise<Figure[]> {
  const { n, d } = shape;
  const random = seededRandom(3);
  const tiers = [];
  for (const tier of ['int8', 'binary'] as const) {
    const { codes, recordBytes } = await randomCodes(tier, n, d);
    tiers.push({ codes, bytes: n * recordBytes, roof: await createRoof(n * recordBytes), scanMs: [], roofMs: [] });
  }
  const [int8, binary] = tiers as unknown as [Measured, Measured];
  for (let round = -2; round < rounds; round++) {
    const query = Float32Array.from({ length: d }, () => random.normal());
    for (const { codes, roof, scanMs, roofMs } of [int8, binary]) {
      const coded = codes.coder.encodeQuery(query, 1);
      const start = performance.now();
      codes.candidates(coded, { rowCount: n, wanted: 64 });
      const scanned = performance.now();
      roof();
      // The first rounds warm up.
      if (round < 0) continue;
      scanMs.push(scanned - start);
      roofMs.push(performance.now() - scanned);
    }
  }
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d });
  const gigabytes = ({ bytes }: Measured, ms: number[]) => bytes / 1e6 / median(ms);
  const roofs = ({ scanMs, roofMs }: Measured) => median(scanMs.map((ms, i) => ms / roofMs[i]!));
  return [
    figure('wasm.int8.gb_per_s', gigabytes(int8, int8.scanMs), 'GB/s'),
    figure('wasm.int8.roof.gb_per_s', gigabytes(int8, int8.roofMs), 'GB/s'),
    figure('wasm.int8.roof_fraction', 1 / roofs(int8), 'ratio'),
    figure('wasm.bin.gb_per_s', gigabytes(binary, binary.scanMs), 'GB/s'),
    figure('wasm.bin.roof.gb_per_s', gigabytes(binary, binary.roofMs), 'GB/s'),
    figure('wasm.bin.read_multiple', roofs(binary), 'ratio'),
  ];
}

interface Measured {
  codes: CodeRows;
  bytes: number;
  roof: () => void;
  scanMs: number[];
  roofMs: number[];
}

async function randomCodes(tier: Tier, n: number, d: number) {
  const module = await loadWasmCodes();
  if (!module) throw new Error('no WASM SIMD here');
  const coder = createCoder({ tier, dimension: d, metric: 'cosine' });
  const codes = createWasmCodes(module, coder);
  const random = seededRandom(1);
  const batch = 10_000;
  for (let row = 0; row < n; row += batch) {
    const records = new Uint32Array((batch * coder.recordBytes) / 4).map(() => random.below(2 ** 32));
    const factors = new Float32Array(records.buffer);
    for (let i = 0; i < batch; i++) factors[(i * coder.recordBytes) / 4] = 1;
    codes.append(new Uint8Array(records.buffer, 0, Math.min(batch, n - row) * coder.recordBytes));
  }
  return { codes, recordBytes: coder.recordBytes };
}

// Measures the float32 WASM kernel against what one core can read and against a plain JavaScript loop, over the same
// number of bytes in the same run: rounds interleaved, medians. Runs in a page or a worker; judges nothing.
import type { CpuRows } from '../src/kernels/kernel.ts';
import { compileWasm, decodeWasm } from '../src/kernels/wasm/modules.ts';
import { createWasmRows, loadWasm } from '../src/kernels/wasm/rows.ts';
import { seededRandom } from '../src/structures/random.ts';
import roof from './roof.as.ts?wasm';

export interface KernelMeasures {
  n: number;
  d: number;
  rounds: number;
  /** Milliseconds of one whole search for k = 10: scan, selection, canonical rescore. */
  wasmMs: number;
  /** Of that, the scan with its selection. */
  wasmScanMs: number;
  /** A whole search for k = 100 and 1000, over one for 10. */
  k100: number;
  k1000: number;
  /** n * d * 4 bytes in `wasmScanMs`. */
  wasmGBs: number;
  roofMs: number;
  roofGBs: number;
  /** Milliseconds of a plain JavaScript loop that finds the best row. */
  jsMs: number;
  jsGBs: number;
  /** Median of each round's ratio of the two, which the machine's other load moves less than either. */
  roofFraction: number;
  /** The same for plain JavaScript's time over WASM's. */
  speedup: number;
}

export interface KernelMeasureOptions {
  n: number;
  d: number;
  rounds: number;
  metric?: 'cosine' | 'dot' | 'l2';
}

export async function measureKernels({
  n,
  d,
  rounds,
  metric = 'cosine',
}: KernelMeasureOptions): Promise<KernelMeasures> {
  const module = await loadWasm();
  if (!module) throw new Error('no WASM SIMD here');
  const rows = createWasmRows(module, { dimension: d, metric });
  const vectors = appendClustered(rows, n, d);
  const roof = await createRoof(n * d * 4);
  const random = seededRandom(2);

  const scanMs: number[] = [];
  const searchMs: number[] = [];
  const roofMs: number[] = [];
  const jsMs: number[] = [];
  const moreMs: Record<100 | 1000, number[]> = { 100: [], 1000: [] };
  for (let round = -1; round < rounds; round++) {
    const at = random.below(n) * d;
    const query = vectors.slice(at, at + d).map((x) => x + 0.1 * random.normal());
    const hits = rows.search({ query, k: 10, rowCount: n });
    const more = ([100, 1000] as const).map((k) => time(() => rows.search({ query, k, rowCount: n })));
    const roofTime = time(roof);
    let best = -1;
    const jsTime = time(() => {
      best = bestByPlainLoop(vectors, query, n, d);
    });
    if (metric === 'dot' && best !== hits.rows[0]) throw new Error('the plain loop and the kernel disagree');
    // The first round warms up.
    if (round < 0) continue;
    scanMs.push(hits.scanMs);
    searchMs.push(hits.scanMs + hits.rescoreMs);
    roofMs.push(roofTime);
    moreMs[100].push(more[0]!);
    moreMs[1000].push(more[1]!);
    jsMs.push(jsTime);
  }

  const gigabytes = (n * d * 4) / 1e9;
  const perSecond = (ms: number) => (gigabytes / ms) * 1000;
  return {
    n,
    d,
    rounds,
    wasmMs: median(searchMs),
    wasmScanMs: median(scanMs),
    wasmGBs: perSecond(median(scanMs)),
    k100: median(moreMs[100].map((ms, round) => ms / searchMs[round]!)),
    k1000: median(moreMs[1000].map((ms, round) => ms / searchMs[round]!)),
    roofMs: median(roofMs),
    roofGBs: perSecond(median(roofMs)),
    jsMs: median(jsMs),
    jsGBs: perSecond(median(jsMs)),
    roofFraction: median(roofMs.map((ms, round) => ms / scanMs[round]!)),
    speedup: median(jsMs.map((ms, round) => ms / searchMs[round]!)),
  };
}

/** Rows around 64 centres, as embeddings lie. Returns them too. Shape: (n, d). */
function appendClustered(rows: CpuRows, n: number, d: number): Float32Array {
  const random = seededRandom(1);
  const centres = Float32Array.from({ length: 64 * d }, () => random.normal());
  const vectors = new Float32Array(n * d);
  for (let row = 0; row < n; row++) {
    const centre = random.below(64) * d;
    // A uniform number is ten times cheaper than a normal one, and as good for timing.
    for (let i = 0; i < d; i++) vectors[row * d + i] = centres[centre + i]! + random.next() - 0.5;
  }
  rows.append(vectors);
  return vectors;
}

/** A function that reads as many bytes in a WASM memory of its own, in the fastest way we know. */
export async function createRoof(bytes: number): Promise<() => void> {
  const whole = Math.floor(bytes / 256) * 256;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(whole / 65_536) + 1 });
  // Written once, so that every page is really there.
  new Uint32Array(memory.buffer).fill(0x3f123456);
  const module = await compileWasm(decodeWasm(roof));
  if (!module) throw new Error('no WASM SIMD here');
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const ways = (['read', 'readStreams'] as const).map((name) => {
    const read = instance.exports[name] as (at: number, bytes: number) => number;
    return () => void read(64, whole);
  });
  const times = ways.map((read) => Math.min(...Array.from({ length: 5 }, () => time(read))));
  return ways[times.indexOf(Math.min(...times))]!;
}

/** What one writes without a kernel: the row with the highest dot product. */
function bestByPlainLoop(vectors: Float32Array, query: Float32Array, n: number, d: number): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let row = 0, at = 0; row < n; row++, at += d) {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += vectors[at + i]! * query[i]!;
    if (sum > highest) {
      highest = sum;
      best = row;
    }
  }
  return best;
}

function time(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >>> 1] ?? Number.NaN;
}

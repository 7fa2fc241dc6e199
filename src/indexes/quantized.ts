// The index of a quantised collection: codes are scanned for candidates, and these are searched exactly among the float32
// originals; int8 codes prove that no other row is among the best. Rows come and go without a rebuild. The codes are scanned on
// the CPU, or on the GPU where that pays.
import { type DoubtSearch, doubtOf, doubtsOf } from '../kernels/codes/doubt.ts';
import type { Devices } from '../kernels/devices.ts';
import { type CodingOptions, createCoding } from './coding.ts';
import { checkRows, copyOf, rowSearchOf } from './flat.ts';
import { createLifetime } from './lifetime.ts';
import { createMirror, GPU_NOT_PROVEN } from './mirror.ts';
import { copiesOf, keptElsewhere, type Originals, type ReadRows } from './originals.ts';
import { type CodedRows, hitsInDoubt, NOT_PROVEN } from './proven.ts';
import { gathered, TOGETHER_ON_GPU, togetherOnCpu } from './together.ts';
import type { Codes, VectorHits, VectorIndex, VectorSearch } from './vector-index.ts';

/** `read`: reads the originals where they are not kept in memory. */
export function createQuantizedIndex(options: CodingOptions, devices: Devices, read?: ReadRows): VectorIndex {
  const { dimension, metric, tier } = options;
  const coding = createCoding(options);
  const { recordBytes } = coding.coder;
  const inMemory = devices.createCpuRows({ dimension, metric });
  const originals: Originals = read ? keptElsewhere(inMemory, read) : inMemory;
  const codes = devices.createCodeRows(coding.coder);
  const searchOriginals = gathered(originals.searchAll);
  const rows: CodedRows = {
    norms: originals.norms,
    doubts: gathered((searches: DoubtSearch[]) => doubtsOf(codes, searches)),
    best: async ({ query, among, k }) => originals.best(query, among, k),
  };
  const mirror = createMirror(devices, [
    { precision: tier, create: (gpu, room) => devices.gpuKernels!.createGpuCodes(gpu, codes, { room }) },
  ]);
  const lifetime = createLifetime(() => {
    mirror.close();
    originals.close();
    codes.close();
  });

  function append(vectors: Float32Array, known?: Codes | null): void {
    lifetime.check();
    checkRows(vectors, dimension);
    reserve(originals.rowCount + vectors.length / dimension);
    codes.append(coding.recordsOf(vectors, known));
    originals.append(vectors);
    mirror.follow(codes.rowCount * recordBytes);
  }

  function restore({ records }: Codes, norms: Float64Array): void {
    reserve(originals.rowCount + norms.length);
    codes.append(records);
    originals.note!(norms);
    mirror.follow(codes.rowCount * recordBytes);
  }

  // Both or none: an append that follows cannot fail half way.
  function reserve(rowCount: number): void {
    lifetime.check();
    originals.reserve(rowCount);
    codes.reserve(rowCount);
  }

  async function find({ batch = 1, ...search }: VectorSearch): Promise<VectorHits> {
    const request = rowSearchOf(search, originals.rowCount);
    const { rowCount, mask } = request;
    const coded = coding.searchOf({ ...search, rowCount });
    if (!coded) {
      const route = search.exact
        ? 'float32 numbers of a quantised collection are never on the GPU'
        : 'no codes for this query';
      return { ...(await searchOriginals(request)), device: originals.device, route, tier: 'none' };
    }
    const start = performance.now();
    const looked = mask ? Math.min(rowCount, mask.count()) : rowCount;
    const asked = await mirror.ask({ rowCount, bytes: looked * recordBytes, batch }, async (gpu) => {
      const hits = await gpu.candidates(coded.query, coded);
      return hits && { ...hits, layout: gpu.layout };
    });
    const onGpu = asked.answer;
    const scanned = onGpu ? doubtOf(codes, coded, onGpu) : await rows.doubts(coded);
    const hits = await hitsInDoubt(coding.coder, coded, scanned, rows);
    if (!hits)
      return { ...(await searchOriginals(request)), device: originals.device, route: NOT_PROVEN, tier: 'none' };
    const { isWidened, ...answer } = hits;
    const scanMs = performance.now() - start - hits.rescoreMs;
    if (onGpu && !isWidened)
      return { ...answer, device: 'webgpu', route: asked.route, tier, layout: onGpu.layout, scanMs };
    const route = onGpu ? GPU_NOT_PROVEN : asked.route;
    return { ...answer, device: codes.device, route, tier, scanMs };
  }

  return {
    dimension,
    metric,
    tier,
    get rowCount() {
      return originals.rowCount;
    },
    deviceFor: (batch) => (mirror.answers(codes.rowCount * recordBytes, batch) ? 'webgpu' : codes.device),
    get layout() {
      return mirror.layout;
    },
    get bytes() {
      return { gpu: mirror.bytes, memory: originals.bytes + codes.bytes };
    },
    together(batch) {
      const bytes = codes.rowCount * recordBytes;
      return mirror.answers(bytes, batch) ? TOGETHER_ON_GPU : togetherOnCpu(bytes);
    },
    originals: read ? 'file' : 'memory',
    append,
    ...(read && { areEnough: coding.isOurs, restore }),
    encode: coding.encode,
    reserve,
    truncate(rowCount) {
      originals.truncate(rowCount);
      codes.truncate(rowCount);
      mirror.restart();
    },
    vectors: async (wanted) =>
      read ? copiesOf(read, wanted, dimension) : Array.from(wanted, (row) => copyOf(inMemory, row, dimension)),
    search: (search) => lifetime.within(() => find(search)),
    close: lifetime.close,
  };
}

// The index of a quantised collection: codes are scanned for candidates, and these are searched exactly among the float32
// originals. Rows come and go without a rebuild. The codes are scanned on the CPU, or on the GPU where that pays.
import { withOdd } from '../kernels/candidates.ts';
import type { Devices } from '../kernels/devices.ts';
import { createGpuCodes } from '../kernels/webgpu/codes.ts';
import { type CodingOptions, createCoding } from './coding.ts';
import { checkRows, copyOf, rowSearchOf } from './flat.ts';
import { createLifetime } from './lifetime.ts';
import { createMirror } from './mirror.ts';
import { copiesOf, keptElsewhere, type Originals, type ReadRows } from './originals.ts';
import { gathered, TOGETHER_ON_GPU, togetherOnCpu } from './together.ts';
import type { Codes, VectorHits, VectorIndex, VectorSearch } from './vector-index.ts';

/** `read`: reads the originals where they are not kept in memory. */
export function createQuantizedIndex(options: CodingOptions, devices: Devices, read?: ReadRows): VectorIndex {
  const { dimension, metric, tier } = options;
  const coding = createCoding(options);
  const { recordBytes } = coding.coder;
  const rows = devices.createCpuRows({ dimension, metric });
  const originals: Originals = read ? keptElsewhere(rows, read) : rows;
  const codes = devices.createCodeRows(coding.coder);
  const searchOriginals = gathered(originals.searchAll);
  const scanCodes = gathered(codes.candidatesOfAll);
  const mirror = createMirror(devices, [
    { precision: tier, create: (gpu, room) => createGpuCodes(gpu, codes, { room }) },
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
    const { query, k, rowCount, mask } = request;
    const coded = coding.searchOf({ ...search, rowCount });
    if (!coded) {
      const route = search.exact
        ? 'float32 numbers of a quantised collection are never on the GPU'
        : 'the query has no codes';
      return { ...(await searchOriginals(request)), device: originals.device, route, tier: 'none' };
    }
    const start = performance.now();
    const looked = mask ? Math.min(rowCount, mask.count()) : rowCount;
    const asked = await mirror.ask({ rowCount, bytes: looked * recordBytes, batch }, async (gpu) => {
      const hits = await gpu.candidates(coded.query, coded);
      return hits && { ...hits, layout: gpu.layout };
    });
    const onGpu = asked.answer;
    const found = onGpu ?? (await scanCodes(coded));
    // Rows whose magnitude no float32 kernel can be trusted with are always looked at.
    const among = Array.from(withOdd(originals, request, found.rows));
    const scanned = performance.now();
    const hits = await originals.best(query, among, k);
    return {
      ...hits,
      device: onGpu ? 'webgpu' : codes.device,
      route: asked.route,
      tier,
      ...(onGpu && { layout: onGpu.layout }),
      candidates: among.length,
      scanMs: scanned - start,
      rescoreMs: performance.now() - scanned,
    };
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
      read ? copiesOf(read, wanted, dimension) : Array.from(wanted, (row) => copyOf(rows, row, dimension)),
    search: (search) => lifetime.within(() => find(search)),
    close: lifetime.close,
  };
}

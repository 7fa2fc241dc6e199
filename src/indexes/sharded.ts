// The index where there is no GPU: rows, and their codes where they are quantised, lie here and, once there are many, in other
// workers beside. Searches float32 numbers exactly, or codes for candidates and these exactly, like `flat` and `quantized`.
import { Norms } from '../kernels/bounds.ts';
import type { Tier } from '../kernels/codes/coder.ts';
import type { Devices } from '../kernels/devices.ts';
import { vectorNorm } from '../kernels/js.ts';
import { productMetric } from '../kernels/kernel.ts';
import { createPart } from '../kernels/shards/part.ts';
import type { ShardPool } from '../kernels/shards/pool.ts';
import { createShardedRows } from '../kernels/shards/rows.ts';
import { createCoding } from './coding.ts';
import { checkRows, rowSearchOf } from './flat.ts';
import { createLifetime } from './lifetime.ts';
import { routeWithout } from './mirror.ts';
import { type CodedRows, hitsInDoubt, NOT_PROVEN } from './proven.ts';
import { gathered, togetherOnCpu } from './together.ts';
import type { VectorHits, VectorIndex, VectorIndexOptions, VectorSearch } from './vector-index.ts';

export interface ShardedIndexOptions extends VectorIndexOptions {
  /** What is scanned; null: the float32 numbers. */
  tier: Tier | null;
}

export function createShardedIndex(options: ShardedIndexOptions, devices: Devices, pool: ShardPool): VectorIndex {
  const { dimension, metric, tier } = options;
  const device = devices.cpu;
  const coding = tier && createCoding({ dimension, metric: productMetric(metric), tier });
  const rows = createShardedRows(createPart(options, devices), pool);
  const searchRows = gathered(rows.searchAll);
  const lifetime = createLifetime(rows.close);
  /** Which rows are odd is asked of all rows: one place must not know it otherwise than several. */
  const norms = new Norms(metric);
  const codedRows: CodedRows = { norms, doubts: gathered(rows.doubtsOfAll), best: gathered(rows.bestOfAll) };

  function noteNorms(vectors: Float32Array): void {
    for (let row = rows.rowCount, at = 0; at < vectors.length; row++, at += dimension)
      norms.add(row, vectorNorm(vectors, at, dimension));
  }

  async function find(search: VectorSearch): Promise<VectorHits> {
    const request = rowSearchOf(search, rows.rowCount);
    const coded = coding?.searchOf({ ...search, rowCount: request.rowCount });
    const route = routeWithout(devices);
    if (!coded) return { ...(await searchRows(request)), device, route, tier: 'none', workers: rows.workers };
    const start = performance.now();
    const hits = await hitsInDoubt(coding!.coder, coded, await codedRows.doubts(coded), codedRows);
    const answer = { device, route, tier: tier!, workers: rows.workers };
    if (!hits) return { ...(await searchRows(request)), ...answer, route: NOT_PROVEN, tier: 'none' };
    return { ...hits, ...answer, scanMs: performance.now() - start - hits.rescoreMs };
  }

  return {
    dimension,
    metric,
    tier: tier ?? 'none',
    deviceFor: () => device,
    get rowCount() {
      return rows.rowCount;
    },
    get bytes() {
      return { gpu: 0, memory: rows.bytes };
    },
    get workers() {
      return rows.workers;
    },
    together: () => togetherOnCpu((rows.rowCount * (coding?.coder.recordBytes ?? dimension * 4)) / rows.workers),
    get isLost() {
      return rows.isLost;
    },
    append(vectors, codes) {
      lifetime.check();
      checkRows(vectors, dimension);
      if (coding) noteNorms(vectors);
      rows.append(vectors, coding?.recordsOf(vectors, codes) ?? null);
    },
    encode: (vectors) => coding?.encode(vectors) ?? null,
    async reserve(rowCount) {
      lifetime.check();
      await rows.reserve(rowCount);
    },
    truncate(rowCount) {
      rows.truncate(rowCount);
      norms.truncate(rowCount);
    },
    vectors: rows.vectors,
    search: (search) => lifetime.within(() => find(search)),
    close: lifetime.close,
  };
}

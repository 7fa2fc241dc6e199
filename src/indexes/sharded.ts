// The exact index where there is no GPU: every row is looked at, here and, once there are many, in other workers beside.
import { PiramidError } from '../errors.ts';
import type { Devices } from '../kernels/devices.ts';
import type { ShardPool } from '../kernels/shards/pool.ts';
import { createShardedRows } from '../kernels/shards/rows.ts';
import { checkRows } from './flat.ts';
import { gathered, togetherOnCpu } from './together.ts';
import type { VectorHits, VectorIndex, VectorIndexOptions, VectorSearch } from './vector-index.ts';

export function createShardedIndex(options: VectorIndexOptions, devices: Devices, pool: ShardPool): VectorIndex {
  const { dimension, metric } = options;
  const device = devices.cpu;
  const rows = createShardedRows(devices.createCpuRows(options), pool);
  const searchRows = gathered(rows.searchAll);
  let closed = false;

  function checkOpen(): void {
    if (closed) throw new PiramidError('CLOSED', 'the index has been closed');
  }

  return {
    dimension,
    metric,
    tier: 'none',
    device,
    get rowCount() {
      return rows.rowCount;
    },
    get bytes() {
      return { gpu: 0, memory: rows.bytes };
    },
    get workers() {
      return rows.workers;
    },
    get together() {
      return togetherOnCpu((rows.rowCount * dimension * 4) / rows.workers);
    },
    get isLost() {
      return rows.isLost;
    },
    append(vectors) {
      checkOpen();
      checkRows(vectors, dimension);
      rows.append(vectors);
    },
    encode: () => null,
    async reserve(rowCount) {
      checkOpen();
      await rows.reserve(rowCount);
    },
    truncate: rows.truncate,
    vectors: rows.vectors,
    async search({ query, k, rowCount = rows.rowCount, mask, minScore }: VectorSearch): Promise<VectorHits> {
      checkOpen();
      const hits = await searchRows({
        query,
        k,
        rowCount,
        ...(mask && { mask }),
        ...(minScore !== undefined && { minScore }),
      });
      return { ...hits, device, tier: 'none', workers: rows.workers };
    },
    close() {
      if (closed) return;
      closed = true;
      rows.close();
    },
  };
}

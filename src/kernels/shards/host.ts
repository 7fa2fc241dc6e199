// The other end of sharded rows: what a worker does that holds a part of them. Owns nothing but the rows it was given; it
// answers what it is asked over one port, in order.
import { Bitset } from '../../structures/bitset.ts';
import type { CpuRows, RowSearch, RowsOptions } from '../kernel.ts';
import type { ShardAnswer, ShardRequest, ShardSearch } from './pool.ts';

/** Serves rows on a port until it is told to `end`. */
export function serveRows(port: MessagePort, create: (options: RowsOptions) => CpuRows, end: () => void): void {
  const sets = new Map<number, CpuRows>();

  function run(request: ShardRequest): { value: unknown; transfer: Transferable[] } {
    if (request.type === 'create') {
      sets.set(request.set, create(request));
      return { value: undefined, transfer: [] };
    }
    const rows = sets.get(request.set)!;
    switch (request.type) {
      case 'reserve':
        rows.reserve(request.rowCount);
        return { value: rows.bytes, transfer: [] };
      case 'append':
        rows.append(request.vectors);
        break;
      case 'truncate':
        rows.truncate(request.rowCount);
        break;
      case 'search': {
        const hits = rows.searchAll(request.searches.map(withMask));
        return { value: hits, transfer: hits.flatMap(({ rows: found, scores }) => [found.buffer, scores.buffer]) };
      }
      case 'vectors': {
        const { dimension } = rows;
        const vectors = new Float32Array(request.rows.length * dimension);
        for (const [i, row] of request.rows.entries()) {
          const offset = rows.offset(row);
          vectors.set(rows.values(row).subarray(offset, offset + dimension), i * dimension);
        }
        return { value: vectors, transfer: [vectors.buffer] };
      }
      case 'close':
        rows.close();
        sets.delete(request.set);
    }
    return { value: undefined, transfer: [] };
  }

  port.onmessage = ({ data }: MessageEvent<{ id: number; request: ShardRequest } | 'end'>) => {
    if (data === 'end') return end();
    let answer: ShardAnswer;
    let transfer: Transferable[] = [];
    try {
      const done = run(data.request);
      answer = { id: data.id, value: done.value };
      transfer = done.transfer;
    } catch (error) {
      answer = { id: data.id, error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer, transfer);
  };
}

/** What a part is asked for, as its rows take it. */
export function withMask({ mask, ...search }: ShardSearch): RowSearch {
  return mask ? { ...search, mask: new Bitset(search.rowCount, mask) } : search;
}

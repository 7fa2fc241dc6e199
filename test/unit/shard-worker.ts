// Another end for rows, in this thread, by ports as real ones.
import { serveShard } from '../../src/kernels/shards/host.ts';
import type { Part, PartOptions } from '../../src/kernels/shards/part.ts';
import type { ShardWorker } from '../../src/kernels/shards/pool.ts';
import { atOnce } from '../../src/structures/slices.ts';
import { analyzerOf } from '../../src/text/analyzer.ts';
import { buildPostings } from '../../src/text/postings.ts';

export interface ShardHere extends ShardWorker {
  /** Ends it, as a worker is ended: nothing it was asked is answered any more. */
  kill(): void;
}

export function openShardHere(create: (options: PartOptions) => Part): ShardHere {
  const { port1: port, port2 } = new MessageChannel();
  const words = (texts: readonly (string | null)[], analysis: number) =>
    atOnce(buildPostings(texts, 0, analyzerOf(analysis)));
  serveShard(port2, { create, words }, () => port2.close());
  let kill!: () => void;
  const lost = new Promise<void>((resolve) => {
    kill = () => {
      port2.close();
      resolve();
    };
  });
  return { port, lost, kill };
}

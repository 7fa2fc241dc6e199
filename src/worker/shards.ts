// Workers that hold a part of the rows, or build words, seen from both sides: the engine asks its page for one, and a worker that the page
// started for this becomes one. They are the same script as the engine, so there is nothing more to serve or to bundle,
// and the page ends them with the engine: a worker whose script was a blob cannot start another from it.
import { transfer } from 'comlink';
import { openCpu } from '../kernels/devices.ts';
import { type Skills, serveShard } from '../kernels/shards/host.ts';
import { createPart } from '../kernels/shards/part.ts';
import type { ShardWorker } from '../kernels/shards/pool.ts';
import { lifeLockName, type PageEvent, SHARD_ENDED } from '../protocol.ts';
import { atOnce } from '../structures/slices.ts';
import { analyzerOf } from '../text/analyzer.ts';
import { buildPostings } from '../text/postings.ts';
import type { Device } from '../types.ts';
import { holdLifeLock } from './locks.ts';
import { browser } from './platform.ts';

/** Asks the page for one; null where the browser cannot tell when a worker ends. */
export function openShard(
  device: 'auto' | Device,
  onEvent: (event: PageEvent) => unknown,
): Promise<ShardWorker | null> {
  if (!globalThis.navigator?.locks) return Promise.resolve(null);
  const { port1: port, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port.onmessage = ({ data: token }: MessageEvent<string>) => {
      const lost = new Promise<void>((gone) => {
        navigator.locks.request(lifeLockName(token), { mode: 'shared' }, () => gone()).catch(() => gone());
      });
      resolve({ port, lost });
    };
    onEvent(transfer({ type: 'shard', device, port: port2 }, [port2]));
  });
}

/** Makes this worker one. It says so with the token of its life lock. */
export async function becomeShard(device: 'auto' | Device, port: MessagePort): Promise<void> {
  const [token, cpu] = await Promise.all([holdLifeLock(browser), openCpu(device)]);
  if (token === null) return;
  const skills: Skills = {
    create: (options) => createPart(options, cpu),
    words: (texts, analysis) => atOnce(buildPostings(texts, 0, analyzerOf(analysis))),
  };
  serveShard(port, skills, () => {
    postMessage(SHARD_ENDED);
    close();
  });
  port.postMessage(token);
}

// A worker that holds a part of the rows, as the library's does, and reads as many bytes for nothing when asked.
import { openCpu } from '../src/kernels/devices.ts';
import { serveShard } from '../src/kernels/shards/host.ts';
import { createPart, type PartOptions } from '../src/kernels/shards/part.ts';
import { createRoof } from './kernel-measures.ts';

let read = () => {};

addEventListener('message', async ({ data }: MessageEvent<{ port: MessagePort; bytes: number } | 'read'>) => {
  if (data === 'read') read();
  else {
    const cpu = await openCpu('wasm');
    const skills = { create: (options: PartOptions) => createPart(options, cpu), words: () => new Uint8Array() };
    serveShard(data.port, skills, close);
    read = await createRoof(data.bytes);
  }
  postMessage('done');
});

// A worker that holds a part of the rows, as the library's does, and reads as many bytes for nothing when asked.
import { openCpu } from '../src/kernels/devices.ts';
import { serveRows } from '../src/kernels/shards/host.ts';
import { createPart } from '../src/kernels/shards/part.ts';
import { createRoof } from './kernel-measures.ts';

let read = () => {};

addEventListener('message', async ({ data }: MessageEvent<{ port: MessagePort; bytes: number } | 'read'>) => {
  if (data === 'read') read();
  else {
    const cpu = await openCpu('wasm');
    serveRows(data.port, (options) => createPart(options, cpu), close);
    read = await createRoof(data.bytes);
  }
  postMessage('done');
});

// A worker that holds a part of the rows, as the library's does.
import { openCpu } from '../src/kernels/devices.ts';
import { serveRows } from '../src/kernels/shards/host.ts';

addEventListener('message', async ({ data }: MessageEvent<MessagePort>) => {
  const { createCpuRows } = await openCpu('wasm');
  serveRows(data, createCpuRows, close);
  postMessage('ready');
});

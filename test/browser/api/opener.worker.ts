// A page's worker that opens a database itself, as one without localStorage: what it has lost, and then five records more.
import { type DataLoss, open } from '../../../src/index.ts';

self.onmessage = async ({ data: name }: MessageEvent<string>) => {
  await using db = await open(name, { device: 'wasm' });
  const losses: DataLoss[] = [];
  db.on('dataloss', (loss) => losses.push(loss));
  await (await db.collection('c', { dimension: 1 })).upsert(
    Array.from({ length: 5 }, (_, id) => ({ id, vector: [1] })),
  );
  await db.close();
  self.postMessage(losses);
};

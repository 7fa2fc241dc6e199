// What a change of metadata costs beside writing the records again, and what queries wait beside writes, through the public API.
import { deleteDatabase, open } from 'piramid';
import type { Data } from './data.ts';
import { type Figure, median, percentile, timed } from './statistics.ts';

const RECORDS = 10_000;
const CHANGED = 5_000;
const WRITTEN = 500;

/** On disk, `durability: 'strict'`. `data` has at least as many vectors as `shape.n`. */
export async function measureUpdates(data: Data, shape: { n: number; d: number }, rounds: number): Promise<Figure[]> {
  const vector = (i: number) => data.vectors.subarray(i * shape.d, (i + 1) * shape.d);
  const record = (i: number, text: boolean) => ({
    id: `record-${i}`,
    vector: vector(i % shape.n),
    metadata: { group: i % 100, title: `title of record ${i}` },
    ...(text && { text: `a note about ${i % 977} and ${i % 31}, written in ${1900 + (i % 120)}` }),
  });
  const figures = { update: [] as number[], ratio: [] as number[], bytes: [] as number[], flag: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const name = `bench-updates-${Math.random()}`;
    const db = await open(name, { device: 'wasm' });
    const c = await db.collection('c', { dimension: shape.d });
    const records = Array.from({ length: RECORDS }, (_, i) => record(i, true));
    await c.upsert(records);
    await c.count({ group: 1 }); // the columns of filters are there
    const ids = records.slice(0, CHANGED).map(({ id }) => id);
    const before = (await db.stats()).bytesWritten;
    const update = await timed(() => c.update({ ids }, { set: { flag: round % 2 === 0 } }));
    const written = (await db.stats()).bytesWritten - before;
    const json = ids.map((id) => JSON.stringify({ id, set: { flag: true } })).join('').length;
    figures.bytes.push(written / json);
    figures.flag.push(await timed(() => c.update({ where: { group: { $lt: 50 } } }, { set: { flag: 'again' } })));
    const upsert = await timed(() => c.upsert(records.slice(0, CHANGED)));
    figures.update.push(update);
    figures.ratio.push(update / upsert);
    await db.close();
    await deleteDatabase(name);
  }
  const figure = (figureName: string, value: number, unit: string): Figure => ({
    name: figureName,
    value,
    unit,
    ...shape,
  });
  return [
    figure('update5000.ms', median(figures.update), 'ms'),
    figure('update5000.where_ms', median(figures.flag), 'ms'),
    figure('update5000.vs_upsert', median(figures.ratio), 'ratio'),
    figure('update5000.bytes_ratio', median(figures.bytes), 'ratio'),
    ...(await besideWrites(data, shape, record)).map(({ name, value, unit }) => figure(name, value, unit)),
  ];
}

/** Queries one after the other, idle and beside writes one after the other. */
async function besideWrites(
  data: Data,
  shape: { n: number; d: number },
  record: (i: number, text: boolean) => { id: string },
): Promise<{ name: string; value: number; unit: string }[]> {
  const name = `bench-updates-${Math.random()}`;
  const db = await open(name, { device: 'wasm' });
  const c = await db.collection('c', { dimension: shape.d });
  for (let i = 0; i < shape.n; i += 10_000)
    await c.upsert(Array.from({ length: 10_000 }, (_, j) => record(i + j, false)));
  const ask = (i: number) => {
    const at = (i % 100) * shape.d;
    return timed(() => c.query({ vector: data.queries.subarray(at, at + shape.d), k: 10, select: [] }));
  };
  const idle: number[] = [];
  const beside: number[] = [];
  for (let turn = 0, next = shape.n; turn < 5; turn++) {
    for (let i = 0; i < 100; i++) idle.push(await ask(i));
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; i < 6; i++, next += WRITTEN)
        await c.upsert(Array.from({ length: WRITTEN }, (_, j) => record(next + j, true)));
      isWriting = false;
    })();
    for (let i = 0; isWriting; i++) beside.push(await ask(i));
    await writing;
  }
  await db.close();
  await deleteDatabase(name);
  return [
    { name: 'query.idle.p95_ms', value: percentile(idle, 0.95), unit: 'ms' },
    { name: 'query.during_write.p95_ms', value: percentile(beside, 0.95), unit: 'ms' },
    { name: 'query.during_write.p95_ratio', value: percentile(beside, 0.95) / percentile(idle, 0.95), unit: 'ratio' },
  ];
}

// How soon a large collection is there: counted, and asked. One page fills it, another one measures.
import { deleteDatabase, open } from 'piramid';
import { clusteredData } from './data.ts';
import { readRaw } from './raw-values.ts';
import { type Figure, median, timed } from './statistics.ts';

const BATCH = 10_000;
const ROUNDS = 7;
const OPTIONS = { device: 'wasm' } as const;
const nameOf = (n: number) => `bench-open-${n}`;
const idOf = (i: number) => `record-${String(i).padStart(13, '0')}`;

interface Shape {
  n: number;
  d: number;
}

export async function fillOpen({ n, d }: Shape): Promise<Figure[]> {
  const { vectors } = clusteredData({ n, d, queries: 1, seed: 1 });
  {
    await using db = await open(nameOf(n), OPTIONS);
    const c = await db.collection('c', { dimension: d });
    for (let i = 0; i < n; i += BATCH) {
      const row = (j: number) => ({ id: idOf(i + j), vector: vectors.subarray((i + j) * d, (i + j + 1) * d) });
      await c.upsert(Array.from({ length: Math.min(BATCH, n - i) }, (_, j) => row(j)));
    }
  }
  await using empty = await open('bench-open-empty', OPTIONS);
  await empty.collection('c', { dimension: d });
  return [];
}

export async function measureOpen({ n, d }: Shape): Promise<Figure[]> {
  const vector = new Float32Array(d).fill(1);
  const raw = [await readRaw(nameOf(n), ['ids', 'vectors'])];
  const counted = { full: [] as number[], empty: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [which, name] of [['full', nameOf(n)] as const, ['empty', 'bench-open-empty'] as const]) {
      const start = performance.now();
      const db = await open(name, OPTIONS);
      await (await db.collection('c')).count();
      counted[which].push(performance.now() - start);
      await db.close();
    }
  }
  let told = 0;
  let closing = async () => {};
  const answered = await timed(async () => {
    const db = await open(nameOf(n), OPTIONS);
    db.on('opening', () => told++);
    await (await db.collection('c')).query({ vector, k: 10, select: [] });
    closing = () => db.close();
  });
  await closing();
  raw.push(await readRaw(nameOf(n), ['ids', 'vectors']));
  await deleteDatabase(nameOf(n)).catch(() => {}); // gigabytes may take too long: they go with the profile
  const figure = (name: string, value: number, unit: string) => ({ name: `open1m.${name}`, value, unit, n, d });
  return [
    figure('to_count_ms', median(counted.full), 'ms'),
    figure('to_count.vs_empty', median(counted.full) / median(counted.empty), 'ratio'),
    figure('raw_ms', median(raw), 'ms'),
    figure('to_first_answer_ms', answered, 'ms'),
    figure('to_first_answer.vs_raw', answered / median(raw), 'ratio'),
    figure('progress_events', told, 'events'),
  ];
}

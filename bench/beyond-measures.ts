// Collections whose float32 numbers do not fit into memory: what a page takes, and how soon and how fast it answers. On disk, through the
// public API. One page fills the databases, others measure: what was freed before is not to count. `rss` is the resident
// memory of the page's process, which holds the worker too.
import { deleteDatabase, open } from 'piramid';
import { clusteredData } from './data.ts';
import { readRaw } from './raw-values.ts';
import { type Figure, median, percentile, timed } from './statistics.ts';

declare global {
  /** Of this page's process, MB; of `run.mjs`. */
  function rss(): Promise<number>;
}

const CODES = { int8: 'int8', bin: 'binary' } as const;
const BATCH = 10_000;
const QUERIES = 1000;
/** Of the data that collections are filled with: its last rows are the queries. */
const ASKED = 100;
const OPTIONS = { device: 'wasm', memory: 1 } as const;
const nameOf = (short: string, n: number) => `bench-beyond-${short}-${n}`;
/** As long as many ids are. */
const idOf = (i: number) => `record-${String(i).padStart(13, '0')}`;

interface Shape {
  n: number;
  d: number;
}

export async function fillBeyond({ n, d }: Shape): Promise<Figure[]> {
  const figures: Figure[] = [];
  const { vectors, queries } = clusteredData({ n, d, queries: ASKED, seed: 1 });
  for (const [short, quantization] of Object.entries(CODES)) {
    await using db = await open(nameOf(short, n), OPTIONS);
    const asked = await db.collection('queries', { dimension: d });
    await asked.upsert(
      Array.from({ length: ASKED }, (_, i) => ({ id: i, vector: queries.subarray(i * d, (i + 1) * d) })),
    );
    const c = await db.collection('c', { dimension: d, quantization });
    const ms = await timed(async () => {
      for (let i = 0; i < n; i += BATCH) {
        const row = (j: number) => ({ id: idOf(i + j), vector: vectors.subarray((i + j) * d, (i + j + 1) * d) });
        await c.upsert(Array.from({ length: Math.min(BATCH, n - i) }, (_, j) => row(j)));
      }
    });
    figures.push({ name: `beyond.${short}.insert_ms`, value: ms, unit: 'ms', n, d });
    const isFiled = async () => (await db.stats()).collections.some(({ originals }) => originals === 'file');
    for (let i = 0; i < 3000 && !(await isFiled()); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return figures;
}

export async function measureBeyond(short: string, { n, d }: Shape): Promise<Figure[]> {
  const figures: Figure[] = [];
  const figure = (name: string, value: number, unit: string) => figures.push({ name, value, unit, n, d });
  const idle = await rss();
  const db = await open(nameOf(short, n), OPTIONS);
  const asked = await (await db.collection('queries')).get(Array.from({ length: ASKED }, (_, i) => i));
  const vector = (i: number) => asked[i % ASKED]!.vector!;
  const start = performance.now();
  const c = await db.collection('c');
  await c.query({ vector: vector(0), k: 10, select: [] });
  const answered = performance.now() - start;
  figure(`beyond.${short}.open.to_first_answer_ms`, answered, 'ms');
  const times: number[] = [];
  const read: number[] = [];
  let most = await rss();
  for (let i = 0; i < QUERIES; i++) {
    times.push(await timed(() => c.query({ vector: vector(i), k: 10, select: [] })));
    if (i % 50 === 0) most = Math.max(most, await rss());
    if (i >= ASKED) continue;
    const { plan } = await c.query({ vector: vector(i), k: 10, select: [], explain: true });
    read.push(plan!.candidates!);
  }
  figure(`beyond.${short}.memory_mb`, most - idle, 'MB');
  figure(`beyond.${short}.p50_ms`, median(times), 'ms');
  figure(`beyond.${short}.p99_ms`, percentile(times, 0.99), 'ms');
  figure(`beyond.${short}.rows_read`, percentile(read, 0.95), 'rows');
  await db.close();
  // What opening reads: the vectors are in the row file. Last, because its garbage would count as memory.
  const raw = await readRaw(nameOf(short, n), ['ids', 'codes']);
  figure(`beyond.${short}.open.to_first_answer.vs_raw`, answered / raw, 'ratio');
  await deleteDatabase(nameOf(short, n)).catch(() => {}); // gigabytes may take too long: they go with the profile
  return figures;
}

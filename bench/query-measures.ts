// Queries through the public API: p50 and p95, recall against a plain loop, and what the page and worker add to the kernel,
// beside an empty call to a worker in the same run.
import { wrap } from 'comlink';
import { open } from 'piramid';
import type { Data } from './data.ts';
import PingWorker from './ping.worker.ts?worker';
import { type Figure, median, percentile, timed } from './statistics.ts';

const K = 10;

export async function measureQueries(data: Data, shape: { n: number; d: number }, rounds: number): Promise<Figure[]> {
  const { n, d } = shape;
  await using db = await open(`bench-query-${Math.random()}`, { device: 'wasm' });
  const collection = await db.collection('c', { dimension: d });
  for (let start = 0; start < n; start += 10_000) {
    const count = Math.min(10_000, n - start);
    await collection.upsert(
      Array.from({ length: count }, (_, i) => ({
        id: start + i,
        vector: data.vectors.subarray((start + i) * d, (start + i + 1) * d),
        text: `The text of record ${start + i}, which is about as long as the title of a document.`,
        metadata: { group: (start + i) % 100 },
      })),
    );
  }
  const worker = new PingWorker();
  const ping = wrap<{ ping(): void }>(worker);
  const queryCount = data.queries.length / d;
  const query = (i: number) => data.queries.slice((i % queryCount) * d, ((i % queryCount) + 1) * d);
  const bare: number[] = [];
  const overhead: number[] = [];
  const payload: number[] = [];
  const pings: number[] = [];
  let hits = 0;
  let asked = 0;
  for (let round = 0; round < rounds + 5; round++) {
    const warm = round >= 5;
    const start = performance.now();
    const found = await collection.query({ vector: query(round), k: K, select: [], explain: true });
    const total = performance.now() - start;
    const withPayload = await timed(() => collection.query({ vector: query(round), k: K }));
    const pingMs = await timed(() => ping.ping());
    if (!warm) continue;
    const kernel = found
      .plan!.phases.filter(({ name }) => name === 'scan' || name === 'rescore')
      .reduce((sum, { ms }) => sum + ms, 0);
    bare.push(total);
    overhead.push(total - kernel);
    payload.push(withPayload - total);
    pings.push(pingMs);
    if (asked < 20 * K) {
      const truth = plainSearch(data.vectors, query(round), n, d);
      hits += found.filter((match) => truth.has(match.id as number)).length;
      asked += K;
    }
  }
  worker.terminate();
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d });
  return [
    figure('exact.recall', hits / asked, 'ratio'),
    figure('query.p50_ms', percentile(bare, 0.5), 'ms'),
    figure('query.p95_ms', percentile(bare, 0.95), 'ms'),
    figure('ping.p50_ms', median(pings), 'ms'),
    figure('query.overhead_ms', median(overhead), 'ms'),
    figure('query.overhead_vs_ping', median(overhead) / median(pings), 'ratio'),
    figure('query.payload_ms', median(payload), 'ms'),
  ];
}

/** Rows of the K nearest by a plain float64 loop. */
function plainSearch(vectors: Float32Array, query: Float32Array, n: number, d: number): Set<number> {
  const scores = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    let dot = 0;
    let norm = 0;
    for (let i = 0; i < d; i++) {
      const x = vectors[row * d + i]!;
      dot += x * query[i]!;
      norm += x * x;
    }
    scores[row] = Math.fround(dot / Math.sqrt(norm));
  }
  const rows = Array.from({ length: n }, (_, row) => row).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return new Set(rows.slice(0, K));
}

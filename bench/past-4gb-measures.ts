// More float32 numbers in one collection than the 4 GB that a WebAssembly memory holds: over two workers, through the public
// API, compared with a plain loop. Needs 10 GB of memory, since the store keeps its own copy in memory, too.
import { open } from 'piramid';
import { seededRandom } from '../src/structures/random.ts';
import { type Figure, median } from './statistics.ts';

const K = 10;
const BATCH = 5000;
const QUERIES = 3;

export async function measurePast4Gb({ n, d }: { n: number; d: number }): Promise<Figure[]> {
  await using db = await open(`bench-past-4gb-${Math.random()}`, { storage: 'memory', device: 'wasm' });
  const collection = await db.collection('c', { dimension: d, metric: 'dot' });
  const random = seededRandom(1);
  const numbers = Float32Array.from({ length: 1 << 20 }, () => random.normal());
  const queries = Array.from({ length: QUERIES }, () => Float32Array.from({ length: d }, () => random.normal()));
  const truths = queries.map((): { id: number; score: number }[] => []);
  for (let first = 0; first < n; first += BATCH) {
    const vectors = Array.from({ length: BATCH }, () => {
      const at = random.below(numbers.length - d);
      return numbers.slice(at, at + d).map((x) => x * (1 + random.below(100) / 1000));
    });
    const writing = collection.upsert(vectors.map((vector, i) => ({ id: first + i, vector })));
    for (const [q, query] of queries.entries()) truths[q] = best(truths[q]!, query, vectors, first);
    await writing;
  }
  const times: number[] = [];
  let wrong = 0;
  let workers = 0;
  for (let round = 0; round < 3; round++) {
    for (const [q, vector] of queries.entries()) {
      const start = performance.now();
      const found = await collection.query({ vector, k: K, select: [], explain: true });
      times.push(performance.now() - start);
      workers = found.plan!.workers!;
      for (const [i, { id }] of found.entries()) wrong += Number(id !== truths[q]![i]!.id);
      wrong += K - found.length;
    }
  }
  const figure = (what: string, value: number, unit: string): Figure => ({
    name: `past4gb.${what}`,
    value,
    unit,
    n,
    d,
  });
  return [
    figure('vectors.gib', (n * d * 4) / 2 ** 30, 'GiB'),
    figure('workers', workers, ''),
    figure('wrong', wrong, 'matches'),
    figure('query.p50_ms', median(times), 'ms'),
  ];
}

/** The best so far, with those of a batch: dot products by a plain float64 loop. */
function best(
  so: readonly { id: number; score: number }[],
  query: Float32Array,
  vectors: Float32Array[],
  first: number,
) {
  const scored = vectors.map((vector, i) => {
    let score = 0;
    for (let j = 0; j < query.length; j++) score += query[j]! * vector[j]!;
    return { id: first + i, score };
  });
  return [...so, ...scored].sort((a, b) => b.score - a.score || a.id - b.id).slice(0, K);
}

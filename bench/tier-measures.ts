// Quantised collections through the public API: recall against exact answers, and the time of a query over that of an exact
// one on the same collection, taken in turns.
import { type Collection, open } from 'piramid';
import type { Data } from './data.ts';
import { type Figure, median, percentile, timed } from './statistics.ts';

const K = 10;
const BATCH = 64;
const NAMES = { int8: 'int8', binary: 'bin', auto: 'auto' } as const;
type Tier = keyof typeof NAMES;

/** Clustered vectors. `suffix` tells sizes apart where issue and reader do. */
export async function measureTier(
  tier: Tier,
  data: Data,
  shape: { n: number; d: number },
  rounds: number,
  suffix = '',
): Promise<Figure[]> {
  const { n, d } = shape;
  await using db = await open(`bench-tier-${Math.random()}`, { storage: 'memory', device: 'wasm' });
  const collection = await db.collection('c', { dimension: d, quantization: tier });
  const insertStart = performance.now();
  for (let start = 0; start < n; start += 10_000) {
    const count = Math.min(10_000, n - start);
    await collection.upsert(
      Array.from({ length: count }, (_, i) => ({
        id: start + i,
        vector: data.vectors.subarray((start + i) * d, (start + i + 1) * d),
      })),
    );
  }
  const insertMs = performance.now() - insertStart;
  const queryCount = data.queries.length / d;
  const exactMs: number[] = [];
  const tierMs: number[] = [];
  let hits = 0;
  let wanted = 0;
  for (let round = -3; round < rounds; round++) {
    const i = (round + queryCount) % queryCount;
    const vector = data.queries.slice(i * d, (i + 1) * d);
    const start = performance.now();
    const truth = await collection.query({ vector, k: K, select: [], exact: true });
    const between = performance.now();
    const found = await collection.query({ vector, k: K, select: [] });
    const end = performance.now();
    // The first rounds warm up.
    if (round < 0) continue;
    exactMs.push(between - start);
    tierMs.push(end - between);
    const ids = new Set(truth.map(({ id }) => id));
    hits += found.filter(({ id }) => ids.has(id)).length;
    wanted += truth.length;
  }
  const name = `${NAMES[tier]}${suffix}`;
  const figure = (what: string, value: number, unit: string): Figure => ({
    name: `${name}.${what}`,
    value,
    unit,
    n,
    d,
  });
  return [
    figure('recall', hits / wanted, 'ratio'),
    figure('query.p50_ms', median(tierMs), 'ms'),
    figure('exact.p50_ms', median(exactMs), 'ms'),
    figure('vs_f32', median(tierMs.map((ms, i) => ms / exactMs[i]!)), 'ratio'),
    figure('batch64.vs_single', await measureBatch(collection, data, d, false), 'ratio'),
    { name: 'wasm.f32.batch64.vs_single', value: await measureBatch(collection, data, d, true), unit: 'ratio', n, d },
    figure('insert.ms', insertMs, 'ms'),
    ...(tier === 'int8' ? await measureProof(collection, rowsOf(data.queries, d), 'int8', { n, d }) : []),
  ];
}

/** Share of queries whose answer says that it is exact and has the ids and score bits of the float32 scan; records in doubt of each. */
async function measureProof(
  collection: Collection,
  queries: readonly Float32Array[],
  name: string,
  shape: { n: number; d: number },
): Promise<Figure[]> {
  let exact = 0;
  const inDoubt: number[] = [];
  for (const vector of queries) {
    const query = { vector, k: K, select: [] } as const;
    const truth = await collection.query({ ...query, exact: true });
    const found = await collection.query({ ...query, explain: true });
    const isSame = truth.every(({ id, score }, i) => found[i]?.id === id && found[i].score === score);
    if (found.exact && isSame && found.length === truth.length) exact++;
    inDoubt.push(found.plan!.candidates!);
  }
  return [
    { name: `${name}.exact`, value: exact / queries.length, unit: 'ratio', ...shape },
    { name: `${name}.in_doubt`, value: percentile(inDoubt, 0.95), unit: 'rows', ...shape },
    { name: `${name}.in_doubt.p50`, value: median(inDoubt), unit: 'rows', ...shape },
  ];
}

function rowsOf(vectors: Float32Array, d: number): Float32Array[] {
  return Array.from({ length: vectors.length / d }, (_, i) => vectors.slice(i * d, (i + 1) * d));
}

/** The time of 64 queries in one call over that of as many single ones, taken in turns. */
async function measureBatch(collection: Collection, { queries }: Data, d: number, exact: boolean): Promise<number> {
  const batch = Array.from({ length: BATCH }, (_, i) => {
    const at = (i * d) % queries.length;
    return { vector: queries.slice(at, at + d), k: K, select: [] as const, exact };
  });
  const ratios: number[] = [];
  for (let round = 0; round < 5; round++) {
    const together = await timed(() => collection.queryBatch(batch));
    const alone = await timed(async () => {
      for (const query of batch) await collection.query(query);
    });
    ratios.push(together / alone);
  }
  return median(ratios);
}

/** Sentences of the State of the Union addresses by the built-in embedder: recall on the collection's own records. */
export async function measureRealTiers(sample: number): Promise<Figure[]> {
  const sentences: string[] = await (await fetch('/sentences.json')).json();
  await using db = await open(`bench-real-${Math.random()}`, {
    storage: 'memory',
    device: 'wasm',
    models: { path: '/models/' },
    scanBudget: 1, // 'auto' takes binary codes
  });
  const figures: Figure[] = [];
  const from = await db.collection('from', { embedder: 'static-en' });
  const ms = await timed(() => insertTexts(from, sentences));
  figures.push({
    name: 'static.texts_per_s', // embedded, cut into words and searchable, by the page's clock
    value: (sentences.length / ms) * 1000,
    unit: '1/s',
    n: sentences.length,
    d: from.dimension!,
  });
  const shape = { n: sentences.length, d: from.dimension! };
  for (const tier of ['int8', 'binary', 'auto'] as const) {
    const collection = await db.collection(tier, { dimension: from.dimension!, quantization: tier });
    for (let cursor: string | undefined; ; ) {
      const page = await from.scroll({ limit: 10_000, select: ['vector'], ...(cursor && { cursor }) });
      await collection.upsert(page.records.flatMap(({ id, vector }) => (vector ? [{ id, vector }] : [])));
      if (!page.next) break;
      cursor = page.next;
    }
    const { recall, exactMs, approximateMs } = await collection.recallCheck({ sample, k: K });
    const figure = (what: string, value: number, unit: string): Figure => ({
      name: `${NAMES[tier]}.real.${what}`,
      value,
      unit,
      ...shape,
    });
    figures.push(
      figure('recall', recall, 'ratio'),
      figure('query.p50_ms', approximateMs, 'ms'),
      figure('exact.p50_ms', exactMs, 'ms'),
    );
    if (tier === 'int8') figures.push(...(await measureProof(collection, await queriesOf(from), 'int8.real', shape)));
  }
  return figures;
}

/** Sentences' vectors, and what lies between three of them each: near no sentence, as questions are. */
async function queriesOf(from: Collection): Promise<Float32Array[]> {
  const ids = Array.from({ length: 300 }, (_, i) => i * 200);
  const vectors = (await from.get(ids, { select: ['vector'] })).flatMap((record) =>
    record?.vector ? [record.vector] : [],
  );
  const between = vectors.map((vector, i) =>
    vector.map((x, j) => x + vectors[(i + 1) % vectors.length]![j]! + vectors[(i + 2) % vectors.length]![j]!),
  );
  return [...vectors, ...between];
}

async function insertTexts(collection: Collection, texts: readonly string[]): Promise<void> {
  for (let start = 0; start < texts.length; start += 5000)
    await collection.upsert(texts.slice(start, start + 5000).map((text, i) => ({ id: start + i, text })));
}

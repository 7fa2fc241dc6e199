// A query for meaning and words, against its definition: both legs score everything that either of them has found.
import { expect, test } from 'vitest';
import type { CollectionRequest, EngineQuery } from '../../../src/protocol.ts';
import { type SeededRandom, seededRandom } from '../../../src/structures/random.ts';
import type { Fusion, Metric, ModelInfo, Quantization } from '../../../src/types.ts';
import { createEngine } from '../../../src/worker/engine.ts';
import { naiveSearch } from '../text/oracle.ts';

const DIMENSION = 6;
const ROWS = 400;
/** Each leg's list is this long. */
const DEPTH = 100;

interface Row {
  text: string | null;
  vector: Float32Array | null;
}

function rowsOf(random: SeededRandom): Row[] {
  const word = () => 'abcdefghijklmnop'[random.below(16)]!.repeat(3);
  return Array.from({ length: ROWS }, () => ({
    text: random.below(8) > 0 ? Array.from({ length: 1 + random.below(12) }, word).join(' ') : null,
    vector: random.below(8) > 0 ? Float32Array.from({ length: DIMENSION }, () => random.normal()) : null,
  })).map((row) => (row.text || row.vector ? row : { ...row, text: 'aaa' }));
}

/** With an embedder that gives no text a direction, if it is to be `embedded`. */
async function openWith(rows: readonly Row[], metric: Metric, quantization: Quantization, embedded = false) {
  const info: ModelInfo = { name: 'none', task: 'embed', device: 'wasm', loadMs: 0 };
  const embed = async (texts: readonly string[]) => texts.map(() => null);
  const engine = createEngine(() => ({
    embedder: async () => ({ info, dimension: DIMENSION, fingerprint: 'none', embed }),
    generator: () => Promise.reject(new Error('none')),
    reranker: () => Promise.reject(new Error('none')),
    close: async () => {},
  }));
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
  const request: CollectionRequest = {
    dimension: DIMENSION,
    metric,
    quantization,
    embedder: embedded ? { model: 'none' } : null,
    mustExist: false,
  };
  const { id } = await engine.openCollection('c', request, 1);
  const records = {
    ids: rows.map((_, i) => i),
    vectors: Float32Array.from(rows.flatMap(({ vector }) => [...(vector ?? new Float32Array(DIMENSION))])),
    sources: Uint8Array.from(rows, ({ vector }) => (vector ? 0 : 2)),
    texts: rows.map(({ text }) => text),
    metadata: null,
  };
  await engine.upsert(id, records, 'upsert', 2);
  let call = 3;
  return async (changes: Partial<EngineQuery>) => {
    const query: EngineQuery = {
      ...{ vector: null, embed: null, words: null, k: 20, offset: 0, minScore: null, where: null },
      ...{ fusion: { weighted: {} }, select: [], exact: false, oversample: 1, explain: true },
      ...changes,
    };
    return (await engine.query(id, [query], call++))[0]!;
  };
}

function similarity(metric: Metric, a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb, distance] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
    distance += (a[i]! - b[i]!) ** 2;
  }
  return metric === 'cosine' ? dot / Math.sqrt(aa * bb) : metric === 'dot' ? dot : -Math.sqrt(distance);
}

const best = (scores: Map<number, number>) =>
  [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([row]) => row);

const CASES: { metric: Metric; quantization: Quantization; fusion: Fusion; vectorMin?: number }[] = [
  { metric: 'cosine', quantization: 'none', fusion: { weighted: {} } },
  { metric: 'cosine', quantization: 'int8', fusion: { weighted: { words: 0.9, vector: 0.2 } } },
  { metric: 'cosine', quantization: 'none', fusion: { weighted: {} }, vectorMin: 0.25 },
  { metric: 'dot', quantization: 'none', fusion: { weighted: {} } },
  { metric: 'l2', quantization: 'none', fusion: { weighted: { words: 0 } } },
];

test.each(CASES)(
  '$metric, $quantization, $fusion, vectorMin $vectorMin',
  async ({ metric, quantization, ...options }) => {
    const { fusion, vectorMin } = options;
    const random = seededRandom(7);
    const rows = rowsOf(random);
    const ask = await openWith(rows, metric, quantization);
    const weights = { vector: 0.5, words: 0.5, ...('weighted' in fusion && fusion.weighted) };
    for (let round = 0; round < 6; round++) {
      const vector = Float32Array.from({ length: DIMENSION }, () => random.normal());
      const words = `aaa ${'bcdefghijklmnop'[random.below(15)]!.repeat(3)} unknown`;
      const near = new Map<number, number>();
      for (const [row, { vector: mine }] of rows.entries()) {
        const score = mine && similarity(metric, vector, mine);
        if (score !== null && !(vectorMin !== undefined && score < vectorMin)) near.set(row, score);
      }
      const texts = rows.map(({ text }) => text ?? undefined);
      const said = new Map(naiveSearch(texts, words, ROWS).map(({ row, score }) => [row, score]));
      const union = new Set([...best(near).slice(0, DEPTH), ...best(said).slice(0, DEPTH)]);
      const holders = (term: string) => texts.filter((text) => text?.split(' ').includes(term)).length;
      const count = texts.filter((text) => text).length;
      const reach = words
        .split(' ')
        .map((term) => Math.log(1 + (count - holders(term) + 0.5) / (holders(term) + 0.5)) * 2.2)
        .reduce((sum, most) => sum + most, 0);
      const scores = [...union].flatMap((row) => near.get(row) ?? []);
      const [least, most] = [Math.min(...scores), Math.max(...scores)];
      const share = (score: number) => (metric === 'cosine' ? Math.max(0, score) : (score - least) / (most - least));
      const expected = new Map(
        [...union].map((row) => {
          const meaning = near.has(row) ? weights.vector * share(near.get(row)!) : 0;
          return [row, meaning + (weights.words * (said.get(row) ?? 0)) / reach];
        }),
      );
      // A few, and as many as each leg's list is long at least.
      const k = round % 2 === 0 ? 20 : DEPTH;
      const answer = await ask({ vector, words, fusion, k, ...(vectorMin !== undefined && { vectorMin }) });
      const wanted = best(expected).slice(0, k);
      expect(answer.scores).toHaveLength(wanted.length);
      for (const [i, row] of wanted.entries()) {
        // Ranked in float64 here, in float32 there.
        expect(answer.scores[i]).toBeCloseTo(expected.get(row)!, 5);
        expect(expected.get(answer.ids[i] as number)).toBeCloseTo(answer.scores[i]!, 5);
      }
      for (const [i, id] of answer.ids.entries()) {
        const { vector: leg, words: other } = answer.legs![i]!;
        expect([leg !== undefined, other !== undefined], String(id)).toEqual([near.has(+id), said.has(+id)]);
        if (leg) expect(leg.score).toBeCloseTo(near.get(+id)!, 4);
        if (other) expect(other.score).toBeCloseTo(said.get(+id)!, 4);
      }
    }
  },
);

test.each<{ metric: Metric; fusion: Fusion }>([
  { metric: 'cosine', fusion: { weighted: {} } },
  { metric: 'dot', fusion: { weighted: {} } },
  { metric: 'cosine', fusion: { rrf: {} } },
])(
  'minScore bounds the fused score, and says whether all that reach it are there: $metric, $fusion',
  async (options) => {
    const { metric, fusion } = options;
    const random = seededRandom(9);
    const ask = await openWith(rowsOf(random), metric, 'none');
    const seen = { complete: 0, cut: 0, proven: 0 };
    for (let round = 0; round < 20; round++) {
      const vector = Float32Array.from({ length: DIMENSION }, () => random.normal());
      const words = `aaa ${'bcdefghijklmnop'[random.below(15)]!.repeat(3)}`;
      const all = await ask({ vector, words, fusion, k: 100 });
      const place = random.below(100);
      for (const k of [100, 20]) {
        const minScore = all.scores[place]!;
        const bounded = await ask({ vector, words, fusion, k, minScore });
        const reaching = all.scores.filter((score) => score >= minScore).length;
        expect(bounded.ids).toEqual(all.ids.slice(0, Math.min(k, reaching)));
        expect(bounded.scores).toEqual(all.scores.slice(0, Math.min(k, reaching)));
        if (bounded.complete) {
          // Of all that there are, as if each leg ranked every row.
          const whole = await ask({ vector, words, fusion, k: ROWS, minScore });
          expect(whole.ids).toEqual(bounded.ids);
          seen.complete++;
          if (!all.complete) seen.proven++;
        } else seen.cut++;
      }
    }
    // Ranks, and scores scaled by what was found, would be others in a longer list.
    if ('rrf' in fusion || metric !== 'cosine') expect(seen.complete).toBe(0);
    else expect(seen.proven).toBeGreaterThan(2);
    expect(seen.cut).toBeGreaterThan(2);
  },
);

test('minScore bounds BM25 where words alone are searched', async () => {
  const ask = await openWith(rowsOf(seededRandom(9)), 'cosine', 'none');
  const all = await ask({ words: 'aaa bbb', k: ROWS });
  const minScore = all.scores[7]!;
  const reaching = all.scores.filter((score) => score >= minScore).length;
  const bounded = await ask({ words: 'aaa bbb', k: reaching + 1, minScore });
  expect(bounded.ids).toEqual(all.ids.slice(0, reaching));
  expect(bounded.complete).toBe(true);
  expect((await ask({ words: 'aaa bbb', k: reaching - 1, minScore })).complete).toBe(false);
});

test('a text without direction scores the share of its words', async () => {
  const rows = rowsOf(seededRandom(9));
  const ask = await openWith(rows, 'cosine', 'none', true);
  const { scores, legs, plan } = await ask({ embed: 'aaa', words: 'aaa', k: 5 });
  expect(plan!.notes).toContain('the text has no direction: words alone were searched');
  const texts = rows.flatMap(({ text }) => text ?? []);
  const holders = texts.filter((text) => text.split(' ').includes('aaa')).length;
  const reach = Math.log(1 + (texts.length - holders + 0.5) / (holders + 0.5)) * 2.2;
  expect(scores).toHaveLength(5);
  for (const [i, { words }] of legs!.entries()) expect(scores[i]).toBeCloseTo(words!.score / reach, 5);
});

test('a score is a share: 1 means the same direction and all that words can say', async () => {
  const rows = rowsOf(seededRandom(3));
  const ask = await openWith([...rows, { vector: Float32Array.of(1, 0, 0, 0, 0, 0), text: 'zzz' }], 'cosine', 'none');
  const { ids, scores } = await ask({ vector: Float32Array.of(1, 0, 0, 0, 0, 0), words: 'zzz', k: 2 });
  expect(ids[0]).toBe(ROWS);
  expect(scores[0]).toBeGreaterThan(0.7);
  expect(scores[0]).toBeLessThanOrEqual(1);
  expect(scores[1]).toBeLessThanOrEqual(0.5);
});

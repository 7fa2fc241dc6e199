// Which weight of the words finds most, by embedder: every answerable question of SQuAD 2.0's articles, asked of all their paragraphs.
// Needs the models and the judged questions that `run.mjs` finds beside the project.
import { type Fusion, open } from 'piramid';
import RagWorker from 'piramid/rag-worker?worker';
import type { Judged } from './answer-measures.ts';
import type { Figure } from './statistics.ts';

const K = 10;
const WEIGHTS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

export async function measureFusion(): Promise<Figure[]> {
  const { embedders, documents, questions }: Judged = await (await fetch('judged.json')).json();
  const here = location.href;
  await using db = await open(`bench-fusion-${Math.random()}`, {
    storage: 'memory',
    worker: () => new RagWorker(),
    models: { path: new URL('models/', here).href, runtime: new URL('onnx/', here).href, remote: false },
  });
  const figures: Figure[] = [];
  for (const embedder of embedders) {
    const collection = await db.collection(embedder, { embedder });
    await collection.upsert(documents.map(({ id, title, text }) => ({ id, text, ...(title && { context: title }) })));
    const vectors: Float32Array[] = [];
    for (let i = 0; i < questions.length; i += 64) {
      const some = questions.slice(i, i + 64).map(({ q }) => q);
      for (const vector of await collection.embed(some, { kind: 'query' })) vectors.push(vector!);
    }
    const ways: [string, Fusion][] = [
      ['rrf', { rrf: {} }],
      ...WEIGHTS.map((words): [string, Fusion] => [`words ${words}`, { weighted: { words, vector: 1 - words } }]),
    ];
    for (const [name, fusion] of ways) {
      let hits = 0;
      let reciprocal = 0;
      const found = await collection.queryBatch(
        questions.map(({ q }, i) => ({ vector: vectors[i]!, keywords: q, fusion, k: K, select: [] })),
      );
      for (const [i, matches] of found.entries()) {
        const rank = matches.findIndex(({ id }) => id === questions[i]!.document);
        if (rank === 0) hits++;
        if (rank >= 0) reciprocal += 1 / (rank + 1);
      }
      const n = questions.length;
      const figure = (what: string, value: number): Figure => ({
        name: `${embedder.slice(0, 9)} ${name} ${what}`,
        value: value / n,
        unit: 'ratio',
        n,
        d: collection.dimension!,
      });
      figures.push(figure('hit@1', hits), figure('mrr@10', reciprocal));
    }
  }
  return figures;
}

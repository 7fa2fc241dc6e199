// What a small language model makes of the best sentences and of whole passages: time to its first word, and how many of its answers
// hold the answer. Needs the models and the judged questions that `run.mjs` finds beside the project.
import { open } from 'piramid';
import { ask, type DocumentInput, ingest } from 'piramid/rag';
import RagWorker from 'piramid/rag-worker?worker';
import { type Figure, median } from './statistics.ts';

export interface Judged {
  generator: string;
  embedders: string[];
  documents: DocumentInput[];
  /** `document`: the id of the one that answers. */
  questions: { q: string; answers: string[]; document: string }[];
}

const MAX_TOKENS = 32;

/** In turns, question by question. */
export async function measureAnswers(): Promise<Figure[]> {
  const { generator: model, documents, questions }: Judged = await (await fetch('judged.json')).json();
  const here = location.href;
  await using db = await open(`bench-answers-${Math.random()}`, {
    storage: 'memory',
    worker: () => new RagWorker(),
    models: { path: new URL('models/', here).href, runtime: new URL('onnx/', here).href, remote: false },
  });
  const collection = await db.collection('documents', { embedder: 'static-en' });
  await ingest(collection, documents);
  const call = { model, maxTokens: MAX_TOKENS, when: 'off' } as const;
  for await (const _ of (await ask(collection, questions[0]!.q, call)).answer) break; // loaded
  const seen = {
    sentences: { first: [] as number[], right: 0, quoted: 0 },
    passages: { first: [] as number[], right: 0, quoted: 0 },
  };
  for (const { q, answers } of questions) {
    for (const evidence of ['sentences', 'passages'] as const) {
      const holds = (text: string) => answers.some((answer) => text.toLowerCase().includes(answer.toLowerCase()));
      const start = performance.now();
      const { answer, quotations } = await ask(collection, q, { ...call, evidence });
      let text = '';
      for await (const piece of answer) {
        if (text === '') seen[evidence].first.push(performance.now() - start);
        text += piece;
      }
      if (holds(text)) seen[evidence].right++;
      if (quotations.some(({ quote }) => holds(quote))) seen[evidence].quoted++;
    }
  }
  const n = questions.length;
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d: MAX_TOKENS });
  const { sentences, passages } = seen;
  return [
    figure('answers.sentences.first_ms', median(sentences.first), 'ms'),
    figure('answers.passages.first_ms', median(passages.first), 'ms'),
    figure('answers.first.speedup', median(passages.first.map((ms, i) => ms / sentences.first[i]!)), 'ratio'),
    figure('answers.sentences.right', sentences.right / n, 'ratio'),
    figure('answers.passages.right', passages.right / n, 'ratio'),
    figure('answers.quotations.hold', sentences.quoted / n, 'ratio'),
  ];
}

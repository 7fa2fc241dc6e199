// Asks every question of every set and prints what share was answered, was answered rightly, and should not have been.

import type { CollectionOptions } from 'piramid';
import { type AskOptions, ask, ingest, retrieve } from 'piramid/rag';
import { find } from '../src/rag/ask.ts';
import { hasNames } from '../src/rag/support.ts';
import { openDatabase } from './engine.ts';
import { headingRecall, reciprocalRanks } from './retrieval.ts';
import { type EvalSet, type Half, type Question, setsOf } from './sets.ts';
import { estimate, type Outcomes } from './statistics.ts';

/** By figure, the outcomes of one set. */
type Figures = Record<string, Outcomes>;

export async function main(args: readonly string[]): Promise<void> {
  const half: Half = args.includes('--tune') ? 'tune' : 'report';
  const all: Figures[] = [];
  const only = args[args.indexOf('--only') + 1 || args.length];
  for (const set of setsOf(half).filter(({ name }) => only === undefined || name === only)) {
    const options = args.includes('--words') ? {} : { embedder: 'static-en' };
    if (args.includes('--curve')) {
      await curve(set, options);
      continue;
    }
    const figures = await measure(set, options, args.includes('--list'));
    print(set.name, [figures]);
    all.push(figures);
  }
  if (all.length > 1) print('all', all);
}

/** Least scores of a `yes` that the curve is drawn for. */
const CURVE = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1];

/** What shares would be `yes` if that began at other scores. */
async function curve(set: EvalSet, options: CollectionOptions): Promise<void> {
  const collection = await filled(set, options);
  const scoresOf = (questions: readonly string[]) =>
    Promise.all(
      questions.map(async (asked) => {
        const { score, question, sources } = await find(collection, asked, {});
        return hasNames(question, sources) ? score : 0;
      }),
    );
  const kinds = {
    answerable: await scoresOf(set.answerable.map(({ q }) => q)),
    near: await scoresOf(set.near),
    absent: await scoresOf(set.absent),
  };
  await collection.database.close();
  for (const least of CURVE) {
    const shares = Object.entries(kinds).map(([kind, scores]) => {
      const share = scores.filter((score) => score >= least).length / scores.length;
      return `${kind} ${share.toFixed(3)}`;
    });
    console.log(`${set.name.padEnd(10)} yes from ${least.toFixed(1)}:  ${shares.join('  ')}`);
  }
}

async function filled(set: EvalSet, options: CollectionOptions) {
  const database = await openDatabase(set.name);
  const collection = await database.collection('documents', options);
  const { failed } = await ingest(collection, set.documents);
  if (failed[0]) throw failed[0].error;
  return collection;
}

async function measure(set: EvalSet, options: CollectionOptions, list: boolean): Promise<Figures> {
  const collection = await filled(set, options);
  const look = async (question: string, options: AskOptions = {}) => {
    const answer = await ask(collection, question, options);
    const quotes = (await answer.citations).flatMap((citation) => (citation.supported ? [citation.quote] : []));
    return { support: answer.support, quotes, sources: answer.sources };
  };
  const answerable = [];
  for (const question of set.answerable) {
    const texts = set.documents.filter((document) => holds(document.text, question));
    if (texts.length === 0) throw new Error(`${set.name}: nothing holds an answer to "${question.q}"`);
    const found = await retrieve(collection, question.q, { k: 1 });
    const isRight = ({ title, documentId }: { title: string; documentId: string }) =>
      question.document ? question.document.test(title) : texts.some(({ id }) => id === documentId);
    const answer = await look(question.q);
    answerable.push({ question, answer, hit: found[0] !== undefined && isRight(found[0]) });
    if (list)
      console.log(answer.support, holds(answer.quotes.join('\n'), question), '|', question.q, '|', answer.quotes[0]);
  }
  const supports = async (questions: readonly string[]) => {
    const degrees: string[] = [];
    for (const question of questions) {
      const { support, quotes } = await look(question);
      degrees.push(support);
      if (list) console.log(support, '|', question, '|', quotes[0]);
    }
    return degrees;
  };
  if (list) console.log('--- near');
  const near = await supports(set.near);
  if (list) console.log('--- absent');
  const absent = await supports(set.absent);
  const ranks = await reciprocalRanks(collection, set.answerable, holds);
  const headings = await headingRecall(collection);
  await collection.database.close();

  const yes = answerable.filter(({ answer }) => answer.support === 'yes');
  const each = <T>(items: readonly T[], test: (item: T) => boolean): Outcomes =>
    items.map((item) => Number(test(item)));
  return {
    'retrieve.hit1': each(answerable, ({ hit }) => hit),
    ...ranks,
    'heading.recall10': headings,
    'ask.answered': each(answerable, ({ answer }) => answer.support === 'yes'),
    'ask.answered+perhaps': each(answerable, ({ answer }) => answer.support !== 'no'),
    'ask.right': each(yes, ({ answer, question }) => holds(answer.quotes.join('\n'), question)),
    'ask.right.first': each(yes, ({ answer, question }) => holds(answer.quotes[0] ?? '', question)),
    'ask.false.near': each(near, (support) => support === 'yes'),
    'ask.false.near+perhaps': each(near, (support) => support !== 'no'),
    'ask.false.absent': each(absent, (support) => support === 'yes'),
    'ask.false.absent+perhaps': each(absent, (support) => support !== 'no'),
  };
}

function holds(text: string, { answers }: Question): boolean {
  const plain = (words: string) => words.toLowerCase().replace(/\s+/g, ' ');
  return answers.some((answer) => plain(text).includes(plain(answer)));
}

function print(name: string, sets: readonly Figures[]): void {
  for (const figure of Object.keys(sets[0]!)) {
    const found = estimate(sets.map((figures) => figures[figure] ?? []));
    if (!found) continue;
    const { mean, low, high, count } = found;
    console.log(
      `${name.padEnd(10)} ${figure.padEnd(26)} ${mean.toFixed(3)}  [${low.toFixed(3)}, ${high.toFixed(3)}]  of ${count}`,
    );
  }
  const meanOf = (figure: string) => estimate(sets.map((figures) => figures[figure] ?? []))?.mean;
  const both = meanOf('retrieve.mrr');
  if (both === undefined) return;
  const best = Math.max(meanOf('retrieve.mrr.words')!, meanOf('retrieve.mrr.vectors')!);
  console.log(`${name.padEnd(10)} ${'hybrid.vs_best_leg'.padEnd(26)} ${(both / best).toFixed(3)}`);
}

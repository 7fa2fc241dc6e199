// Queries of words over real text, whole and as they are typed: medians in the worker, and what the first typed one waits for.
import { open } from 'piramid';
import { seededRandom } from '../src/structures/random.ts';
import { type Figure, median } from './statistics.ts';

const PLAIN = [
  'gold',
  'government',
  'treasury',
  'commerce',
  'military roads',
  'agriculture',
  'navigation',
  'secretary',
];
const BEGINNINGS = ['bak', 'gov', 'trea', 'comm', 'military ro', 'agr', 'naviga', 'se'];
const MISSPELT = ['glod', 'goverment', 'tresury', 'comerce', 'milatary roads', 'agricultre', 'navigaton', 'secratary'];
/** Words of a passage that hardly another one has, as names and numbers are in large collections. */
const RARE_WORDS = 4;

/** `n` passages of three sentences of addresses and some rare words: about 90 words each, 250,000 different ones in 100,000 passages. */
export async function measureWords(n: number, rounds: number): Promise<Figure[]> {
  const sentences: string[] = await (await fetch('sentences.json')).json();
  const vocabulary = [...new Set(sentences.join(' ').match(/[a-z]{5,}/g))];
  const random = seededRandom(1);
  const some = () => vocabulary[random.below(vocabulary.length)]!;
  const rare = () => some().slice(0, 3 + random.below(4)) + some().slice(-2 - random.below(4));
  const passage = () => {
    const first = random.below(sentences.length - 3);
    return [...sentences.slice(first, first + 3), ...Array.from({ length: RARE_WORDS }, rare)].join(' ');
  };
  await using db = await open(`bench-words-${Math.random()}`, { storage: 'memory' });
  const passages = await db.collection('passages', {});
  for (let start = 0; start < n; start += 5000)
    await passages.upsert(
      Array.from({ length: Math.min(5000, n - start) }, (_, i) => ({ id: start + i, text: passage() })),
    );

  const took = async (list: readonly string[], options: { prefix?: boolean; fuzzy?: boolean }) => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++)
      for (const keywords of list) {
        const matches = await passages.query({ keywords, ...options, select: [] });
        if (round > 0) times.push(matches.took);
      }
    return median(times);
  };
  const figure = (name: string, value: number, unit = 'ms'): Figure => ({ name, value, unit, n, d: 0 });
  const plain = await took(PLAIN, {});
  const before = (await passages.stats()).bytes.memory;
  const first = await passages.query({ keywords: 'bak', prefix: true, select: [] });
  return [
    figure('words.plain_ms', plain),
    figure('words.prefix_ms', await took(BEGINNINGS, { prefix: true })),
    figure('words.fuzzy_ms', await took(MISSPELT, { fuzzy: true })),
    figure('words.both_ms', await took(MISSPELT, { prefix: true, fuzzy: true })),
    figure('words.first_ms', first.took),
    figure('words.forms_mb', ((await passages.stats()).bytes.memory - before) / 1e6, 'MB'),
  ];
}

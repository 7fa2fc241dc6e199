// Regions of the map and what they are about: points that lie together (k-means on the plane), and the words that their passages
// have more often than others. Knows nothing of pages.

const ROUNDS = 8;
const LETTERS_LEAST = 4;
/** Of the passages of a region, how many must have a word. */
const SHARE_LEAST = 0.15;
/** Words that begin alike for so long are forms of one. */
const SAME_BEGINNING = 5;

export interface Region {
  x: number;
  y: number;
  points: number[];
}

/** About `count` regions of points, the largest first. The same points, the same regions. */
export function regions(positions: Float32Array, count: number): Region[] {
  const rows = positions.length / 2;
  const side = Math.max(1, Math.round(Math.sqrt(count)));
  // From the middles of a grid over the square.
  let middles: Region[] = Array.from({ length: side * side }, (_, i) => ({
    x: (2 * (i % side) + 1) / side - 1,
    y: (2 * Math.floor(i / side) + 1) / side - 1,
    points: [],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const region of middles) region.points = [];
    for (let row = 0; row < rows; row++)
      nearest(middles, positions[2 * row]!, positions[2 * row + 1]!).points.push(row);
    middles = middles.filter(({ points }) => points.length > 0);
    for (const region of middles) {
      region.x = mean(region.points, positions, 0);
      region.y = mean(region.points, positions, 1);
    }
  }
  return middles.sort((a, b) => b.points.length - a.points.length);
}

/** In how many passages a word is, and in how many with a capital. */
interface Counted {
  of: number;
  capital: number;
}

/** For each region the words that tell it from the others. `words`: those of each of its passages. */
export function tellingOf(words: readonly (readonly (readonly string[])[])[], most = 2): string[][] {
  const counts = words.map((passages) => passagesWith(passages));
  const everywhere = new Map<string, number>();
  for (const counted of counts)
    for (const [word, { of }] of counted) everywhere.set(word, (everywhere.get(word) ?? 0) + of);
  const all = words.reduce((sum, passages) => sum + passages.length, 0);
  return counts.map((counted, i) => {
    const here = words[i]!.length;
    const ranked = [...counted]
      .filter(([, { of }]) => of / here >= SHARE_LEAST)
      .map(([word, { of, capital }]) => {
        const share = of / here;
        const written = capital > of / 2 ? word.charAt(0).toUpperCase() + word.slice(1) : word;
        return { word: written, worth: share * Math.log(share / (everywhere.get(word)! / all)) };
      })
      .sort((a, b) => b.worth - a.worth);
    const chosen: string[] = [];
    for (const { word, worth } of ranked) {
      if (chosen.length === most || worth <= 0) break;
      if (!chosen.some((other) => beginning(other) === beginning(word))) chosen.push(word);
    }
    return chosen;
  });
}

function beginning(word: string): string {
  return word.slice(0, SAME_BEGINNING).toLowerCase();
}

/** By word, lower case. */
function passagesWith(passages: readonly (readonly string[])[]): Map<string, Counted> {
  const counted = new Map<string, Counted>();
  for (const words of passages) {
    const seen = new Set<string>();
    for (const word of words) {
      const lower = word.toLowerCase();
      if (seen.has(lower) || word.length < LETTERS_LEAST || !/^\p{L}+$/u.test(word)) continue;
      seen.add(lower);
      const { of, capital } = counted.get(lower) ?? { of: 0, capital: 0 };
      counted.set(lower, { of: of + 1, capital: capital + (word === lower ? 0 : 1) });
    }
  }
  return counted;
}

function nearest(middles: readonly Region[], x: number, y: number): Region {
  let found = middles[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const region of middles) {
    const distance = (region.x - x) ** 2 + (region.y - y) ** 2;
    if (distance < least) [least, found] = [distance, region];
  }
  return found;
}

function mean(points: readonly number[], positions: Float32Array, axis: 0 | 1): number {
  return points.reduce((sum, row) => sum + positions[2 * row + axis]!, 0) / points.length;
}

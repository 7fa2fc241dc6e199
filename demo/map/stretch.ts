// Fills the square with points: each axis is stretched where many points lie and pressed together where few do, so that a few
// stray ones do not push all others into a corner. Who is left of whom, and above whom, stays.

/** Steps of an axis between which it is stretched evenly. */
const STEPS = 64;
/** How far each axis goes towards as many points on each step. */
const EVEN = 0.6;

/** `positions` (rows, 2) in the square from -1 to 1. */
export function stretch(positions: Float32Array): Float32Array<ArrayBuffer> {
  const stretched = new Float32Array(positions.length);
  for (const axis of [0, 1]) {
    const sorted = Float32Array.from({ length: positions.length / 2 }, (_, i) => positions[2 * i + axis]!).sort();
    const last = sorted.length - 1;
    if (last < 0) continue;
    const [least, most] = [sorted[0]!, sorted[last]!];
    const knots = Float32Array.from({ length: STEPS + 1 }, (_, k) => sorted[Math.round((k * last) / STEPS)]!);
    for (let i = axis; i < positions.length; i += 2) {
      const value = positions[i]!;
      const straight = most > least ? (value - least) / (most - least) : 0.5;
      stretched[i] = 2 * (EVEN * shareBelow(value, knots) + (1 - EVEN) * straight) - 1;
    }
  }
  return stretched;
}

/** The share of all points that lie below `value`, 0 to 1; in the middle where all are alike. */
function shareBelow(value: number, knots: Float32Array): number {
  let [low, high] = [0, STEPS];
  if (knots[low] === knots[high]) return 0.5;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle]! <= value) low = middle;
    else high = middle;
  }
  const width = knots[high]! - knots[low]!;
  return (low + (width > 0 ? Math.min(1, (value - knots[low]!) / width) : 0)) / STEPS;
}

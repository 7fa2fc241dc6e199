// Seeded test data: clustered vectors, as embeddings are, and queries drawn from the same clusters.
import { seededRandom } from '../src/structures/random.ts';

export interface Data {
  /** (n, d), row-major, unit length. */
  vectors: Float32Array<ArrayBuffer>;
  /** (queries, d), unit length. */
  queries: Float32Array<ArrayBuffer>;
}

/** About sqrt(n) cluster centres; a vector is a centre plus noise of 0.9 of its length, normalised. */
export function clusteredData(options: { n: number; d: number; queries: number; seed: number }): Data {
  const { n, d, queries, seed } = options;
  const random = seededRandom(seed);
  // Drawing each normal number anew is slower than the rest of the benchmark; a long table of them is as random.
  const normals = Float32Array.from({ length: 1 << 16 }, () => random.normal());
  const clusters = Math.max(1, Math.round(Math.sqrt(n)));
  const scale = 1 / Math.sqrt(d);
  const centres = Float32Array.from({ length: clusters * d }, () => random.normal() * scale);
  const draw = (count: number) => {
    const rows = new Float32Array(count * d);
    for (let row = 0; row < count; row++) {
      const centre = random.below(clusters) * d;
      let start = random.below(normals.length);
      let sum = 0;
      for (let i = 0; i < d; i++) {
        const x = centres[centre + i]! + 0.9 * scale * normals[start++ & 0xffff]!;
        rows[row * d + i] = x;
        sum += x * x;
      }
      const inverse = 1 / Math.sqrt(sum);
      for (let i = 0; i < d; i++) rows[row * d + i]! *= inverse;
    }
    return rows;
  };
  return { vectors: draw(n), queries: draw(queries) };
}

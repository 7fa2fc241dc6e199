// Lays the map out beside the page, and sends the plane as it forms, in the square from -1 to 1.
import { layOut, type Progress } from './layout.ts';
import { stretch } from './stretch.ts';

export interface LayoutRequest {
  /** (rows, dimension), row-major. */
  vectors: Float32Array;
  dimension: number;
}

addEventListener('message', ({ data }: MessageEvent<LayoutRequest>) => {
  for (const { positions, done } of layOut(data.vectors, data.dimension)) {
    const copy = stretch(positions);
    postMessage({ positions: copy, done } satisfies Progress, { transfer: [copy.buffer] });
  }
});

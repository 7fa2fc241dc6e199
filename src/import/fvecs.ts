// The vector files of the TEXMEX corpora (SIFT1M, GIST1M): per vector its length as int32, then its numbers, little-endian.
import type { Collection } from 'piramid';
import { PiramidError } from '../errors.ts';
import { invalidFile, type Source, type SourceOptions, writeAll } from './bytes.ts';

const FORMATS = {
  fvecs: { bytes: 4, get: (view: DataView, at: number) => view.getFloat32(at, true) },
  ivecs: { bytes: 4, get: (view: DataView, at: number) => view.getInt32(at, true) },
  bvecs: { bytes: 1, get: (view: DataView, at: number) => view.getUint8(at) },
};
const DIMENSION_MAX = 65_536;

export interface FvecsOptions extends SourceOptions {
  /** float32, int32 or uint8. @default 'fvecs' */
  format?: 'fvecs' | 'ivecs' | 'bvecs';
  /** Id of the first vector; the next ones count up. @default 0 */
  firstId?: number;
}

/**
 * Writes the vectors of a .fvecs, .ivecs or .bvecs file, with numbers for ids. Returns how many. `INVALID_FILE` names
 * the vector (counted from 0) that is cut off or of another length than the first; batches before it stay.
 */
export async function importFvecs(
  collection: Pick<Collection<never>, 'upsert'>,
  source: Source,
  options: FvecsOptions = {},
): Promise<number> {
  const { format = 'fvecs', firstId = 0 } = options;
  if (!Object.hasOwn(FORMATS, format))
    throw new PiramidError('INVALID_ARGUMENT', `format: expected one of ${Object.keys(FORMATS).join(', ')}`);
  const { bytes, get } = FORMATS[format];
  return writeAll(collection, source, options, async function* (reader) {
    let dimension = 0;
    for (let row = 0; ; row++) {
      const where = `vector ${row}`;
      const head = await reader.take(4, () => where);
      if (!head) return;
      const length = new DataView(head.buffer).getInt32(0, true);
      if (row === 0) dimension = length;
      if (length !== dimension || length < 1 || length > DIMENSION_MAX) {
        const expected = row === 0 ? `1 to ${DIMENSION_MAX}` : `${dimension}, as before`;
        throw invalidFile(where, `says it has ${length} numbers, expected ${expected}`);
      }
      const numbers = await reader.take(length * bytes, () => where);
      if (!numbers) throw invalidFile(where, `expected ${length * bytes} bytes, the file ends here`);
      const view = new DataView(numbers.buffer);
      const vector = Float32Array.from({ length }, (_, i) => get(view, i * bytes));
      yield { record: { id: firstId + row, vector }, where };
    }
  });
}

// NumPy's .npy: a magic, a header that is a Python dictionary, and the numbers. Two-dimensional little-endian floats, row by row.
import type { Collection } from 'piramid';
import { type ByteReader, invalidFile, type Source, type SourceOptions, writeAll } from './bytes.ts';

const TYPES: { [descr: string]: { bytes: number; get: (view: DataView, at: number) => number } } = {
  '<f2': { bytes: 2, get: (view, at) => fromHalf(view.getUint16(at, true)) },
  '<f4': { bytes: 4, get: (view, at) => view.getFloat32(at, true) },
  '<f8': { bytes: 8, get: (view, at) => view.getFloat64(at, true) },
};
const HEADER_BYTES_MAX = 1 << 20;
const DIMENSION_MAX = 65_536;

export interface NpyOptions extends SourceOptions {
  /** Id of the first row; the next ones count up. @default 0 */
  firstId?: number;
}

/**
 * Writes the rows of a .npy array of shape (records, dimension) of float16, float32 or float64, with numbers for ids. Returns how
 * many. `INVALID_FILE` says what is not supported, or names the row (counted from 0) where the file is cut off; batches
 * before it stay.
 */
export function importNpy(
  collection: Pick<Collection<never>, 'upsert'>,
  source: Source,
  options: NpyOptions = {},
): Promise<number> {
  const { firstId = 0 } = options;
  return writeAll(collection, source, options, async function* (reader) {
    const { type, rows, dimension } = await readHeader(reader);
    for (let row = 0; row < rows; row++) {
      const where = `row ${row}`;
      const bytes = await reader.take(dimension * type.bytes, () => where);
      if (!bytes) throw invalidFile(where, `the file ends here, expected ${rows} rows`);
      const view = new DataView(bytes.buffer);
      const vector = Float32Array.from({ length: dimension }, (_, i) => type.get(view, i * type.bytes));
      yield { record: { id: firstId + row, vector }, where };
    }
    if (await reader.next()) throw invalidFile('the end', `there are bytes behind the last of ${rows} rows`);
  });
}

async function readHeader(reader: ByteReader) {
  const take = async (count: number) => {
    const bytes = await reader.take(count, () => 'header');
    if (!bytes) throw invalidFile('header', 'the file ends in it');
    return bytes;
  };
  const magic = await take(8);
  const version = magic[6]!;
  if (String.fromCharCode(...magic.subarray(0, 6)) !== '\x93NUMPY' || version < 1 || version > 3)
    throw invalidFile('header', 'this is no .npy file of version 1 to 3');
  const size = await take(version === 1 ? 2 : 4);
  const view = new DataView(size.buffer);
  const length = version === 1 ? view.getUint16(0, true) : view.getUint32(0, true);
  if (length > HEADER_BYTES_MAX) throw invalidFile('header', `says it has ${length} bytes`);
  const header = new TextDecoder().decode(await take(length));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1] ?? '';
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape'\s*:\s*\(\s*(\d{1,10})\s*,\s*(\d{1,10})\s*,?\s*\)/.exec(header);
  const type = Object.hasOwn(TYPES, descr) ? TYPES[descr] : undefined;
  if (!type) throw invalidFile('header', `expected numbers of type ${Object.keys(TYPES).join(', ')}, got '${descr}'`);
  if (order !== 'False') throw invalidFile('header', 'expected rows one after the other (C order)');
  const [rows, dimension] = [Number(shape?.[1]), Number(shape?.[2])];
  if (!shape || dimension < 1 || dimension > DIMENSION_MAX)
    throw invalidFile(
      'header',
      `expected a shape of (records, 1 to ${DIMENSION_MAX}), got ${header.trim().slice(0, 200)}`,
    );
  return { type, rows, dimension };
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >>> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

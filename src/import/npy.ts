// NumPy's .npy: a magic, a header that is a Python dictionary, and the numbers of a two-dimensional array.
import type { Collection } from 'piramid';
import { type ByteReader, invalidFile, type Source, type SourceOptions, writeAll } from './bytes.ts';

type Get = (view: DataView, at: number, isLittle: boolean) => number;

/** NumPy's letter and bytes of a number. */
const TYPES: { [type: string]: Get } = {
  f2: (view, at, isLittle) => fromHalf(view.getUint16(at, isLittle)),
  f4: (view, at, isLittle) => view.getFloat32(at, isLittle),
  f8: (view, at, isLittle) => view.getFloat64(at, isLittle),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at, isLittle) => view.getInt16(at, isLittle),
  i4: (view, at, isLittle) => view.getInt32(at, isLittle),
  i8: (view, at, isLittle) => Number(view.getBigInt64(at, isLittle)),
  u1: (view, at) => view.getUint8(at),
  u2: (view, at, isLittle) => view.getUint16(at, isLittle),
  u4: (view, at, isLittle) => view.getUint32(at, isLittle),
  u8: (view, at, isLittle) => Number(view.getBigUint64(at, isLittle)),
  b1: (view, at) => view.getUint8(at),
};
const HEADER_BYTES_MAX = 1 << 20;
const DIMENSION_MAX = 65_536;
/** Of an array in Fortran order, which is held whole. */
const FORTRAN_BYTES_MAX = 2 ** 30;

export interface NpyOptions extends SourceOptions {
  /** Id of the first row; the next ones count up. @default 0 */
  firstId?: number;
}

interface Header {
  /** Bytes of a number, and what reads one. */
  bytes: number;
  get: (view: DataView, at: number) => number;
  rows: number;
  dimension: number;
  isFortran: boolean;
}

/**
 * Writes the rows of a .npy array of shape (records, dimension), with numbers for ids. Returns how many. Floats,
 * integers and booleans of either byte order become float32; an array in Fortran order is turned, for which it is held
 * in memory (up to 1 GiB).
 *
 * `INVALID_FILE` names what is not supported (complex numbers, strings, objects, records; another number of
 * dimensions), or the row (counted from 0) where the file is cut off; batches before it stay.
 */
export function importNpy(
  collection: Pick<Collection<never>, 'upsert'>,
  source: Source,
  options: NpyOptions = {},
): Promise<number> {
  const { firstId = 0 } = options;
  return writeAll(collection, source, options, async function* (reader) {
    const header = await readHeader(reader);
    const { rows, bytes, dimension, get, isFortran } = header;
    const whole = isFortran ? await takeWhole(reader, header) : null;
    for (let row = 0; row < rows; row++) {
      const where = `row ${row}`;
      const view = whole ?? (await takeRow(reader, header, where));
      const [first, step] = whole ? [row, rows] : [0, 1];
      const vector = Float32Array.from({ length: dimension }, (_, i) => get(view, (first + i * step) * bytes));
      yield { record: { id: firstId + row, vector }, where };
    }
    if (await reader.next()) throw invalidFile('the end', `there are bytes behind the last of ${rows} rows`);
  });
}

async function takeRow(reader: ByteReader, { rows, dimension, bytes }: Header, where: string): Promise<DataView> {
  const taken = await reader.take(dimension * bytes, () => where);
  if (!taken) throw invalidFile(where, `the file ends here, expected ${rows} rows`);
  return new DataView(taken.buffer);
}

async function takeWhole(reader: ByteReader, { rows, dimension, bytes }: Header): Promise<DataView> {
  const size = rows * dimension * bytes;
  if (size > FORTRAN_BYTES_MAX)
    throw invalidFile(
      'header',
      `the array is in Fortran order and has ${size} bytes; at most ${FORTRAN_BYTES_MAX} can be turned. Save np.ascontiguousarray(array)`,
    );
  const taken = size === 0 ? new Uint8Array() : await reader.take(size, () => 'the array');
  if (!taken) throw invalidFile('the array', `the file ends behind its header, expected ${size} bytes`);
  return new DataView(taken.buffer);
}

async function readHeader(reader: ByteReader): Promise<Header> {
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
  /** What stands behind a key; Python writes keys in either quotes. */
  const behind = (key: string, pattern: string) =>
    new RegExp(`(["'])${key}\\1\\s*:\\s*${pattern}`).exec(header)?.slice(2) ?? [];
  const descr = behind('descr', '(["\'])(.*?)\\2')[1] ?? 'records';
  const [, order = '', type = ''] = /^([<>=|])?(\w+)$/.exec(descr) ?? [];
  const get = Object.hasOwn(TYPES, type) ? TYPES[type]! : undefined;
  if (!get)
    throw invalidFile(
      'header',
      `expected numbers of type ${Object.keys(TYPES).join(', ')}, got ${nameOf(type)}'${descr}'`,
    );
  const [fortran] = behind('fortran_order', '(True|False)');
  if (!fortran) throw invalidFile('header', 'does not say its order (fortran_order)');
  const [shape] = behind('shape', '\\(([^)]*)\\)');
  // Python 2 writes `(2L, 2L)`.
  const sizes = (shape ?? '')
    .split(',')
    .flatMap((part) => /^\s*(\d{1,10})L?\s*$/.exec(part)?.[1] ?? [])
    .map(Number);
  const [rows = 0, dimension = 0] = sizes;
  if (sizes.length !== 2 || dimension < 1 || dimension > DIMENSION_MAX)
    throw invalidFile(
      'header',
      `expected a shape of (records, 1 to ${DIMENSION_MAX}), got (${shape ?? header.slice(0, 200)})`,
    );
  return {
    bytes: Number(type.slice(1)),
    get: (numbers, at) => get(numbers, at, order !== '>'),
    rows,
    dimension,
    isFortran: fortran === 'True',
  };
}

/** Of types that are no numbers a vector can have. */
function nameOf(type: string): string {
  const names: { [letter: string]: string } = {
    c: 'complex numbers, ',
    U: 'strings, ',
    S: 'bytes, ',
    O: 'objects, ',
    M: 'dates, ',
    V: 'records, ',
  };
  return (Object.hasOwn(names, type[0] ?? '') && names[type[0]!]) || '';
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >>> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

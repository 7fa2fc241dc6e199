// Files of other programs: each comes in whole, however its stream is cut, or is refused with the place where it is wrong.
import fc from 'fast-check';
import { PiramidError, type VectorRecord } from 'piramid';
import { importFvecs, importJsonl, importNpy } from 'piramid/import';
import { describe, expect, test } from 'vitest';

/** Takes what is written. */
function collector(refuse: (records: readonly VectorRecord[]) => void = () => {}) {
  const batches: VectorRecord[][] = [];
  const upsert = async (records: unknown) => {
    const list = records as VectorRecord[];
    refuse(list);
    batches.push(list);
  };
  return { upsert, batches, records: () => batches.flat() };
}

/** A stream of the bytes in pieces of a size. */
function streamOf(bytes: Uint8Array, pieceBytes = 1000): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const pieces = fc.integer({ min: 1, max: 64 });

describe('JSON Lines', () => {
  test('come in whole, however the stream is cut and lines end', async () => {
    const record = fc.record({ id: fc.integer(), text: fc.string({ unit: 'grapheme' }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 20 }),
        fc.constantFrom('\n', '\r\n', '\n\n \n'),
        fc.boolean(),
        pieces,
        fc.integer({ min: 1, max: 7 }),
        async (records, newline, isEnded, size, batch) => {
          const file = records.map((each) => JSON.stringify(each)).join(newline) + (isEnded ? newline : '');
          const target = collector();
          const written = await importJsonl(target as never, streamOf(utf8(file), size), { batch });
          // Of one id, the last line counts; within a batch it takes the place of the others.
          const last = new Map(records.map((each) => [each.id, each]));
          expect(new Map(target.records().map((each) => [each.id, each]))).toEqual(last);
          if (last.size < records.length) return;
          expect(target.records()).toEqual(records);
          expect(written).toBe(records.length);
          expect(target.batches.slice(0, -1).every((list) => list.length === batch)).toBe(true);
        },
      ),
    );
  });

  test('of another shape are mapped, or left out', async () => {
    const file = new Blob(['{"title":"a"}\n{"skip":true}\n{"title":"b"}']);
    const target = collector();
    const map = (value: unknown, line: number) => {
      const { title } = value as { title?: string };
      return title === undefined ? null : { id: line, text: title };
    };
    expect(await importJsonl(target as never, file, { map })).toBe(2);
    expect(target.records()).toEqual([
      { id: 1, text: 'a' },
      { id: 3, text: 'b' },
    ]);
  });

  test('that are none are refused by number, and what was written before stays', async () => {
    const target = collector();
    const steps: unknown[] = [];
    const file = utf8('{"id":1}\n{"id":2}\n\n{"id":');
    const options = { batch: 1, onProgress: (progress: unknown) => steps.push(progress) };
    const error = await importJsonl(target as never, streamOf(file), options).catch((caught) => caught);
    expect(error).toBeInstanceOf(PiramidError);
    expect(error.message).toMatch(/^line 4: is not JSON/);
    expect(target.records()).toHaveLength(2);
    expect(steps).toEqual([
      { records: 1, bytes: file.length },
      { records: 2, bytes: file.length },
    ]);
    const broken = Uint8Array.of(...utf8('{"id":1}\n"'), 0xc3, 0x28);
    await expect(importJsonl(target as never, streamOf(broken, 3))).rejects.toThrow(/^line 2 .*UTF-8/);
  });

  test('that the collection refuses are named, with how many went in before', async () => {
    const target = collector((records) => {
      if (records.some(({ id }) => id === 5)) throw new PiramidError('DIMENSION_MISMATCH', 'record 5: too long');
    });
    const file = utf8(Array.from({ length: 9 }, (_, i) => `{"id":${i}}`).join('\n'));
    await expect(importJsonl(target as never, streamOf(file), { batch: 4 })).rejects.toThrow(
      'line 5 to line 8: record 5: too long (4 records before them have been written)',
    );
  });

  test('stop at a signal, even where the source is silent', async () => {
    const controller = new AbortController();
    let cancelled = false;
    const silent = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    const target = collector();
    const running = importJsonl(target as never, silent, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(cancelled).toBe(true);
    for (const options of [{ batch: 0 }, { batch: 1.5 }])
      await expect(importJsonl(target as never, new Blob([]), options)).rejects.toThrow(/^batch/);
    await expect(importJsonl(target as never, 'text' as never)).rejects.toThrow(/^source/);
  });
});

/** A file of vectors with their lengths before them. */
function vecs(
  vectors: readonly (readonly number[])[],
  Type: typeof Float32Array | typeof Int32Array | typeof Uint8Array,
) {
  return new Uint8Array(
    vectors.flatMap((vector) => [
      ...new Uint8Array(Int32Array.of(vector.length).buffer),
      ...new Uint8Array(Type.from(vector).buffer),
    ]),
  );
}

describe('.fvecs', () => {
  test('and its relatives come in whole, however the stream is cut', async () => {
    const byte = fc.integer({ min: 0, max: 255 });
    await fc.assert(
      fc.asyncProperty(
        fc
          .integer({ min: 1, max: 9 })
          .chain((length) => fc.array(fc.array(byte, { minLength: length, maxLength: length }))),
        pieces,
        async (vectors, size) => {
          for (const [format, Type] of [
            ['fvecs', Float32Array],
            ['ivecs', Int32Array],
            ['bvecs', Uint8Array],
          ] as const) {
            const target = collector();
            const count = await importFvecs(target as never, streamOf(vecs(vectors, Type), size), {
              format,
              firstId: 7,
            });
            expect(count).toBe(vectors.length);
            expect(target.records()).toEqual(
              vectors.map((vector, i) => ({ id: 7 + i, vector: Float32Array.from(vector) })),
            );
          }
        },
      ),
    );
  });

  test('that is cut off, or has vectors of several lengths, is refused by the vector', async () => {
    const file = vecs(
      [
        [1, 2],
        [3, 4],
      ],
      Float32Array,
    );
    const target = collector();
    for (const length of [1, 3, 4, 11])
      await expect(importFvecs(target as never, streamOf(file.slice(0, length)))).rejects.toThrow(/vector 0/);
    for (const length of [13, 16, 23])
      await expect(importFvecs(target as never, streamOf(file.slice(0, length)))).rejects.toThrow(/vector 1/);
    await expect(importFvecs(target as never, streamOf(vecs([[1, 2], [3]], Float32Array)))).rejects.toThrow(
      'vector 1: says it has 1 numbers, expected 2, as before',
    );
    for (const length of [0, -1, 1 << 30]) {
      const bytes = new Uint8Array(Int32Array.of(length).buffer);
      await expect(importFvecs(target as never, streamOf(bytes))).rejects.toThrow(/vector 0: says it has/);
    }
    await expect(importFvecs(target as never, new Blob([]), { format: 'xvecs' as never })).rejects.toThrow(/format/);
  });
});

function npy(header: string, data: ArrayBuffer, version = 1): Uint8Array {
  const size =
    version === 1
      ? new Uint8Array(Uint16Array.of(header.length).buffer)
      : new Uint8Array(Uint32Array.of(header.length).buffer);
  return Uint8Array.of(0x93, ...utf8('NUMPY'), version, 0, ...size, ...utf8(header), ...new Uint8Array(data));
}

const header = (descr: string, shape: string, order = 'False') =>
  `${`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`.padEnd(117)}\n`;

describe('.npy', () => {
  test('arrays of float16, float32 and float64 come in whole, of each version, however the stream is cut', async () => {
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x0400, 0x8000);
    const numbers = [1, -2, 2 ** -24, 65504, 2 ** -14, -0];
    const expected = [
      { id: 0, vector: Float32Array.from(numbers.slice(0, 3)) },
      { id: 1, vector: Float32Array.from(numbers.slice(3)) },
    ];
    const files = [
      ['<f2', halves.buffer],
      ['<f4', Float32Array.from(numbers).buffer],
      ['<f8', Float64Array.from(numbers).buffer],
    ] as const;
    for (const [descr, data] of files) {
      for (const version of [1, 2, 3]) {
        for (const size of [1, 7, 5000]) {
          const target = collector();
          expect(await importNpy(target as never, streamOf(npy(header(descr, '(2, 3)'), data, version), size))).toBe(2);
          expect(target.records()).toEqual(expected);
        }
      }
    }
  });

  test('that is not what it has to be is refused with a reason', async () => {
    const data = new Float32Array(6).buffer;
    const cases = [
      [npy(header('|O', '(2, 3)'), data), /header: expected numbers/],
      [npy(header('constructor', '(2, 3)'), data), /header: expected numbers/],
      [npy(header('<f4', '(6,)'), data), /header: expected a shape/],
      [npy(header('<f4', '(2, 0)'), data), /header: expected a shape/],
      [npy(header('<f4', '(3, 3)'), data), /row 2: the file ends here, expected 3 rows/],
      [npy(header('<f4', '(2, 3)'), data.slice(0, 20)), /row 1: expected 12 bytes, the file ends after 8/],
      [npy(header('<f4', '(1, 3)'), data), /the end: there are bytes behind the last of 1 rows/],
      [npy(header('<f4', '(2, 3)'), data, 9), /header: this is no .npy file/],
      [utf8('PK\x03\x04 a .npz is an archive'), /header: this is no .npy file/],
      [Uint8Array.of(0x93, ...utf8('NUMPY'), 2, 0, 255, 255, 255, 255), /header: says it has 4294967295 bytes/],
      [new Uint8Array(0), /header: the file ends in it/],
    ] as const;
    for (const [file, message] of cases) {
      const importing = importNpy(collector() as never, streamOf(file));
      await expect(importing).rejects.toThrow(message);
      await expect(importing).rejects.toMatchObject({ code: 'INVALID_FILE' });
    }
  });
});

// Files of other programs as these write them: JSON Lines with repeated ids, nulls, large integers, gzipped; .npy of every order.
import { gzipSync } from 'node:zlib';
import { exportJsonl, importJsonl, importNpy } from 'piramid/import';
import { expect, test } from 'vitest';
import type { VectorRecord } from '../../src/types.ts';

/** A collection that does as `upsert` does: ids of one call are different, a later call replaces. */
function target() {
  const stored = new Map<unknown, VectorRecord>();
  const upsert = async (records: readonly VectorRecord[]) => {
    if (new Set(records.map(({ id }) => id)).size < records.length) throw new Error('an id stands twice in one call');
    for (const record of records) {
      for (const [key, value] of Object.entries(record)) if (value === null) throw new Error(`${key} is null`);
      stored.delete(record.id);
      stored.set(record.id, record);
    }
  };
  return { stored, collection: { upsert } as never };
}

const blob = (text: string | Uint8Array) => new Blob([text as Uint8Array<ArrayBuffer>]);
const lines = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join('\n');

test('of several lines with one id the last one stays, whatever lies between, and the count does not depend on batches', async () => {
  const values = [
    { id: 1, text: 'old' },
    { id: '1', text: 'another' },
    { id: 1, text: 'middle' },
    ...Array.from({ length: 50 }, (_, i) => ({ id: `x${i}`, text: 'x' })),
    { id: 1, text: 'new' },
    { id: 'x3', text: 'changed' },
  ];
  for (const batch of [1, 2, 3, 10, 54, 1000]) {
    const { stored, collection } = target();
    expect(await importJsonl(collection, blob(lines(values)), { batch }), `${batch}`).toBe(values.length);
    expect(stored.size).toBe(52);
    expect([stored.get(1)?.text, stored.get('1')?.text, stored.get('x3')?.text]).toEqual(['new', 'another', 'changed']);
    expect([...stored.keys()].slice(-2), 'the order of the last lines').toEqual([1, 'x3']);
  }
});

test('null is nothing, but inside of metadata', async () => {
  const { stored, collection } = target();
  const values = [
    { id: 1, vector: null, text: null, metadata: null },
    { id: 2, vector: [1], text: 'x', metadata: { a: null } },
  ];
  expect(await importJsonl(collection, blob(lines(values)))).toBe(2);
  expect([...stored.values()]).toEqual([{ id: 1 }, { id: 2, vector: [1], text: 'x', metadata: { a: null } }]);
});

test('gzipped files are unpacked, however the stream is cut; broken ones are refused', async () => {
  const packed = gzipSync(lines(Array.from({ length: 3000 }, (_, id) => ({ id, text: `text ${id}` }))));
  const streamOf = (bytes: Uint8Array, size: number) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size));
        controller.close();
      },
    });
  for (const size of [1, 2, 1000, 1e6]) {
    const { stored, collection } = target();
    expect(await importJsonl(collection, streamOf(packed, size))).toBe(3000);
    expect(stored.get(2999)?.text).toBe('text 2999');
  }
  const broken = packed.slice(0, packed.length - 9);
  await expect(importJsonl(target().collection, blob(broken))).rejects.toMatchObject({ code: 'INVALID_FILE' });
  await expect(importJsonl(target().collection, blob(Uint8Array.of(0x1f, 0x8b, 1)))).rejects.toMatchObject({
    code: 'INVALID_FILE',
  });
  await expect(importJsonl(target().collection, blob(Uint8Array.of(0x1f)))).rejects.toMatchObject({
    code: 'INVALID_FILE',
  });
  expect(await importJsonl(target().collection, blob(''))).toBe(0);
});

test('integers that a number cannot hold are refused where they stand; all else is taken', async () => {
  for (const text of [
    '{"id": 9007199254740993, "text": "x"}',
    '{"id": 1, "text": "x", "metadata": {"n": -12345678901234567890}}',
    '{"id": 1, "text": "a \\"quoted\\\\\\\\", "metadata": {"deep": [[{"n":9007199254740992}]]}}',
    '{"id":1,"vector":[1,10000000000000000000000]}',
  ])
    await expect(importJsonl(target().collection, blob(`{"id":0,"text":"ok"}\n${text}`)), text).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringMatching(/^line 2: -?\d+ is beyond 2\^53/),
    });
  for (const text of [
    '{"id": 9007199254740991, "text": "12345678901234567890"}',
    '{"id": 1, "text": "x \\" 12345678901234567890 \\" y"}',
    '{"id": 1, "text": "x", "metadata": {"12345678901234567890": 0.12345678901234567890}}',
    '{"id": 1, "vector": [1e30, -1.0E+22, 0.30000001192092896, 1234567890123456.75]}',
  ])
    expect(await importJsonl(target().collection, blob(text)), text).toBe(1);
});

test('what exportJsonl writes, importJsonl reads', async () => {
  const records = Array.from({ length: 2500 }, (_, id) => ({
    id: id % 2 ? id : `r${id}`,
    ...(id % 3 && { vector: Float32Array.of(id, 0.1, -1e-7) }),
    text: `"quoted" \n ${id} 日本`,
    ...(id % 5 && { metadata: { id, at: new Date(id), list: [{ d: new Date(0) }, null], none: null, o: { $: 1 } } }),
  }));
  const scroll = async ({ cursor = '0', limit = 100 }) => {
    const from = Number(cursor);
    const next = from + limit;
    return { records: records.slice(from, next), ...(next < records.length && { next: String(next) }) };
  };
  const { stored, collection } = target();
  const file = exportJsonl({ scroll } as never);
  expect(await importJsonl(collection, file as ReadableStream<Uint8Array>)).toBe(records.length);
  expect([...stored.values()]).toEqual(
    records.map(({ vector, ...record }) => ({ ...record, ...(vector && { vector: Array.from(vector) }) })),
  );
});

const NUMBERS = [1, -2, 3, 4, 5, -6];

function npy(dictionary: string, data: ArrayBufferLike): Blob {
  const header = `${dictionary.padEnd(117)}\n`;
  const size = Uint8Array.of(header.length & 255, header.length >> 8);
  return new Blob([
    Uint8Array.of(0x93),
    'NUMPY',
    Uint8Array.of(1, 0),
    size,
    header,
    new Uint8Array(data) as Uint8Array<ArrayBuffer>,
  ]);
}

/** The numbers of a 2 x 3 array as NumPy stores them. */
function bytesOf(type: string, isBig: boolean, isFortran: boolean): ArrayBuffer {
  const bytes = Number(type.slice(1));
  const view = new DataView(new ArrayBuffer(6 * bytes));
  const order = isFortran ? [0, 3, 1, 4, 2, 5] : [0, 1, 2, 3, 4, 5];
  for (const [place, i] of order.entries()) {
    const number = type[0] === 'f' || type[0] === 'i' ? NUMBERS[i]! : Math.abs(NUMBERS[i]!);
    const at = place * bytes;
    if (type === 'f4') view.setFloat32(at, number, !isBig);
    else if (type === 'f8') view.setFloat64(at, number, !isBig);
    else if (type === 'f2') view.setUint16(at, [0x3c00, 0xc000, 0x4200, 0x4400, 0x4500, 0xc600][i]!, !isBig);
    else if (type.endsWith('8')) view.setBigInt64(at, BigInt(number), !isBig);
    else if (type.endsWith('4')) view.setInt32(at, number, !isBig);
    else if (type.endsWith('2')) view.setInt16(at, number, !isBig);
    else view.setInt8(at, type === 'b1' ? number % 2 : number);
  }
  return view.buffer;
}

test('.npy arrays of every number, order of bytes and of rows, as either Python writes the header', async () => {
  let count = 0;
  let wrong = 0;
  for (const type of ['f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'b1']) {
    for (const isBig of [false, true]) {
      for (const isFortran of [false, true]) {
        for (const [quote, shape] of [
          ["'", '(2, 3)'],
          ['"', '(2, 3)'],
          ["'", '(2L, 3L)'],
          ["'", '(2, 3,)'],
          ["'", '( 2 ,3 )'],
        ]) {
          const order = type.endsWith('1') ? '|' : isBig ? '>' : count % 2 ? '=' : '<';
          const q = (text: string) => `${quote}${text}${quote}`;
          const dictionary = `{${q('descr')}: ${q(order + type)}, ${q('fortran_order')}: ${isFortran ? 'True' : 'False'}, ${q('shape')}: ${shape}, }`;
          const { stored, collection } = target();
          const sign = (x: number) => (type === 'b1' ? Math.abs(x) % 2 : type[0] === 'u' ? Math.abs(x) : x);
          const expected = [NUMBERS.slice(0, 3), NUMBERS.slice(3)].map((row) => Float32Array.from(row.map(sign)));
          count++;
          const rows = await importNpy(collection, npy(dictionary, bytesOf(type, isBig, isFortran))).catch(String);
          const got = [0, 1].map((id) => stored.get(id)?.vector);
          if (rows === 2 && JSON.stringify(got) === JSON.stringify(expected)) continue;
          if (++wrong < 4) console.log(dictionary, rows, got);
        }
      }
    }
  }
  console.log(`field.npy count=${count} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

test('.npy arrays that are no vectors are refused by name', async () => {
  const dictionary = (descr: string, shape = '(2, 3)', order = 'False') =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
  for (const [header, message] of [
    [dictionary("'<c8'"), "complex numbers, '<c8'"],
    [dictionary("'<U5'"), "strings, '<U5'"],
    [dictionary("'|S5'"), "bytes, '|S5'"],
    [dictionary("'|O'"), "objects, '|O'"],
    [dictionary("'<M8[ns]'"), '<M8[ns]'],
    [dictionary("'<f16'"), "'<f16'"],
    [dictionary("[('a', '<f4'), ('b', '<i4')]"), "'records'"],
    [dictionary("'<f4'", '(6,)'), 'got (6,)'],
    [dictionary("'<f4'", '(1, 2, 3)'), 'got (1, 2, 3)'],
    [dictionary("'<f4'", '()'), 'got ()'],
    [dictionary("'<f4'", '(9000000, 65536)', 'True'), 'Fortran order'],
    [dictionary("'<f4'", '(2, 3)', 'Maybe'), 'fortran_order'],
  ] as const)
    await expect(importNpy(target().collection, npy(header, new ArrayBuffer(24))), header).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining(message),
    });
});

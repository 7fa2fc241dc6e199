import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PiramidError } from '../../../src/errors.ts';
import { crc32 } from '../../../src/store/checksum.ts';
import {
  decodeBlock,
  decodeSections,
  decodeText,
  encodeBlock,
  encodeSections,
  encodeTexts,
  HEADER_BYTES,
} from '../../../src/store/format.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { atOnce } from '../../../src/structures/slices.ts';

describe('crc32', () => {
  test('agrees with the published check value', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  test('is the same at every length and alignment as byte by byte', () => {
    const bytewise = (bytes: Uint8Array) => {
      let crc = 0xffffffff;
      for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
      }
      return (crc ^ 0xffffffff) >>> 0;
    };
    const random = seededRandom(1);
    const bytes = Uint8Array.from({ length: 80 }, () => random.below(256));
    for (let start = 0; start < 9; start++) {
      for (let end = start; end <= bytes.length; end++) {
        expect(crc32(bytes.subarray(start, end))).toBe(bytewise(bytes.subarray(start, end)));
      }
    }
  });
});

describe('a stored value', () => {
  const header = { kind: 'vectors', collection: 3, key: 77, firstRow: 5, rowCount: 2 } as const;
  const payload = Uint8Array.from({ length: 100 }, (_, i) => i * 7);

  test('comes back as it was written', () => {
    const value = encodeBlock(header, payload);
    expect(value.byteLength).toBe(HEADER_BYTES + 100);
    expect(decodeBlock(value, header)).toEqual({ header, payload });
  });

  test('is refused with any single bit flipped, in the header or behind it', () => {
    const value = encodeBlock(header, payload);
    for (let bit = 0; bit < value.byteLength * 8; bit++) {
      const damaged = value.slice(0);
      new Uint8Array(damaged)[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeBlock(damaged, { kind: 'vectors' }), `bit ${bit}`).toThrow(PiramidError);
    }
  });

  test('is refused at every shorter length', () => {
    const value = encodeBlock(header, payload);
    for (let length = 0; length < value.byteLength; length++) {
      expect(() => decodeBlock(value.slice(0, length), { kind: 'vectors' })).toThrow(
        expect.objectContaining({ code: 'CORRUPT' }),
      );
    }
  });

  test('is refused in the place of another', () => {
    const value = encodeBlock(header, payload);
    for (const wrong of [
      { kind: 'text' },
      { kind: 'vectors', key: 78 },
      { kind: 'vectors', collection: 4 },
      { kind: 'vectors', firstRow: 6 },
    ] as const) {
      expect(() => decodeBlock(value, wrong)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    }
    expect(() => decodeBlock(undefined, header)).toThrow(/vectors 77: the stored value is missing/);
  });
});

test('texts come back one by one, empty and absent ones kept apart', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ unit: 'grapheme' }), { nil: null })), (texts) => {
      const payload = new Uint8Array(atOnce(encodeTexts(texts)));
      expect(texts.map((_, row) => decodeText(payload, texts.length, row))).toEqual(texts);
    }),
  );
});

test('sections come back by number', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.nat(20), fc.uint8Array()), { selector: ([id]) => id }), (sections) => {
      const payload = new Uint8Array(atOnce(encodeSections(sections.map(([id, bytes]) => ({ id, bytes })))));
      expect([...decodeSections(payload)].map(([id, bytes]) => [id, [...bytes]])).toEqual(
        sections.map(([id, bytes]) => [id, [...bytes]]),
      );
    }),
  );
});

// What a file may say of itself: each block is whole here, and only what it says is wrong.
import { expect, test } from 'vitest';
import { encodeLogEntry, SECTIONS } from '../../../src/store/batch.ts';
import { chainOf, decodeRows, encodeJsonBlock } from '../../../src/store/exchange.ts';
import { encodeJson, encodeSections, encodeTexts } from '../../../src/store/format.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { FileChecker } from '../../../src/worker/imported.ts';

const CONFIG = { dimension: null, metric: 'cosine', embedder: null } as const;
const head = (count: number, ...names: string[]) =>
  encodeJsonBlock('export', 0, {
    format: 1,
    uuid: 'x',
    collections: names.map((name) => ({ name, config: CONFIG, count })),
  });
const rows = atOnce(
  encodeLogEntry(1, 1, {
    batch: { firstRow: 0, rowCount: 1, ids: [1], vectors: null, metadata: [null], texts: ['a'], postings: null },
  }),
);
const end = (chained: ArrayBuffer[], says: { blocks: number; rows: number[] }) =>
  encodeJsonBlock('end', chained.length, { ...says, chain: chained.reduce(chainOf, 0) });

function take(...blocks: ArrayBuffer[]): boolean {
  const file = new FileChecker();
  for (const block of blocks) file.take(block);
  return file.isWhole;
}

test('a file is whole at its end, where the counts are right, and has nothing behind it', () => {
  const blocks = [head(1, 'a'), rows];
  const right = end(blocks, { blocks: 2, rows: [1] });
  expect(take(...blocks)).toBe(false);
  expect(take(...blocks, right)).toBe(true);
  expect(() => take(...blocks, right, rows)).toThrow(/behind its end/);
  expect(() => take(...blocks, end(blocks, { blocks: 3, rows: [1] }))).toThrow(/counts 3 blocks/);
  expect(() => take(...blocks, end(blocks, { blocks: 2, rows: [0] }))).toThrow(/expected 1 records/);
  const short = [head(2, 'a'), rows];
  expect(() => take(...short, end(short, { blocks: 2, rows: [2] }))).toThrow(/expected 2 records, got 1/);
});

test('its collections have names of their own, and could have been made', () => {
  expect(() => take(head(0, 'a', 'a'))).toThrow(/two collections are called "a"/);
  const config = { ...CONFIG, quantization: 'int8' } as const;
  const impossible = { format: 1, uuid: 'x', collections: [{ name: 'a', config, count: 0 }] };
  expect(() => take(encodeJsonBlock('export', 0, impossible))).toThrow(/no collection can be like that/);
});

test('sections stand in a block once, and texts where they are said to be', () => {
  const ids = { id: SECTIONS.ids, bytes: encodeJson([1, 2]) };
  const decode = (...sections: { id: number; bytes: Uint8Array }[]) =>
    decodeRows(new Uint8Array(atOnce(encodeSections(sections))), 2, null);
  expect(decode(ids).ids).toEqual([1, 2]);
  expect(() => decode(ids, ids)).toThrow(/twice/);
  const texts = atOnce(encodeTexts(['abc', 'de'])).slice();
  expect(decode(ids, { id: SECTIONS.text, bytes: texts }).texts).toEqual(['abc', 'de']);
  new DataView(texts.buffer).setUint32(0, 1, true);
  expect(() => decode(ids, { id: SECTIONS.text, bytes: texts })).toThrow(/not where they are said to be/);
});

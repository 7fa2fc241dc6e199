// Texts with their contexts as bytes: what is written comes back, and says which releases can read it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeText, encodeTexts, readerOf } from '../../../src/store/format.ts';
import { CONTEXT_READER, FORMAT_READER, SEGMENT_BYTES_MIN, VALUE_READER } from '../../../src/store/schema.ts';
import { contextOf, readAs, textOf, withContext } from '../../../src/structures/context.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { Disk } from '../../faults/disk.ts';
import { openEngine } from '../../faults/machine.ts';

/** With characters whose halves are any. */
const anyText = fc.string({ unit: 'binary' });

const TEXTS = [
  withContext('text', 'context'),
  'text alone',
  null,
  '',
  withContext('', 'context alone'),
  withContext('🎉\n\n', 'Überschrift\n\u00ff\u0000'),
  '\u00ff',
];

test('context and text are told apart, and read together', () => {
  expect([textOf(TEXTS[0]!), contextOf(TEXTS[0]!)]).toEqual(['text', 'context']);
  expect([textOf('text'), contextOf('text')]).toEqual(['text', undefined]);
  expect(withContext('text', '')).toBe('text');
  expect([readAs('text'), readAs(TEXTS[0]!)]).toEqual(['text', 'context\n\ntext']);
});

test('whatever text and context are, they come back, in memory and as bytes', () => {
  // Of these, the halves are the first and the last ones that there are.
  for (const odd of ['\u{10000}\u{10000}', '\u{1f400}', '\u{103ff}:', '1:a', '\u{10ffff}'])
    for (const other of ['', 'a', odd, `${odd}${odd}`]) check(odd, other);
  fc.assert(fc.property(anyText, anyText, (text, context) => check(text, context)));

  function check(text: string, context: string): void {
    for (const [a, b] of [
      [text, context],
      [context, text],
    ] as const) {
      const stored = withContext(a, b);
      expect([textOf(stored), contextOf(stored) ?? '']).toEqual([a, b]);
      const payload = atOnce(encodeTexts([stored])) as Uint8Array<ArrayBuffer>;
      expect(decodeText(payload, 1, 0)).toBe(stored);
    }
  }
});

test('texts come back as they were written, each with its context', () => {
  const payload = atOnce(encodeTexts(TEXTS)) as Uint8Array<ArrayBuffer>;
  expect(TEXTS.map((_, row) => decodeText(payload, TEXTS.length, row))).toEqual(TEXTS);
  expect([readerOf(TEXTS), readerOf(['text', null])]).toEqual([CONTEXT_READER, VALUE_READER]);
});

test('a context without an end is damage', () => {
  const payload = atOnce(encodeTexts(['\u0001text'])) as Uint8Array<ArrayBuffer>;
  payload[8] = 0xff;
  expect(() => decodeText(payload, 1, 0)).toThrow('has no end');
});

test('chunks and log entries with a context say so to older releases, and no others do', async () => {
  for (const context of ['', 'above']) {
    const disk = new Disk();
    const engine = await openEngine(disk);
    const request = { dimension: null, metric: null, quantization: null, embedder: null, mustExist: false };
    const { id } = await engine.openCollection('c', request, 1);
    const records = (text: string) => ({
      ...{ ids: [1], vectors: null, sources: null, metadata: null },
      texts: [withContext(text, context)],
    });
    await engine.upsert(id, records('short'), 'upsert', 2);
    await engine.upsert(id, records('x'.repeat(SEGMENT_BYTES_MIN)), 'upsert', 3); // a segment of its own
    const versions = (store: 'chunks' | 'log') =>
      [...disk.state.get(store)!.values()].map((value) => new Uint8Array(value)[4]);
    const newest = context === '' ? VALUE_READER : CONTEXT_READER;
    expect(Math.max(...(versions('chunks') as number[]))).toBe(newest);
    expect(Math.max(...(versions('log') as number[]))).toBe(newest);
    expect(FORMAT_READER).toBeGreaterThanOrEqual(CONTEXT_READER); // so the manifest refuses them too
    await engine.close();
  }
});

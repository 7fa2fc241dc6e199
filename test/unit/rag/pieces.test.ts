import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countWords } from '../../../src/rag/pieces.ts';

test('words are counted alike whatever script stands beside them', () => {
  const text = fc.oneof(
    fc.string({
      unit: fc.constantFrom(
        'a',
        'é',
        'ж',
        ' ',
        '\n',
        '\t',
        '\v',
        '\0',
        '\x1c',
        '\x85',
        '\xa0',
        '·',
        '’',
        '…',
        '\u2028',
        '\u0301',
      ),
    }),
    fc
      .array(fc.constantFrom('word', 'x'.repeat(24), 'y'.repeat(25), 'z'.repeat(2401), ' ', '  '), { maxLength: 9 })
      .map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );
  // With a Chinese character behind it, a text goes the long way.
  fc.assert(
    fc.property(text, (given) => {
      expect(countWords(given)).toBe(countWords(`${given} 猫`) - 1);
    }),
    { numRuns: 3000 },
  );
});

test('long words count as several', () => {
  expect(countWords('a bc')).toBe(2);
  expect(countWords(`${'x'.repeat(24)} ${'x'.repeat(25)}`)).toBe(3);
  expect(countWords('')).toBe(0);
  expect(countWords('黑猫')).toBe(2);
});

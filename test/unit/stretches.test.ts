import { expect, test } from 'vitest';
import { seededRandom } from '../../src/structures/random.ts';
import { STRETCH_LENGTH_MAX, stretches } from '../../src/structures/stretches.ts';

test('stretches tile a text, are no longer than the longest, and end between words or characters', () => {
  const random = seededRandom(5);
  for (const letters of ['a', 'a ', '漢', '🎉', 'a\u0301\u0323', '🎉\u0301', '\n'])
    for (let i = 0; i < 4; i++) {
      const text = 'x'.repeat(random.below(2000)) + letters.repeat((STRETCH_LENGTH_MAX * 2.5) / letters.length);
      const parts = [...stretches(text)];
      expect(parts.map((part) => part.text).join('') === text, letters).toBe(true);
      let start = 0;
      for (const part of parts) {
        expect(part.start).toBe(start);
        expect(part.text.length).toBeLessThanOrEqual(STRETCH_LENGTH_MAX);
        expect(part.text.length).toBeGreaterThan(0);
        start += part.text.length;
        if (start === text.length) continue;
        if (letters === 'a ') expect(part.text.endsWith(' ')).toBe(true);
        expect(/^[\udc00-\udfff\p{M}]/u.test(text.slice(start, start + 2)), letters).toBe(false);
      }
    }
});

test('a short text is one stretch, an empty one, too', () => {
  expect([...stretches('a b')]).toEqual([{ text: 'a b', start: 0 }]);
  expect([...stretches('')]).toEqual([{ text: '', start: 0 }]);
});

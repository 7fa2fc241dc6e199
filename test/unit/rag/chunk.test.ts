import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Chunk, chunk, type TextFormat } from '../../../src/rag/chunk.ts';
import { sentences } from '../../../src/rag/sentences.ts';

const texts = (chunks: Chunk[]) => chunks.map(({ text }) => text);
const wordCount = (text: string) => text.split(/\s+/).filter((word) => word !== '').length;
const sentence = (words: number, name = 'word') => `${name.toUpperCase()} ${`${name} `.repeat(words - 2)}${name}. `;
const cutSentences = (text: string) => sentences(text).map(({ start, end }) => text.slice(start, end));

describe('sentences', () => {
  test.each([
    [
      'full stops, questions and exclamations end one',
      'One. Two? “Three!” Four',
      ['One. ', 'Two? ', '“Three!” ', 'Four'],
    ],
    [
      'abbreviations, initials and numbers do not',
      'Mr. J. R. Smith paid $3.50, no. 7, to Dr. Who. I said no. Then we left.',
      ['Mr. J. R. Smith paid $3.50, no. 7, to Dr. Who. ', 'I said no. ', 'Then we left.'],
    ],
    [
      'a small letter goes on',
      'It was approx. five cm... and so on. End.',
      ['It was approx. five cm... and so on. ', 'End.'],
    ],
    [
      'blank lines and list items end one',
      'Title\n\nText:\n- one\n- two',
      ['Title\n\n', 'Text:\n', '- one\n', '- two'],
    ],
    [
      'Chinese and Japanese stops need no space',
      '我爱北京。天安门！「好。」対',
      ['我爱北京。', '天安门！', '「好。」', '対'],
    ],
    ['nothing is nothing', '', []],
  ])('%s', (_, text, expected) => {
    expect(cutSentences(text)).toEqual(expected);
  });

  test('long runs of anything take linear time', () => {
    const start = performance.now();
    for (const part of ['.', '. ', '\n', ' ', '\n ', '!"', '- ', 'a. ', 'A.']) {
      sentences(part.repeat(100_000));
      chunk(`word ${part.repeat(100_000)}`);
    }
    expect(performance.now() - start).toBeLessThan(15_000);
  });

  test('they tile any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'B', '. ', '.', '\n', '。', ' ', '- ', '?', '😀') }),
        (text) => {
          expect(cutSentences(text).join('')).toBe(text);
        },
      ),
      { numRuns: 1000, seed: 1 },
    );
  });
});

describe('chunk', () => {
  test('a short text is one passage, and one without words is none', () => {
    expect(chunk('Just this.\n')).toEqual([{ start: 0, end: 11, text: 'Just this.\n' }]);
    for (const text of ['', ' \n\n ', '— … !']) expect(chunk(text)).toEqual([]);
  });

  test('passages end at paragraphs where these fit', () => {
    const [a, b, c] = ['one', 'two', 'three'].map((name) => `${sentence(50, name)}\n\n`) as [string, string, string];
    expect(texts(chunk(a + b + c, { maxWords: 110, minWords: 20 }))).toEqual([a + b, c]);
  });

  test('a paragraph that is too long ends at sentences', () => {
    const all = Array.from({ length: 10 }, (_, i) => sentence(30, `s${i}x`));
    const passages = texts(chunk(all.join(''), { maxWords: 100, minWords: 20 }));
    expect(passages).toEqual(
      [all.slice(0, 3), all.slice(3, 6), all.slice(6, 9), all.slice(9)].map((part) => part.join('')),
    );
  });

  test('a sentence that is too long ends at words', () => {
    const passages = texts(chunk(sentence(250).trim(), { maxWords: 100, minWords: 10 }));
    expect(passages.map(wordCount)).toEqual([100, 100, 50]);
    for (const passage of passages.slice(0, -1)) expect(passage).toMatch(/word $/);
  });

  test('Markdown headings begin passages, unless there is too little before them', async () => {
    const body = sentence(50);
    const text = `# A\n\n${body}\n\n## B\n\n${body}\n\n### C\n\nShort.\n\n## D\n\n${body}`;
    const passages = texts(await chunk(text, { maxWords: 100, minWords: 20, format: 'markdown' }));
    expect(passages.map((passage) => passage.match(/#+ \w/g))).toEqual([['# A'], ['## B'], ['### C', '## D']]);
    const plain = texts(chunk(text, { maxWords: 100, minWords: 20 }));
    expect(plain.join('')).toBe(text);
  });

  test('a heading stays with what follows it', async () => {
    const text = `${sentence(90)}\n\n# Next\n\n${sentence(90)}`;
    const passages = texts(await chunk(text, { maxWords: 100, minWords: 92, format: 'markdown' }));
    expect(passages.findIndex((passage) => passage.includes('# Next'))).toBe(1);
  });

  test('a # in fenced code is no heading', async () => {
    const text = `Words before.\n\n\`\`\`\n# comment\n\n# another\n\`\`\`\n\nWords behind.`;
    expect((await chunk(text, { maxWords: 6, minWords: 0, format: 'markdown' }))[1]!.text).toBe(
      '```\n# comment\n\n# another\n```\n\n',
    );
  });

  test('a last passage that is too small takes from the one before', () => {
    const text = sentence(30, 'a') + sentence(30, 'b') + sentence(30, 'c') + sentence(8, 'd');
    expect(texts(chunk(text, { maxWords: 90, minWords: 25 })).map(wordCount)).toEqual([60, 38]);
  });

  test('Chinese is cut between characters, after its stops where it can', () => {
    const text = '我爱北京天安门。'.repeat(50);
    const passages = texts(chunk(text, { maxWords: 100 }));
    expect(passages.join('')).toBe(text);
    for (const passage of passages) expect(passage.length).toBeLessThanOrEqual(100);
    for (const passage of passages) expect(passage.endsWith('。')).toBe(true);
    expect(texts(chunk('中'.repeat(1000), { maxWords: 100 })).map((passage) => passage.length)).toEqual(
      new Array(10).fill(100),
    );
  });

  test('a gigantic word is cut, but never a surrogate pair', () => {
    for (const text of ['a'.repeat(100_001), '😀'.repeat(20_000), '𠮷'.repeat(5000), `x${'e\u0301'.repeat(9000)}`]) {
      const passages = texts(chunk(`${text}a`, { maxWords: 50 }));
      expect(passages.length).toBeGreaterThan(5);
      for (const passage of passages) expect(passage.isWellFormed()).toBe(true);
      expect(passages.join('')).toBe(`${text}a`);
    }
  });

  test('wrong options are refused by name', () => {
    expect(() => chunk('a', { maxWords: 0 })).toThrow('chunk.maxWords');
    expect(() => chunk('a', { maxWords: 10, minWords: 11 })).toThrow('chunk.minWords');
    expect(() => chunk('a', { format: 'pdf' as 'text' })).toThrow('chunk.format');
  });

  test('passages tile any text, have few enough words, and end inside of none', async () => {
    const piece = fc.constantFrom(
      'word',
      'Word',
      '. ',
      ' ',
      '\n',
      '\n\n',
      '# ',
      '```',
      '- ',
      '! ',
      '猫',
      '。',
      '😀',
      'é',
      '\u0301',
      '\r\n',
      'Mr. ',
    );
    const options = fc.record({
      maxWords: fc.integer({ min: 1, max: 12 }),
      format: fc.constantFrom<TextFormat[]>('text', 'markdown', 'records'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 120, size: 'max' }),
        options,
        async (pieces, { maxWords, format }) => {
          const text = pieces.join('');
          const passages = await chunk(text, { maxWords, minWords: maxWords >> 1, format });
          if (passages.length === 0) {
            expect(text).not.toMatch(/[\p{L}\p{N}]/u);
            return;
          }
          expect(texts(passages).join('')).toBe(text);
          let at = 0;
          for (const { start, end, text: passage } of passages) {
            expect(start).toBe(at);
            at = end;
            expect(text.slice(start, end)).toBe(passage);
            expect(passage).not.toBe('');
            const [longest = ''] = passage.split(/\s+/).sort((a, b) => b.length - a.length);
            if (longest.length <= 24 && !/猫|。/.test(passage)) {
              expect(wordCount(passage)).toBeLessThanOrEqual(maxWords);
              const before = text.slice(0, start).split(/\s/).at(-1)!;
              // Between two letters only where the whole word was more than a passage.
              if (/[a-z]$/i.test(text.slice(0, start)) && /^[a-z]/i.test(passage))
                expect((before + longest).length).toBeGreaterThan(24);
            }
          }
        },
      ),
      { numRuns: 1000, seed: 2 },
    );
  });
});

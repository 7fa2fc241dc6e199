// Item 6: bytes mean what their mark, their server, their declaration or their shape says.
import { describe, expect, test } from 'vitest';
import { type ExtractOptions, extract } from '../../src/rag/extract.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { SEED } from './seed.ts';

/** Encodes by turning the decoder round: what each byte or pair of bytes means. */
function encoder(label: string): (text: string) => number[] {
  const bytes = new Map<string, number[]>();
  const decoder = new TextDecoder(label, { fatal: true });
  const learn = (...sequence: number[]) => {
    try {
      const text = decoder.decode(Uint8Array.from(sequence), { stream: true }) + decoder.decode();
      if ([...text].length === 1 && !bytes.has(text)) bytes.set(text, sequence);
    } catch {}
  };
  for (let a = 0; a < 256; a++) learn(a);
  for (let a = 0x81; a < 256; a++) for (let b = 0x40; b < 256; b++) learn(a, b);
  return (text) => Array.from(text).flatMap((character) => bytes.get(character)!);
}

const eucJp = encoder('euc-jp');
const ENCODERS: { [label: string]: (text: string) => number[] } = {
  'windows-1251': encoder('windows-1251'),
  'koi8-r': encoder('koi8-r'),
  'iso-8859-2': encoder('iso-8859-2'),
  'windows-1252': encoder('windows-1252'),
  shift_jis: encoder('shift_jis'),
  'euc-jp': eucJp,
  gbk: encoder('gbk'),
  big5: encoder('big5'),
  'euc-kr': encoder('euc-kr'),
  'iso-2022-jp': (text) =>
    Array.from(text.matchAll(/[\0-\x7f]+|[^\0-\x7f]+/g)).flatMap(([run]) =>
      run < '\x80'
        ? [...new TextEncoder().encode(run)]
        : [0x1b, 0x24, 0x42, ...eucJp(run).map((byte) => byte - 0x80), 0x1b, 0x28, 0x42],
    ),
  'utf-8': (text) => [...new TextEncoder().encode(text)],
};
const utf16 = (text: string, isLittle: boolean): number[] =>
  Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).flatMap((unit) =>
    isLittle ? [unit & 255, unit >> 8] : [unit >> 8, unit & 255],
  );

const TEXTS: { [label: string]: string } = {
  'windows-1251': 'Москва — столица России',
  'koi8-r': 'Москва и Волга',
  'iso-8859-2': 'Příliš žluťoučký kůň; zażółć gęślą jaźń',
  'windows-1252': '“Café” – 5 € für Größe',
  shift_jis: '東京は日本の首都です',
  'euc-jp': '東京は日本の首都です',
  gbk: '北京是中国的首都',
  big5: '台北是一座城市',
  'euc-kr': '서울은 한국의 수도',
  'iso-2022-jp': '東京は日本の首都です',
  'utf-8': 'Größe 東京 😀',
};

const file = (bytes: number[], name: string, type = '') => new File([Uint8Array.from(bytes)], name, { type });
const read = async (input: File, options: ExtractOptions = {}) => (await extract(input, options)).text.trim();

describe.each(Object.keys(ENCODERS))('%s', (label) => {
  const text = TEXTS[label]!;
  const encode = ENCODERS[label]!;
  test.each([
    [
      '<meta charset>',
      `<!DOCTYPE html><html><head><title>x</title><meta name=a content="b>c"><meta charset="${label}"></head><body>${text}`,
      'a.html',
    ],
    [
      '<meta charset> behind comments',
      `<!-- <meta charset=utf-8> --><!--><META CHARSET = '${label}' /><p>${text}`,
      'a.htm',
    ],
    ['<meta http-equiv>', `<meta content="text/html; charset=${label}" http-equiv=Content-Type><p>${text}`, 'a.html'],
    [
      'XML declaration of XHTML',
      `<?xml version="1.0" encoding="${label}"?><html xmlns="http://www.w3.org/1999/xhtml"><body>${text}</body></html>`,
      'a.xhtml',
    ],
    ['XML declaration', `<?xml version='1.0' encoding='${label.toUpperCase()}'?>\n<a>${text}</a>`, 'a.xml'],
    [
      'XML declaration, name without an ending',
      `<?xml version='1.0' encoding='${label}'?>\n<a>${text}</a>`,
      'download',
    ],
  ])('by %s', async (_, source, name) => {
    expect(await read(file(encode(source), name))).toBe(text);
  });

  test('by the caller and by the server, whatever the document says', async () => {
    const page = encode(`<meta charset=iso-8859-7><p>${text}`);
    expect(await read(file(page, 'a.html', `text/html; charset="${label}"`))).toBe(text);
    expect(await read(file(page, 'a.html', 'text/html;charset=iso-8859-7'), { charset: label })).toBe(text);
    expect(await read(file(encode(text), 'a.txt'), { charset: label.toUpperCase() })).toBe(text);
    expect(await read(file(encode(`a,b\n1,${text.replaceAll(',', ';')}`), 'a.csv'), { charset: label })).toContain(
      text.slice(0, 5),
    );
  });
});

describe('UTF-16', () => {
  const text = 'Zürich, 東京: a line of text\n';
  test.each([true, false])('with and without a mark, little-endian: %s', async (isLittle) => {
    const bytes = utf16(text, isLittle);
    const mark = isLittle ? [0xff, 0xfe] : [0xfe, 0xff];
    expect(await read(file([...mark, ...bytes], 'a.txt'))).toBe(text.trim());
    expect(await read(file(bytes, 'a.txt'))).toBe(text.trim());
    expect(await read(file(bytes, 'a.txt'), { charset: 'utf-16' })).toBe(text.trim());
    expect(await read(file(utf16('東京は日本の首都です。\n京都は古い都です。\n', isLittle), 'a.md'))).toContain('京都');
    expect(await read(file(utf16(`<?xml version="1.0" encoding="utf-16"?><a>${text}</a>`, isLittle), 'a.xml'))).toBe(
      text.trim(),
    );
    expect(await read(file(utf16(`<meta charset=utf-16>${text}`, isLittle), 'a.html'))).toBe(text.trim());
  });

  test('a name of it that could be read as ASCII is not true', async () => {
    expect(await read(file(ENCODERS['utf-8']!('<meta charset=utf-16>é'), 'a.html'))).toBe('é');
  });
});

describe('without a word', () => {
  test('a damaged byte in UTF-8 is one character', async () => {
    for (const bad of [0xff, 0xe9, 0x80, 0xc3]) {
      const bytes = [...ENCODERS['utf-8']!('Café Müller, '), bad, ...ENCODERS['utf-8']!(' naïve')];
      expect(await read(file(bytes, 'a.txt'))).toBe('Café Müller, \ufffd naïve');
    }
    expect(await read(file([...ENCODERS['utf-8']!('Café'), 0xff], 'a.txt'))).toBe('Café\ufffd');
  });

  test('a mark wins over everything', async () => {
    expect(
      await read(file([0xef, 0xbb, 0xbf, 0xc3, 0xa9], 'a.html', 'text/html; charset=koi8-r'), { charset: 'gbk' }),
    ).toBe('é');
  });

  test('other bytes are windows-1252, also where few of them happen to be UTF-8', async () => {
    expect(await read(file([0x63, 0x61, 0x66, 0xe9], 'a.txt'))).toBe('café');
    expect(await read(file(ENCODERS['windows-1252']!('“É” à l’été — Ã©'), 'a.txt'))).toBe('“É” à l’été — Ã©');
  });

  test('unknown names are refused from the caller, and not minded from others', async () => {
    await expect(extract(file([65], 'a.txt'), { charset: 'klingon' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('klingon'),
    });
    expect(await read(file([0xc3, 0xa9], 'a.html', 'text/html; charset=klingon'))).toBe('é');
    expect(await read(file(ENCODERS['utf-8']!('<meta charset=klingon>é'), 'a.html'))).toBe('é');
  });

  test('zeros that are damage, or no text at all, are not UTF-16', async () => {
    const text = 'plain words '.repeat(50);
    await expect(extract(file([...ENCODERS['utf-8']!(text), 0, 65], 'a.log'))).rejects.toThrow('not text');
    await expect(extract(file([0x89, 0x50, 0, 0, 1, 0, 0, 7], 'a.txt'))).rejects.toThrow('not text');
  });
});

test('generated texts come back, however they are declared', async () => {
  const { below } = seededRandom(SEED);
  const labels = Object.keys(ENCODERS);
  let wrong = 0;
  const COUNT = 3000;
  for (let i = 0; i < COUNT; i++) {
    const label = labels[below(labels.length)]!;
    const letters = [...TEXTS[label]!].filter((letter) => letter.trim() !== '' && !/[<&]/.test(letter));
    const text = Array.from({ length: 1 + below(40) }, () => letters[below(letters.length)]).join('');
    const padding = `<!--${'x'.repeat(200 + below(1500))}-->`;
    const input = [
      () => file(ENCODERS[label]!(`${padding}<meta charset=${label}><p>${text}`), 'a.html'),
      () => file(ENCODERS[label]!(`<p>${text}`), 'a.html', `text/html;charset=${label}`),
      () => file(utf16(`<p>${text} ${padding}`, below(2) === 0), 'a.html'),
    ][below(3)]!();
    if ((await read(input)) !== text) wrong++;
  }
  console.log(`field.encodings count=${COUNT} wrong=${wrong}`);
  expect(wrong).toBe(0);
});

// Numbers in a text, whether in digits or in English words: "nine", "twenty-five", "5 million", "the fourteenth".

const ONES =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen';
const TENS = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];
const VALUES = new Map<string, number>([
  ...ONES.split(' ').map((word, i): [string, number] => [word, i]),
  ...TENS.map((word, i): [string, number] => [word, 20 + 10 * i]),
]);
/** Ordinals that are not VALUE + "th". "Second" is a time, too, and "first" is said of much that is not counted. */
const IRREGULAR = new Map([
  ['third', 3],
  ['fifth', 5],
  ['eighth', 8],
  ['ninth', 9],
  ['twelfth', 12],
]);
const SCALES = new Map([
  ['hundred', 100],
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
]);
/** Characters between the words of one number. */
const GAP_MAX = 10;
const TOKEN = /\p{Nd}{1,30}(?:[.,]\p{Nd}{1,30}){0,20}|\p{L}{1,40}/gu;

/** A number with its place. */
export interface NumberIn {
  value: string;
  start: number;
  end: number;
}

/** The numbers of `text` in order. A lone "one" is a pronoun more often than a number, and none. */
export function numbersIn(text: string): NumberIn[] {
  const found: NumberIn[] = [];
  let run: { total: number; part: number; words: string[]; start: number; end: number } | undefined;
  const close = () => {
    if (run && !(run.words.length === 1 && run.words[0] === 'one'))
      found.push({ value: String(run.total + run.part), start: run.start, end: run.end });
    run = undefined;
  };
  for (const { 0: token, index: start } of text.matchAll(TOKEN)) {
    const end = start + token.length;
    const word = token.toLowerCase();
    // "Two hundred and six", "twenty-five": one number; "two, three": two.
    const goesOn =
      run !== undefined && start - run.end <= GAP_MAX && /^(?:[\s-]|\s+and\s+)$/.test(text.slice(run.end, start));
    if (word === 'and') continue;
    const scale = SCALES.get(word);
    if (scale !== undefined) {
      if (!goesOn) close();
      run ??= { total: 0, part: 1, words: [], start, end };
      if (scale === 100) run.part *= 100;
      else [run.total, run.part] = [run.total + run.part * scale, 0];
    } else {
      const value = numberOf(word);
      if (typeof value === 'string') {
        close();
        found.push({ value, start, end });
        continue;
      }
      if (value === undefined) {
        close();
        continue;
      }
      const isDigits = /^\p{Nd}/u.test(word);
      const last = run?.words.at(-1) ?? '';
      const adds = goesOn && !isDigits && (SCALES.has(last) || (value < 10 && TENS.includes(last)));
      if (!adds) close();
      run ??= { total: 0, part: 0, words: [], start, end };
      run.part += value;
    }
    run.words.push(word);
    run.end = end;
  }
  close();
  return found;
}

/** As its text where it is no quantity, or `Number` would not give it back: "1.2.3", "31.12.2025", "007", "1.10". */
function numberOf(word: string): number | string | undefined {
  if (/^\p{Nd}/u.test(word)) {
    const plain = word.replace(/\p{Nd}/gu, asciiDigit).replace(/,(?=\d{3}(?!\d))/g, '');
    return String(Number(plain)) === plain ? Number(plain) : plain;
  }
  const stem = word.replace(/ieth$/, 'y').replace(/th$/, '');
  return VALUES.get(word) ?? IRREGULAR.get(word) ?? (stem === word ? undefined : VALUES.get(stem));
}

/** Decimal digits stand in runs of ten, 0 first (The Unicode Standard, 4.6). */
function asciiDigit(digit: string): string {
  let zero = digit.codePointAt(0)!;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((digit.codePointAt(0)! - zero) % 10);
}

// The built-in embedder's tokenizer: text -> row numbers of its table. The parts of `@huggingface/tokenizers` that a
// BERT vocabulary needs (1.7 kB of it, where its `Tokenizer` brings 11.5 kB), behind a bounded memory of words.
//
// No piece of a word ever depends on what stands beyond white space, so a text is encoded word by word, and most words
// have been seen before. The one care: "white space" is what the normalizer turns into a space. Vertical tab, form feed
// and U+FEFF are space to JavaScript, but the normalizer removes them, which joins what they stand between.
import { BertNormalizer, BertPreTokenizer, WordPiece } from '@huggingface/tokenizers';
import { withShortMarks } from '../structures/marks.ts';
import { stretches } from '../structures/stretches.ts';

/** The parts of a `tokenizer.json` that are used. */
export interface WordPieceFile {
  normalizer: ConstructorParameters<typeof BertNormalizer>[0];
  model: ConstructorParameters<typeof WordPiece>[0];
}

/** The ids of a text, without special tokens. They are valid until the next call. */
export type Encode = (text: string) => Uint16Array;

/** Two generations of this many words, about 5 MB together. */
const REMEMBERED_WORDS_MAX = 16_384;
/** Longer ones are rarely words. */
const REMEMBERED_WORD_LENGTH_MAX = 48;
/** Stand for themselves when a text spells them out, as in every tokenizer made from this file. */
const SPECIAL_TOKENS = /(\[PAD\]|\[UNK\])/;

export function createWordPieces(file: WordPieceFile): Encode {
  const normalizer = new BertNormalizer(file.normalizer);
  const preTokenizer = new BertPreTokenizer();
  const wordPiece = new WordPiece(file.model);
  let young = new Map<string, readonly number[]>();
  let old = new Map<string, readonly number[]>();
  let ids = new Uint16Array(1024);
  let count = 0;

  function encodeWord(word: string): number[] {
    const found: number[] = [];
    for (const part of word.split(SPECIAL_TOKENS)) {
      const tokens = SPECIAL_TOKENS.test(part) ? [part] : tokensOf(normalizer.normalize(withShortMarks(part)));
      for (const token of tokens) found.push(wordPiece.tokens_to_ids.get(token)!);
    }
    return found;
  }

  function* tokensOf(normalized: string): Generator<string> {
    for (const { text } of stretches(normalized)) yield* wordPiece.encode(preTokenizer.pre_tokenize_text(text));
  }

  function remember(word: string, found: readonly number[]): void {
    if (young.size === REMEMBERED_WORDS_MAX) {
      old = young;
      young = new Map();
    }
    young.set(word, found);
  }

  function append(word: string): void {
    let found = young.get(word);
    if (!found) {
      found = old.get(word) ?? encodeWord(word);
      // A slice keeps the whole text alive that it was cut from; gluing and cutting makes a string of its own.
      if (word.length <= REMEMBERED_WORD_LENGTH_MAX) remember(` ${word}`.slice(1), found);
    }
    if (count + found.length > ids.length) {
      const grown = new Uint16Array(2 * (count + found.length));
      grown.set(ids);
      ids = grown;
    }
    for (let i = 0; i < found.length; i++) ids[count++] = found[i]!;
  }

  return (text) => {
    count = 0;
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      if (!isSpace(text.charCodeAt(i))) continue;
      if (i > start) append(text.slice(start, i));
      start = i + 1;
    }
    if (start < text.length) append(text.slice(start));
    return ids.subarray(0, count);
  };
}

/** Does the normalizer make a space of this UTF-16 unit? */
function isSpace(unit: number): boolean {
  if (unit <= 32) return unit === 32 || unit === 9 || unit === 10 || unit === 13;
  if (unit < 0xa0) return false;
  return (
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

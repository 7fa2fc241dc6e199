// Regular expressions keep what they may go back to on a stack of 64 MiB, which a single word of some million characters
// overflows (base64, Chinese without a mark). So none of ours reads more at once than a stretch.

export const STRETCH_LENGTH_MAX = 1 << 20;
/** Where there is white space in so many characters before the longest end, a stretch ends behind it. */
const LOOK_BACK = 1000;

/** The stretches that tile `text`; `start` is a UTF-16 offset. Nearly every text is one. */
export function* stretches(text: string): Generator<{ text: string; start: number }> {
  let start = 0;
  while (text.length - start > STRETCH_LENGTH_MAX) {
    const end = cutBefore(text, start + STRETCH_LENGTH_MAX);
    yield { text: text.slice(start, end), start };
    start = end;
  }
  yield { text: start === 0 ? text : text.slice(start), start };
}

function cutBefore(text: string, end: number): number {
  for (let at = end; at > end - LOOK_BACK; at--) if (/\s/.test(text[at - 1]!)) return at;
  // Not inside of a character, and not before its marks.
  let at = end;
  while (at > end - LOOK_BACK && /[\udc00-\udfff\p{M}]/u.test(text[at]!)) at--;
  return at;
}

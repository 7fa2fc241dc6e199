// A record's text with its context (a title, the headings that it is under) as one string, so that whatever carries texts carries
// contexts. In front stand the second half of a surrogate pair, which no well-formed text begins with, and the context's length.

const MARK = '\udc00';

/** Both are well-formed, see `checkText`. An empty context is none. */
export function withContext(text: string, context: string): string {
  return context === '' ? text : `${MARK}${context.length}:${context}${text}`;
}

export function hasContext(stored: string): boolean {
  return stored.startsWith(MARK);
}

export function textOf(stored: string): string {
  return hasContext(stored) ? stored.slice(contextSpan(stored).end) : stored;
}

/** Undefined where there is none. */
export function contextOf(stored: string): string | undefined {
  if (!hasContext(stored)) return undefined;
  const { start, end } = contextSpan(stored);
  return stored.slice(start, end);
}

/** What is embedded, and whose words are indexed: the text behind its context. */
export function readAs(stored: string): string {
  return hasContext(stored) ? `${contextOf(stored)}\n\n${textOf(stored)}` : stored;
}

function contextSpan(stored: string): { start: number; end: number } {
  const colon = stored.indexOf(':');
  return { start: colon + 1, end: colon + 1 + Number(stored.slice(MARK.length, colon)) };
}

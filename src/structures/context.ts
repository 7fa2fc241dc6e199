// A record's text with its context (a title, the headings that it is under) as one string, so that whatever carries texts carries
// contexts. Half a surrogate pair stands before each of the two parts: no text holds one, since UTF-8 has none.

const MARK = '\ud800';

/** Both are well-formed, see `checkText`. An empty context is none. */
export function withContext(text: string, context: string): string {
  return context === '' ? text : MARK + context + MARK + text;
}

export function hasContext(stored: string): boolean {
  return stored.startsWith(MARK) && stored.indexOf(MARK, 1) > 0;
}

export function textOf(stored: string): string {
  return hasContext(stored) ? stored.slice(stored.indexOf(MARK, 1) + 1) : stored;
}

/** Undefined where there is none. */
export function contextOf(stored: string): string | undefined {
  return hasContext(stored) ? stored.slice(1, stored.indexOf(MARK, 1)) : undefined;
}

/** What is embedded, and whose words are indexed: the text behind its context. */
export function readAs(stored: string): string {
  return hasContext(stored) ? `${contextOf(stored)}\n\n${textOf(stored)}` : stored;
}

// The outline of Markdown: its title, and where its headings, tables and code are. The parser is loaded when it is first
// needed; a text in it is neither changed nor rendered.
import { readAside } from './reading/index.ts';

export interface Heading {
  /** UTF-16 offsets of its lines. */
  start: number;
  end: number;
  /** 1 to 6. */
  level: number;
  /** Its words. */
  text: string;
}

/** A table or code: cut at lines, with its head in front of each piece. */
export interface Repeated {
  kind: 'table' | 'code';
  /** UTF-16 offsets of its lines. */
  start: number;
  end: number;
  /** Characters at its beginning that are `before`: the header row and the line under it, the opening fence. */
  head: number;
  /** Characters at its end that are no content: the closing fence. */
  tail: number;
  /** What later pieces begin with, and what earlier ones end with. */
  before: string;
  after: string;
}

export interface Outline {
  /** That of the front matter, else the first heading of level 1, else the first heading; '' without any. */
  title: string;
  /** In order, like `blocks`. */
  headings: Heading[];
  blocks: Repeated[];
}

/** Reads Markdown. Throws `INVALID_ARGUMENT` where it is too long. */
export function outlineOf(source: string): Promise<Outline> {
  return readAside('markdown', source);
}

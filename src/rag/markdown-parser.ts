// Where the headings, tables and code of Markdown are: CommonMark and the tables of GitHub, by markdown-it. Offsets are those
// of the source. Loaded on demand, see markdown.ts.
import MarkdownIt, { type Token } from 'markdown-it';
import type { Heading, Outline, Repeated } from './markdown.ts';

/** Lists and quotes inside of each other; what is deeper is read as text of the innermost. */
const NESTING_MAX = 100;
/** An HTML heading that is longer has not been closed. Characters. */
const HEADING_MAX = 2000;

const parser = new MarkdownIt('commonmark', { html: true, maxNesting: NESTING_MAX }).enable('table');

/** The parts of `source` that passages are cut by. */
export function parse(source: string): Outline {
  const head = frontMatter(source);
  const lines = lineStarts(source, head?.end ?? 0);
  const outline: Outline = { title: head?.title ?? '', headings: [], blocks: [] };
  const html = new HtmlHeadings(source);
  const tokens = parser.parse(source.slice(head?.end ?? 0), {});
  for (const [i, token] of tokens.entries()) {
    if (!token.map) continue;
    const start = lines[token.map[0]]!;
    const end = lines[token.map[1]]!;
    if (token.type === 'heading_open') {
      html.reset();
      outline.headings.push({ start, end, level: Number(token.tag[1]), text: inlineText(tokens[i + 1]!.children) });
    } else if (token.type === 'html_block' || (token.type === 'inline' && token.children?.some(isHtmlHeading))) {
      outline.headings.push(...html.read(start, end));
    } else if (token.type === 'fence') {
      outline.blocks.push({ kind: 'code', start, end, ...fence(source.slice(start, end), token) });
    } else if (token.type === 'code_block') {
      outline.blocks.push({ kind: 'code', start, end, head: 0, tail: 0, before: '', after: '' });
    } else if (token.type === 'table_open') {
      const before = source.slice(start, lines[token.map[0] + 2]!);
      outline.blocks.push({ kind: 'table', start, end, head: before.length, tail: 0, before, after: '' });
    }
  }
  const { headings } = outline;
  outline.title ||=
    (headings.find(({ level, text }) => level === 1 && text) ?? headings.find(({ text }) => text))?.text ?? '';
  return outline;
}

/** Where lines begin, and the end, as the parser counts them. */
function lineStarts(source: string, from: number): number[] {
  const starts = [from];
  const ending = /\r\n?|\n/g;
  ending.lastIndex = from;
  while (ending.exec(source)) starts.push(ending.lastIndex);
  starts.push(source.length, source.length);
  return starts;
}

/** The YAML or TOML that a document may begin with. */
function frontMatter(source: string): { end: number; title: string } | undefined {
  const marks = /^(---|\+\+\+)[ \t]*\r?\n/.exec(source);
  if (!marks) return undefined;
  const close = marks[1] === '---' ? /^(?:---|\.\.\.)[ \t]*(?:\r?\n|$(?!\n))/gm : /^\+\+\+[ \t]*(?:\r?\n|$(?!\n))/gm;
  close.lastIndex = marks[0].length;
  const closing = close.exec(source);
  if (!closing) return undefined;
  const inside = source.slice(marks[0].length, closing.index);
  // A line between two paragraphs looks the same.
  const first = inside.split('\n').find((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  if (first !== undefined && !/^\s*["']?[\w.-]+["']?[ \t]*[:=]/.test(first)) return undefined;
  const value = /^title[ \t]*[:=][ \t]*(.*)$/im.exec(inside)?.[1]?.trim() ?? '';
  const quoted = /^"((?:[^"\\]|\\.)*)"|^'((?:[^']|'')*)'/.exec(value);
  const title = quoted
    ? (quoted[1]?.replace(/\\(.)/g, '$1') ?? quoted[2]!.replaceAll("''", "'"))
    : /^[|>&*!{[]/.test(value)
      ? ''
      : value.replace(/\s+#.*$/, '');
  return { end: close.lastIndex, title: title.trim() };
}

/** The words of a line, without marks, addresses and HTML. Of a line of nothing but pictures, what they show. */
function inlineText(tokens: readonly Token[] | null): string {
  let text = '';
  let pictures = '';
  for (const token of tokens ?? []) {
    if (token.type === 'text' || token.type === 'code_inline') text += token.content;
    else if (token.type === 'softbreak' || token.type === 'hardbreak' || /^<br\b/i.test(token.content)) text += ' ';
    else if (token.type === 'image') pictures += ` ${token.content}`;
  }
  return (text.trim() || pictures.trim()).replace(/\s+/g, ' ');
}

function isHtmlHeading({ type, content }: Token): boolean {
  return type === 'html_inline' && /^<\/?h[1-6]\b/i.test(content);
}

/** Headings that are written as HTML, which may be closed in a later block than they were opened in. */
class HtmlHeadings {
  readonly #source: string;
  #open: { start: number; inside: number; level: number } | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  reset(): void {
    this.#open = undefined;
  }

  /** The headings that are closed between two offsets. */
  read(start: number, end: number): Heading[] {
    const found: Heading[] = [];
    // Also what holds no headings: comments, scripts and the like. No look further than each character allows.
    const mark = /<!--(?:.*?-->|.*)|<(script|style|pre|textarea)\b(?:.*?<\/\1\s*>|.*)|<(\/?)h([1-6])(?:\s[^<>]*)?>/gis;
    for (const match of this.#source.slice(start, end).matchAll(mark)) {
      if (match[3] === undefined) continue;
      const at = start + match.index;
      const open = this.#open;
      if (match[2] === '') {
        this.#open = { start: at, inside: at + match[0].length, level: Number(match[3]) };
      } else if (open) {
        this.#open = undefined;
        if (at - open.inside <= HEADING_MAX) found.push(this.#heading(open, at, at + match[0].length));
      }
    }
    return found;
  }

  #heading(open: { start: number; inside: number; level: number }, close: number, end: number): Heading {
    const text = inlineText(parser.parseInline(this.#source.slice(open.inside, close), {})[0]?.children ?? null);
    const indent = /[ \t]*$/.exec(this.#source.slice(Math.max(0, open.start - 100), open.start))![0].length;
    const blank = /^[ \t]*(?:\r\n?|\n|$)/.exec(this.#source.slice(end, end + 100))?.[0].length ?? 0;
    return { start: open.start - indent, end: end + blank, level: open.level, text };
  }
}

/** The opening and the closing line of fenced code, in characters and to repeat. */
function fence(code: string, { markup }: Token): Omit<Repeated, 'kind' | 'start' | 'end'> {
  const lines = code.match(/[^\r\n]*(?:\r\n?|\n|$)/g)!.filter((line) => line !== '');
  const before = lines[0]!;
  const indent = /^[\s>]*/.exec(before)![0];
  const last = lines.at(-1)!;
  const mark = last.replace(/^[\s>]*/, '').trimEnd();
  const isClosed = lines.length > 1 && mark.startsWith(markup) && mark === markup[0]!.repeat(mark.length);
  return { head: before.length, tail: isClosed ? last.length : 0, before, after: `${indent}${markup}\n` };
}

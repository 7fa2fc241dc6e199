// Writes Markdown as it goes: lines, headings, list items, code and tables. Words are kept as they are; only what would
// begin another block is escaped, and marks in headings.

/** What begins a block that is none: a heading, fenced code, HTML, a definition, the line under a heading or a table's head. */
const BLOCK_START = /^(?:#{1,6}(?=\s|$)|`{3}|~{3}|<(?=[a-z/!?])|\[[^\]]{1,999}\]:|(?=\s*\S)[-=:|\s]+$)/i;
/** What has a meaning inside of a line. */
const MARKS = /[\\`*[\]<]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|&(?=#?\w+;)|(?<=^|\s)#(?=#*$)/gu;

/** A line of text that begins no block. */
export function escapeBlockStart(line: string): string {
  return line.replace(BLOCK_START, '\\$&');
}

export class MarkdownWriter {
  /** Text of the first heading of level 1. */
  headline = '';
  /** Lines and empty lines that are done. */
  readonly #lines: string[] = [];
  /** Line breaks before the next line. */
  #gap = 0;
  /** The line that is being written. */
  #parts: string[] = [];
  #endsWithSpace = true;
  #level = 0;
  #isItem = false;
  #codeDepth = 0;
  #code: string[] = [];
  #row: string[] | null = null;
  #isCell = false;
  /** Whether the open table is written as one of Markdown, and its columns, once its first row is there. */
  #isTable = false;
  #columns = 0;

  text(data: string): void {
    if (this.#isCode) {
      if (data !== '') this.#code.push(data);
      return;
    }
    let text = data.replace(/[ \t\r\n\f]+/g, ' ');
    if (this.#endsWithSpace && text.startsWith(' ')) text = text.slice(1);
    if (text === '') return;
    this.#parts.push(text);
    this.#endsWithSpace = text.endsWith(' ');
  }

  /** Ends the line (1) or the paragraph (2). */
  break(lines: 1 | 2): void {
    if (this.#isCode) {
      if (this.#code.length > 0 && !this.#code.at(-1)!.endsWith('\n')) this.#code.push('\n');
    } else if (this.#level > 0 || this.#isCell) this.text(' ');
    else {
      this.#endLine();
      this.#gap = Math.max(this.#gap, lines);
    }
  }

  lineBreak(): void {
    if (this.#isCode) this.#code.push('\n');
    else this.break(this.#parts.length === 0 ? 2 : 1);
  }

  openHeading(level: number): void {
    this.#endCode();
    if (this.#level > 0) this.closeHeading();
    this.break(2);
    this.#level = level;
    this.#isItem = false;
  }

  closeHeading(): void {
    if (this.#level === 0) return;
    const text = this.#takeLine();
    if (text !== '') {
      if (this.#level === 1) this.headline ||= text.replace(/\s+/g, ' ');
      this.#put(`${'#'.repeat(this.#level)} ${text.replace(MARKS, '\\$&')}`);
    }
    this.#level = 0;
    this.#gap = 2;
  }

  openItem(): void {
    this.break(1);
    this.#isItem = !this.#isCode;
  }

  closeItem(): void {
    this.break(1);
    this.#isItem = false;
  }

  openCode(): void {
    this.break(2);
    this.#codeDepth++;
  }

  closeCode(): void {
    if (this.#codeDepth === 1) this.#endCode();
    this.#codeDepth--;
  }

  openTable(isTable: boolean): void {
    this.#isTable = isTable;
    this.#columns = 0;
  }

  openRow(): void {
    this.#row = [];
  }

  closeRow(): void {
    const row = this.#row;
    this.#row = null;
    if (!row || row.every((cell) => cell === '')) return;
    if (!this.#isTable) {
      this.#put(escapeBlockStart(row.filter((cell) => cell !== '').join('\t')));
      return;
    }
    while (row.length < this.#columns) row.push('');
    this.#put(line(row));
    if (this.#columns === 0) {
      this.#columns = row.length;
      this.#gap = 1;
      this.#put(line(row.map(() => '---')));
    }
    this.#gap = 1;
  }

  openCell(): void {
    if (this.#row) {
      this.#endLine();
      this.#isCell = true;
    } else if (this.#parts.length > 0 && !this.#isCode) {
      this.#parts.push('\t');
      this.#endsWithSpace = true;
    }
  }

  closeCell(span: number): void {
    if (!this.#isCell) return;
    this.#isCell = false;
    const text = this.#takeLine();
    this.#row!.push(this.#isTable ? text.replaceAll('|', '\\|') : text);
    for (let i = 1; i < span; i++) this.#row!.push('');
  }

  /** All that was written, '' if nothing was. */
  end(): string {
    this.closeHeading();
    this.#endCode();
    this.#endLine();
    return this.#lines.length === 0 ? '' : `${this.#lines.join('\n')}\n`;
  }

  get #isCode(): boolean {
    return this.#codeDepth > 0 && this.#level === 0 && !this.#isCell;
  }

  #takeLine(): string {
    const text = this.#parts.join('').trim();
    this.#parts = [];
    this.#endsWithSpace = true;
    return text;
  }

  #endLine(): void {
    const text = this.#takeLine();
    if (text === '') return;
    this.#put(`${this.#isItem ? '- ' : ''}${escapeBlockStart(text)}`);
    this.#isItem = false;
  }

  #endCode(): void {
    const code = this.#code.join('');
    this.#code = [];
    if (code.trim() === '') return;
    const fence = '`'.repeat(Math.max(3, longestRun(code) + 1));
    this.#gap = 2;
    this.#put(`${fence}\n${code.replace(/^(?:[ \t]*\n)+/, '').trimEnd()}\n${fence}`);
    this.#gap = 2;
  }

  #put(text: string): void {
    if (this.#lines.length > 0 && this.#gap > 1) this.#lines.push('');
    this.#lines.push(text);
    this.#gap = 1;
  }
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Of backticks. */
function longestRun(text: string): number {
  let longest = 0;
  for (const { 0: run } of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}

// reStructuredText as Markdown: section titles become headings, whose levels are the order in which their lines of marks
// first appear. Everything else stays as it stands.
import { escapeBlockStart } from '../html/markdown-writer.ts';

/** A line of one mark, under a title or also over it. */
const MARKS = /^([!-/:-@[-`{-~])\1*[ \t]*$/;

export function readStructuredText(source: string): string {
  const lines = source.split(/\r\n?|\n/);
  const styles: string[] = [];
  let text = '';
  for (let i = 0; i < lines.length; i++) {
    const isOver = isMarks(lines[i]) && lines[i + 2]?.trimEnd() === lines[i]!.trimEnd() && isTitle(lines[i + 1]);
    const at = isOver ? i + 1 : i;
    if (isOver || (isTitle(lines[i]) && isUnder(lines[i]!, lines[i + 1]) && (lines[i - 1] ?? '').trim() === '')) {
      const style = lines[at + 1]![0]! + (isOver ? 'over' : '');
      if (!styles.includes(style)) styles.push(style);
      text += `${'#'.repeat(Math.min(6, styles.indexOf(style) + 1))} ${lines[at]!.trim()}\n`;
      i = at + 1;
    } else text += `${escaped(lines[i]!)}${i < lines.length - 1 ? '\n' : ''}`;
  }
  return text;
}

function isMarks(line: string | undefined): boolean {
  return line !== undefined && line.length > 1 && MARKS.test(line);
}

function isTitle(line: string | undefined): boolean {
  return line !== undefined && /[\p{L}\p{N}]/u.test(line);
}

/** The marks are as long as the title, or longer. Wide characters are two columns, so that half can be enough. */
function isUnder(title: string, line: string | undefined): boolean {
  const length = title.trimEnd().length;
  return !/^\s/.test(title) && isMarks(line) && line!.trimEnd().length >= Math.max(Math.min(3, length), length / 2);
}

/** What is indented further is code in Markdown too. */
function escaped(line: string): string {
  const indent = /^ {0,3}/.exec(line)![0];
  return indent + escapeBlockStart(line.slice(indent.length));
}

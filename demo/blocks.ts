// A document's text as blocks to lay out: paragraphs, headings, code. Blocks are stretches of the text, so that a place in
// the text is a place on the page. Markdown is not rendered: its lines are only told apart.

export interface Block {
  start: number;
  end: number;
  kind: 'paragraph' | 'heading' | 'code';
}

interface Span {
  start: number;
  end: number;
}

/** The blocks of `text`. Long prose without paragraphs of its own (old speeches) is broken where its passages end. */
export function blocks(text: string, spans: readonly Span[], isMarkdown: boolean): Block[] {
  return isMarkdown ? markdownBlocks(text) : proseBlocks(text, spans);
}

function proseBlocks(text: string, spans: readonly Span[]): Block[] {
  const found: Block[] = [];
  const gap = /\n[^\S\n]*\n\s*/g;
  for (const span of paragraphs(text, gap)) {
    if (span.end - span.start < 2500) {
      found.push({ ...span, kind: 'paragraph' });
      continue;
    }
    for (const passage of spans) {
      const [start, end] = [Math.max(span.start, passage.start), Math.min(span.end, passage.end)];
      if (end > start) found.push({ start, end, kind: 'paragraph' });
    }
  }
  return found;
}

function paragraphs(text: string, gap: RegExp): Span[] {
  const found: Span[] = [];
  let start = 0;
  for (const { 0: space, index } of text.matchAll(gap)) {
    if (index > start) found.push({ start, end: index });
    start = index + space.length;
  }
  if (start < text.length) found.push({ start, end: text.length });
  return found;
}

function markdownBlocks(text: string): Block[] {
  const found: Block[] = [];
  let start = 0;
  let open: Block | undefined;
  let fence = false;
  for (const line of text.split('\n')) {
    const end = start + line.length;
    const isFence = /^\s*(```|~~~)/.test(line);
    const kind: Block['kind'] | undefined =
      fence || isFence || /^\s*\|/.test(line) || (/^( {4}|\t)/.test(line) && open?.kind !== 'paragraph')
        ? 'code'
        : /^ {0,3}#{1,6}\s/.test(line)
          ? 'heading'
          : line.trim() === ''
            ? undefined
            : 'paragraph';
    const isItem = /^\s*([-*+]|\d+[.)])\s/.test(line);
    if (isFence) fence = !fence;
    if (kind && open && open.kind === kind && kind !== 'heading' && !isItem) open.end = end;
    else {
      open = kind ? { start, end, kind } : undefined;
      if (open) found.push(open);
    }
    start = end + 1;
  }
  return found;
}

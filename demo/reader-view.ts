// A document to read: its text at a readable measure, scrolled to the stretch that was found and with it marked. Goes back
// to where it was opened from, with the focus where it was.
import type { Collection } from 'piramid';
import { readDocument, type StoredDocument } from 'piramid/rag';
import { type Block, blocks } from './blocks.ts';
import { byId, el, replace } from './dom.ts';
import { bytes, day, plural } from './format.ts';
import { marks, type Range, tellingWords } from './highlight.ts';
import { isAbort, sentence } from './problems.ts';
import { back, href, type Reading, state } from './state.ts';

export class ReaderView {
  readonly element = el('section', { class: 'reader', 'aria-label': 'Document', hidden: true });
  private readonly passages: Collection;
  private opened: StoredDocument | undefined;
  private opener: { element: Element; href: string } | undefined;
  private running: AbortController | undefined;

  constructor(passages: Collection) {
    this.passages = passages;
  }

  /** Remembers what has the focus, to give it back. */
  rememberFocus(element: Element): void {
    this.opener = { element, href: element.getAttribute('href') ?? '' };
  }

  returnFocus(): void {
    const { element, href } = this.opener ?? {};
    const target = element?.isConnected ? element : document.querySelector(`a[href="${CSS.escape(href ?? '')}"]`);
    (target as HTMLElement | null | undefined)?.focus({ preventScroll: true });
  }

  async open(reading: Reading, words: string): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    try {
      if (this.opened?.id !== reading.document) {
        replace(this.element, el('p', { class: 'soft', role: 'status' }, 'Opening …'));
        this.opened = await readDocument(this.passages, reading.document, { signal: running.signal });
      }
      if (running.signal.aborted) return;
      if (this.opened) this.show(this.opened, reading, words);
      else this.showMissing();
    } catch (error) {
      if (isAbort(error)) return;
      replace(
        this.element,
        el('p', { role: 'alert' }, `This document could not be opened. ${sentence(error)} `, backLink()),
      );
    }
  }

  /** Forgets a document that has changed. */
  forget(): void {
    this.opened = undefined;
  }

  private show(document: StoredDocument, { start, end }: Reading, words: string): void {
    const mark = start !== undefined && end !== undefined && end > start ? ([start, end] as const) : undefined;
    const laidOut = blocks(document.text, document.spans, document.format === 'markdown');
    const telling = tellingWords(words);
    const title = el('h1', { tabindex: '-1' }, document.title);
    replace(
      this.element,
      el('div', { class: 'reader-head' }, backLink(), el('kbd', { 'aria-hidden': 'true' }, 'Esc'), title),
      el('p', { class: 'meta num' }, facts(document)),
      el('div', { class: 'text' }, ...laidOut.map((block) => layOut(document.text, block, mark, telling))),
    );
    this.showCard(document);
    const marked = this.element.querySelector<HTMLElement>('.found');
    if (marked) {
      marked.tabIndex = -1;
      marked.focus({ preventScroll: true });
      marked.scrollIntoView({ block: 'center', behavior: 'instant' });
    } else {
      title.focus({ preventScroll: true });
      scrollTo({ top: 0, behavior: 'instant' });
    }
  }

  private showCard(document: StoredDocument): void {
    const entries = Object.entries(document.metadata).filter(
      ([, value]) => typeof value === 'string' || typeof value === 'number',
    );
    replace(
      byId('beside'),
      el(
        'section',
        { class: 'card', 'aria-label': 'About this document' },
        el('h2', {}, 'About this document'),
        el(
          'dl',
          {},
          ...entries.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value))]),
          el('dt', {}, 'added'),
          el('dd', {}, day(document.addedAt)),
        ),
      ),
    );
  }

  private showMissing(): void {
    replace(
      this.element,
      el('h1', { tabindex: '-1' }, 'This document is not here'),
      el('p', {}, 'It may have been deleted, or be on its way in. ', backLink()),
    );
  }
}

function backLink(): HTMLElement {
  return el(
    'a',
    {
      href: href({ ...state(), reading: undefined }),
      on: {
        click: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          back({ reading: undefined });
        },
      },
    },
    '← Back',
  );
}

function facts({ passages, bytes: size, text }: StoredDocument): string {
  const minutes = Math.max(1, Math.round(text.split(/\s+/).length / 230));
  return `${plural(passages, 'passage')} · ${bytes(size)} · ${plural(minutes, 'minute')} to read`;
}

/** A block with the found stretch marked, and inside of it the sought words. */
function layOut(text: string, block: Block, mark: Range | undefined, telling: string): HTMLElement {
  const { start, end, kind } = block;
  const element = kind === 'heading' ? el('h2') : kind === 'code' ? el('pre', { tabindex: '0' }) : el('p');
  const from = mark ? Math.min(end, Math.max(start, mark[0])) : end;
  const to = mark ? Math.min(end, Math.max(start, mark[1])) : end;
  if (from >= to) {
    element.append(text.slice(start, end));
    return element;
  }
  const inside = text.slice(from, to);
  const found = el('span', { class: 'found' });
  let at = 0;
  for (const [a, b] of marks(inside, telling)) {
    found.append(inside.slice(at, a), el('mark', {}, inside.slice(a, b)));
    at = b;
  }
  found.append(inside.slice(at));
  element.append(text.slice(start, from), found, text.slice(to, end));
  return element;
}

// One question and its answer. Streams what is written, turns its marks into links to the sentences they stand for, and
// says of sentences without support that they have none. Owns the sources beside the page while it is the last turn.
import type { Collection, ModelProgress, Where } from 'piramid';
import {
  type Answer,
  ask,
  type Citation,
  NEAREST,
  NOT_FOUND,
  QUOTATIONS,
  type Quotation,
  type Source,
  type Support,
} from 'piramid/rag';
import { byId, el, replace } from './dom.ts';
import { bytes, duration } from './format.ts';
import { href, state } from './state.ts';

interface Request {
  question: string;
  model: string | undefined;
  where: Where | undefined;
  signal: AbortSignal;
}

export class Turn {
  readonly element: HTMLElement;
  /** Called when quotations are wanted instead of what a model wrote. */
  onQuote: () => void = () => {};
  private readonly scope = el('p', { class: 'scope soft', hidden: true });
  private readonly answer = el('div', { class: 'answer', 'aria-live': 'polite' });
  private readonly byline = el('p', { class: 'meta num' });
  /** For screen readers: what happens, without the figures that change with each word. */
  private readonly phase = el('p', { class: 'hidden', role: 'status' });
  private sources: readonly Source[] = [];
  private citations: readonly Citation[] = [];
  private support: Support = 'yes';

  constructor(question: string) {
    this.element = el(
      'article',
      { class: 'turn' },
      el('h2', {}, question),
      this.scope,
      this.answer,
      this.byline,
      this.phase,
    );
    replace(this.byline, 'Looking …');
  }

  setScope(words: string): void {
    this.scope.textContent = words;
    this.scope.hidden = words === '';
  }

  async run(passages: Collection, { question, model, where, signal }: Request): Promise<void> {
    const start = performance.now();
    const found = await ask(passages, question, {
      signal,
      onProgress: (progress) => this.loading(progress),
      ...(where && { where }),
      ...(model !== undefined && { model }),
    });
    this.sources = found.sources;
    this.support = found.support;
    this.showSources();
    if (found.support === 'no') this.showNotFound(found.sources, start);
    else if (found.author !== QUOTATIONS) await this.stream(found, start, signal);
    else {
      this.citations = await found.citations;
      this.showQuotations(found.quotations);
      this.say('Quotations, word for word; no language model wrote this', seconds(start));
      this.showSources();
    }
  }

  /** What was written so far stays. */
  stopped(): void {
    this.say('Stopped', '');
  }

  failed(reason: string, again: () => void): void {
    replace(
      this.byline,
      el('span', { role: 'alert' }, `No answer. ${reason}`),
      el('button', { type: 'button', class: 'link', on: { click: again } }, 'Ask again'),
    );
  }

  /** Shows the sources in the column beside. */
  showSources(): void {
    const cited = new Set(this.citations.flatMap((citation) => (citation.supported ? [citation.source] : [])));
    const order = this.sources.map((_, i) => i).sort((a, b) => Number(cited.has(b)) - Number(cited.has(a)) || a - b);
    if (this.sources.length === 0) return;
    replace(
      byId('beside'),
      el(
        'section',
        { class: 'card sources', 'aria-label': 'Sources' },
        el('h2', {}, this.support === 'yes' ? 'Sources' : 'Closest passages'),
        el('ol', {}, ...order.map((i) => this.source(i, cited.has(i)))),
      ),
    );
  }

  private source(i: number, isCited: boolean): HTMLElement {
    const source = this.sources[i]!;
    const quoted = this.citations.find((citation) => citation.supported && citation.source === i);
    const place = quoted?.supported ? quoted : source;
    const text = quoted?.supported ? quoted.quote : source.text.trim();
    return el(
      'li',
      { class: isCited ? 'cited' : '' },
      el('span', { class: 'cite num', 'aria-hidden': 'true' }, i + 1),
      el(
        'a',
        { href: linkTo(source.documentId, place.start, place.end), 'data-go': true },
        el('span', { class: 'hidden' }, `Source ${i + 1}: `),
        source.title,
      ),
      el('p', {}, text.length > 170 ? `${text.slice(0, 160).trimEnd()} …` : text),
    );
  }

  private async stream(found: Answer, start: number, signal: AbortSignal): Promise<void> {
    let text = '';
    let pieces = 0;
    let first = 0;
    // Something to read while the model is loaded, and reads.
    this.showQuotations(found.quotations);
    const reading = setInterval(() => {
      if (pieces === 0)
        this.say(`Quotations; ${found.author} is reading them`, duration((performance.now() - start) / 1000));
    }, 1000);
    this.answer.setAttribute('aria-busy', 'true');
    try {
      for await (const piece of found.answer) {
        if (pieces++ === 0) first = performance.now();
        text += piece;
        this.showWritten(text, []);
        const rate = pieces > 1 ? `, ${(((pieces - 1) / (performance.now() - first)) * 1000).toFixed(1)} tokens/s` : '';
        this.say(`${found.author}, on this device`, `first word after ${seconds(start, first)}${rate}`);
      }
    } finally {
      clearInterval(reading);
      this.answer.removeAttribute('aria-busy');
    }
    if (signal.aborted) return this.stopped();
    this.citations = await found.citations;
    this.showWritten(text, this.citations);
    this.showSources();
    if (this.citations.every(({ supported }) => supported)) return;
    this.answer.append(
      el(
        'p',
        { class: 'closest' },
        'Underlined: no source says this. ',
        el(
          'button',
          { type: 'button', class: 'link', on: { click: () => this.onQuote() } },
          'Quote the sources instead',
        ),
      ),
    );
  }

  /** An answer of a language model, its marks as links, sentences without support underlined. */
  private showWritten(text: string, citations: readonly Citation[]): void {
    const paragraph = el('p');
    let at = 0;
    for (const citation of citations) {
      paragraph.append(...this.linked(text.slice(at, citation.answerStart)));
      const parts = this.linked(text.slice(citation.answerStart, citation.answerEnd), citation);
      if (citation.supported) paragraph.append(...parts);
      else paragraph.append(el('span', { class: 'unsupported', title: 'No source says this' }, ...parts));
      at = citation.answerEnd;
    }
    paragraph.append(...this.linked(text.slice(at)));
    const note = this.support === 'perhaps' && el('p', { class: 'closest' }, 'The documents may not answer this.');
    replace(this.answer, note, paragraph);
  }

  private linked(text: string, citation?: Citation): (Node | string)[] {
    return text.split(/(\s*\[\d{1,2}\])/).map((part) => {
      const mark = /\[(\d+)\]/.exec(part);
      const source = mark && this.sources[Number(mark[1]) - 1];
      if (!source) return part;
      const exact = citation?.supported && citation.source === Number(mark[1]) - 1;
      const place = exact ? citation : source;
      return cite(Number(mark[1]), source, place.start, place.end);
    });
  }

  private showQuotations(quotations: readonly Quotation[]): void {
    replace(
      this.answer,
      this.support === 'perhaps' && el('p', { class: 'closest' }, NEAREST),
      ...quotations.map(({ source: i, quote, start, end }) => {
        const source = this.sources[i]!;
        return el(
          'blockquote',
          {},
          el('p', {}, quote.replace(/\s+/g, ' '), ' ', cite(i + 1, source, start, end)),
          el('footer', { class: 'soft' }, source.title),
        );
      }),
    );
  }

  private showNotFound(sources: readonly Source[], start: number): void {
    replace(
      this.answer,
      el('p', {}, NOT_FOUND),
      sources.length > 0 &&
        el(
          'p',
          { class: 'closest' },
          'The closest passages: ',
          ...sources
            .slice(0, 4)
            .flatMap((source, i) => [
              i > 0 && ', ',
              el('a', { href: linkTo(source.documentId, source.start, source.end), 'data-go': true }, source.title),
            ]),
          '.',
        ),
    );
    this.say('Decided from the words and the meaning of the passages; no language model was asked', seconds(start));
  }

  private loading({ model, file, loadedBytes, totalBytes }: ModelProgress): void {
    const of = totalBytes > 0 ? `${bytes(loadedBytes)} of ${bytes(totalBytes)}` : bytes(loadedBytes);
    this.say(`Loading ${model}: ${file}`, of);
  }

  private say(what: string, figure: string): void {
    if (this.phase.textContent !== what) this.phase.textContent = what;
    replace(this.byline, el('span', {}, what), el('span', {}, figure));
  }
}

function cite(number: number, source: Source, start: number, end: number): HTMLElement {
  return el(
    'a',
    { class: 'cite num', href: linkTo(source.documentId, start, end), 'data-go': true, title: source.title },
    el('span', { class: 'hidden' }, 'Source '),
    number,
  );
}

function linkTo(document: string, start: number, end: number): string {
  return href({ ...state(), reading: { document, start, end } });
}

function seconds(start: number, end = performance.now()): string {
  const ms = end - start;
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms / 1000);
}

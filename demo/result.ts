// One passage in a list: where it is from, the telling stretch with the words marked, and why it is there: its meaning
// and its words as two bars, and the score that the two make.
import type { Match, Metadata, StoredRecord, WordOptions } from 'piramid';
import { el } from './dom.ts';
import { marks, type Range, snippet } from './highlight.ts';
import { href, type Reading, state } from './state.ts';

export interface Shown {
  match: Match;
  /** The words to mark. */
  telling: string;
  /** How they were looked for. */
  options: WordOptions;
  /** The best words score of the list: the bars are shares of it. */
  wordsBest: number;
}

export function result({ match, telling, options, wordsBest }: Shown): HTMLLIElement {
  const { text = '', metadata = {}, legs = {}, score } = match;
  const ranges = marks(text, telling, options);
  const [start, end] = snippet(text, ranges);
  return el(
    'li',
    {},
    el(
      'article',
      {},
      heading(metadata),
      el('p', { class: 'passage' }, ...cut(text, start, end, ranges)),
      el(
        'div',
        { class: 'why num' },
        bar('Meaning', legs.vector ? Math.max(0, legs.vector.score) : undefined, legs.vector?.rank),
        bar('Words', legs.words ? legs.words.score / wordsBest : undefined, legs.words?.rank),
        el(
          'span',
          { title: 'Score: meaning and words together' },
          el('span', { class: 'hidden' }, 'Score '),
          el('span', { class: 'score' }, score.toFixed(2)),
        ),
      ),
    ),
  );
}

/** The beginning of a document, for lists without words. */
export function opening({ text = '', metadata = {} }: StoredRecord): HTMLLIElement {
  const [start, end] = snippet(text, [], 240);
  return el(
    'li',
    {},
    el('article', {}, heading(metadata), el('p', { class: 'passage' }, ...cut(text, start, end, []))),
  );
}

/** All of one passage, with the words marked, and the way to where it is in its document. */
export function whole({ text = '', metadata = {} }: StoredRecord, telling: string): HTMLLIElement {
  const open = el('a', { href: href({ ...state(), reading: readingOf(metadata) }), 'data-go': true }, 'Read it there');
  return el(
    'li',
    {},
    el(
      'article',
      {},
      heading(metadata),
      el('p', { class: 'passage' }, ...cut(text, 0, text.length, marks(text, telling))),
      el('p', { class: 'way-in' }, open),
    ),
  );
}

/** Where a passage is in its document. */
export function readingOf(metadata: Metadata): Reading {
  const document = metadata.document as { id?: string } | undefined;
  return { document: document?.id ?? '', start: metadata.start as number, end: metadata.end as number };
}

/** Text with marks; an ellipsis where it was cut. */
export function cut(text: string, start: number, end: number, ranges: readonly Range[]): (Node | string)[] {
  const parts: (Node | string)[] = [];
  if (text.slice(0, start).trim() !== '') parts.push('…\u00a0');
  let at = start;
  for (const [from, to] of ranges) {
    if (from < at || to > end) continue;
    parts.push(text.slice(at, from), el('mark', {}, text.slice(from, to)));
    at = to;
  }
  parts.push(text.slice(at, end));
  if (text.slice(end).trim() !== '') parts.push('\u00a0…');
  return parts;
}

function heading(metadata: Metadata): HTMLElement {
  const document = metadata.document as { title?: string; passages?: number } | undefined;
  const passage = typeof metadata.passage === 'number' ? metadata.passage : 0;
  const place = document?.passages && document.passages > 1 ? `${passage + 1} of ${document.passages}` : '';
  return el(
    'h2',
    {},
    el(
      'a',
      { href: href({ ...state(), reading: readingOf(metadata) }), 'data-go': true },
      document?.title ?? 'Untitled',
    ),
    place !== '' && el('span', { class: 'place num' }, el('span', { class: 'hidden' }, ', passage '), place),
  );
}

function bar(label: string, share: number | undefined, rank: number | undefined): HTMLElement {
  const filled = el('i');
  filled.style.width = `${Math.round(Math.min(1, share ?? 0) * 100)}%`;
  const place = rank === undefined ? 'not among the best' : `place ${rank}`;
  const said = share === undefined ? place : `${Math.round(share * 100)} %, ${place}`;
  return el(
    'span',
    { title: `${label}: ${said}` },
    `${label} `,
    el('span', { class: 'bar', 'aria-hidden': 'true' }, filled),
    el('span', { class: 'hidden' }, said),
  );
}

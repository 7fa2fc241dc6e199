// What is on the page, as its URL says it: the view, the words, the filters, the document that is being read. The URL
// is the only copy; views ask for changes by `go` and are told by `onChange`.

import { FIELDS, type Filters, isRange } from './fields.ts';

const VIEWS = ['search', 'ask', 'library', 'map', 'inspect'] as const;
export type View = (typeof VIEWS)[number];

/** A document that is open, and the stretch that is marked in it (UTF-16 offsets). */
export interface Reading {
  document: string;
  start?: number;
  end?: number;
}

export interface State {
  view: View;
  words: string;
  filters: Filters;
  reading?: Reading | undefined;
}

/** How a change enters the history: a step of its own, in place, or in place once typing pauses. */
export type How = 'push' | 'replace' | 'typing';

/** Browsers refuse to write the URL at each key: a pause first. */
const TYPING_PAUSE_MS = 300;

let current = parse(location.search);
let pending: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<(state: State, before: State) => void>();

export function state(): State {
  return current;
}

export function onChange(listener: (state: State, before: State) => void): void {
  listeners.add(listener);
}

export function go(patch: Partial<State>, how: How = 'push'): void {
  const before = current;
  current = { ...current, ...patch };
  if (how === 'typing') {
    stopWaiting();
    pending = setTimeout(writeUrl, TYPING_PAUSE_MS);
  } else {
    writeUrl(); // what was typed belongs to the entry that is left
    if (how === 'push' && href(before) !== href(current)) {
      history.replaceState({ ...history.state, scroll: scrollY }, '', href(before));
      history.pushState({ steps: steps() + 1 }, '', href(current));
    } else writeUrl();
  }
  for (const listener of listeners) listener(current, before);
}

/** Where the page was scrolled to when this entry of the history was left. */
export function savedScroll(): number {
  return (history.state as { scroll?: number } | null)?.scroll ?? 0;
}

/** One step back, as the browser's button does it; to `otherwise` where the page was opened right here. */
export function back(otherwise: Partial<State>): void {
  if (steps() > 0) history.back();
  else go(otherwise, 'replace');
}

/** The URL that reproduces `wanted`. */
export function href(wanted: State): string {
  const query = new URLSearchParams();
  if (wanted.view !== 'search') query.set('view', wanted.view);
  if (wanted.words.trim() !== '') query.set('q', wanted.words);
  for (const [field, filter] of Object.entries(wanted.filters)) {
    if (isRange(filter)) query.set(field, filter.join('-'));
    else for (const value of filter) query.append(field, value);
  }
  if (wanted.reading) {
    const { document, start, end } = wanted.reading;
    query.set('read', document);
    if (start !== undefined && end !== undefined) query.set('mark', `${start}-${end}`);
  }
  const text = query.toString();
  return text === '' ? './' : `./?${text}`;
}

/** What a link to this page asks for. */
export function stateOf(url: string): State {
  return parse(new URL(url, location.href).search);
}

function parse(search: string): State {
  const query = new URLSearchParams(search);
  const view = query.get('view') ?? 'search';
  const filters: { [field: string]: readonly string[] | readonly [number, number] } = {};
  for (const { field, kind } of FIELDS) {
    const values = query.getAll(field);
    if (kind === 'values' && values.length > 0) filters[field] = values;
    const range = kind === 'range' && pair(values[0] ?? '');
    if (range) filters[field] = range;
  }
  const document = query.get('read');
  const mark = pair(query.get('mark') ?? '');
  return {
    view: VIEWS.find((known) => known === view) ?? 'search',
    words: query.get('q') ?? '',
    filters,
    ...(document !== null && { reading: { document, ...(mark && { start: mark[0], end: mark[1] }) } }),
  };
}

/** "1890-1900" as two numbers. */
function pair(text: string): [number, number] | undefined {
  const found = /^(\d{1,9})-(\d{1,9})$/.exec(text);
  return found ? [Number(found[1]), Number(found[2])] : undefined;
}

function writeUrl(): void {
  history.replaceState(history.state, '', href(current));
}

function stopWaiting(): void {
  clearTimeout(pending);
  pending = undefined;
}

function steps(): number {
  return (history.state as { steps?: number } | null)?.steps ?? 0;
}

history.scrollRestoration = 'manual';
addEventListener('popstate', () => {
  stopWaiting();
  const before = current;
  current = parse(location.search);
  for (const listener of listeners) listener(current, before);
});

// What colour a passage has on the map: by a field of its metadata. Colours come from the page's tokens, so that they follow its theme.
import type { Metadata } from 'piramid';
import { el } from '../dom.ts';
import { FIELDS, type Filters, isRange } from '../fields.ts';
import { count } from '../format.ts';

/** Values that have a colour of their own; the others share one. */
const HUES = 6;

export interface Colours {
  /** Four bytes a passage. */
  bytes: Uint8Array;
  legend: HTMLElement;
}

/** `field`: one of FIELDS. Passages that the filters leave out, and those without a value, are faint. */
export function coloursBy(field: string, metadata: readonly Metadata[], filters: Filters): Colours {
  const isNumber = FIELDS.find((one) => one.field === field)?.kind === 'range';
  return isNumber ? byNumber(field, metadata, filters) : byValue(field, metadata, filters);
}

function byNumber(field: string, metadata: readonly Metadata[], filters: Filters): Colours {
  const numbers = metadata.map((one) => (typeof one[field] === 'number' ? one[field] : null));
  const present = numbers.filter((value) => value !== null);
  const least = present.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = present.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const [from, to, none] = [token('--map-from'), token('--map-to'), token('--edge')];
  const bytes = paint(metadata, filters, (i) => {
    const value = numbers[i];
    if (value === null || value === undefined) return none;
    const share = (value - least) / (most - least || 1);
    return from.map((part, c) => part + (to[c]! - part) * share);
  });
  const legend =
    present.length === 0
      ? el('p', { class: 'soft' }, 'No passage has it.')
      : el('p', { class: 'legend num' }, String(least), el('i', { class: 'scale' }), String(most));
  return { bytes, legend };
}

function byValue(field: string, metadata: readonly Metadata[], filters: Filters): Colours {
  const counts = new Map<string, number>();
  for (const one of metadata) {
    const value = one[field];
    if (typeof value === 'string') counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const named = [...counts].sort((a, b) => b[1] - a[1]).slice(0, HUES);
  const hue = new Map(named.map(([value], i) => [value, token(`--map-${i + 1}`)]));
  const none = token('--edge');
  const bytes = paint(metadata, filters, (i) => hue.get(metadata[i]![field] as string) ?? none);
  const entry = (name: string, of: number, colour: string) =>
    el('span', {}, el('i', { class: `swatch ${colour}` }), name, el('span', { class: 'soft' }, ` ${count(of)}`));
  const rest = metadata.length - named.reduce((sum, [, of]) => sum + of, 0);
  const legend = el(
    'p',
    { class: 'legend num' },
    ...named.map(([value, of], i) => entry(value, of, `map-${i + 1}`)),
    rest > 0 && entry('others', rest, 'map-none'),
  );
  return { bytes, legend };
}

function paint(metadata: readonly Metadata[], filters: Filters, colour: (i: number) => readonly number[]): Uint8Array {
  const bytes = new Uint8Array(metadata.length * 4);
  for (let i = 0; i < metadata.length; i++) {
    bytes.set(colour(i), i * 4);
    bytes[i * 4 + 3] = passes(metadata[i]!, filters) ? 190 : 22;
  }
  return bytes;
}

/** As `whereOf(filters)` would have it. */
function passes(metadata: Metadata, filters: Filters): boolean {
  return Object.entries(filters).every(([field, filter]) => {
    const value = metadata[field];
    if (isRange(filter)) return typeof value === 'number' && value >= filter[0] && value <= filter[1];
    return filter.length === 0 || (typeof value === 'string' && filter.includes(value));
  });
}

/** A token of tokens.css as red, green and blue. */
export function token(name: string): readonly number[] {
  const probe = el('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const [red = 0, green = 0, blue = 0] =
    getComputedStyle(probe)
      .color.match(/[\d.]+/g)
      ?.map(Number) ?? [];
  probe.remove();
  return [red, green, blue];
}

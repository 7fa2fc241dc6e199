// The filters beside the results, built from what the data holds: a histogram with two ends for numbers, counted values
// for words. Counts are of passages under the other filters, so that each choice says beforehand what it leaves.
import type { Collection, Facet } from 'piramid';
import { byId, el, replace } from './dom.ts';
import { FIELDS, type Field, type Filters, isRange, whereOf, withFilter } from './fields.ts';
import { count } from './format.ts';
import { Histogram } from './histogram.ts';
import { isAbort } from './problems.ts';
import { go, state } from './state.ts';

/** Values of a field that are shown before someone asks for all. */
const SHORT = 7;
const FACETS_MAX = 1000;

export class FiltersPanel {
  private readonly passages: Collection;
  private readonly root = byId('filters');
  private readonly body = el('div', { class: 'filters-body', id: 'filters-body' });
  private readonly opener: HTMLButtonElement;
  private readonly clear: HTMLButtonElement;
  private readonly sections = new Map<string, { box: HTMLElement; content: HTMLElement; all: boolean }>();
  private readonly histograms = new Map<string, Histogram>();
  private running: AbortController | undefined;

  constructor(passages: Collection) {
    this.passages = passages;
    this.opener = el(
      'button',
      { type: 'button', class: 'chip opener', 'aria-expanded': 'false', 'aria-controls': 'filters-body' },
      'Filters',
    );
    this.opener.addEventListener('click', () => this.setOpen(!this.isOpen));
    // Wherever the focus is, and before Escape means something else.
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || !this.isOpen) return;
      event.preventDefault();
      this.close();
      this.opener.focus();
    };
    addEventListener('keydown', onKey, { capture: true });
    this.clear = el('button', { type: 'button', class: 'link', hidden: true }, 'Clear all filters');
    this.clear.addEventListener('click', () => {
      go({ filters: {} });
      this.root.querySelector<HTMLElement>('input, button')?.focus();
    });
    for (const field of FIELDS) {
      const content = el('div');
      const box = el('fieldset', { hidden: true }, el('legend', {}, field.label), content);
      this.sections.set(field.field, { box, content, all: false });
      this.body.append(box);
    }
    replace(this.root, this.opener, this.body);
    this.body.append(this.clear);
  }

  /** On narrow screens, where it opens and closes. */
  close(): void {
    this.setOpen(false);
  }

  private get isOpen(): boolean {
    return this.root.classList.contains('open');
  }

  private setOpen(open: boolean): void {
    this.root.classList.toggle('open', open);
    this.opener.setAttribute('aria-expanded', String(open));
  }

  /** Counts again: for other filters, or because there is more to count. */
  async update(filters: Filters): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const active = Object.keys(filters).length;
    this.clear.hidden = active === 0;
    this.opener.textContent = active === 0 ? 'Filters' : `Filters (${active})`;
    try {
      const facets = await Promise.all(
        FIELDS.map(({ field }) => {
          const where = whereOf(filters, field);
          return this.passages.facets({ field, limit: FACETS_MAX, signal: running.signal, ...(where && { where }) });
        }),
      );
      for (const [i, field] of FIELDS.entries()) this.show(field, facets[i]!, filters);
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  /** Shows where the best matches of a query lie, on top of the histograms. */
  showMatches(field: string, values: readonly number[]): void {
    this.histograms.get(field)?.showMatches(values);
  }

  private show(field: Field, facets: readonly Facet[], filters: Filters): void {
    const section = this.sections.get(field.field)!;
    const filter = filters[field.field];
    section.box.hidden = facets.length === 0 && !filter;
    if (section.box.hidden) return;
    if (field.kind === 'range') this.showRange(field, facets, filter, section.content);
    else this.showValues(field, facets, filter && !isRange(filter) ? filter : [], section);
  }

  private showRange(field: Field, facets: readonly Facet[], filter: Filters[string] | undefined, box: HTMLElement) {
    let histogram = this.histograms.get(field.field);
    if (!histogram) {
      histogram = new Histogram(field.label, (range) => choose(field.field, range));
      this.histograms.set(field.field, histogram);
      replace(box, histogram.element);
    }
    histogram.show(facets, filter && isRange(filter) ? filter : undefined);
  }

  private showValues(
    field: Field,
    facets: readonly Facet[],
    chosen: readonly string[],
    section: { content: HTMLElement; all: boolean },
  ): void {
    const { content } = section;
    const focused = content.contains(document.activeElement)
      ? (document.activeElement as HTMLElement).dataset.value
      : '';
    const counted = new Map(facets.map(({ value, count }) => [String(value), count]));
    // What is chosen stays in sight, and can be taken back, even where it counts nothing.
    const values = [...new Set([...chosen, ...counted.keys()])];
    if (values.length > SHORT && !section.all) values.sort((a, b) => rank(b) - rank(a));
    function rank(value: string): number {
      return (chosen.includes(value) ? 1e9 : 0) + (counted.get(value) ?? 0);
    }
    const shown = section.all ? values : values.slice(0, Math.max(SHORT, chosen.length));
    const rows = shown.map((value) => {
      const box = el('input', { type: 'checkbox', 'data-value': value });
      box.checked = chosen.includes(value);
      box.addEventListener('change', () => {
        const now = box.checked ? [...chosen, value] : chosen.filter((other) => other !== value);
        choose(field.field, now);
      });
      return el(
        'label',
        { class: 'value' },
        box,
        el('span', {}, value),
        el('span', { class: 'num soft' }, count(counted.get(value) ?? 0)),
      );
    });
    const more = el(
      'button',
      { type: 'button', class: 'link', 'data-value': '…', hidden: values.length <= SHORT },
      section.all ? 'Show fewer' : `Show all ${values.length}`,
    );
    more.addEventListener('click', () => {
      section.all = !section.all;
      this.showValues(field, facets, chosen, section);
    });
    replace(content, ...rows, more);
    if (focused) content.querySelector<HTMLElement>(`[data-value="${CSS.escape(focused)}"]`)?.focus();
  }
}

function choose(field: string, filter: Filters[string] | null): void {
  go({ filters: withFilter(state().filters, field, filter) });
}

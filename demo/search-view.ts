// Search: answers while one types, the newest words first. Shows how many, from where and how fast, the passages with the
// reasons why they are there, and for filters that leave nothing, which one to loosen. Without words it shows what is in.
import type { Collection, Match, Matches, Metadata, Query, Where, WordOptions } from 'piramid';
import { AnswerCard } from './answer-card.ts';
import { COMING } from './boot.ts';
import { isFilled } from './corpus.ts';
import { byId, el, replace } from './dom.ts';
import { examples } from './examples.ts';
import { FIELDS, type Filters, inWords, isRange, whereOf, withFilter } from './fields.ts';
import { count, milliseconds, plural } from './format.ts';
import { tellingWords, typing } from './highlight.ts';
import { planCard } from './plan-card.ts';
import { isAbort, sentence } from './problems.ts';
import { opening, result } from './result.ts';
import { namedSpeakers, onlyBy } from './speakers.ts';
import { go, type State, state } from './state.ts';

/** Measured on this corpus and this embedder, see the report of `npm start -- --once`. */
export const FUSION = { weighted: { vector: 0.5, words: 0.5 } } as const;

const PAGE = 20;
const K_MAX = 100;
/**
 * Cosine of the best match below which nothing is close, where no passage has the words either. Measured on the addresses:
 * made-up words reach 0.30, "aeroplane" (which none of them says) 0.41.
 */
const CLOSE = 0.32;
/** Best matches that the histogram shows. */
const SPREAD = 100;
/** Passages that are shown where nothing is close. */
const FAR_MAX = 5;
/** Passages of those whom the words name. */
const OWN_MAX = 5;

export class SearchView {
  readonly element = el('section', { class: 'search', 'aria-label': 'Results' });
  /** Told of the years of the best matches, for the histogram. */
  onSpread: (metadata: readonly Metadata[]) => void = () => {};
  private readonly passages: Collection;
  private readonly status = el('p', { role: 'status', 'aria-live': 'polite' });
  private readonly measure = el('p', { class: 'num soft' });
  private readonly note = el('div', { class: 'note' });
  private readonly list = el('ol', { class: 'results' });
  private readonly more = el('button', { type: 'button', class: 'button', hidden: true }, 'Show more');
  private readonly answer: AnswerCard;
  private plan: HTMLElement | undefined;
  private k = PAGE;
  private running: AbortController | undefined;
  /** Whether words that are still being typed are found without a wait. */
  private knowsForms = false;
  private shown: Pick<State, 'words' | 'filters'> | undefined;

  constructor(passages: Collection) {
    this.passages = passages;
    this.answer = new AnswerCard(passages);
    this.more.addEventListener('click', () => this.showMore());
    this.list.addEventListener('keydown', (event) => this.walk(event));
    replace(this.element, el('div', { class: 'meta' }, this.status, this.measure), this.note, this.list, this.more);
  }

  /** Shows what `words` and `filters` find. The newest call wins. */
  async update(words: string, filters: Filters): Promise<void> {
    if (!this.isCurrent(words, filters)) this.k = PAGE;
    this.shown = { words, filters };
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    try {
      delete this.element.dataset.words;
      await (words.trim() === '' ? this.browse(filters, running.signal) : this.find(words, filters, running.signal));
    } catch (error) {
      if (isAbort(error)) return;
      replace(this.status, `That search could not be answered. ${sentence(error)}`);
    }
  }

  /** Whether this is what it shows, and nothing has changed since. */
  isCurrent(words: string, filters: Filters): boolean {
    return words === this.shown?.words && JSON.stringify(filters) === JSON.stringify(this.shown.filters);
  }

  /** What it shows is to be looked up again when it is seen next. */
  outdated(): void {
    this.shown = undefined;
  }

  /** Shows the same again, with what has been added meanwhile; not under the eyes of someone who walks the results. */
  async refresh(): Promise<void> {
    if (this.shown && !this.list.contains(document.activeElement))
      await this.update(this.shown.words, this.shown.filters);
  }

  /** Puts the cards beside the results; another view may have replaced them. */
  showBeside(): void {
    replace(byId('beside'), this.answer.element, this.plan);
  }

  private hideBeside(): void {
    this.answer.hide();
    this.plan = undefined;
    this.showBeside();
  }

  private async find(words: string, filters: Filters, signal: AbortSignal): Promise<void> {
    const [{ vector, embedMs }, speakers] = await Promise.all([
      this.embed(words, signal),
      namedSpeakers(this.passages, words, filters, signal),
    ]);
    // The words leg looks for what says something: "What did … say about" stands in every address.
    const query = (where: Where | undefined, more: Partial<Query>): Promise<Matches> =>
      this.passages.query({
        text: tellingWords(words) || words,
        fusion: FUSION,
        signal,
        ...(vector && { vector }),
        ...(where && { where }),
        ...more,
      });
    const where = whereOf(filters);
    let options = this.knowsForms ? typing(words) : {};
    let matches = await query(where, { k: this.k, explain: true, ...options });
    // Where no passage has one of the words, they may be misspelt. Not before: "gold" is one letter from "good".
    if (!matches.some(({ legs }) => legs?.words)) {
      options = { ...typing(words), fuzzy: true };
      matches = await query(where, { k: this.k, explain: true, ...options });
    }
    const own =
      speakers.length > 0
        ? await query(whereOf(onlyBy(filters, speakers)), { k: OWN_MAX, explain: true, ...options })
        : undefined;
    if (signal.aborted) return;
    if (matches.length === 0) return this.showNothing(filters, signal);
    const among = matches.plan?.filtered?.matched ?? (await this.passages.count(undefined, { signal }));
    const took = embedMs + matches.took + (own?.took ?? 0);
    this.learnForms();
    const isClose = matches.some(({ legs }) => legs?.words || (legs?.vector?.score ?? 0) >= CLOSE);
    const best = `Best ${count(matches.length)} of ${plural(among, 'passage')}${scope(filters)}`;
    replace(this.status, isClose ? el('span', { class: 'num' }, best) : 'Nothing close.');
    replace(this.measure, `${milliseconds(took)} · ${matches.exact ? 'exact' : 'approximate'}`);
    if (isClose) this.showMatches(matches, own ?? [], speakers, words, options);
    else this.showFar(matches);
    this.element.dataset.words = words; // what is shown answers this
    this.more.hidden = !isClose || matches.length < this.k || this.k >= K_MAX;
    this.plan = matches.plan && planCard(matches.plan, { took: matches.took, embedMs, rows: among });
    this.showBeside();
    if (!isClose) return this.answer.hide();
    void this.answer.update(words, where, signal);
    this.spread((k) => query(where, { k, select: ['metadata'], ...options }), signal).catch((error) => {
      if (!isAbort(error)) throw error;
    });
  }

  private async embed(words: string, signal: AbortSignal): Promise<{ vector: Float32Array | null; embedMs: number }> {
    const start = performance.now();
    const [vector = null] = await this.passages.database.embed([words], { kind: 'query', signal });
    return { vector, embedMs: performance.now() - start };
  }

  /** What the people named in the query said themselves goes first. */
  private showMatches(
    matches: readonly Match[],
    own: readonly Match[],
    speakers: readonly string[],
    words: string,
    options: WordOptions,
  ): void {
    const telling = tellingWords(words);
    const wordsBest = Math.max(0, ...[...matches, ...own].map(({ legs }) => legs?.words?.score ?? 0));
    const items = (list: readonly Match[]) => list.map((match) => result({ match, telling, options, wordsBest }));
    const first = new Set(own.map(({ id }) => id));
    replace(this.note);
    if (own.length === 0) {
      replace(this.list, ...items(matches));
      return;
    }
    const names = new Intl.ListFormat('en', { type: 'disjunction' }).format(speakers);
    replace(
      this.list,
      el(
        'li',
        { class: 'group' },
        `By ${names}`,
        el(
          'button',
          { type: 'button', class: 'link', on: { click: () => go({ filters: onlyBy(state().filters, speakers) }) } },
          'Only these',
        ),
      ),
      ...items(own),
      el('li', { class: 'group' }, 'By anyone'),
      ...items(matches.filter(({ id }) => !first.has(id))),
    );
  }

  /** What is nearest where nothing is close. */
  private showFar(matches: readonly Match[]): void {
    this.onSpread([]);
    replace(this.note, 'No passage has these words, and none means nearly the same.');
    replace(
      this.list,
      el('li', { class: 'group' }, 'Nearest, but not close'),
      ...matches.slice(0, FAR_MAX).map(opening),
    );
  }

  /** What is in, without words to look for: the openings of documents. */
  private async browse(filters: Filters, signal: AbortSignal): Promise<void> {
    const where = whereOf(filters);
    const [page, total] = await Promise.all([
      this.passages.scroll({
        where: where ? { $and: [{ passage: 0 }, where] } : { passage: 0 },
        limit: this.k,
        select: ['text', 'metadata'],
        signal,
      }),
      this.passages.count(where, { signal }),
    ]);
    if (signal.aborted) return;
    this.onSpread([]);
    this.hideBeside();
    if (total === 0) return this.showNothing(filters, signal);
    replace(this.status, el('span', { class: 'num' }, `${plural(total, 'passage')}${scope(filters)}`));
    replace(this.measure);
    replace(this.note, ...examples());
    replace(this.list, ...page.records.map(opening));
    this.more.hidden = page.next === undefined || this.k >= K_MAX;
    this.learnForms();
  }

  /** Reads how words are written, so that no search waits for it. While documents come in, that would take the time from them. */
  private learnForms(): void {
    if (this.knowsForms || !isFilled()) return;
    this.passages.query({ keywords: '', prefix: true, select: [] }).then(
      () => {
        this.knowsForms = true;
      },
      () => {}, // the next search tries again
    );
  }

  /** Says which filter to loosen, and how many passages that would give. */
  private async showNothing(filters: Filters, signal: AbortSignal): Promise<void> {
    const active = FIELDS.filter(({ field }) => filters[field]);
    replace(this.list);
    replace(this.measure);
    this.more.hidden = true;
    this.hideBeside();
    this.onSpread([]);
    if (active.length === 0) {
      const empty = (await this.passages.count(undefined, { signal })) === 0;
      const isComing = empty && !isFilled();
      replace(this.status, isComing ? COMING : empty ? 'No documents are in.' : 'Nothing close.');
      replace(
        this.note,
        ...(isComing
          ? examples()
          : [empty ? 'Add your own in the Library.' : 'No passage has these words, and the model does not know them.']),
      );
      return;
    }
    const counts = await Promise.all(
      active.map(({ field }) => this.passages.count(whereOf(filters, field), { signal })),
    );
    if (signal.aborted) return;
    replace(this.status, 'Nothing matches these filters.');
    replace(
      this.note,
      el(
        'div',
        { class: 'loosen' },
        ...active.map(({ field, label }, i) =>
          el(
            'button',
            { type: 'button', class: 'button', on: { click: () => go({ filters: withFilter(filters, field, null) }) } },
            `Any ${label.toLowerCase()} (not only ${inWords(filters[field]!)}) `,
            el('span', { class: 'num soft' }, count(counts[i]!)),
          ),
        ),
        active.length > 1 &&
          el(
            'button',
            { type: 'button', class: 'button', on: { click: () => go({ filters: {} }) } },
            'Clear all filters',
          ),
      ),
    );
  }

  /** Where the best matches lie, once the answer itself is there. */
  private async spread(query: (k: number) => Promise<Matches>, signal: AbortSignal): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 120));
    if (signal.aborted) return;
    const matches = await query(SPREAD);
    this.onSpread(matches.map(({ metadata = {} }) => metadata));
  }

  private showMore(): void {
    const first = this.list.children.length;
    this.k = Math.min(K_MAX, this.k + PAGE);
    const { words, filters } = this.shown!;
    this.update(words, filters).then(() => this.list.children[first]?.querySelector<HTMLElement>('h2 a')?.focus());
  }

  /** Arrows walk the results; from the first one up to the words. */
  private walk(event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const links = [...this.list.querySelectorAll<HTMLElement>('h2 a')];
    const at = links.indexOf(document.activeElement as HTMLElement);
    if (at === -1) return;
    event.preventDefault();
    const next = event.key === 'ArrowDown' ? links[at + 1] : at === 0 ? byId('words') : links[at - 1];
    next?.focus();
  }
}

/** " from 1890 to 1900, Republican": the filters in words. */
function scope(filters: Filters): string {
  const parts = FIELDS.flatMap(({ field }) => {
    const filter = filters[field];
    return filter ? [isRange(filter) ? `from ${inWords(filter)}` : inWords(filter)] : [];
  });
  if (parts.length === 0) return '';
  return `${parts[0]!.startsWith('from ') ? ' ' : ' · '}${parts.join(' · ')}`;
}

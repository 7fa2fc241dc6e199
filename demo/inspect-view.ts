// Inspect: what the page does and what it costs, measured here and now: a search phase by phase, how much of what is nearest it
// finds among these passages, where the bytes are, which models there are.
import type { Collection, CollectionStats, DatabaseStats, QueryPlan } from 'piramid';
import { byId, el, replace } from './dom.ts';
import { type Filters, inWords, whereOf } from './fields.ts';
import { bytes, count, DEVICES, milliseconds, plural } from './format.ts';
import { tellingWords } from './highlight.ts';
import { languageModels } from './language-models.ts';
import { phaseName } from './plan-card.ts';
import { isAbort, sentence } from './problems.ts';
import { FUSION } from './search-view.ts';

/** Searched where there are no words. */
const EXAMPLE = 'gold standard';
const RUNS = 15;
const K = 20;
const SAMPLE = 200;
/** The files of the built-in embedder. */
const EMBEDDER_FILES = ['raw/table.u4', 'raw/scales.f32', 'tokenizer.json'];

const TIERS = { none: 'float32 numbers', f16: 'float16 numbers', int8: 'int8 codes', binary: '1-bit codes' } as const;

type Lines = (readonly [string, string] | false | undefined)[];

export class InspectView {
  readonly element = el('section', { class: 'inspect', 'aria-label': 'Inspect' });
  private readonly passages: Collection;
  private readonly search = el('section', { 'aria-label': 'A search, phase by phase' });
  private readonly recall = el('section', { 'aria-label': 'What is found' });
  private readonly storage = el('section', { 'aria-label': 'Storage' });
  private readonly models = el('section', { 'aria-label': 'Models' });
  private running = new AbortController();

  constructor(passages: Collection) {
    this.passages = passages;
    replace(this.element, this.search, this.recall, this.storage, this.models);
    this.offerRecall();
  }

  /** Measures anew. The newest call wins. */
  async update(words: string, filters: Filters): Promise<void> {
    replace(byId('beside'));
    this.running.abort();
    this.running = new AbortController();
    const { signal } = this.running;
    try {
      const [stats, collection] = await Promise.all([this.passages.database.stats(), this.passages.stats()]);
      if (signal.aborted) return;
      this.showStorage(stats, collection);
      await Promise.all([this.showModels(signal), this.measure(words.trim() || EXAMPLE, filters, signal)]);
    } catch (error) {
      if (!isAbort(error)) replace(this.search, el('p', {}, `It could not be measured. ${sentence(error)}`));
    }
  }

  /** Stops measuring. */
  leave(): void {
    this.running.abort();
  }

  private async measure(words: string, filters: Filters, signal: AbortSignal): Promise<void> {
    const where = whereOf(filters);
    const phases = new Map<string, number[]>();
    const note = (name: string, ms: number) => phases.set(name, [...(phases.get(name) ?? []), ms]);
    let plan: QueryPlan | undefined;
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      const [vector] = await this.passages.database.embed([words], { kind: 'query', signal });
      note('embed', performance.now() - start);
      const matches = await this.passages.query({
        text: tellingWords(words) || words,
        k: K,
        fusion: FUSION,
        explain: true,
        signal,
        ...(vector && { vector }),
        ...(where && { where }),
      });
      plan = matches.plan!;
      for (const { name, ms } of plan.phases) note(name, ms);
    }
    if (signal.aborted || !plan) return;
    this.showSearch(
      words,
      filters,
      plan,
      [...phases].map(([name, times]) => [name, median(times)] as const),
    );
  }

  private showSearch(
    words: string,
    filters: Filters,
    plan: QueryPlan,
    phases: readonly (readonly [name: string, ms: number])[],
  ): void {
    const total = phases.reduce((sum, [, ms]) => sum + ms, 0);
    const filtered = Object.values(filters).map((filter) => inWords(filter!));
    replace(
      this.search,
      el('h2', {}, `The search for “${words}”${filtered.length > 0 ? `, ${filtered.join(', ')}` : ''}`),
      el(
        'table',
        { class: 'phases num' },
        el('caption', { class: 'soft' }, `Medians of ${RUNS} searches, the best ${K}`),
        el(
          'tbody',
          {},
          ...phases.map(([name, ms]) => phaseRow(phaseName(name, plan), ms, total)),
          phaseRow('in all', total, total),
        ),
      ),
      facts([
        plan.device && [
          'Scanned by',
          DEVICES[plan.device] + (plan.workers && plan.workers > 1 ? `, ${plural(plan.workers, 'worker')}` : ''),
        ],
        plan.route !== undefined && ['Why there', plan.route],
        plan.tier && ['Scanned', TIERS[plan.tier]],
        plan.why !== undefined && ['Why these', plan.why],
        plan.candidates !== undefined && ['Scored exactly', plural(plan.candidates, 'candidate')],
      ]),
    );
  }

  private offerRecall(result?: HTMLElement): void {
    const measure = el('button', { type: 'button', class: 'button' }, result ? 'Measure again' : 'Measure');
    measure.addEventListener('click', () => void this.checkRecall(measure));
    replace(
      this.recall,
      el('h2', {}, 'What a search finds of what is nearest'),
      result ??
        el(
          'p',
          { class: 'soft' },
          `${SAMPLE} passages are searched for their 10 nearest, as searches do and by all numbers.`,
        ),
      measure,
    );
  }

  private async checkRecall(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    button.textContent = 'Measuring …';
    try {
      const { recall, atRecords, betweenRecords, k, sample, exactMs, approximateMs } = await this.passages.recallCheck({
        sample: SAMPLE,
      });
      this.offerRecall(
        facts([
          ['Found', `${percent(recall)} of the ${k} nearest of ${plural(sample, 'passage')}`],
          ['By a passage', percent(atRecords)],
          ['Between passages', percent(betweenRecords)],
          ['As searches do', `${milliseconds(approximateMs)} each`],
          ['By all numbers', `${milliseconds(exactMs)} each`],
        ]),
      );
    } catch (error) {
      this.offerRecall(el('p', {}, `It could not be measured. ${sentence(error)}`));
    }
    // Its own button, which had the focus, is another one now.
    if (document.activeElement === document.body) this.recall.querySelector('button')?.focus();
  }

  private showStorage(stats: DatabaseStats, { rows, count: live, bytes: at, dimension }: CollectionStats): void {
    const places = [
      ['In memory', at.memory],
      ['On the GPU', at.gpu],
      ['On disk', at.disk],
    ] as const;
    const most = Math.max(...places.map(([, size]) => size));
    replace(
      this.storage,
      el('h2', {}, `${plural(live, 'passage')}, of ${count(dimension ?? 0)} numbers each`),
      el(
        'table',
        { class: 'phases num' },
        el('caption', { class: 'hidden' }, 'Bytes'),
        el(
          'tbody',
          {},
          ...places.filter(([, size]) => size > 0).map(([what, size]) => barRow(what, bytes(size), size / most)),
        ),
      ),
      facts([
        rows > live && ['Deleted, not yet cleared', count(rows - live)],
        ['Written since opened', bytes(stats.bytesWritten)],
        stats.quota && ['Storage of this site', `${bytes(stats.quota.usage)} of ${bytes(stats.quota.quota)}`],
        stats.isPersistent !== undefined && [
          'Kept by the browser',
          stats.isPersistent ? 'until it is deleted' : 'as long as there is room',
        ],
        stats.isReadOnly && ['Full', 'only deletions are written'],
        stats.damage.length > 0 && ['Damaged', plural(stats.damage.length, 'part')],
        ['This tab', stats.role === 'leader' ? 'runs the database' : 'asks the tab that runs the database'],
        stats.adapter !== undefined && ['GPU', stats.adapter],
        stats.gpuFromBytes !== undefined && ['Asked from', bytes(stats.gpuFromBytes)],
      ]),
    );
  }

  private async showModels(signal: AbortSignal): Promise<void> {
    const [embedder, size, names] = await Promise.all([
      this.passages.database.loadModel('embed', 'static-en', { signal }),
      embedderSize(),
      languageModels(),
    ]);
    if (signal.aborted) return;
    replace(
      this.models,
      el('h2', {}, 'Models'),
      facts([
        [
          embedder.name,
          ['embeds texts', size !== null && bytes(size), `loaded in ${milliseconds(embedder.loadMs)}`, 'MIT licence']
            .filter(Boolean)
            .join(' · '),
        ],
        ...names.map((name) => [name, 'writes answers · loaded when it is asked'] as const),
        names.length === 0 && ['No language model', 'answers are quotations'],
      ]),
    );
  }
}

function facts(lines: Lines): HTMLElement {
  return el('dl', {}, ...lines.flatMap((line) => (line ? [el('dt', {}, line[0]), el('dd', {}, line[1])] : [])));
}

function phaseRow(what: string, ms: number, total: number): HTMLElement {
  return barRow(what, milliseconds(ms), ms / total);
}

function barRow(what: string, figure: string, share: number): HTMLElement {
  const filled = el('i');
  filled.style.width = `${share * 100}%`;
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, what),
    el('td', {}, figure),
    el('td', { 'aria-hidden': 'true' }, el('span', { class: 'bar' }, filled)),
  );
}

let embedderBytes: Promise<number | null> | undefined;

/** Of its files, which lie in a cache or on the server; null where neither says. */
function embedderSize(): Promise<number | null> {
  const sizeOf = async (file: string): Promise<number> => {
    const url = `./models/static-en/${file}`;
    const kept = await globalThis.caches?.match(new URL(url, location.href));
    if (kept) return (await kept.blob()).size;
    const { ok, headers } = await fetch(url, { method: 'HEAD' });
    return ok ? Number(headers.get('Content-Length') ?? Number.NaN) : Number.NaN;
  };
  embedderBytes ??= Promise.all(EMBEDDER_FILES.map(sizeOf))
    .then((sizes) => sizes.reduce((sum, size) => sum + size, 0))
    .then((size) => (Number.isNaN(size) ? null : size))
    .catch(() => null);
  return embedderBytes;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share === 1 ? 0 : 2)} %`;
}

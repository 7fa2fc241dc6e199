// Inspect: what the page does and what it costs, measured here and now: a search phase by phase, how much of what is nearest it
// finds among these passages, where the bytes are, which models there are.
import type { Collection, CollectionStats, DatabaseStats, QueryPlan } from 'piramid';
import { listDocuments } from 'piramid/rag';
import { byId, el, replace } from './dom.ts';
import { type Filters, inWords, whereOf } from './fields.ts';
import { bytes, count, milliseconds, plural } from './format.ts';
import { tellingWords, typing } from './highlight.ts';
import { languageModels } from './language-models.ts';
import { phaseName } from './plan-card.ts';
import { isAbort, sentence } from './problems.ts';
import { FUSION } from './search-view.ts';
import { SIZES } from './sizes.ts';

/** Searched where there are no words. */
const EXAMPLE = 'gold standard';
const RUNS = 15;
const K = 20;
const SAMPLE = 200;
/** The files of the built-in embedder. */
const EMBEDDER_FILES = ['raw/table.u4', 'raw/scales.f32', 'tokenizer.json'];

/** What compares. */
const BY = {
  webgpu: 'the graphics chip (WebGPU)',
  wasm: 'the processor (WASM)',
  js: 'the processor (JavaScript)',
} as const;

/** What is compared. */
const TIERS = {
  none: 'vectors in full (float32)',
  f16: 'vectors in half precision (float16)',
  int8: 'short forms of the vectors (int8), then the best in full',
  binary: 'short forms of the vectors (1 bit a number), then the best in full',
} as const;

/** What each phase of a search does. */
const PHASES: { readonly [name: string]: string } = {
  embed: 'Turn the question into a vector',
  filter: 'Apply the filters',
  scan: 'Compare meanings',
  rescore: 'Compare the best ones exactly',
  words: 'Look up the words',
  fuse: 'Merge meanings and words',
  payload: 'Read the texts found',
};

type Lines = (readonly [string, string] | false | undefined)[];

export class InspectView {
  readonly element = el('section', { class: 'inspect', 'aria-label': 'Inspect' });
  private readonly passages: Collection;
  private readonly search = el('section', { 'aria-label': 'Where the time of a search goes' });
  private readonly recall = el('section', { 'aria-label': 'Whether a search misses anything' });
  private readonly storage = el('section', { 'aria-label': 'What is stored' });
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
      const [stats, collection, documents] = await Promise.all([
        this.passages.database.stats(),
        this.passages.stats(),
        listDocuments(this.passages, { signal }),
      ]);
      if (signal.aborted) return;
      this.showStorage(
        stats,
        collection,
        documents.reduce((sum, { bytes }) => sum + bytes, 0),
      );
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
        ...typing(words),
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
      el(
        'h2',
        {},
        `Where the time goes: a search for “${words}”${filtered.length > 0 ? `, ${filtered.join(', ')}` : ''}`,
      ),
      explain(
        `Measured just now, on this machine: ${RUNS} searches for the best ${K} passages. Each figure is the median, so half of the searches were faster.`,
      ),
      el(
        'table',
        { class: 'phases num' },
        el('caption', { class: 'hidden' }, 'Steps of a search, with the time of each'),
        el(
          'tbody',
          {},
          ...phases.map(([name, ms]) =>
            barRow(PHASES[name] ?? name, milliseconds(ms), ms / total, phaseName(name, plan)),
          ),
          barRow('In all', milliseconds(total), 1),
        ),
      ),
      facts([
        plan.device && [
          'Compared by',
          BY[plan.device] + (plan.workers && plan.workers > 1 ? `, ${plural(plan.workers, 'worker')}` : ''),
        ],
        plan.route !== undefined && ['Why there', plan.route],
        plan.tier && ['What is compared', TIERS[plan.tier]],
        plan.why !== undefined && ['Why in this form', plan.why],
        plan.candidates !== undefined && ['Compared in full', plural(plan.candidates, 'passage')],
      ]),
    );
  }

  private offerRecall(result?: HTMLElement): void {
    const measure = el('button', { type: 'button', class: 'button' }, result ? 'Measure again' : 'Measure');
    measure.addEventListener('click', () => void this.checkRecall(measure));
    replace(
      this.recall,
      el('h2', {}, 'Does a search miss anything?'),
      explain(
        `With many passages, a search may compare short forms of their vectors first, and miss some. To measure it, the 10 nearest of ${SAMPLE} passages are looked for twice: as searches do it, and by comparing everything.`,
      ),
      result,
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
          ['As searches do it', `${milliseconds(approximateMs)} each`],
          ['Comparing everything', `${milliseconds(exactMs)} each`],
        ]),
      );
    } catch (error) {
      this.offerRecall(el('p', {}, `It could not be measured. ${sentence(error)}`));
    }
    // Its own button, which had the focus, is another one now.
    if (document.activeElement === document.body) this.recall.querySelector('button')?.focus();
  }

  private showStorage(
    stats: DatabaseStats,
    { rows, count: live, bytes: at, dimension }: CollectionStats,
    text: number,
  ): void {
    const sizes = [
      [SIZES.text, text],
      [SIZES.disk, at.disk],
      [SIZES.memory, at.memory],
      [SIZES.gpu, at.gpu],
    ] as const;
    const most = Math.max(...sizes.map(([, size]) => size));
    replace(
      this.storage,
      el('h2', {}, `What ${plural(live, 'passage')} take`),
      explain(
        `A passage is a piece of a document. It is kept as text and as a vector: ${count(dimension ?? 0)} numbers that stand for its meaning.`,
      ),
      el(
        'table',
        { class: 'phases num' },
        el('caption', { class: 'hidden' }, 'Sizes'),
        el(
          'tbody',
          {},
          ...sizes
            .filter(([, size]) => size > 0)
            .map(([{ label, meaning }, size]) => barRow(label, bytes(size), size / most, meaning)),
        ),
      ),
      facts([
        rows > live && ['Deleted, not yet cleared', count(rows - live)],
        ['Written since opened', bytes(stats.bytesWritten)],
        stats.quota && ['Used of this site’s storage', `${bytes(stats.quota.usage)} of ${bytes(stats.quota.quota)}`],
        stats.isPersistent !== undefined && [
          'Kept by the browser',
          stats.isPersistent ? 'until it is deleted' : 'as long as there is room',
        ],
        stats.isReadOnly && ['Full', 'only deletions are written'],
        stats.damage.length > 0 && ['Damaged', plural(stats.damage.length, 'part')],
        [
          'This tab',
          stats.role === 'leader'
            ? 'runs the database for all tabs of this page'
            : 'asks the tab that runs the database',
        ],
        stats.adapter !== undefined && ['GPU', stats.adapter],
        stats.gpuFromBytes !== undefined && ['GPU is used from', `${bytes(stats.gpuFromBytes)} of vectors`],
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
      explain('A model turns text into vectors, and another one can write answers. All of them run in this page.'),
      facts([
        [
          embedder.name,
          [
            'turns text into vectors',
            size !== null && bytes(size),
            `loaded in ${milliseconds(embedder.loadMs)}`,
            'MIT licence',
          ]
            .filter(Boolean)
            .join(' · '),
        ],
        ...names.map((name) => [name, 'writes answers · loaded with the first question'] as const),
        names.length === 0 && ['No language model', 'answers are quotations'],
      ]),
    );
  }
}

function facts(lines: Lines): HTMLElement {
  return el('dl', {}, ...lines.flatMap((line) => (line ? [el('dt', {}, line[0]), el('dd', {}, line[1])] : [])));
}

/** What a section shows, for a person who is no engineer. */
function explain(text: string): HTMLElement {
  return el('p', { class: 'soft explain' }, text);
}

/** `note`: what the figure is of, in smaller letters. */
function barRow(what: string, figure: string, share: number, note?: string): HTMLElement {
  const filled = el('i');
  filled.style.width = `${share * 100}%`;
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, what, note !== undefined && el('small', { class: 'soft' }, note)),
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

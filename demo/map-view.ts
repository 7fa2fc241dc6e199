// The map: every passage as a point, close in meaning, close on the plane, drawn while it forms. Colours say a field; the passages that a search
// finds stand out and are listed beside; the pointer shows what a point says, a click opens it.
import type { Collection, Metadata, RecordId } from 'piramid';
import { byId, el, replace } from './dom.ts';
import { FIELDS, type Filters, whereOf } from './fields.ts';
import { plural } from './format.ts';
import { tellingWords } from './highlight.ts';
import { coloursBy, token } from './map/colours.ts';
import type { Progress } from './map/layout.ts';
import LayoutWorker from './map/layout.worker.ts?worker';
import { Plot } from './map/plot.ts';
import { isAbort, sentence } from './problems.ts';
import { opening } from './result.ts';
import { FUSION } from './search-view.ts';
import { go, state } from './state.ts';

const PAGE = 1000;
/** Passages that a search lights up. */
const FOUND = 20;
/** Readers of the pointer's way need no text for each point on it. */
const HOVER_PAUSE_MS = 80;

export class MapView {
  readonly element = el('section', { class: 'map', 'aria-label': 'Map' });
  private readonly passages: Collection;
  private readonly canvas = el('canvas', {
    tabindex: 0,
    role: 'img',
    'aria-label': 'Passages by meaning. Plus and minus zoom, arrows move, 0 shows all.',
  });
  private readonly status = el('p', { role: 'status' });
  private readonly legend = el('div');
  private readonly field = el(
    'select',
    { class: 'field', 'aria-label': 'Coloured by' },
    ...FIELDS.map(({ field, label }) => el('option', { value: field }, label)),
  );
  private readonly hovered = el('section', { class: 'card', 'aria-label': 'Under the pointer', hidden: true });
  private readonly found = el('section', { 'aria-label': 'Found' });
  private readonly plot: Plot;
  private ids: RecordId[] = [];
  private metadata: Metadata[] = [];
  private place = new Map<RecordId, number>();
  private lit: ReadonlySet<number> = new Set();
  private loading: Promise<void> | undefined;
  /** From the first page that is read until the points stand still. */
  private isForming = false;
  /** Documents have come or gone since. */
  private isStale = false;
  private running = new AbortController();
  private hovering: ReturnType<typeof setTimeout> | undefined;

  constructor(passages: Collection) {
    this.passages = passages;
    this.plot = new Plot(this.canvas);
    this.plot.onPoint = (point) => this.hover(point);
    this.plot.onChoose = (point) => this.open(point);
    this.field.addEventListener('change', () => this.paint(state().filters));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint(state().filters));
    const fit = el('button', { type: 'button', class: 'button', on: { click: () => this.plot.fit() } }, 'Show all');
    replace(
      this.element,
      el('div', { class: 'meta' }, this.status),
      el('div', { class: 'tools' }, el('label', { class: 'soft' }, 'Coloured by ', this.field), fit),
      this.canvas,
      this.legend,
    );
  }

  /** Shows the map, and on it what the words find. The newest call wins. */
  async update(words: string, filters: Filters): Promise<void> {
    replace(byId('beside'), this.hovered, this.found);
    this.running.abort();
    this.running = new AbortController();
    const { signal } = this.running;
    if (!this.plot.canDraw) {
      replace(this.status, 'This browser cannot draw the map: it has no WebGL.');
      return;
    }
    if (this.isStale && !this.isForming) {
      this.loading = undefined;
      this.isStale = false;
    }
    try {
      this.loading ??= this.load().catch((error) => {
        this.loading = undefined;
        this.isForming = false;
        throw error;
      });
      await this.loading;
      if (signal.aborted) return;
      await this.light(words.trim(), filters, signal);
    } catch (error) {
      if (!isAbort(error)) replace(this.status, `The map could not be drawn. ${sentence(error)}`);
    }
  }

  /** Documents have come or gone: it is made anew when it stands still and is seen. */
  outdated(): void {
    this.isStale = true;
  }

  private async load(): Promise<void> {
    this.isForming = true;
    const ids: RecordId[] = [];
    const metadata: Metadata[] = [];
    const vectors: Float32Array[] = [];
    const total = await this.passages.count();
    let cursor: string | undefined;
    do {
      const page = await this.passages.scroll({
        limit: PAGE,
        select: ['vector', 'metadata'],
        ...(cursor !== undefined && { cursor }),
      });
      for (const record of page.records) {
        if (!record.vector) continue;
        ids.push(record.id);
        metadata.push(record.metadata ?? {});
        vectors.push(record.vector as Float32Array);
      }
      cursor = page.next;
      replace(this.status, `Reading ${plural(total, 'passage')}`);
    } while (cursor !== undefined);
    this.ids = ids;
    this.metadata = metadata;
    this.place = new Map(ids.map((id, i) => [id, i]));
    await this.layOut(vectors);
  }

  /** Resolves when there is something to see; the map goes on forming. */
  private layOut(vectors: readonly Float32Array[]): Promise<void> {
    if (vectors.length === 0) {
      this.isForming = false;
      replace(this.status, 'Nothing is in yet.');
      this.plot.setPositions(new Float32Array());
      return Promise.resolve();
    }
    const dimension = vectors[0]!.length;
    const all = new Float32Array(vectors.length * dimension);
    for (const [i, vector] of vectors.entries()) all.set(vector, i * dimension);
    const worker = new LayoutWorker();
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    return new Promise((resolve, reject) => {
      worker.onerror = () => reject(new Error('The part that lays it out could not be started.'));
      worker.onmessage = ({ data: { positions, done } }: MessageEvent<Progress>) => {
        if (!isStill || done === 0 || done === 1) this.plot.setPositions(positions);
        this.element.dataset.done = String(done);
        const text = `${plural(vectors.length, 'passage')}, each near those that mean alike`;
        replace(this.status, done < 1 ? `${text} · ${Math.round(done * 100)} %` : text);
        resolve();
        if (done < 1) return;
        worker.terminate();
        this.isForming = false;
        if (this.isStale && !this.element.hidden) void this.update(state().words, state().filters);
      };
      worker.postMessage({ vectors: all, dimension }, [all.buffer]);
    });
  }

  private async light(words: string, filters: Filters, signal: AbortSignal): Promise<void> {
    this.lit = new Set();
    replace(this.found);
    this.paint(filters);
    if (words === '') return;
    const where = whereOf(filters);
    const [vector] = await this.passages.database.embed([words], { kind: 'query', signal });
    const matches = await this.passages.query({
      text: tellingWords(words) || words,
      fusion: FUSION,
      k: FOUND,
      select: ['text', 'metadata'],
      signal,
      ...(vector && { vector }),
      ...(where && { where }),
    });
    if (signal.aborted) return;
    this.lit = new Set(matches.flatMap(({ id }) => this.place.get(id) ?? []));
    this.paint(filters);
    replace(this.found, el('h2', {}, `Nearest to “${words}”`), el('ol', { class: 'results' }, ...matches.map(opening)));
    this.element.dataset.words = words;
  }

  private paint(filters: Filters): void {
    const { bytes, legend } = coloursBy(this.field.value, this.metadata, filters);
    const accent = token('--warn');
    for (const point of this.lit) bytes.set([...accent, 255], point * 4);
    this.plot.setLook(bytes, this.lit);
    replace(this.legend, legend);
  }

  private hover(point: number | null): void {
    clearTimeout(this.hovering);
    this.canvas.classList.toggle('on', point !== null);
    if (point === null) return;
    this.hovering = setTimeout(async () => {
      const [record] = await this.passages.get([this.ids[point]!], { select: ['text', 'metadata'] }).catch(() => []);
      if (!record) return;
      replace(this.hovered, el('h2', {}, 'Under the pointer'), el('ol', { class: 'results' }, opening(record)));
      this.hovered.hidden = false;
    }, HOVER_PAUSE_MS);
  }

  private open(point: number): void {
    const { document, start, end } = this.metadata[point] as {
      document?: { id?: string };
      start?: number;
      end?: number;
    };
    if (document?.id === undefined) return;
    go({ reading: { document: document.id, ...(start !== undefined && end !== undefined && { start, end }) } });
  }
}

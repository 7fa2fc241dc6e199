// The map: every passage as a point, close in meaning, close on the plane, drawn while it forms. Colours say a field; the passages that a search
// finds stand out and are listed beside; regions are named by their words. The pointer shows the beginning of a passage, a click
// chooses it and shows all of it beside, and a second click opens it in its document.
import type { Collection, Metadata, RecordId, StoredRecord } from 'piramid';
import { byId, el, replace } from './dom.ts';
import { FIELDS, type Filters, whereOf } from './fields.ts';
import { plural } from './format.ts';
import { tellingWords, typing } from './highlight.ts';
import { coloursBy, token } from './map/colours.ts';
import { Labels } from './map/labels.ts';
import type { Progress } from './map/layout.ts';
import LayoutWorker from './map/layout.worker.ts?worker';
import { Plot } from './map/plot.ts';
import { regions, tellingOf } from './map/regions.ts';
import { isAbort, sentence } from './problems.ts';
import { opening, readingOf, whole } from './result.ts';
import { FUSION } from './search-view.ts';
import { go, state } from './state.ts';

const PAGE = 1000;
/** Passages that a search lights up. */
const FOUND = 20;
const REGIONS = 16;
/** Passages of a region that its words are taken from. */
const REGION_SAMPLE = 40;
/** Readers of the pointer's way need no text for each point on it. */
const HOVER_PAUSE_MS = 80;

const CANVAS = 'Passages by meaning. Plus and minus zoom, arrows move, 0 shows all.';

export class MapView {
  readonly element = el('section', { class: 'map', 'aria-label': 'Map' });
  private readonly passages: Collection;
  private readonly canvas = el('canvas', {
    tabindex: 0,
    role: 'img',
    'aria-label': CANVAS,
  });
  private readonly status = el('p', { role: 'status' });
  private readonly legend = el('div');
  private readonly field = el(
    'select',
    { class: 'field', 'aria-label': 'Coloured by' },
    ...FIELDS.map(({ field, label }) => el('option', { value: field }, label)),
  );
  /** The chosen passage, or the one under the pointer. */
  private readonly card = el('section', { class: 'card', 'aria-label': 'Passage', hidden: true });
  private readonly labels = new Labels();
  /** Around the chosen point. */
  private readonly ring = el('i', { class: 'ring', hidden: true });
  private readonly found = el('section', { 'aria-label': 'Found' });
  private readonly plot: Plot;
  private ids: RecordId[] = [];
  private metadata: Metadata[] = [];
  private place = new Map<RecordId, number>();
  private lit: ReadonlySet<number> = new Set();
  private chosen: number | null = null;
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
    this.plot.onChoose = (point) => void this.choose(point);
    this.plot.onDrawn = () => {
      this.labels.place((x, y) => this.plot.toCanvas(x, y));
      if (this.chosen === null) return;
      const [x, y] = this.plot.pointOnCanvas(this.chosen);
      this.ring.style.translate = `${x}px ${y}px`;
    };
    this.canvas.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.chosen === null) return;
      event.preventDefault();
      void this.choose(null);
    });
    this.field.addEventListener('change', () => this.paint(state().filters));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint(state().filters));
    const fit = el('button', { type: 'button', class: 'button', on: { click: () => this.plot.fit() } }, 'Show all');
    replace(
      this.element,
      el('div', { class: 'meta' }, this.status),
      el('div', { class: 'tools' }, el('label', { class: 'soft' }, 'Coloured by ', this.field), fit),
      el('div', { class: 'plane' }, this.canvas, this.labels.element, this.ring),
      this.legend,
    );
  }

  /** Shows the map, and on it what the words find. The newest call wins. */
  async update(words: string, filters: Filters): Promise<void> {
    replace(byId('beside'), this.card, this.found);
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
    void this.choose(null);
    this.labels.show([]);
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
        this.nameRegions(positions).catch(() => {}); // the map is there without names
        if (this.isStale && !this.element.hidden) void this.update(state().words, state().filters);
      };
      worker.postMessage({ vectors: all, dimension }, [all.buffer]);
    });
  }

  private async nameRegions(positions: Float32Array): Promise<void> {
    const { ids } = this;
    const found = regions(positions, REGIONS);
    const words: string[][][] = [];
    for (const { points } of found) {
      const step = Math.max(1, points.length / REGION_SAMPLE);
      const sample = Array.from(
        { length: Math.floor(points.length / step) },
        (_, i) => ids[points[Math.floor(i * step)]!]!,
      );
      const records = await this.passages.get(sample, { select: ['text'] });
      words.push(records.map(({ text = '' }) => tellingWords(text).split(' ')));
    }
    if (ids !== this.ids) return; // another map has come
    const telling = tellingOf(words);
    const labels = found.flatMap(({ x, y }, i) => {
      const text = telling[i]!.join(', ');
      return text === '' ? [] : [{ x, y, text }];
    });
    this.labels.show(labels);
    this.plot.draw();
    const names = labels.map(({ text }) => text).join('; ');
    this.canvas.setAttribute('aria-label', `${CANVAS}${names === '' ? '' : ` Regions: ${names}.`}`);
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
      ...typing(words),
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
    if (point === null || this.chosen !== null) return;
    this.hovering = setTimeout(async () => {
      const record = await this.read(point);
      if (!record || this.chosen !== null) return;
      replace(this.card, el('h2', {}, 'Under the pointer'), el('ol', { class: 'results' }, opening(record)));
      this.card.hidden = false;
    }, HOVER_PAUSE_MS);
  }

  /** Chooses a passage; the chosen one again opens it, and null chooses none. */
  private async choose(point: number | null): Promise<void> {
    clearTimeout(this.hovering);
    if (point !== null && point === this.chosen) return go({ reading: readingOf(this.metadata[point]!) });
    this.chosen = point;
    this.ring.hidden = point === null;
    this.plot.draw();
    if (point === null) {
      this.card.hidden = true;
      return;
    }
    const record = await this.read(point);
    if (!record || point !== this.chosen) return;
    const passage = whole(record, tellingWords(state().words));
    replace(this.card, el('h2', { role: 'status' }, 'Chosen passage'), el('ol', { class: 'results' }, passage));
    this.card.hidden = false;
    // On narrow screens it is below.
    this.card.scrollIntoView({ block: 'nearest' });
  }

  private async read(point: number): Promise<StoredRecord | undefined> {
    return (await this.passages.get([this.ids[point]!], { select: ['text', 'metadata'] }).catch(() => []))[0];
  }
}

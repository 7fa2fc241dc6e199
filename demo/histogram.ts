// How many passages lie where along a number, with a range to choose: drag over the bars, or type the two ends. A second,
// stronger row of bars shows where the best matches of the present words are.
import type { Facet } from 'piramid';
import { el, svg } from './dom.ts';
import { count } from './format.ts';

const [WIDTH, HEIGHT] = [220, 52];
const BARS_MAX = 30;
const NICE_STEPS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000];

type Range = readonly [from: number, to: number];

export class Histogram {
  readonly element: HTMLElement;
  private readonly picture: SVGSVGElement;
  private readonly bars = svg('g', { class: 'all' });
  private readonly matches = svg('g', { class: 'matches' });
  private readonly from: HTMLInputElement;
  private readonly to: HTMLInputElement;
  private readonly onChoose: (range: Range | null) => void;
  /** The numbers that there are. */
  private extent: Range = [0, 0];
  private step = 1;
  private counts: readonly { value: number; count: number }[] = [];
  private chosen: Range | undefined;
  private found: readonly number[] = [];

  constructor(label: string, onChoose: (range: Range | null) => void) {
    this.onChoose = onChoose;
    this.picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'histogram' });
    this.picture.append(this.bars, this.matches);
    const end = (name: string) =>
      el('input', {
        type: 'number',
        class: 'num',
        'aria-label': `${label}, ${name}`,
        on: { change: () => this.typed() },
      });
    this.from = end('from');
    this.to = end('to');
    this.element = el(
      'div',
      {},
      this.picture,
      el('div', { class: 'ends' }, this.from, el('span', { class: 'soft', 'aria-hidden': 'true' }, 'to'), this.to),
    );
    this.brush();
  }

  show(facets: readonly Facet[], chosen: Range | undefined): void {
    this.counts = facets.filter(({ value }) => typeof value === 'number') as { value: number; count: number }[];
    this.chosen = chosen;
    if (this.counts.length > 0) {
      const values = this.counts.map(({ value }) => value);
      // Never narrower than before: bars that move while one drags over them cannot be hit.
      const [least, most] = [Math.min(...values), Math.max(...values)];
      this.extent =
        this.extent[1] === 0 ? [least, most] : [Math.min(this.extent[0], least), Math.max(this.extent[1], most)];
    }
    const [least, most] = this.extent;
    this.step = NICE_STEPS.find((step) => Math.ceil((most - least + 1) / step) <= BARS_MAX) ?? most - least + 1;
    for (const [input, value] of [
      [this.from, chosen?.[0] ?? least],
      [this.to, chosen?.[1] ?? most],
    ] as const) {
      input.min = String(least);
      input.max = String(most);
      if (input !== document.activeElement) input.value = String(value);
    }
    this.draw();
  }

  showMatches(values: readonly number[]): void {
    this.found = values;
    this.draw();
  }

  private draw(): void {
    const all = this.binned(this.counts);
    const found = this.binned(this.found.map((value) => ({ value, count: 1 })));
    const [most, mostFound] = [Math.max(1, ...all), Math.max(1, ...found)];
    const width = WIDTH / all.length;
    const bar = (height: number, i: number, name: string) =>
      svg('rect', {
        x: (i * width + 0.5).toFixed(2),
        y: (HEIGHT - height).toFixed(2),
        width: Math.max(1, width - 1.5).toFixed(2),
        height: height.toFixed(2),
        class: name,
      });
    this.bars.replaceChildren(
      ...all.map((value, i) =>
        bar(value === 0 ? 0 : Math.max(1, (value / most) * HEIGHT), i, this.isChosen(i) ? 'in' : 'out'),
      ),
    );
    this.matches.replaceChildren(
      ...found.flatMap((value, i) =>
        value === 0 ? [] : [bar(Math.max(2, (value / mostFound) * HEIGHT * 0.9), i, 'match')],
      ),
    );
    const total = this.counts.reduce((sum, entry) => sum + entry.count, 0);
    const [from, to] = this.chosen ?? this.extent;
    this.picture.setAttribute(
      'aria-label',
      `${count(total)} passages from ${this.extent[0]} to ${this.extent[1]}; chosen: ${from} to ${to}`,
    );
  }

  private binned(entries: readonly { value: number; count: number }[]): number[] {
    const [least, most] = this.extent;
    const first = Math.floor(least / this.step);
    const bins = new Array<number>(Math.floor(most / this.step) - first + 1).fill(0);
    for (const { value, count } of entries) {
      const i = Math.floor(value / this.step) - first;
      if (i in bins) bins[i]! += count;
    }
    return bins;
  }

  private isChosen(bin: number): boolean {
    if (!this.chosen) return false;
    const start = (Math.floor(this.extent[0] / this.step) + bin) * this.step;
    return start <= this.chosen[1] && start + this.step > this.chosen[0];
  }

  private typed(): void {
    const [least, most] = this.extent;
    const [a, b] = [this.from, this.to].map((input, i) =>
      input.value === '' ? this.extent[i]! : Math.round(input.valueAsNumber),
    );
    this.choose([Math.max(least, Math.min(a!, b!)), Math.min(most, Math.max(a!, b!))]);
  }

  private choose(range: Range): void {
    const everything = range[0] <= this.extent[0] && range[1] >= this.extent[1];
    this.onChoose(everything || range[0] > range[1] ? null : range);
  }

  /** Dragging chooses; a click chooses one bar, or everything if that bar is what is chosen. */
  private brush(): void {
    let start: number | undefined;
    let range: Range = this.extent;
    let before: Range | undefined;
    this.picture.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      start = this.valueAt(event);
      range = this.between(start, start);
      before = this.chosen;
      this.picture.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.picture.addEventListener('pointermove', (event) => {
      if (start === undefined) return;
      range = this.between(start, this.valueAt(event));
      this.chosen = range;
      this.from.value = String(range[0]);
      this.to.value = String(range[1]);
      this.draw();
    });
    const finish = () => {
      if (start === undefined) return;
      start = undefined;
      if (before && before[0] === range[0] && before[1] === range[1]) this.onChoose(null);
      else this.choose(range);
    };
    this.picture.addEventListener('pointerup', finish);
    this.picture.addEventListener('pointercancel', finish);
  }

  private valueAt(event: PointerEvent): number {
    const { left, width } = this.picture.getBoundingClientRect();
    const bins = Math.floor(this.extent[1] / this.step) - Math.floor(this.extent[0] / this.step) + 1;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * bins)));
    return (Math.floor(this.extent[0] / this.step) + bin) * this.step;
  }

  /** From the first of one bar to the last of another. */
  private between(a: number, b: number): Range {
    const [least, most] = this.extent;
    return [Math.max(least, Math.min(a, b)), Math.min(most, Math.max(a, b) + this.step - 1)];
  }
}

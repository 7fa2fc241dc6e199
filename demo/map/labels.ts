// The words of regions, over the points. One that would cover another, or leave the canvas, is not shown.
import { el, replace } from '../dom.ts';

export interface Label {
  x: number;
  y: number;
  text: string;
}

/** Where a place of the plane is on the canvas, CSS pixels. */
export type ToCanvas = (x: number, y: number) => readonly [x: number, y: number];

const GAP_PX = 6;

export class Labels {
  /** The canvas says the same words to a screen reader. */
  readonly element = el('div', { class: 'labels', 'aria-hidden': 'true' });
  private shown: { label: Label; span: HTMLElement }[] = [];
  /** Of each label, once it has been seen. */
  private sizes: { width: number; height: number }[] = [];

  /** The most important first. */
  show(labels: readonly Label[]): void {
    this.shown = labels.map((label) => ({ label, span: el('span', {}, label.text) }));
    this.sizes = [];
    replace(this.element, ...this.shown.map(({ span }) => span));
  }

  place(toCanvas: ToCanvas): void {
    const { clientWidth, clientHeight } = this.element;
    if (this.sizes.length === 0)
      this.sizes = this.shown.map(({ span }) => ({ width: span.offsetWidth, height: span.offsetHeight }));
    const taken: { left: number; right: number; top: number; bottom: number }[] = [];
    for (const [i, { label, span }] of this.shown.entries()) {
      const { width, height } = this.sizes[i]!;
      const [x, y] = toCanvas(label.x, label.y);
      const isInside = x >= 0 && x <= clientWidth && y >= 0 && y <= clientHeight;
      const left = Math.max(0, Math.min(clientWidth - width, x - width / 2));
      const top = Math.max(0, Math.min(clientHeight - height, y - height / 2));
      const box = { left, right: left + width + GAP_PX, top, bottom: top + height + GAP_PX };
      const isFree = taken.every(
        (other) =>
          box.left >= other.right || box.right <= other.left || box.top >= other.bottom || box.bottom <= other.top,
      );
      span.hidden = !isInside || !isFree;
      if (span.hidden) continue;
      taken.push(box);
      span.style.translate = `${left}px ${top}px`;
    }
  }
}

import { el } from './dom.ts';

/** How much of something is done, as a bar. */
export function progressBar(label: string, done: number, of: number): HTMLElement {
  const filled = el('i');
  filled.style.width = `${(done / Math.max(1, of)) * 100}%`;
  return el(
    'div',
    {
      class: 'progress',
      role: 'progressbar',
      'aria-label': label,
      'aria-valuenow': done,
      'aria-valuemin': 0,
      'aria-valuemax': of,
    },
    filled,
  );
}

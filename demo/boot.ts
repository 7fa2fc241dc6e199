// What works before the database is open: the words can be typed, links of the page itself change its state instead of
// loading it again, and a first visit shows what can be asked.
import { isFilled } from './corpus.ts';
import { byId, el, replace } from './dom.ts';
import { examples } from './examples.ts';
import { go, onChange, state, stateOf } from './state.ts';

/** While nothing is in. */
export const COMING = 'The first addresses are coming in.';

/** Called before anything is waited for. */
export function boot(): void {
  const words = byId<HTMLInputElement>('words');
  words.value ||= state().words;
  onChange((now) => {
    if (words.value !== now.words) words.value = now.words;
  });
  if (!state().reading) words.focus();
  addEventListener('click', follow);
  if (isFilled()) return;
  const note = el('div', { class: 'note' }, ...examples());
  replace(byId('main'), el('div', { class: 'meta' }, el('p', { role: 'status' }, COMING)), note);
}

function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-go]') : null;
  if (!link) return;
  event.preventDefault();
  const { reading, ...rest } = stateOf(link.href);
  go({ ...rest, reading });
}

// What works before the database is open: the words can be typed, and links of the page itself change its state instead
// of loading it again.
import { byId } from './dom.ts';
import { go, state, stateOf } from './state.ts';

/** Called before anything is waited for. */
export function boot(): void {
  byId<HTMLInputElement>('words').value ||= state().words;
  if (!state().reading) byId('words').focus();
  addEventListener('click', follow);
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
